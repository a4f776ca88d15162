package wire_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
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
