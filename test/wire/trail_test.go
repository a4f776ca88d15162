package wire_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// T368: whatever a client writes, a record is one record.
func TestT368_HostileText(t *testing.T) {
	w := newWorld(t)
	for _, agent := range []string{`","errorCode":"x`, "\x1b[31mred", "\u202egnp.exe", strings.Repeat("a", 20_000), `{"a":1}`, "%0d%0a"} {
		m := w.form(versionIAM, "ListUsers")
		m.set("User-Agent", agent)
		m.sign(signature{by: w.admin, at: w.now(), service: "iam", headers: []string{"host", "x-amz-date", "x-amz-security-token"}})
		r := w.send(m)
		if r.status == http.StatusBadRequest {
			continue // the strict profile refuses what is not text
		}
		w.ok(r)
		rec := w.record(r)
		if rec == nil || !json.Valid([]byte(rec.raw)) || rec.ErrorCode != "" || len(rec.raw) > 8000 || strings.ContainsAny(rec.raw, "\n\r\x1b") {
			t.Errorf("T368: user agent %.30q: %+v", agent, rec)
		}
	}
}

// T370, T373: every request is on record once, whoever is refused and however
// many come at a time; and ids are unique.
func TestT370_T373_EveryRequestOnce(t *testing.T) {
	w := newWorld(t)
	_, key := w.caller(allow("iam:CreateUser"))
	type sent struct{ id, code string }
	results := make(chan sent, 160)
	done := make(chan struct{})
	for g := range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range 10 {
				user := fmt.Sprintf("u-%d-%d", g, i)
				for _, r := range []*reply{
					w.iam(key, "CreateUser", "UserName", user),
					w.iam(key, "CreateUser", "UserName", user),
					w.iam(key, "ListUsers"),
					w.iam(key, "CreateUser", "UserName", "a b"),
				} {
					results <- sent{r.requestID(), r.code()}
				}
			}
		}()
	}
	for range 4 {
		<-done
	}
	close(results)
	events := make(map[string]bool)
	codes := make(map[string]int)
	for s := range results {
		rec := w.record(&reply{header: http.Header{"X-Amzn-Requestid": {s.id}}})
		if rec == nil {
			t.Errorf("T373: request %s (%s) is not on record", s.id, s.code)
			continue
		}
		if events[rec.EventID] {
			t.Errorf("T373: event id %s twice", rec.EventID)
		}
		events[rec.EventID] = true
		codes[rec.ErrorCode]++
	}
	want := map[string]int{"": 40, "EntityAlreadyExistsException": 40, "AccessDenied": 40, "ValidationError": 40}
	for code, n := range want {
		if codes[code] != n {
			t.Errorf("T370: %d records with error code %q, want %d", codes[code], code, n)
		}
	}
	if len(codes) != len(want) {
		t.Errorf("T370: error codes on record: %v", codes)
	}
}

// T370, I9: guesses are on record, and cannot fill the disk: beyond a few hundred at
// once they are refused without a record. Who signs is always on record.
func TestT370_StrangersCannotFillTheDisk(t *testing.T) {
	w := newWorld(t)
	_, key := w.caller()
	guess := key
	guess.secret = "guess"
	first := w.iam(guess, "ListUsers")
	w.refused(first, mismatch)
	var last *reply
	for range 1000 {
		last = w.iam(guess, "ListUsers")
	}
	if last.code() != mismatch || w.record(last) != nil {
		t.Errorf("the thousand and first guess: %d %s, on record: %v", last.status, last.code(), w.record(last) != nil)
	}
	w.refused(w.iam(key, "ListUsers"), "AccessDenied")
	w.lanyard.Advance(10 * time.Second)
	w.refused(w.iam(guess, "ListUsers"), mismatch)
}

// T079: the source address is the peer's, whatever headers say.
func TestT079_SourceAddress(t *testing.T) {
	w := newWorld(t)
	from := func(address string) string {
		return document(map[string]any{"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*", "Condition": map[string]any{"IpAddress": map[string]any{"aws:SourceIp": address}}})
	}
	for address, ok := range map[string]bool{"10.0.0.0/8": false, "127.0.0.0/8": true} {
		_, key := w.caller(from(address))
		m := w.form(versionIAM, "ListUsers")
		for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "True-Client-Ip"} {
			m.add(name, "10.0.0.1")
		}
		m.sign(signature{by: key, at: w.now(), service: "iam"})
		r := w.send(m)
		if ok {
			w.ok(r)
		} else {
			w.refused(r, "AccessDenied")
		}
		if rec := w.record(r); !strings.Contains(rec.raw, `"sourceIPAddress":"127.0.0.1"`) {
			t.Errorf("T079: %s", rec.raw)
		}
	}
}
