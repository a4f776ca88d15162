package server

import (
	"crypto/tls"
	"fmt"
	"net"
	"sync/atomic"
)

// certificates serves the certificate of two PEM files, which may be replaced
// while the server runs.
type certificates struct {
	certFile, keyFile string
	current           atomic.Pointer[tls.Certificate]
}

func loadCertificates(certFile, keyFile string) (*certificates, error) {
	c := &certificates{certFile: certFile, keyFile: keyFile}
	return c, c.reload()
}

func (c *certificates) reload() error {
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("load the TLS certificate: %w", err)
	}
	c.current.Store(&cert)
	return nil
}

func (c *certificates) listener(inner net.Listener) net.Listener {
	return tls.NewListener(inner, &tls.Config{
		MinVersion: tls.VersionTLS12,
		// HTTP/2 would bypass the strict HTTP/1.1 profile of package strict.
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	})
}
