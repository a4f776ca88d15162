package server

import "golang.org/x/sys/unix"

// maxSocketPath is the size of sun_path in sockaddr_un, less the final zero.
const maxSocketPath = 107

// peerUID is the user at the other end of a Unix socket, by unix(7).
func peerUID(fd int) (uint32, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, err
	}
	return cred.Uid, nil
}
