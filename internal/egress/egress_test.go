package egress_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/internal/egress"
	"github.com/lanyard-iam/lanyard/internal/egress/egresstest"
)

func TestWhichAddressesAreOpen(t *testing.T) {
	g := &egress.Guard{}
	for _, a := range []string{"8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"} {
		if err := g.Check(netip.MustParseAddr(a)); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, a := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.169.254", "169.254.170.2",
		"172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::7f00:1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2001::1", "2001:2::1", "3fff::1", "100::1", "5f00::1", "4000::1",
		"::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:a00:1::1",
	} {
		if err := g.Check(netip.MustParseAddr(a)); !errors.Is(err, egress.ErrAddress) {
			t.Errorf("%s: %v", a, err)
		}
	}
	if err := g.Check(netip.Addr{}); !errors.Is(err, egress.ErrAddress) {
		t.Errorf("no address: %v", err)
	}
	allow, err := egress.ParseAllow([]string{"10.1.0.0/16", " 192.168.7.7", "fd00:1::/64"})
	if err != nil {
		t.Fatal(err)
	}
	g.Allow = allow
	for a, open := range map[string]bool{"10.1.2.3": true, "10.2.0.1": false, "192.168.7.7": true, "192.168.7.8": false, "fd00:1::5": true, "fd00:2::5": false, "::ffff:10.1.2.3": true, "64:ff9b::a01:203": true, "127.0.0.1": false} {
		if err := g.Check(netip.MustParseAddr(a)); (err == nil) != open {
			t.Errorf("%s, allowed beside the public: %v", a, err)
		}
	}
	for _, wrong := range []string{"", "10.0.0.0/33", "example.com", "::ffff:10.0.0.0/104"} {
		if _, err := egress.ParseAllow([]string{wrong}); err == nil {
			t.Errorf("%q was taken for a network", wrong)
		}
	}
}

// canary is a listener that counts who comes.
type canary struct {
	net.Listener
	came atomic.Int32
}

func newCanary(t *testing.T, address string) *canary {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("no %s here: %v", address, err)
	}
	c := &canary{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.came.Add(1)
			_ = conn.Close()
		}
	}()
	return c
}

func (c *canary) port() string {
	_, port, _ := net.SplitHostPort(c.Addr().String())
	return port
}

