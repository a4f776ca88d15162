package wire_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// lie changes a CreateUser request: before it is signed, what is signed, and
// after it is signed.
type lie struct {
	what   string
	before func(*message)
	signed func(*signature)
	after  func(*message)

	presigned bool // a GET with everything in the URL

	// status and code are the answer; status 200 makes it a twin that is accepted.
	status int
	code   string
	// stranger marks what cannot be attributed: it names no key of ours, or names
	// it in a form that is not read. It leaves no record.
	stranger bool
}

// try sends a lie and checks the answer, that the user was made or was not, and
// that the trail has what happened.
func (w *world) try(by credentials, l lie) *reply {
	w.t.Helper()
	user := w.name("made")
	parameters := []string{"UserName", user}
	m := w.form(versionIAM, "CreateUser", parameters...)
	s := signature{by: by, at: w.now(), service: "iam"}
	if l.presigned {
		m = w.get(m.body)
		s.expires = "60"
	}
	if l.before != nil {
		l.before(m)
	}
	if l.signed != nil {
		l.signed(&s)
	}
	m.sign(s)
	if l.after != nil {
		l.after(m)
	}
	r := w.send(m)
	if r.status != l.status || r.code() != l.code {
		w.t.Errorf("%s: status %d, code %q, want %d %q: %s", l.what, r.status, r.code(), l.status, l.code, r.body)
	}
	if made := w.exists(user); made != (l.status == http.StatusOK) {
		w.t.Errorf("%s: status %d, but the user exists: %v", l.what, r.status, made)
	}
	rec := w.record(r)
	switch {
	case l.stranger:
		if rec != nil {
			w.t.Errorf("%s: on record though it names no key: %s", l.what, rec.raw)
		}
	case rec == nil:
		w.t.Errorf("%s: not on record", l.what)
	case rec.ErrorCode != l.code:
		w.t.Errorf("%s: on record with error code %q, answered %q", l.what, rec.ErrorCode, l.code)
	}
	return r
}

func (w *world) tryAll(by credentials, lies ...lie) {
	w.t.Helper()
	for _, l := range lies {
		w.try(by, l)
	}
}

// What many rows answer.
const (
	mismatch   = "SignatureDoesNotMatch"
	incomplete = "IncompleteSignature"
	badKey     = "InvalidClientTokenId"
	forbidden  = http.StatusForbidden
	bad        = http.StatusBadRequest
	fine       = http.StatusOK
)

// T001: the window of a signature is fifteen minutes to each side, five for
// JSON services.
func TestT001_ClockSkew(t *testing.T) {
	w := newWorld(t)
	at := func(d time.Duration) func(*signature) {
		return func(s *signature) { s.at = s.at.Add(d) }
	}
	const beyond, within = 15*time.Minute + 10*time.Second, 15*time.Minute - 10*time.Second
	w.tryAll(w.admin,
		lie{what: "too old", signed: at(-beyond), status: forbidden, code: mismatch},
		lie{what: "old", signed: at(-within), status: fine},
		lie{what: "too early", signed: at(beyond), status: forbidden, code: mismatch},
		lie{what: "early", signed: at(within), status: fine},
	)
	for _, c := range []struct {
		skew time.Duration
		ok   bool
	}{{-5*time.Minute - 10*time.Second, false}, {-5*time.Minute + 10*time.Second, true}, {5*time.Minute + 10*time.Second, false}, {5*time.Minute - 10*time.Second, true}} {
		m := w.json("LookupEvents", "{}")
		m.sign(signature{by: w.admin, at: w.now().Add(c.skew), service: "cloudtrail"})
		r := w.send(m)
		if c.ok {
			w.ok(r)
		} else if w.refused(r, "InvalidSignatureException"); r.status != bad {
			t.Errorf("T001: skew %s: status %d", c.skew, r.status)
		}
	}
}

// T003: AWS takes a request that comes twice as two requests; so do we. Each is
// on record under an id of its own.
func TestT003_Replay(t *testing.T) {
	w := newWorld(t)
	m := w.form(versionIAM, "CreateAccessKey", "UserName", w.user())
	m.sign(signature{by: w.admin, at: w.now(), service: "iam"})
	first, second, third := w.send(m), w.send(m), w.send(m)
	w.ok(first)
	w.ok(second)
	w.refused(third, "LimitExceeded")
	a, b := w.record(first), w.record(second)
	if a == nil || b == nil || a.EventID == b.EventID || a.EventID == "" {
		t.Error("T003: the two requests are not two records")
	}
}

