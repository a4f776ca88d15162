// Package egress is the one way out: whatever Lanyard asks of an address that somebody else
// chose goes through a [Guard], which looks at the address when the connection is made. A
// name that resolves to another address the second time, or a server that redirects, leads
// nowhere new.
//
// What is sent, and what an answer means, is the caller's business.
package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Bounds of one connection. A request as a whole ends with the client's timeout.
const (
	connectTimeout = 5 * time.Second
	maxHeaderBytes = 16 << 10
)

// ErrAddress: the guard does not let connections to an address out.
var ErrAddress = errors.New("egress: the address is not allowed")

// ErrTooLarge: an answer was longer than the client reads.
var ErrTooLarge = errors.New("egress: the answer is too large")

// closed are the networks that are not the public internet, or are the inside of a cloud.
// Of IPv6 they are the exceptions within 2000::/3, beyond which nothing is open.
var closed = prefixes(
	"0.0.0.0/8",        // this network
	"10.0.0.0/8",       // private
	"100.64.0.0/10",    // carriers' NAT; Alibaba's metadata
	"127.0.0.0/8",      // loopback
	"168.63.129.16/32", // Azure's host
	"169.254.0.0/16",   // link-local; metadata of most clouds
	"172.16.0.0/12",    // private
	"192.0.0.0/24",     // protocol assignments; Oracle's metadata
	"192.0.2.0/24",     // documentation
	"192.88.99.0/24",   // relays of 6to4
	"192.168.0.0/16",   // private
	"198.18.0.0/15",    // benchmarks
	"198.51.100.0/24",  // documentation
	"203.0.113.0/24",   // documentation
	"224.0.0.0/4",      // multicast
	"240.0.0.0/4",      // reserved, broadcast

	"2001::/23",     // protocol assignments: Teredo, benchmarks, ORCHID
	"2001:db8::/32", // documentation
	"3fff::/20",     // documentation
)

var (
	global = netip.MustParsePrefix("2000::/3")
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	sixTo4 = netip.MustParsePrefix("2002::/16")
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, p := range list {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

// Guard decides which addresses may be connected to: those of the public internet, and those
// that are allowed beside them.
type Guard struct {
	Allow []netip.Prefix
	// RootCAs are whom servers' certificates are to be from; nil means the system's.
	RootCAs *x509.CertPool
	// Resolver looks names up; nil means the system's. Tests set it.
	Resolver *net.Resolver
}

// Loopback are the addresses of the host itself.
func Loopback() []netip.Prefix { return prefixes("127.0.0.0/8", "::1/128") }

// Anywhere is a guard for an address that the owner of the host has configured, who needs
// none: it has only the bounds.
func Anywhere() *Guard { return &Guard{Allow: prefixes("0.0.0.0/0", "::/0")} }

// ParseAllow reads a list of networks and addresses.
func ParseAllow(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range list {
		text = strings.TrimSpace(text)
		if addr, err := netip.ParseAddr(text); err == nil {
			text = netip.PrefixFrom(addr, addr.BitLen()).String()
		}
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Addr().Is4In6() {
			return nil, fmt.Errorf("%q is no network, for example 10.20.0.0/16, and no address", text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// Check returns [ErrAddress] for an address that may not be connected to.
func (g *Guard) Check(a netip.Addr) error {
	if inner := unwrapped(a); !g.allowed(inner) && !g.allowed(a) && !public(inner) {
		return fmt.Errorf("%w: %s", ErrAddress, a)
	}
	return nil
}

func (g *Guard) allowed(a netip.Addr) bool {
	for _, p := range g.Allow {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// unwrapped is the IPv4 address to which an IPv6 address leads in the end, or the address.
func unwrapped(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.Is6() {
		return a
	}
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:]))
	case sixTo4.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a
}

func public(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" || a.Is6() && !global.Contains(a) {
		return false
	}
	for _, p := range closed {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// CheckURL refuses, in words for people, a URL that Client would not ask whatever its name
// resolves to.
func (g *Guard) CheckURL(u *url.URL) error {
	host := u.Hostname()
	addr, err := netip.ParseAddr(host)
	literal := err == nil
	here := strings.EqualFold(host, "localhost") || literal && unwrapped(addr).IsLoopback()
	switch {
	case host == "":
		return errors.New("the URL has no host")
	case u.User != nil:
		return errors.New("the URL has a user name or password in it")
	case u.Scheme != "https" && (u.Scheme != "http" || !here || g.Check(netip.MustParseAddr("127.0.0.1")) != nil):
		return errors.New("the URL does not begin with https://")
	case literal && g.Check(addr) != nil, here && !literal && g.Check(netip.MustParseAddr("127.0.0.1")) != nil:
		return errors.New("the address is inside the network of this server: its owner can allow it with --egress-allow")
	}
	return nil
}

// Dialer connects to addresses that are allowed.
func (g *Guard) Dialer() *net.Dialer { return g.dialer(g.Check) }

func (g *Guard) dialer(check func(netip.Addr) error) *net.Dialer {
	return &net.Dialer{
		Timeout:  connectTimeout,
		Resolver: g.Resolver,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			// It is the address that is connected to, after all names were resolved.
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("%w: %q", ErrAddress, address)
			}
			return check(to.Addr())
		},
	}
}

// TLS is how servers of that name are to show who they are.
func (g *Guard) TLS(name string) *tls.Config {
	return &tls.Config{ServerName: name, RootCAs: g.RootCAs, MinVersion: tls.VersionTLS12}
}

// Client asks over https, and over http only what listens on an allowed loopback address. It
// uses no proxy, follows no redirect, keeps no connection, and reads so many bytes of an
// answer within the timeout.
func (g *Guard) Client(timeout time.Duration, maxBytes int64) *http.Client {
	transport := func(check func(netip.Addr) error) *http.Transport {
		return &http.Transport{
			DialContext:            g.dialer(check).DialContext,
			TLSClientConfig:        g.TLS(""),
			TLSHandshakeTimeout:    connectTimeout,
			MaxResponseHeaderBytes: maxHeaderBytes,
			DisableKeepAlives:      true,
			DisableCompression:     true, // an answer is not larger than what was sent
		}
	}
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &bounded{
			https: transport(g.Check),
			http: transport(func(a netip.Addr) error {
				if !unwrapped(a).IsLoopback() {
					return fmt.Errorf("%w without TLS: %s", ErrAddress, a)
				}
				return g.Check(a)
			}),
			max: maxBytes,
		},
	}
}

// bounded takes the transport for the scheme, and bounds what is read of an answer.
type bounded struct {
	https, http *http.Transport
	max         int64
}

func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	via := b.https
	if r.URL.Scheme == "http" {
		via = b.http
	}
	resp, err := via.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &body{resp.Body, b.max}
	return resp, nil
}

// body fails, and does not just end, where there is more than may be read.
type body struct {
	io.ReadCloser
	left int64
}

func (b *body) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLarge
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, ErrTooLarge
	}
	return n, err
}
