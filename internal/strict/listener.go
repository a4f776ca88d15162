package strict

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

const (
	// handshakeTimeout is as long as a client may take for its headers.
	handshakeTimeout = 10 * time.Second

	// A refused peer may still be sending. Closing with its bytes unread resets
	// the connection, which can take the answer away before the peer has read it;
	// so what it sends for lingerTime, lingerBytes at most, is read and dropped.
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// poison stands in for the first byte that violates the profile and all that
// follow. Wherever in a request line, header or chunk size it falls, net/http
// answers 400 Bad Request, in turn after the requests before it, and closes the
// connection. It ends a header block, so that net/http does not wait for more.
const poison = "\x00\r\n\r\n"

// Listener hands out connections that carry HTTP/1.1 of the profile only. It
// wraps a plain or a TLS listener, whose configuration must not offer "h2".
type Listener struct {
	net.Listener
	// Refused, if not nil, is told of every refusal, for logs and metrics. It may
	// be called from many goroutines and must not block.
	Refused func(remote net.Addr, v Violation)
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	conn := &Conn{Conn: c, refused: l.Refused}
	if t, ok := c.(*tls.Conn); ok {
		return &tlsConn{conn, t}, nil
	}
	return conn, nil
}

// Conn is a connection under watch.
type Conn struct {
	net.Conn
	scanner scanner
	refused func(net.Addr, Violation)
	poison  string // what is left of it, once there was a violation

	lingers atomic.Bool // Close, called from anywhere, is to linger
}

// NetConn returns the connection below, a *tls.Conn for TLS.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// Read reads what the peer sent, up to the first violation.
func (c *Conn) Read(p []byte) (int, error) {
	if c.scanner.violation != 0 {
		return c.readPoison(p)
	}
	n, err := c.Conn.Read(p)
	good := c.scanner.scan(p[:n])
	if good == n {
		return n, err
	}
	c.poison = poison
	c.lingers.Store(true)
	if c.refused != nil {
		c.refused(c.RemoteAddr(), c.scanner.violation)
	}
	if good > 0 {
		return good, nil
	}
	return c.readPoison(p)
}

func (c *Conn) readPoison(p []byte) (int, error) {
	if c.poison == "" {
		return 0, io.EOF
	}
	n := copy(p, c.poison)
	c.poison = c.poison[n:]
	return n, nil
}

// Close closes the connection. After a refusal it returns at once, and the
// connection ends when the peer has had time to read the answer.
func (c *Conn) Close() error {
	if !c.lingers.Swap(false) {
		return c.Conn.Close()
	}
	go func() {
		defer c.Conn.Close()
		if c.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
			_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
		}
	}()
	return nil
}

// CloseWrite shuts down the writing side, as net/http does before it closes a
// connection whose peer may still be sending.
func (c *Conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// tlsConn is a Conn from which net/http can fill Request.TLS.
type tlsConn struct {
	*Conn
	tls *tls.Conn
}

// ConnectionState completes the handshake and returns its outcome. net/http asks
// for it once, in the goroutine of the connection and before the first Read. A
// handshake that failed fails that Read again.
func (c *tlsConn) ConnectionState() tls.ConnectionState {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	_ = c.tls.HandshakeContext(ctx)
	return c.tls.ConnectionState()
}