func TestT004_Dates(t *testing.T) {
	w := newWorld(t)
	w.tryAll(w.admin,
		lie{what: "scope of yesterday", signed: func(s *signature) { s.date = s.at.UTC().AddDate(0, 0, -1).Format("20060102") }, status: forbidden, code: mismatch},
		lie{what: "no such day", signed: func(s *signature) { s.stamp, s.date = "20260230T250000Z", "20260230" }, status: bad, code: incomplete, stranger: true},
		lie{what: "Date is not looked at beside X-Amz-Date", before: func(m *message) { m.add("Date", "Sun, 06 Nov 1994 08:49:37 GMT") }, status: fine},
	)
}

func TestT005_T006_WrongScope(t *testing.T) {
	w := newWorld(t)
	w.tryAll(w.admin,
		lie{what: "region that is none", signed: func(s *signature) { s.region = "us_east" }, status: forbidden, code: mismatch},
		lie{what: "signed for STS", signed: func(s *signature) { s.service = "sts" }, status: forbidden, code: mismatch},
		lie{what: "signed for CloudTrail", signed: func(s *signature) { s.service = "cloudtrail" }, status: forbidden, code: mismatch},
		lie{what: "signed for IAM, in its region", status: fine},
	)
	// A request to STS signed for IAM.
	m := w.form(versionSTS, "GetCallerIdentity")
	m.sign(signature{by: w.admin, at: w.now(), service: "iam"})
	w.refused(w.send(m), mismatch)
	m = w.json("LookupEvents", "{}")
	m.sign(signature{by: w.admin, at: w.now(), service: "iam"})
	w.refused(w.send(m), "InvalidSignatureException")
}

func TestT007_ScopeParts(t *testing.T) {
	w := newWorld(t)
	scope := func(old, new string) func(*message) {
		return func(m *message) { m.edit("Authorization", old, new) }
	}
	w.tryAll(w.admin,
		lie{what: "terminator", signed: func(s *signature) { s.end = "aws4_request2" }, status: bad, code: incomplete, stranger: true},
		lie{what: "four parts", after: scope("/iam/", "/"), status: bad, code: incomplete, stranger: true},
		lie{what: "six parts", after: scope("/iam/", "/iam/iam/"), status: bad, code: incomplete, stranger: true},
		lie{what: "empty region", after: scope("/us-east-1/", "//"), status: bad, code: incomplete, stranger: true},
		lie{what: "five parts", status: fine},
	)
}

func TestT008_T009_UnsignedHeaders(t *testing.T) {
	w := newWorld(t)
	list := func(names ...string) func(*signature) {
		return func(s *signature) { s.headers = names }
	}
	note := func(m *message) { m.add("X-Amz-Meta-Note", "a") }
	key := w.key(w.user(allow("iam:*")))
	w.tryAll(key,
		lie{what: "T008: host", signed: list("content-type", "x-amz-date"), status: forbidden, code: "AccessDenied"},
		lie{what: "T009: date", signed: list("content-type", "host"), status: forbidden, code: "AccessDenied"},
		lie{what: "T009: x-amz-meta-note", before: note, signed: list("host", "x-amz-date"), status: forbidden, code: "AccessDenied"},
		lie{what: "T009: x-amz-meta-note signed", before: note, signed: list("host", "x-amz-date", "x-amz-meta-note"), status: fine},
		lie{what: "host and date", signed: list("host", "x-amz-date"), status: fine},
	)
}

// T010: a token is valid with the key it was made with, and with no other.
func TestT010_SecurityTokenIsBound(t *testing.T) {
	w := newWorld(t)
	role := w.role(allow("iam:*"))
	one, other := w.assume(role), w.assume(role)
	long := w.key(w.user(allow("iam:*")))
	token := func(value string) func(*signature) {
		return func(s *signature) { s.by.token = value }
	}
	w.tryAll(one,
		lie{what: "removed", after: func(m *message) { m.del("X-Amz-Security-Token") }, status: forbidden, code: mismatch, stranger: true},
		lie{what: "removed and signed without", signed: token(""), status: forbidden, code: badKey, stranger: true},
		lie{what: "another session's", signed: token(other.token), status: forbidden, code: badKey, stranger: true},
		lie{what: "another session's, exchanged after signing", after: func(m *message) { m.set("X-Amz-Security-Token", other.token) }, status: forbidden, code: badKey, stranger: true},
		lie{what: "not signed", signed: func(s *signature) { s.headers = []string{"host", "x-amz-date"} }, status: forbidden, code: "AccessDenied"},
		lie{what: "its own", status: fine},
	)
	w.tryAll(long,
		lie{what: "on a long-term key", signed: token(one.token), status: forbidden, code: badKey},
		lie{what: "a long-term key without", status: fine},
	)
}

