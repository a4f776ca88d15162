// Package lanyardtest gives a test a running Lanyard: in memory, on a free port
// of loopback, stopped by the test's end.
//
//	l := lanyardtest.New(t)
//	client := iam.NewFromConfig(l.Config(), func(o *iam.Options) { o.BaseEndpoint = &l.URL })
package lanyardtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/server"
)

// Lanyard is a running server.
type Lanyard struct {
	// URL is the endpoint of all services.
	URL string
	// AdminURL is the address of metrics, or empty.
	AdminURL string
	// Account is the first account.
	Account string
	// AccessKeyID and SecretAccessKey are those of an administrator.
	AccessKeyID, SecretAccessKey string
	// Socket is the path of the owner's local socket.
	Socket string

	t      testing.TB
	client *client
}

// Option changes the configuration of the server.
type Option func(*server.Config)

// New starts a server for a test. Its administrator has a random secret, so that
// a test cannot talk to another one's server by mistake.
func New(t testing.TB, options ...Option) *Lanyard {
	t.Helper()
	secret := rand.Text() + rand.Text()
	config := server.Config{
		Dev:       true,
		Listen:    "127.0.0.1:0",
		Accounts:  []arn.AccountID{server.DefaultAccount},
		AccessKey: "AKIALANYARDTESTADMIN:" + secret,
		Version:   "test",
	}
	// Socket paths are short, test names are not.
	dir, err := os.MkdirTemp("", "lanyard")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	config.Socket = filepath.Join(dir, "s")
	for _, option := range options {
		option(&config)
	}
	return Start(t, config)
}

// Start runs a server of any configuration for a test.
func Start(t testing.TB, config server.Config) *Lanyard {
	t.Helper()
	s, err := server.New(config)
	if err != nil {
		t.Fatalf("start lanyard: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-stopped:
			if err != nil {
				t.Errorf("lanyard stopped: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("lanyard did not stop")
		}
	})
	id, secret, _ := strings.Cut(config.AccessKey, ":")
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	return &Lanyard{
		URL:             s.URL(),
		AdminURL:        s.AdminURL(),
		Account:         string(s.Accounts()[0]),
		AccessKeyID:     id,
		SecretAccessKey: secret,
		Socket:          s.SocketPath(),
		t:               t,
		client:          &client{&http.Client{Transport: transport}},
	}
}

// Config is an SDK configuration that signs as the administrator.
func (l *Lanyard) Config() aws.Config {
	return l.ConfigFor(l.AccessKeyID, l.SecretAccessKey, "")
}

// ConfigFor is an SDK configuration that signs with the given credentials, tries
// once, and asks this server.
func (l *Lanyard) ConfigFor(id, secret, token string) aws.Config {
	return aws.Config{
		Region:       server.DefaultRegion,
		BaseEndpoint: aws.String(l.URL),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token}, nil
		}),
		Retryer:    func() aws.Retryer { return aws.NopRetryer{} },
		HTTPClient: l.httpClient(),
	}
}

// httpClient is the client of this server's tests; a Lanyard that was not started
// here, and has only an address, shares the default one.
func (l *Lanyard) httpClient() *client {
	if l.client == nil {
		return &client{http.DefaultClient}
	}
	return l.client
}

// client sends the requests of SDK clients. The SDK closes the body of a request
// as soon as the answer begins. net/http looks once more for the end of that body
// after it has sent it; where the answer is faster, as from a server in the same
// process, it finds the body closed and drops the connection in the middle of a
// longer answer. A body of our own is not closed by anyone else.
type client struct{ http *http.Client }

// Do sends a request.
func (c *client) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return c.http.Do(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	own := r.Clone(r.Context())
	own.Body, own.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return c.http.Do(own)
}

// Reset brings the server back to its start.
func (l *Lanyard) Reset() {
	l.t.Helper()
	l.post("/_lanyard/reset", "")
}

// Advance moves the server's clock.
func (l *Lanyard) Advance(d time.Duration) {
	l.t.Helper()
	l.post("/_lanyard/clock", `{"advance":"`+d.String()+`"}`)
}

// Now is the server's time.
func (l *Lanyard) Now() time.Time {
	l.t.Helper()
	resp, err := http.Get(l.URL + "/_lanyard/clock")
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	var clock struct{ Now time.Time }
	if err := json.NewDecoder(resp.Body).Decode(&clock); err != nil {
		l.t.Fatal(err)
	}
	return clock.Now
}

func (l *Lanyard) post(path, body string) {
	l.t.Helper()
	resp, err := http.Post(l.URL+path, "application/json", strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		l.t.Fatalf("POST %s: %s %s", path, resp.Status, text)
	}
}
