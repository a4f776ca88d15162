package authz_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/session"
)

// maxMessage is what sts:DecodeAuthorizationMessage accepts.
const maxMessage = 10_240

func newMessages(tb testing.TB) *authz.Messages {
	tb.Helper()
	seal, err := keyring.GenerateSealKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	ring, err := keyring.New(seal, rand.Reader, noon)
	if err != nil {
		tb.Fatal(err)
	}
	return &authz.Messages{Ring: ring}
}

// denial is the trace of an explicit deny.
func denial(t *testing.T) *policy.Trace {
	w := newWorld(t)
	guard := w.policy("guard", `"Sid":"NoDeletes","Effect":"Deny","Action":"s3:Delete*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}`)
	p := w.roleSession(w.role("app", func(r *identity.Role) { r.Inline, r.Attached = inline(allow("*")), []string{guard} }), nil)
	return w.trace(p, authz.On("arn:aws:s3:::b/k").WithAction("s3:DeleteObject"))
}

// encodedMessage is the shape that AWS's decoded messages have.
type encodedMessage struct {
	Allowed           bool `json:"allowed"`
	ExplicitDeny      bool `json:"explicitDeny"`
	MatchedStatements struct {
		Items []struct {
			StatementID string `json:"statementId"`
			Effect      string `json:"effect"`
			Actions     struct {
				Items []struct{ Value string } `json:"items"`
			} `json:"actions"`
			Conditions struct {
				Items []struct {
					Key string `json:"key"`
				} `json:"items"`
			} `json:"conditions"`
		} `json:"items"`
	} `json:"matchedStatements"`
	Failures struct {
		Items []any `json:"items"`
	} `json:"failures"`
	Context struct {
		Principal  struct{ ID, Name, ARN string } `json:"principal"`
		Action     string                         `json:"action"`
		Resource   string                         `json:"resource"`
		Conditions struct {
			Items []struct {
				Key    string `json:"key"`
				Values struct {
					Items []struct{ Value string } `json:"items"`
				} `json:"values"`
			} `json:"items"`
		} `json:"conditions"`
	} `json:"context"`
	Trace *policy.Trace `json:"trace"`
}