func TestT011_T012_SignedHeaders(t *testing.T) {
	w := newWorld(t)
	list := func(names ...string) func(*signature) {
		return func(s *signature) { s.headers = names }
	}
	key := w.key(w.user(allow("iam:*")))
	pair := func(m *message) { m.add("X-Amz-Meta-A", "1"); m.add("X-Amz-Meta-A", "2") }
	w.tryAll(key,
		lie{what: "unsorted", signed: list("x-amz-date", "host"), status: bad, code: incomplete, stranger: true},
		lie{what: "repeated", signed: list("host", "host", "x-amz-date"), status: bad, code: incomplete, stranger: true},
		lie{what: "upper case", signed: list("Host", "x-amz-date"), status: bad, code: incomplete, stranger: true},
		lie{what: "empty entry", signed: list("", "host", "x-amz-date"), status: bad, code: incomplete, stranger: true},
		lie{what: "not in the request", signed: list("host", "x-amz-absent", "x-amz-date"), status: forbidden, code: mismatch},
		lie{what: "sorted", signed: list("host", "x-amz-date"), status: fine},

		lie{what: "T012: second copy added", before: func(m *message) { m.add("X-Amz-Meta-A", "1") }, after: func(m *message) { m.add("X-Amz-Meta-A", "2") }, status: forbidden, code: mismatch},
		lie{what: "T012: order changed", before: pair, after: func(m *message) {
			m.del("X-Amz-Meta-A")
			m.add("X-Amz-Meta-A", "2")
			m.add("X-Amz-Meta-A", "1")
		}, status: forbidden, code: mismatch},
		lie{what: "T012: both signed", before: pair, status: fine},
	)
}

func TestT017_T018_T019_OneSignature(t *testing.T) {
	w := newWorld(t)
	key := w.key(w.user(allow("iam:*")))
	// again repeats a parameter of the query, with the same value.
	again := func(name string) func(*message) {
		return func(m *message) {
			_, query, _ := strings.Cut(m.target, "?")
			for p := range strings.SplitSeq(query, "&") {
				if strings.HasPrefix(p, name+"=") {
					m.target += "&" + p
					return
				}
			}
			panic(name)
		}
	}
	w.tryAll(key,
		lie{what: "T017: two Authorization headers", after: func(m *message) { m.add("Authorization", m.get("Authorization")) }, status: bad, code: "", stranger: true},
		lie{what: "T018: header and query", after: func(m *message) { m.target += "?X-Amz-Signature=00" }, status: bad, code: "InvalidArgument", stranger: true},
		lie{what: "one header", status: fine},
		lie{what: "one query", presigned: true, status: fine},
	)
	for _, name := range []string{"X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Expires", "X-Amz-Signature", "X-Amz-Algorithm"} {
		w.try(key, lie{what: "T019: " + name + " twice", presigned: true, after: again(name), status: bad, code: "MalformedQueryString", stranger: true})
	}
}

