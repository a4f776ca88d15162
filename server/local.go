package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"golang.org/x/sys/unix"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// The local socket is how the owner of the host reaches the server without any
// standing secret: a unix socket, mode 0600 in a directory of mode 0700, on which
// the kernel says who is calling. It speaks HTTP with JSON bodies:
//
//	GET  /status       StatusReply
//	POST /credentials  CredentialsRequest → CredentialsReply
//	POST /managed-policies  ManagedPolicy → ManagedPolicyReply
//	POST /revoke       RevokeRequest → RevokeReply
//	POST /claim        ClaimRequest → LinkReply
//	POST /recover      RecoverRequest → LinkReply
//	GET  /key?id=…     KeyReply
//	GET  /keys/calls?id=…  lines of KeyCallsLine: what a key and its sessions did
//	POST /keys/check   KeyCheckRequest → KeyCheckReply: do these work here?
//	GET  /tokens       TokensReply, of ?account=…
//	POST /tokens       TokensRequest → TokensReply: import hardware tokens
//	DELETE /tokens     TokensRequest → TokensReply
//	POST /backup       BackupRequest → BackupReply: before and after a backup
//	POST /support      a zip: what helps to find out what is wrong
//	GET  /why?id=…     WhyReply of one request, or of the last denial without id
//
// It is an interface between the lanyard command and the server of one release,
// not a contract.

const (
	socketName = "lanyard.sock"
	// How long local credentials live, by default and at most: an hour, as a role
	// session, and twelve, the longest a role session may last.
	defaultLocalSession = time.Hour
	maxLocalSession     = 12 * time.Hour
	minLocalSession     = 15 * time.Minute
	maxLocalRootSession = time.Hour // as GetSessionToken gives root
)

// StatusReply describes a running server.
type StatusReply struct {
	URL      string          `json:"url"`
	Version  string          `json:"version"`
	Dev      bool            `json:"dev"`
	Region   string          `json:"region"`
	Accounts []arn.AccountID `json:"accounts"`
	Time     time.Time       `json:"time"` // by the server's clock
}

// CredentialsRequest asks for credentials of the owner.
type CredentialsRequest struct {
	Account arn.AccountID `json:"account,omitempty"` // empty: the first
	Seconds int           `json:"seconds,omitempty"`
	Root    bool          `json:"root,omitempty"` // a session of the root user, for what only root may do
}

// CredentialsReply are temporary credentials and what to use them with.
type CredentialsReply struct {
	AccessKeyID     string        `json:"accessKeyId"`
	SecretAccessKey string        `json:"secretAccessKey"`
	SessionToken    string        `json:"sessionToken"`
	Expires         time.Time     `json:"expires"`
	Account         arn.AccountID `json:"account"`
	ARN             string        `json:"arn"`
	Region          string        `json:"region"`
	URL             string        `json:"url"`
}

// WhyReply is what is on record of one request.
type WhyReply struct {
	Record   json.RawMessage `json:"record"` // CloudTrail's record
	Decision *audit.Decision `json:"decision,omitempty"`
	Message  string          `json:"encodedMessage,omitempty"`
	Now      time.Time       `json:"now"`
}

// DefaultSocket is where a development server listens for its owner, and where
// the lanyard command looks for it when no data directory is named.
func DefaultSocket() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, socketName)
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("lanyard-%d", os.Getuid()), socketName)
}

// SocketIn is where the server of a data directory listens for its owner.
func SocketIn(dataDir string) string { return filepath.Join(dataDir, socketName) }

type localSocket struct {
	net.Listener
	path string
	made os.FileInfo // what is at path
}

// Close stops listening and removes the socket, unless another server has put its
// own there meanwhile.
func (l *localSocket) Close() error {
	err := l.Listener.Close()
	if now, e := os.Lstat(l.path); e == nil && os.SameFile(now, l.made) {
		_ = os.Remove(l.path)
	}
	return err
}

func (s *Server) listenLocal() (*localSocket, error) {
	path := s.config.Socket
	switch {
	case path != "":
	case s.config.Dev:
		path = DefaultSocket()
	default:
		path = SocketIn(s.config.DataDir)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("local socket: %w", err)
	}
	if err := checkOwned(dir); err != nil {
		return nil, fmt.Errorf("local socket: %w", err)
	}
	// A socket that nobody answers on is left over from a server that was killed.
	if conn, err := dialSocket(context.Background(), path); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("another server answers on %s: choose another place with --socket", path)
	}
	l, err := bindSocket(path)
	if err != nil {
		return nil, fmt.Errorf("local socket: %w", err)
	}
	socket := &localSocket{Listener: l, path: path}
	if socket.made, err = os.Lstat(path); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("local socket: %w", err)
	}
	return socket, nil
}

