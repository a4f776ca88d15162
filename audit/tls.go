package audit

import (
	"crypto/tls"
	"strings"
)

// TLSOf describes the connection of a request to host; nil for plain HTTP.
func TLSOf(state *tls.ConnectionState, host string) *TLSDetails {
	if state == nil {
		return nil
	}
	return &TLSDetails{
		Version:     strings.ReplaceAll(tls.VersionName(state.Version), "TLS ", "TLSv"),
		CipherSuite: tls.CipherSuiteName(state.CipherSuite),
		HostHeader:  host,
	}
}