func TestT020_T021_OneSpelling(t *testing.T) {
	w := newWorld(t)
	key := w.key(w.user(allow("iam:*")))
	body := func(old, new string) func(*message) {
		return func(m *message) {
			m.body = strings.Replace(m.body, old, new, 1)
			m.set("Content-Length", fmt.Sprint(len(m.body)))
		}
	}
	for _, l := range []lie{
		{what: "T020: action beside Action", before: body("Action=", "action=DeleteUser&Action=")},
		{what: "T020: Action twice", before: body("Action=", "Action=DeleteUser&Action=")},
		{what: "T020: username beside UserName", before: body("UserName=", "username=x&UserName=")},
		{what: "T020: x-amz-credential beside X-Amz-Credential", presigned: true, before: func(m *message) { m.target += "&x-amz-credential=x" }},
		{what: "T021: Action in query and body", before: func(m *message) { m.target = "/?Action=ListUsers" }},
		{what: "T021: Version in query and body", before: func(m *message) { m.target = "/?Version=2010-05-08" }},
		{what: "T021: UserName in the query", before: func(m *message) { m.target = "/?UserName=x" }},
	} {
		user := w.name("made")
		m := w.form(versionIAM, "CreateUser", "UserName", user)
		s := signature{by: key, at: w.now(), service: "iam"}
		if l.presigned {
			m, s.expires = w.get(m.body), "60"
		}
		l.before(m)
		m.sign(s)
		if r := w.send(m); r.status != bad || r.code() == "" {
			t.Errorf("%s: %d %s, want 400", l.what, r.status, r.body)
		}
		if w.exists(user) {
			t.Errorf("%s: was acted on", l.what)
		}
	}
	w.try(key, lie{what: "one source", status: fine})
}

func TestT022_T024_Algorithms(t *testing.T) {
	w := newWorld(t)
	key := w.key(w.user(allow("iam:*")))
	algorithm := func(new string) func(*message) {
		return func(m *message) { m.edit("Authorization", "AWS4-HMAC-SHA256", new) }
	}
	sig := func(change func(string) string) func(*message) {
		return func(m *message) {
			v := m.get("Authorization")
			i := strings.Index(v, "Signature=") + len("Signature=")
			m.set("Authorization", v[:i]+change(v[i:]))
		}
	}
	for _, name := range []string{"AWS3-HMAC-SHA256", "AWS4-HMAC-SHA1", "AWS4-ECDSA-P256-SHA256", "aws4-hmac-sha256", "AWS4-HMAC-SHA256-PAYLOAD"} {
		w.try(key, lie{what: "T022: " + name, after: algorithm(name), status: bad, code: incomplete, stranger: true})
	}
	w.tryAll(key,
		lie{what: "T022: version 2", after: func(m *message) { m.set("Authorization", "AWS "+key.id+":c2lnbmF0dXJl") }, status: bad, code: incomplete, stranger: true},
		lie{what: "T024: empty", after: sig(func(string) string { return "" }), status: forbidden, code: mismatch},
		lie{what: "T024: 63 digits", after: sig(func(s string) string { return s[1:] }), status: forbidden, code: mismatch},
		lie{what: "T024: 65 digits", after: sig(func(s string) string { return s + "0" }), status: forbidden, code: mismatch},
		lie{what: "T024: upper case", after: sig(func(s string) string { return strings.ToUpper(s) }), status: forbidden, code: mismatch},
		lie{what: "T024: zeros", after: sig(func(s string) string { return strings.Repeat("0", 64) }), status: forbidden, code: mismatch},
		lie{what: "T024: not hexadecimal", after: sig(func(s string) string { return strings.Repeat("z", 64) }), status: forbidden, code: mismatch},
		lie{what: "T024: as computed", after: sig(func(s string) string { return s }), status: fine},
	)
}

// T026: no access key id does harm, whatever is in it.
func TestT026_HostileAccessKeyIDs(t *testing.T) {
	w := newWorld(t)
	for what, id := range map[string]string{
		"10 kB":    strings.Repeat("A", 10_000),
		"SQL":      "AKIA'OR'1'='1",
		"absent":   "AKIAIOSFODNN7EXAMPLE",
		"template": "${jndi:ldap:x}",
	} {
		m := w.form(versionIAM, "ListUsers")
		m.sign(signature{by: credentials{id: id, secret: "x"}, at: w.now(), service: "iam"})
		r := w.send(m)
		if r.status != forbidden && r.status != bad {
			t.Errorf("T026: %s: %d %s", what, r.status, r.body)
		}
		if len(r.body) > 4096 {
			t.Errorf("T026: %s: an answer of %d bytes", what, len(r.body))
		}
	}
}