func TestT418_NothingInsideSeesAConnection(t *testing.T) {
	four := newCanary(t, "127.0.0.1:0")
	six := newCanary(t, "[::1]:0")
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, "http://"+four.Addr().String())
	}
	guard := &egress.Guard{Resolver: egresstest.Names(t, "127.0.0.1")}
	client := guard.Client(5*time.Second, 1<<10)
	for _, host := range []string{
		"127.0.0.1", "127.1.2.3", "0.0.0.0", "localhost", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
		"inside.example.com",
	} {
		for _, scheme := range []string{"http", "https"} {
			resp, err := client.Get(scheme + "://" + host + ":" + four.port() + "/")
			if err == nil {
				_ = resp.Body.Close()
			}
			if !errors.Is(err, egress.ErrAddress) {
				t.Errorf("%s://%s: %v", scheme, host, err)
			}
		}
	}
	for _, url := range []string{"https://[::1]:" + six.port(), "http://[::1]:" + six.port(), "https://[::]:" + six.port()} {
		if _, err := client.Get(url); !errors.Is(err, egress.ErrAddress) {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, url := range []string{"file:///etc/passwd", "gopher://127.0.0.1:" + four.port(), "http://169.254.169.254/latest/meta-data/"} {
		if _, err := client.Get(url); err == nil {
			t.Errorf("%s was asked", url)
		}
	}
	if _, err := guard.Dialer().Dial("tcp", "inside.example.com:"+four.port()); !errors.Is(err, egress.ErrAddress) {
		t.Errorf("dial: %v", err)
	}
	if n := four.came.Load() + six.came.Load(); n != 0 {
		t.Errorf("%d connections came to the canary", n)
	}
}

func TestT418_ANameThatMovesInside(t *testing.T) {
	c := newCanary(t, "127.0.0.1:0")
	// It is public when it is looked at, and inside when it is connected to.
	guard := &egress.Guard{Resolver: egresstest.Names(t, "8.8.8.8", "127.0.0.1")}
	u, _ := url.Parse("https://moves.example.com:" + c.port())
	if err := guard.CheckURL(u); err != nil {
		t.Fatal(err)
	}
	if a, err := guard.Resolver.LookupHost(t.Context(), "moves.example.com"); err != nil || a[0] != "8.8.8.8" {
		t.Fatal(a, err)
	}
	if _, err := guard.Client(5*time.Second, 1<<10).Get(u.String()); !errors.Is(err, egress.ErrAddress) {
		t.Errorf("moved inside: %v", err)
	}
	if n := c.came.Load(); n != 0 {
		t.Errorf("%d connections came to the canary", n)
	}
}

func TestT418_RedirectsLeadNowhere(t *testing.T) {
	c := newCanary(t, "127.0.0.1:0")
	outside := httptest.NewServer(http.RedirectHandler("http://"+c.Addr().String()+"/", http.StatusTemporaryRedirect))
	defer outside.Close()
	guard := &egress.Guard{Allow: egress.Loopback()} // even if the next address were allowed
	resp, err := guard.Client(5*time.Second, 1<<10).Post(outside.URL, "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusTemporaryRedirect || c.came.Load() != 0 {
		t.Errorf("%s, and %d connections to where it led", resp.Status, c.came.Load())
	}
}

func TestPlainHTTPIsForLoopbackAlone(t *testing.T) {
	private, err := egress.ParseAllow([]string{"10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	guard := &egress.Guard{Allow: private}
	if _, err := guard.Client(2*time.Second, 1).Get("http://10.255.255.1/"); !errors.Is(err, egress.ErrAddress) {
		t.Errorf("http to an allowed address: %v", err)
	}
	for text, want := range map[string]string{
		"https://hooks.example.com/a?b=c": "",
		"https://10.1.2.3/":               "",
		"http://hooks.example.com/":       "https://",
		"http://10.1.2.3/":                "https://",
		"http://localhost:80/":            "https://",
		"https://localhost/":              "inside the network",
		"https://127.0.0.1/":              "inside the network",
		"https://[::1]/":                  "inside the network",
		"https://169.254.169.254/":        "inside the network",
		"https://user@hooks.example.com/": "user name",
		"https:///x":                      "no host",
		"ftp://hooks.example.com/":        "https://",
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(guard.CheckURL(u)); want == "" && got != "<nil>" || !strings.Contains(got, want) {
			t.Errorf("%s: %s", text, got)
		}
	}
	guard.Allow = egress.Loopback()
	for _, text := range []string{"http://localhost:80/", "http://127.0.0.1/", "http://[::1]/", "https://localhost/"} {
		u, _ := url.Parse(text)
		if err := guard.CheckURL(u); err != nil {
			t.Errorf("%s, allowed: %v", text, err)
		}
	}
}

func TestAnswersAreBounded(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			select {
			case <-release:
			case <-r.Context().Done():
			}
			return
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 100))
	}))
	defer srv.Close()
	defer close(release)
	guard := &egress.Guard{Allow: egress.Loopback()}
	read := func(path string, limit int64) (int, error) {
		resp, err := guard.Client(300*time.Millisecond, limit).Get(srv.URL + path)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return len(text), err
	}
	if n, err := read("/", 100); n != 100 || err != nil {
		t.Errorf("what fits: %d, %v", n, err)
	}
	if n, err := read("/", 99); n != 99 || !errors.Is(err, egress.ErrTooLarge) {
		t.Errorf("one byte too many: %d, %v", n, err)
	}
	if _, err := read("/slow", 100); err == nil {
		t.Error("an answer that does not come was waited for")
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add(netip.MustParseAddr("2002:7f00:1::").AsSlice())
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		u := a.Unmap()
		if (&egress.Guard{}).Check(a) == nil && (!u.IsGlobalUnicast() || u.IsPrivate() || u.IsLoopback() || u.IsLinkLocalUnicast() || u.IsMulticast()) && !netip.MustParsePrefix("64:ff9b::/96").Contains(u) {
			t.Errorf("%s is open", a)
		}
	})
}
