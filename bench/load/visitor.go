package main

import (
	"context"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/mfa"
)

// visitor is a browser as the server sees it: it keeps cookies, and names the site that
// its forms are from.
type visitor struct {
	site    string
	client  *http.Client
	cookies map[string]string
}

// visitor makes a browser at an address of the loopback network.
func (s *server) visitor(from net.IP) *visitor {
	_, port, _ := net.SplitHostPort(s.address)
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
	return &visitor{
		site:    "http://localhost:" + port,
		cookies: map[string]string{},
		client: &http.Client{
			Timeout: time.Minute,
			Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, s.address)
			}},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// page is an answer to a browser.
type page struct {
	status   int
	location string
	body     []byte
	took     time.Duration // until its last byte was there
}

func (v *visitor) get(ctx context.Context, path string) (*page, error) {
	return v.do(ctx, http.MethodGet, path, nil)
}

func (v *visitor) post(ctx context.Context, path string, form url.Values) (*page, error) {
	return v.do(ctx, http.MethodPost, path, form)
}

func (v *visitor) do(ctx context.Context, method, path string, form url.Values) (*page, error) {
	r, err := http.NewRequestWithContext(ctx, method, v.site+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", v.site)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if strings.HasSuffix(path, "/use") {
		r.Header.Set("HX-Request", "true") // a part of a page, which htmx asks for
	}
	// The cookies are for https or localhost, which a jar of net/http does not know.
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	sent := time.Now()
	answer, err := v.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	p := &page{status: answer.StatusCode, location: answer.Header.Get("Location")}
	if p.body, err = io.ReadAll(answer.Body); err != nil {
		return nil, err
	}
	p.took = time.Since(sent)
	for _, c := range answer.Cookies() {
		if c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		} else {
			v.cookies[c.Name] = c.Value
		}
	}
	return p, nil
}

// seedShown finds the key of an authenticator app in the page that sets it up.
var seedShown = regexp.MustCompile(`<dt>Key</dt><dd><code>([A-Z2-7 ]+)</code>`)

// claim signs the browser in as root, by the link that "lanyard claim" prints, with a
// password and an authenticator app.
func (s *server) claim(ctx context.Context, v *visitor) error {
	out, err := exec.CommandContext(ctx, s.binary, "claim", "--socket", s.socket, "--output", "json").Output()
	if err != nil {
		return fmt.Errorf("lanyard claim: %w", err)
	}
	var link struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal(out, &link); err != nil {
		return fmt.Errorf("lanyard claim: %w", err)
	}
	_, secret, _ := strings.Cut(link.URL, "#")
	const password = "Seven tired oxen sing 4 us"
	var last *page
	for _, step := range []struct {
		path string
		form url.Values
	}{
		{"/claim", url.Values{"secret": {secret}}},
		{"/claim/account", url.Values{"email": {"root@example.com"}, "password": {password}, "again": {password}}},
		{"/claim", url.Values{"device": {"phone"}}},
	} {
		if last, err = v.post(ctx, step.path, step.form); err != nil {
			return err
		}
		if last.status >= 400 {
			return fmt.Errorf("POST %s: status %d: %s", step.path, last.status, last.body)
		}
	}
	found := seedShown.FindSubmatch(last.body)
	if found == nil {
		return errors.New("the claim page shows no key for an authenticator app")
	}
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(string(found[1]), " ", ""))
	if err != nil {
		return err
	}
	step := mfa.StepAt(time.Now())
	last, err = v.post(ctx, "/signin/enrol/confirm", url.Values{"code1": {mfa.Code(seed, step-1)}, "code2": {mfa.Code(seed, step)}})
	if err != nil {
		return err
	}
	if last.status != http.StatusOK || v.cookies["__Host-lanyard"] == "" {
		return fmt.Errorf("root is not signed in: status %d: %s", last.status, last.body)
	}
	return nil
}