func openMessage(t *testing.T, m *authz.Messages, account arn.AccountID, sealed string) encodedMessage {
	t.Helper()
	if len(sealed) > maxMessage {
		t.Fatalf("a message of %d characters, more than STS accepts", len(sealed))
	}
	text, err := m.Open(account, sealed)
	if err != nil {
		t.Fatal(err)
	}
	var decoded encodedMessage
	if err := json.Unmarshal([]byte(text), &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

func TestMessageSaysWhy(t *testing.T) {
	m := newMessages(t)
	trace := denial(t)
	sealed, err := m.Seal(home, trace)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(sealed, "NoDeletes") || strings.Trim(sealed, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		t.Errorf("the message is not sealed, or not base64url: %s", sealed)
	}
	d := openMessage(t, m, home, sealed)
	if d.Allowed || !d.ExplicitDeny || d.Failures.Items == nil {
		t.Errorf("allowed %v, explicitDeny %v, failures %v", d.Allowed, d.ExplicitDeny, d.Failures.Items)
	}
	if d.Context.Action != "s3:DeleteObject" || d.Context.Resource != "arn:aws:s3:::b/k" ||
		d.Context.Principal.ARN != "arn:aws:sts::111122223333:assumed-role/app/ci" || d.Context.Principal.Name != "ci" {
		t.Errorf("context %+v", d.Context)
	}
	var deny int
	for _, s := range d.MatchedStatements.Items {
		if s.Effect == "DENY" && s.StatementID == "NoDeletes" && len(s.Actions.Items) == 1 && s.Actions.Items[0].Value == "s3:Delete*" &&
			len(s.Conditions.Items) == 1 && s.Conditions.Items[0].Key == "aws:SecureTransport" {
			deny++
		}
	}
	if deny != 1 {
		t.Errorf("matched statements %+v", d.MatchedStatements.Items)
	}
	secure := false
	for _, k := range d.Context.Conditions.Items {
		secure = secure || k.Key == "aws:SecureTransport" && len(k.Values.Items) == 1 && k.Values.Items[0].Value == "true"
	}
	if !secure {
		t.Errorf("conditions %+v", d.Context.Conditions)
	}
	if d.Trace == nil || d.Trace.Decision.Message != trace.Decision.Message {
		t.Errorf("trace %+v", d.Trace)
	}
}

// TestT302_MessagesOpenOnlyAtHome: another account, another installation, a changed,
// cut, lengthened or respelled message all give the one answer.
func TestT302_MessagesOpenOnlyAtHome(t *testing.T) {
	m := newMessages(t)
	sealed, err := m.Seal(home, denial(t))
	if err != nil {
		t.Fatal(err)
	}
	openMessage(t, m, home, sealed)

	refused := func(name string, m *authz.Messages, account arn.AccountID, message string) {
		t.Helper()
		if text, err := m.Open(account, message); !errors.Is(err, authz.ErrMessage) || text != "" {
			t.Errorf("%s: opened: %.40q, %v", name, text, err)
		}
	}
	refused("another account", m, foreign, sealed)
	refused("no account", m, "", sealed)
	refused("another installation", newMessages(t), home, sealed)
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		raw[i] ^= 1
		refused(fmt.Sprint("byte changed: ", i), m, home, base64.RawURLEncoding.EncodeToString(raw))
		raw[i] ^= 1
	}
	for i := range len(sealed) {
		refused(fmt.Sprint("cut at ", i), m, home, sealed[:i])
	}
	refused("lengthened", m, home, sealed+"A")
	refused("padded", m, home, sealed+"=")
	refused("line break", m, home, sealed[:10]+"\n"+sealed[10:])
	refused("not base64", m, home, "%%%%")
	refused("too long", m, home, sealed+strings.Repeat("A", maxMessage))
	other, err := m.Ring.Seal(keyring.AccessKeySecrets, string(home), []byte("a secret"))
	if err != nil {
		t.Fatal(err)
	}
	refused("sealed for another purpose", m, home, base64.RawURLEncoding.EncodeToString(other))
}

// TestLongMessagesStayWithinLimit: what does not fit is left out, the decision never.
func TestLongMessagesStayWithinLimit(t *testing.T) {
	m := newMessages(t)
	w := newWorld(t)
	// Random text, which no compression makes shorter.
	noise := func(n int) string {
		b := make([]byte, n)
		if _, err := rand.Read(b); err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)[:n]
	}
	for _, tt := range []struct {
		name              string
		statements, tags  int
		trace, conditions bool
	}{
		{"short", 1, 1, true, true},
		{"too long with its trace", 20, 1, false, true},
		{"too long with its condition keys", 1, 50, false, false},
	} {
		role := w.role("app", func(r *identity.Role) {
			var near []string // statements that almost match, of which a trace tells
			for range tt.statements {
				near = append(near, fmt.Sprintf(`"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::%s","arn:aws:s3:::%s"]`, noise(500), noise(500)))
			}
			r.Inline = inline(near...)
		})
		p := w.roleSession(role, func(s *session.Session) {
			for i := range tt.tags {
				s.Tags = append(s.Tags, identity.Tag{Key: fmt.Sprint("tag", i), Value: noise(250)})
			}
		})
		sealed, err := m.Seal(home, w.trace(p, authz.Check{Action: "s3:GetObject"}))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		d := openMessage(t, m, home, sealed)
		if (d.Trace != nil) != tt.trace || (len(d.Context.Conditions.Items) > 0) != tt.conditions {
			t.Errorf("%s: trace %v, %d condition keys", tt.name, d.Trace != nil, len(d.Context.Conditions.Items))
		}
		if d.Allowed || d.ExplicitDeny || d.Context.Action != "s3:GetObject" {
			t.Errorf("%s: decision lost: %+v", tt.name, d)
		}
	}
	huge := w.trace(w.roleSession(w.role("app", nil), nil), authz.On("arn:aws:s3:::"+noise(20_000)).WithAction("s3:GetObject"))
	if sealed, err := m.Seal(home, huge); err == nil {
		t.Errorf("a message of %d characters was sealed, which cannot be opened", len(sealed))
	}
}

// FuzzOpenMessage: nothing that was not sealed here opens.
func FuzzOpenMessage(f *testing.F) {
	m := newMessages(f)
	f.Add("")
	f.Add("AAAA")
	f.Add(strings.Repeat("_", maxMessage))
	f.Fuzz(func(t *testing.T, message string) {
		if text, err := m.Open(home, message); !errors.Is(err, authz.ErrMessage) {
			t.Errorf("Open(%q) = %q, %v", message, text, err)
		}
	})
}
