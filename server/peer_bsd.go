//go:build darwin || freebsd

package server

import "golang.org/x/sys/unix"

// maxSocketPath is the size of sun_path in sockaddr_un, less the final zero.
const maxSocketPath = 103

// peerUID is the user at the other end of a Unix socket, by unix(4).
func peerUID(fd int) (uint32, error) {
	cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return cred.Uid, nil
}