// bindSocket makes a socket of mode 0600 at path. It comes into being in a
// directory of its own, so that nobody can reach it before its mode is set.
func bindSocket(path string) (net.Listener, error) {
	private, err := os.MkdirTemp(filepath.Dir(path), ".lanyard-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(private)
	first := filepath.Join(private, socketName)
	short, done, err := shortPath(first)
	if err != nil {
		return nil, err
	}
	defer done()
	l, err := net.Listen("unix", short)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // it is moved, and removed by Close
	err = os.Chmod(first, 0o600)
	if err == nil {
		err = os.Rename(first, path)
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// checkOwned refuses a directory in which someone else could replace the socket.
func checkOwned(dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if int(st.Uid) != os.Getuid() && st.Uid != 0 {
		return fmt.Errorf("%s belongs to another user", dir)
	}
	// In a sticky directory such as /tmp, others can add files but replace none of
	// ours; its owner could, and is root or us.
	if st.Mode&0o022 != 0 && st.Mode&unix.S_ISVTX == 0 {
		return fmt.Errorf("%s can be written by others: make it mode 0700", dir)
	}
	return nil
}

// shortPath gives a path to a socket that fits into a socket address, however
// long the real one is: on Linux, through an open descriptor of its directory.
func shortPath(path string) (short string, done func(), err error) {
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	if runtime.GOOS != "linux" {
		return "", nil, fmt.Errorf("%s: the path of a socket has at most %d bytes here; choose another with --socket", path, maxSocketPath)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { _ = dir.Close() }, nil
}

// dialSocket connects to a local socket.
func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	short, done, err := shortPath(path)
	if err != nil {
		return nil, err
	}
	defer done()
	var d net.Dialer
	return d.DialContext(ctx, "unix", short)
}

// NewLocalClient is an HTTP client that reaches a server by its local socket,
// whatever host its URLs name.
func NewLocalClient(path string) *http.Client {
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := dialSocket(ctx, path)
			if err != nil {
				return nil, err
			}
			// Anyone may have put a socket into a directory that others can write.
			// Root may use everyone's server.
			who := peerOf(conn)
			if self := os.Getuid(); who.err != nil || self != 0 && who.uid != 0 && int(who.uid) != self {
				_ = conn.Close()
				return nil, fmt.Errorf("the server on %s is run by another user", path)
			}
			return conn, nil
		}},
	}
}

// peer is who is at the other end of a local connection, as the kernel says.
type peer struct {
	uid uint32
	err error
}

type peerKey struct{}

// peerContext makes known who connected.
func peerContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, peerOf(c))
}

// peerOf asks the kernel who is at the other end.
func peerOf(c net.Conn) peer {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return peer{err: errors.New("not a unix socket")}
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return peer{err: err}
	}
	var p peer
	if err := raw.Control(func(fd uintptr) { p.uid, p.err = peerUID(int(fd)) }); err != nil {
		p.err = err
	}
	return p
}

// localHandler answers on the local socket.
func (s *Server) localHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", s.serveStatus)
	mux.HandleFunc("POST /credentials", s.serveCredentials)
	mux.HandleFunc("POST /revoke", s.serveRevoke)
	mux.HandleFunc("POST /claim", s.serveClaim)
	mux.HandleFunc("POST /recover", s.serveRecover)
	mux.HandleFunc("POST /managed-policies", s.serveManagedPolicy)
	mux.HandleFunc("POST /backup", s.serveBackup)
	mux.HandleFunc("POST /support", s.serveSupport)
	mux.HandleFunc("GET /why", s.serveWhy)
	mux.HandleFunc("GET /key", s.serveKey)
	mux.HandleFunc("GET /keys/calls", s.serveKeyCalls)
	mux.HandleFunc("POST /keys/check", s.serveCheckKeys)
	mux.HandleFunc("GET /tokens", s.serveTokens)
	mux.HandleFunc("POST /tokens", s.serveImportTokens)
	mux.HandleFunc("DELETE /tokens", s.serveRemoveTokens)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := r.Context().Value(peerKey{}).(peer)
		if !ok || p.err != nil || (p.uid != uint32(os.Getuid()) && p.uid != 0) {
			localError(w, http.StatusForbidden, "this socket is for the owner of the server only")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func localError(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": message})
}

func localReply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v)
}

func (s *Server) serveStatus(w http.ResponseWriter, _ *http.Request) {
	localReply(w, StatusReply{URL: s.URL(), Version: s.config.Version, Dev: s.config.Dev, Region: s.config.Region, Accounts: s.Accounts(), Time: s.clock.Now().UTC()})
}

// serveCredentials gives the owner temporary credentials and puts that on record,
// in one transaction.
func (s *Server) serveCredentials(w http.ResponseWriter, r *http.Request) {
	var in CredentialsRequest
	if err := readJSON(r, &in); err != nil {
		localError(w, http.StatusBadRequest, err.Error())
		return
	}
	if in.Account == "" {
		in.Account = s.Accounts()[0]
	}
	lifetime := time.Duration(in.Seconds) * time.Second
	if lifetime == 0 {
		lifetime = defaultLocalSession
	}
	longest := maxLocalSession
	if in.Root {
		longest = maxLocalRootSession
	}
	if lifetime < minLocalSession || lifetime > longest {
		localError(w, http.StatusBadRequest, fmt.Sprintf("such a session lasts from %s to %s", minLocalSession, longest))
		return
	}
	who := r.Context().Value(peerKey{}).(peer)
	reply, err := s.ownerCredentials(r.Context(), in, lifetime, who)
	if err != nil {
		s.log.Error("owner credentials", "error", err)
		localError(w, http.StatusInternalServerError, err.Error())
		return
	}
	localReply(w, reply)
}

