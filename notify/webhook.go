package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/egress"
)

// Webhooks are signed after the Standard Webhooks convention (standardwebhooks.com): the
// headers webhook-id, webhook-timestamp and webhook-signature, which holds "v1," and the
// HMAC-SHA256 of "id.timestamp.body" in base64, for each secret that is good.

const (
	hookTimeout = 10 * time.Second
	maxAnswer   = 64 << 10 // bytes of an answer, which are thrown away
	secretBytes = 32
)

// hookBody is what a webhook gets. Its keys are documented, and stay.
type hookBody struct {
	ID       string    `json:"id"` // eventID in the trail; the same as webhook-id
	Time     time.Time `json:"time"`
	Account  string    `json:"account"`
	Event    string    `json:"event"`
	Who      string    `json:"who"`
	SourceIP string    `json:"sourceIPAddress"`
	Text     string    `json:"text"`
	Advice   string    `json:"advice"`
	More     int       `json:"more,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	Link     string    `json:"link,omitempty"`
}

// isHook tells the destinations apart.
func isHook(to string) bool { return strings.Contains(to, "://") }

// CheckURL refuses, in words for people, what is no address of a webhook.
func (o *Outbox) CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Fragment != "":
		return errors.New("it is not a URL such as https://hooks.example.com/lanyard")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("the URL has spaces, or letters that a URL cannot have")
	}
	return o.config.Guard.CheckURL(u)
}

// HostOf is the host of a webhook's URL, for where the URL, which may hold a secret, is not
// to be seen.
func HostOf(to string) string {
	if u, err := url.Parse(to); err == nil && isHook(to) {
		return u.Host
	}
	return to
}

func encodeSecret(key []byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(key) }

// post tells a webhook.
func (o *Outbox) post(ctx context.Context, n *identity.Notice, keys [][]byte) error {
	body := hookBody{
		ID: n.ID, Time: n.Time, Account: string(n.Account), Event: n.Event, Who: n.Who, SourceIP: n.SourceIP,
		Text: n.Text, Advice: n.Advice, More: n.More, Link: o.link(n),
	}
	if n.More > 0 {
		body.Since = n.First
		body.Text += " " + more(n)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return failure("the message cannot be written", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, n.To.To, bytes.NewReader(text))
	if err != nil {
		return failure("it is no URL", nil)
	}
	// Receivers compare it with their own clock, whatever the clock of --dev says.
	at := strconv.FormatInt(time.Now().Unix(), 10)
	var signatures []string
	for _, key := range keys {
		signatures = append(signatures, sign(key, n.ID, at, text))
	}
	r.Header = http.Header{
		"Content-Type":      {"application/json"},
		"User-Agent":        {"Lanyard"},
		"Webhook-Id":        {n.ID},
		"Webhook-Timestamp": {at},
		"Webhook-Signature": {strings.Join(signatures, " ")},
	}
	resp, err := o.hooks.Do(r)
	if err != nil {
		return unreachable(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // what it says is nobody's business; the client bounds it
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		why := fmt.Sprintf("it answered %d", resp.StatusCode)
		if resp.StatusCode >= 300 && resp.StatusCode <= 399 {
			why += ", and redirects are not followed"
		}
		return failure(why, nil)
	}
	return nil
}

func sign(key []byte, id, at string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, at)
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// unreachable sorts what can go wrong with a connection. Whether a port is closed or just
// silent is not told: that would make us a scanner of ports.
func unreachable(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the URL, which may hold a secret
	}
	_, noName := errors.AsType[*net.DNSError](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case errors.Is(err, egress.ErrAddress):
		return failure("its address is inside the network of this server: the server's owner can allow it with --egress-allow", err)
	case noName:
		return failure("its name was not found", err)
	case untrusted:
		return failure("its certificate is not trusted, or is for another name", err)
	case noTLS, errors.Is(err, http.ErrSchemeMismatch):
		return failure("it does not speak TLS", err)
	}
	return failure("it could not be reached, or did not answer in time", err)
}