func TestT027_T028_BodyIsSigned(t *testing.T) {
	w := newWorld(t)
	key := w.key(w.user(allow("iam:*")))
	declared := func(value string) func(*message) {
		return func(m *message) { m.add("X-Amz-Content-Sha256", value) }
	}
	payload := func(value string) func(*signature) {
		return func(s *signature) { s.payload = value }
	}
	zeros := strings.Repeat("0", 64)
	w.tryAll(key,
		lie{what: "another body than signed", after: func(m *message) { m.body = strings.Replace(m.body, "CreateUser", "DeleteUser", 1) }, status: forbidden, code: mismatch},
		lie{what: "T027: another hash than the body's", before: declared(zeros), signed: payload(zeros), status: forbidden, code: mismatch},
		lie{what: "T028: UNSIGNED-PAYLOAD", before: declared("UNSIGNED-PAYLOAD"), signed: payload("UNSIGNED-PAYLOAD"), status: forbidden, code: mismatch},
		lie{what: "T028: streaming", before: declared("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), signed: payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), status: forbidden, code: mismatch},
		lie{what: "the body's", status: fine},
	)
}

func TestT034_T035_ForgedSignatures(t *testing.T) {
	w := newWorld(t)
	key := w.key(w.user(allow("iam:*")))
	forged := func(s *signature) { s.by.secret = "guess" }
	for _, mode := range []string{"", "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"} {
		before := func(m *message) {
			if mode != "" {
				m.add("X-Amz-Content-Sha256", mode)
			}
		}
		w.try(key, lie{what: "T034: mode " + mode, before: before, signed: forged, status: forbidden, code: mismatch})
		w.try(key, lie{what: "T035: mode " + mode, presigned: true, before: before, signed: forged, status: forbidden, code: mismatch})
	}
	w.tryAll(key, lie{what: "T034: the key's", status: fine}, lie{what: "T035: the key's", presigned: true, status: fine})
}

func TestT037_T038_Expires(t *testing.T) {
	w := newWorld(t)
	key := w.key(w.user(allow("iam:*")))
	expires := func(v string) func(*signature) { return func(s *signature) { s.expires = v } }
	for _, v := range []string{"604801", "-1", "0", "1e3", "+5", " 5", "99999999999999999999"} {
		w.try(key, lie{what: "T037: " + v, presigned: true, signed: expires(v), status: bad, code: incomplete, stranger: true})
	}
	old := func(age time.Duration) func(*signature) {
		return func(s *signature) { s.expires, s.at = "60", s.at.Add(-age) }
	}
	w.tryAll(key,
		lie{what: "T037: seven days", presigned: true, signed: expires("604800"), status: fine},
		lie{what: "T038: expired", presigned: true, signed: old(62 * time.Second), status: forbidden, code: mismatch},
		lie{what: "T038: not expired", presigned: true, signed: old(50 * time.Second), status: fine},
		lie{what: "T038: twenty minutes ahead", presigned: true, signed: old(-20 * time.Minute), status: forbidden, code: mismatch},
	)
}

// T039: a presigned request ends with the session that signed it.
func TestT039_PresignedBySession(t *testing.T) {
	w := newWorld(t)
	name := w.role(allow("iam:*"))
	session := w.assume(name, "DurationSeconds", "900")
	week := lie{presigned: true, signed: func(s *signature) { s.expires = "604800" }}
	week.what, week.status = "T039: while the session lasts", fine
	w.try(session, week)
	revoke := document(map[string]any{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": map[string]any{"DateLessThan": map[string]any{"aws:TokenIssueTime": w.lanyard.Now().Add(time.Second).UTC().Format(time.RFC3339)}}})
	w.ok(w.iam(w.admin, "PutRolePolicy", "RoleName", name, "PolicyName", "revoke", "PolicyDocument", revoke))
	week.what, week.status, week.code = "T039: revoked", forbidden, "AccessDenied"
	w.try(session, week)
	w.ok(w.iam(w.admin, "DeleteRolePolicy", "RoleName", name, "PolicyName", "revoke"))
	w.lanyard.Advance(15 * time.Minute)
	week.what, week.code = "T039: session over", "ExpiredToken"
	w.try(session, week)
}

func TestT040_T041_PresignedIsWhole(t *testing.T) {
	w := newWorld(t)
	key := w.key(w.user(allow("iam:*")))
	w.tryAll(key,
		lie{what: "T040: as POST", presigned: true, after: func(m *message) { m.method = "POST"; m.add("Content-Length", "0") }, status: forbidden, code: mismatch},
		lie{what: "T040: override header", presigned: true, after: func(m *message) { m.add("X-HTTP-Method-Override", "DELETE") }, status: fine},
		lie{what: "T041: parameter added", presigned: true, after: func(m *message) { m.target += "&Path=/x/" }, status: forbidden, code: mismatch},
		lie{what: "T041: parameter signed", presigned: true, before: func(m *message) { m.target += "&Path=%2Fx%2F" }, status: fine},
	)
	for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS"} {
		w.try(key, lie{what: "T040: as " + method, presigned: true, after: func(m *message) { m.method = method }, status: http.StatusMethodNotAllowed, code: "MethodNotAllowed", stranger: true})
	}
}

func TestT044_T045_T046_Targets(t *testing.T) {
	w := newWorld(t)
	key := w.key(w.user(allow("iam:*")))
	for _, path := range []string{"/users", "//", "/./", "/a/..", "/%2e", "/%00", "/livez/..", "/%2F"} {
		user := w.name("made")
		m := w.form(versionIAM, "CreateUser", "UserName", user)
		m.target = path
		m.sign(signature{by: key, at: w.now(), service: "iam"})
		if r := w.send(m); r.status < 400 || r.status >= 500 {
			t.Errorf("T044: path %s: %d %s", path, r.status, r.body)
		}
		if w.exists(user) {
			t.Errorf("T044: path %s was acted on", path)
		}
	}
	w.tryAll(key,
		lie{what: "T044: path /", status: fine},
		lie{what: "T045: another host than signed", after: func(m *message) { m.set("Host", "other.example.org") }, status: forbidden, code: mismatch},
		lie{what: "T045: the signed host in other letters", before: func(m *message) { m.set("Host", "Iam.Example.Org") }, after: func(m *message) { m.set("Host", "iam.example.org") }, status: forbidden, code: mismatch},
		lie{what: "T045: forwarded host is not looked at", before: func(m *message) { m.add("X-Forwarded-Host", "other.example.org") }, status: fine},
		lie{what: "T046: absolute target of another host", after: func(m *message) { m.target = "http://other.example.org/" }, status: bad, code: "", stranger: true},
		lie{what: "T046: absolute target of this host", after: func(m *message) { m.target = "http://" + w.address + "/" }, status: fine},
	)
}

// T054, T055: a presigned GetCallerIdentity says who signed it and can do nothing else.
func TestT054_T055_PresignedIdentity(t *testing.T) {
	w := newWorld(t)
	name, key := w.caller()
	made := func() *message {
		m := w.get("Action=GetCallerIdentity&Version=2011-06-15")
		m.sign(signature{by: key, at: w.now(), service: "sts", expires: "60"})
		return m
	}
	if r := w.ok(w.send(made())); r.field("Arn") != userARN(name) {
		t.Errorf("T054: %s", r.body)
	}
	for what, bend := range map[string]func(*message){
		"another action":           func(m *message) { m.target = strings.Replace(m.target, "GetCallerIdentity", "GetSessionToken", 1) },
		"a second action":          func(m *message) { m.target += "&Action=AssumeRole" },
		"an unsigned parameter":    func(m *message) { m.target += "&RoleArn=x" },
		"an unsigned amz header":   func(m *message) { m.add("X-Amz-Target", "CloudTrail_20131101.LookupEvents") },
		"a body":                   func(m *message) { m.body = "Action=AssumeRole"; m.add("Content-Length", fmt.Sprint(len(m.body))) },
		"another host":             func(m *message) { m.set("Host", "sts.example.org") },
		"a case twin (T533)":       func(m *message) { m.target += "&x-amz-credential=" + escape(w.admin.id) },
		"a second credential":      func(m *message) { m.target += "&X-Amz-Credential=" + escape(w.admin.id) },
		"a semicolon":              func(m *message) { m.target += ";Action=AssumeRole" },
		"junk behind the version":  func(m *message) { m.target = strings.Replace(m.target, versionSTS, versionSTS+"%20", 1) },
		"an upper-case percent %2": func(m *message) { m.target += "&a=%2" },
	} {
		m := made()
		bend(m)
		if r := w.send(m); r.status < 400 || r.status >= 500 || strings.Contains(r.body, userARN(name)) {
			t.Errorf("T055: %s: %d %s", what, r.status, r.body)
		}
	}
}

// T057: what a client is told when its secret is wrong helps it and nobody else.
func TestT057_ErrorsShowNoKey(t *testing.T) {
	w := newWorld(t)
	_, key := w.caller()
	right := w.form(versionIAM, "ListUsers")
	at := w.now()
	right.sign(signature{by: key, at: at, service: "iam"})
	_, expected, _ := strings.Cut(right.get("Authorization"), "Signature=")
	wrong := *right
	wrong.lines = slices.Clone(right.lines)
	wrong.sign(signature{by: credentials{id: key.id, secret: "guess"}, at: at, service: "iam"})
	r := w.refused(w.send(&wrong), mismatch)
	for name, secret := range map[string]string{"signature": expected, "secret": key.secret} {
		if strings.Contains(r.body, secret) || strings.Contains(fmt.Sprint(r.header), secret) {
			t.Errorf("T057: the answer has the %s that would have been right", name)
		}
	}
	if rec := w.record(r); strings.Contains(rec.raw, expected) {
		t.Error("T057: the record has the right signature")
	}
}

// T058: whoever does not hold a secret learns nothing about the key: a wrong
// signature with a known key and with an inactive one are answered alike.
func TestT058_NoOracle(t *testing.T) {
	w := newWorld(t)
	active, inactive := w.user(), w.user()
	a, b := w.key(active), w.key(inactive)
	w.ok(w.iam(w.admin, "UpdateAccessKey", "UserName", inactive, "AccessKeyId", b.id, "Status", "Inactive"))
	var messages []string
	for _, key := range []credentials{a, b} {
		key.secret = "guess"
		r := w.iam(key, "ListUsers")
		messages = append(messages, strings.ReplaceAll(r.code()+": "+r.message(), key.id, "KEY"))
	}
	if messages[0] != messages[1] {
		t.Errorf("T058: active and inactive keys are told apart:\n%s\n%s", messages[0], messages[1])
	}
}

// T059: keys that are of no use any more.
func TestT059_UselessKeys(t *testing.T) {
	w := newWorld(t)
	name, key := w.caller(allow("iam:*"))
	w.try(key, lie{what: "T059: active", status: fine})
	w.ok(w.iam(w.admin, "UpdateAccessKey", "UserName", name, "AccessKeyId", key.id, "Status", "Inactive"))
	w.try(key, lie{what: "T059: inactive", status: forbidden, code: badKey})
	w.ok(w.iam(w.admin, "UpdateAccessKey", "UserName", name, "AccessKeyId", key.id, "Status", "Active"))
	w.try(key, lie{what: "T059: active again", status: fine})
	w.try(key, lie{what: "T059: empty secret", signed: func(s *signature) { s.by.secret = "" }, status: forbidden, code: mismatch})
	w.ok(w.iam(w.admin, "DeleteAccessKey", "UserName", name, "AccessKeyId", key.id))
	// The id still tells the account, but anyone can make one that does.
	w.try(key, lie{what: "T059: deleted", status: forbidden, code: badKey, stranger: true})
	w.try(key, lie{what: "T059: no key id", signed: func(s *signature) { s.by.id = "" }, status: forbidden, code: badKey, stranger: true})
}

// T056: nothing that a client sent comes back as markup.
func TestT056_EchoIsEscaped(t *testing.T) {
	w := newWorld(t)
	role := w.role()
	for _, name := range []string{"<script>", "]]>", "a\nb", "a\x00b", "&lt;"} {
		r := w.sts(w.admin, "AssumeRole", "RoleArn", roleARN(role), "RoleSessionName", name)
		if r.status != bad || r.code() != "ValidationError" {
			t.Errorf("T056: session name %q: %d %s", name, r.status, r.body)
		}
		if strings.Contains(r.body, "<script>") {
			t.Errorf("T056: %q comes back as markup: %s", name, r.body)
		}
		if r.message() == "" {
			t.Errorf("T056: %q makes an answer that is no XML: %q", name, r.body)
		}
	}
	w.ok(w.sts(w.admin, "AssumeRole", "RoleArn", roleARN(role), "RoleSessionName", "lt"))
	// JSON where JSON was asked for, and only there.
	m := w.form(versionSTS, "GetCallerIdentity")
	m.add("Accept", "application/json")
	m.sign(signature{by: w.admin, at: w.now(), service: "sts"})
	if r := w.ok(w.send(m)); json.Valid([]byte(r.body)) != strings.HasPrefix(r.header.Get("Content-Type"), "application/json") {
		t.Errorf("T056: %s: %s", r.header.Get("Content-Type"), r.body)
	}
}