func (s *Server) ownerCredentials(ctx context.Context, in CredentialsRequest, lifetime time.Duration, who peer) (CredentialsReply, error) {
	now := s.clock.Now().UTC().Truncate(time.Second)
	scope := arn.Scope{Partition: arn.PartitionOf(s.config.Region), Account: in.Account}
	name := loginName(who.uid)
	reply := CredentialsReply{Account: in.Account, Region: s.config.Region, URL: s.URL(), Expires: now.Add(lifetime)}
	err := s.store.Update(ctx, func(tx store.Tx) error {
		role, err := s.ownerRole(tx, in.Account)
		if err != nil {
			return err
		}
		sess := &session.Session{
			Kind:        session.Role,
			Account:     in.Account,
			PrincipalID: role.ID,
			Name:        name,
			Issued:      now,
			Expires:     now.Add(lifetime),
			MFAKnown:    true,
		}
		e := s.localEvent(in.Account, "sts.amazonaws.com", "AssumeRole", now)
		e.ReadOnly = true
		var request, response any
		if in.Root {
			sess.Kind, sess.PrincipalID, sess.Name = session.LocalRoot, string(in.Account), ""
			reply.ARN = scope.Root()
		} else {
			reply.ARN = scope.AssumedRole(role.Name, name)
		}
		creds, err := s.sessions.Mint(sess, s.rand)
		if err != nil {
			return err
		}
		reply.AccessKeyID, reply.SecretAccessKey, reply.SessionToken = creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken
		issued := &types.Credentials{AccessKeyId: &creds.AccessKeyID, Expiration: &sess.Expires}
		seconds := int32(lifetime.Seconds())
		if in.Root {
			e.Name = "AssumeRoot"
			request = &sts.AssumeRootInput{TargetPrincipal: aws.String(scope.Root()), DurationSeconds: &seconds}
			response = &sts.AssumeRootOutput{Credentials: issued}
		} else {
			roleARN := role.ARN(scope.Partition)
			e.Resources = []audit.Resource{{ARN: roleARN, AccountID: in.Account, Type: "AWS::IAM::Role"}}
			request = &sts.AssumeRoleInput{RoleArn: &roleARN, RoleSessionName: &name, DurationSeconds: &seconds}
			response = &sts.AssumeRoleOutput{
				Credentials:     issued,
				AssumedRoleUser: &types.AssumedRoleUser{Arn: &reply.ARN, AssumedRoleId: aws.String(role.ID + ":" + name)},
			}
		}
		e.SetRequest(request, s.redact)
		e.SetResponse(response, s.redact)
		if e.Additional, err = json.Marshal(map[string]any{"localUser": name, "localUid": who.uid}); err != nil {
			return err
		}
		return s.trail.AppendTo(tx, e)
	})
	return reply, err
}

// loginName is the login name of a uid, in the form of a role session name.
func loginName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	u, err := user.LookupId(id)
	if err != nil || u.Username == "" {
		return "uid-" + id
	}
	name := make([]byte, 0, len(u.Username))
	for _, c := range []byte(u.Username) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '+', c == '=', c == ',', c == '.', c == '@', c == '-':
			name = append(name, c)
		default:
			name = append(name, '-')
		}
	}
	if len(name) < 2 {
		return "uid-" + id
	}
	return string(name[:min(len(name), 64)])
}

// serveWhy shows what is on record of a request.
func (s *Server) serveWhy(w http.ResponseWriter, r *http.Request) {
	if err := s.trail.Sync(r.Context()); err != nil {
		localError(w, http.StatusServiceUnavailable, "the trail is not complete at the moment: "+err.Error())
		return
	}
	id := r.URL.Query().Get("id")
	var found *audit.Entry
	err := s.store.View(r.Context(), func(rd store.Reader) error {
		for _, account := range s.Accounts() {
			f, err := s.find(rd, account, id)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if found == nil || f.Time.After(found.Time) {
				found = f
			}
		}
		return nil
	})
	if err != nil {
		localError(w, http.StatusInternalServerError, err.Error())
		return
	}
	if found == nil {
		localError(w, http.StatusNotFound, "nothing is on record: "+map[bool]string{true: "no request was denied", false: "no request has the id " + id}[id == ""])
		return
	}
	localReply(w, WhyReply{Record: json.RawMessage(found.Record), Decision: found.Decision, Now: s.clock.Now().UTC()})
}

func (s *Server) find(r store.Reader, account arn.AccountID, id string) (*audit.Entry, error) {
	if id == "" {
		return s.trail.LastDenied(r, account)
	}
	return s.trail.Find(r, account, id)
}
