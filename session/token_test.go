package session_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/session"
)

var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func newCodec(t testing.TB) *session.Codec {
	t.Helper()
	seal, err := keyring.GenerateSealKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New(seal, rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	return session.NewCodec(ring)
}

// example is a role session with everything that AssumeRole can put into one.
func example() *session.Session {
	return &session.Session{
		Kind:           session.Role,
		Account:        "012345678901",
		PrincipalID:    "AROAJQABLZS4A3QDU576Q",
		Name:           "alice@example.com",
		Issued:         now,
		Expires:        now.Add(time.Hour),
		MFAKnown:       true,
		MFA:            true,
		MFATime:        now.Add(-20 * time.Minute),
		Policy:         `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`,
		PolicyARNs:     []string{"arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::012345678901:policy/a/b"},
		Tags:           []identity.Tag{{Key: "Project", Value: "Blüte"}, {Key: "empty"}, {Key: "Team", Value: "x"}},
		TransitiveTags: []string{"Project", "Team"},
		SourceIdentity: "alice",
		Chained:        true,
		Issuer:         "ASIAY34FZKBOKMUTVV7A",
		Origin:         "AKIAY34FZKBOKMUTVV7A",
	}
}

// typical is what most sessions are.
func typical() *session.Session {
	return &session.Session{
		Kind:        session.Role,
		Account:     "012345678901",
		PrincipalID: "AROAJQABLZS4A3QDU576Q",
		Name:        "deploy",
		Issued:      now,
		Expires:     now.Add(time.Hour),
		MFAKnown:    true,
		Issuer:      "AKIAY34FZKBOKMUTVV7A",
		Origin:      "AKIAY34FZKBOKMUTVV7A",
	}
}

func mint(t testing.TB, c *session.Codec, s *session.Session) session.Credentials {
	t.Helper()
	cr, err := c.Mint(s, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return cr
}

func TestCredentialsLookLikeAWSs(t *testing.T) {
	c := newCodec(t)
	s := example()
	cr := mint(t, c, s)
	if len(cr.AccessKeyID) != 20 || !strings.HasPrefix(cr.AccessKeyID, "ASIA") {
		t.Errorf("access key id %q", cr.AccessKeyID)
	}
	if account, ok := arn.AccountOfAccessKey(cr.AccessKeyID); !ok || account != s.Account {
		t.Errorf("access key id names account %q", account)
	}
	if len(cr.SecretAccessKey) != 40 || strings.Trim(cr.SecretAccessKey, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") != "" {
		t.Errorf("secret access key has a form of its own: %d characters", len(cr.SecretAccessKey))
	}
	if !strings.HasPrefix(cr.SessionToken, "Lany") || len(cr.SessionToken) > 1024 {
		t.Errorf("session token of %d characters begins with %.4s", len(cr.SessionToken), cr.SessionToken)
	}
	if !cr.Expires.Equal(s.Expires) {
		t.Errorf("expires %v", cr.Expires)
	}
	if n := len(mint(t, c, typical()).SessionToken); n > 256 {
		t.Errorf("a typical token has %d characters", n)
	}
}

func TestOpenedSessionHasTheSameSecret(t *testing.T) {
	c := newCodec(t)
	a, b := example(), example()
	first, second := mint(t, c, a), mint(t, c, b)
	opened, err := c.Open(first.AccessKeyID, first.SessionToken)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Secret(opened); got != first.SecretAccessKey {
		t.Error("the opened session has another secret")
	}
	if first.SecretAccessKey == second.SecretAccessKey || first.AccessKeyID == second.AccessKeyID || a.ID == b.ID {
		t.Error("two sessions share secret, access key id or id")
	}
}

func TestSecretOfASessionWithoutTokenPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a secret was derived from nothing")
		}
	}()
	newCodec(t).Secret(example())
}

func sessions(t *rapid.T) *session.Session {
	text := rapid.StringN(-1, -1, 60)
	second := func(label string) time.Time {
		return time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, label), 0).UTC()
	}
	s := &session.Session{
		Kind:           session.Kind(rapid.Uint8Range(1, 5).Draw(t, "kind")),
		Account:        arn.AccountID(fmt.Sprintf("%012d", rapid.Int64Range(0, 999_999_999_999).Draw(t, "account"))),
		PrincipalID:    text.Draw(t, "principal"),
		Name:           text.Draw(t, "name"),
		Issued:         second("issued"),
		Expires:        second("expires"),
		MFAKnown:       rapid.Bool().Draw(t, "mfa known"),
		MFA:            rapid.Bool().Draw(t, "mfa"),
		Policy:         rapid.StringN(-1, -1, 2048).Draw(t, "policy"),
		SourceIdentity: text.Draw(t, "source identity"),
		Chained:        rapid.Bool().Draw(t, "chained"),
		Issuer:         rapid.OneOf(text, rapid.Just("AKIAY34FZKBOKMUTVV7A"), rapid.Just("ASIAY34FZKBOKMUTVV7A")).Draw(t, "issuer"),
		Origin:         rapid.OneOf(text, rapid.Just("AKIAY34FZKBOKMUTVV7A"), rapid.Just("")).Draw(t, "origin"),
		IssuerRoot:     rapid.Bool().Draw(t, "issuer root"),
	}
	if s.MFA {
		s.MFATime = second("mfa time")
	}
	for range rapid.IntRange(0, 10).Draw(t, "arns") {
		s.PolicyARNs = append(s.PolicyARNs, text.Draw(t, "arn"))
	}
	for _, key := range rapid.SliceOfNDistinct(text, 0, 10, rapid.ID).Draw(t, "tag keys") {
		s.Tags = append(s.Tags, identity.Tag{Key: key, Value: text.Draw(t, "tag value")})
		if rapid.Bool().Draw(t, "transitive") {
			s.TransitiveTags = append(s.TransitiveTags, key)
		}
	}
	return s
}

func TestOpenYieldsWhatWasMinted(t *testing.T) {
	c := newCodec(t)
	rapid.Check(t, func(t *rapid.T) {
		s := sessions(t)
		cr, err := c.Mint(s, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Open(cr.AccessKeyID, cr.SessionToken)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, s) {
			t.Fatalf("opened %+v\nminted %+v", got, s)
		}
	})
}

func TestMintCutsTimesToSeconds(t *testing.T) {
	c := newCodec(t)
	s := example()
	s.Issued = s.Issued.Add(999 * time.Millisecond).In(time.FixedZone("", 3600))
	mint(t, c, s)
	if !s.Issued.Equal(now) || s.Issued.Location() != time.UTC {
		t.Errorf("issued %v", s.Issued)
	}
}

func TestMintRefuses(t *testing.T) {
	c := newCodec(t)
	for name, change := range map[string]func(*session.Session){
		"an account id that is too short":      func(s *session.Session) { s.Account = "1" },
		"an account id that is no number":      func(s *session.Session) { s.Account = "12345678901x" },
		"a transitive key without a tag":       func(s *session.Session) { s.TransitiveTags = []string{"nosuch"} },
		"more than fits into a request header": func(s *session.Session) { s.Policy = strings.Repeat(" ", session.MaxToken) },
	} {
		s := example()
		change(s)
		if _, err := c.Mint(s, rand.Reader); err == nil {
			t.Errorf("minted with %s", name)
		}
	}
	if _, err := c.Mint(example(), bytes.NewReader(make([]byte, 20))); err == nil {
		t.Error("minted with too little randomness")
	}
}

// Every byte of the text, and every bit of what it encodes, counts.
func TestT295_ChangedTokensAreRefused(t *testing.T) {
	c := newCodec(t)
	cr := mint(t, c, typical())
	other := mint(t, c, typical())
	refused := func(what, accessKeyID, token string) {
		t.Helper()
		if s, err := c.Open(accessKeyID, token); s != nil || err != session.ErrInvalid {
			t.Errorf("%s: %v, %v", what, s, err)
		}
	}
	token := cr.SessionToken
	// The text of three tokens whose lengths differ by one byte: the last character
	// of some has bits that encode nothing.
	for n := range 3 {
		s := typical()
		s.Name = strings.Repeat("n", 5+n)
		cr := mint(t, c, s)
		last := len(cr.SessionToken) - 1
		for _, character := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=" {
			if changed := cr.SessionToken[:last] + string(character); changed != cr.SessionToken {
				refused("last character replaced", cr.AccessKeyID, changed)
			}
		}
	}
	for i := range len(token) {
		for _, replacement := range []byte{token[i] ^ 1, 'A', '=', '\n', '\r', ' ', 0, 0xff} {
			if replacement == token[i] {
				continue
			}
			changed := []byte(token)
			changed[i] = replacement
			refused(fmt.Sprintf("byte %d replaced by %q", i, replacement), cr.AccessKeyID, string(changed))
		}
	}
	raw, err := base64.RawStdEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			changed := slices.Clone(raw)
			changed[i] ^= 1 << bit
			refused(fmt.Sprintf("bit %d of byte %d flipped", bit, i), cr.AccessKeyID, base64.RawStdEncoding.EncodeToString(changed))
		}
	}
	for n := range len(token) {
		refused(fmt.Sprintf("cut to %d characters", n), cr.AccessKeyID, token[:n])
	}
	for _, tail := range []string{"A", "AA", "AAA", "AAAA", "=", "==", "\n", "\r\n", " "} {
		refused(fmt.Sprintf("%q appended", tail), cr.AccessKeyID, token+tail)
		refused(fmt.Sprintf("%q in front", tail), cr.AccessKeyID, tail+token)
	}
	refused("a line break inside", cr.AccessKeyID, token[:40]+"\n"+token[40:])
	refused("halves of two tokens", cr.AccessKeyID, token[:len(token)/2]+other.SessionToken[len(token)/2:])
	refused("other halves of two tokens", cr.AccessKeyID, other.SessionToken[:len(token)/2]+token[len(token)/2:])
	refused("another session's access key id", other.AccessKeyID, token)
	refused("no access key id", "", token)
	refused("a longer access key id", cr.AccessKeyID+"A", token)
	refused("an access key id in lower case", strings.ToLower(cr.AccessKeyID), token)
	refused("another installation's token", cr.AccessKeyID, func() string {
		s := typical()
		foreign := mint(t, newCodec(t), s)
		cr.AccessKeyID = foreign.AccessKeyID
		return foreign.SessionToken
	}())
}

func TestT297_ForgedKeyIDs(t *testing.T) {
	c := newCodec(t)
	cr := mint(t, c, typical())
	raw, _ := base64.RawStdEncoding.DecodeString(cr.SessionToken)
	for _, id := range [][]byte{{0, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 99}} {
		copy(raw[4:], id)
		if _, err := c.Open(cr.AccessKeyID, base64.RawStdEncoding.EncodeToString(raw)); err != session.ErrInvalid {
			t.Errorf("key id %x: %v", id, err)
		}
	}
	huge := strings.Repeat("A", 1<<20)
	if n := testing.AllocsPerRun(10, func() { _, _ = c.Open(cr.AccessKeyID, huge) }); n > 0 {
		t.Errorf("a token of a megabyte costs %v allocations", n)
	}
	if _, err := c.Open(huge, cr.SessionToken); err != session.ErrInvalid {
		t.Errorf("an access key id of a megabyte: %v", err)
	}
}

func TestPackedPercent(t *testing.T) {
	s := &session.Session{}
	if got := s.PackedPercent(); got != 0 {
		t.Errorf("nothing takes %d%%", got)
	}
	s.Policy = strings.Repeat("x", 130)
	if got := s.PackedPercent(); got != 4 {
		t.Errorf("a policy of 130 characters takes %d%%, on AWS 4%%", got)
	}
	s.Policy = strings.Repeat("x", session.PackedBudget)
	if got := s.PackedPercent(); got != 100 {
		t.Errorf("the whole budget is %d%%", got)
	}
	s.Policy += "x"
	if got := s.PackedPercent(); got != 101 {
		t.Errorf("a byte over the budget is %d%%", got)
	}
}

// Whatever the budget lets through can be minted.
func TestLargestSessionFitsIntoAToken(t *testing.T) {
	c := newCodec(t)
	s := example()
	s.Policy, s.PolicyARNs, s.Tags, s.TransitiveTags = "", nil, nil, nil
	s.Name, s.SourceIdentity = strings.Repeat("n", 64), strings.Repeat("s", 64)
	for i := range 50 {
		key := fmt.Sprintf("%02d", i)
		s.Tags = append(s.Tags, identity.Tag{Key: key, Value: strings.Repeat("v", 76)})
		s.TransitiveTags = append(s.TransitiveTags, key)
	}
	s.Policy = strings.Repeat("p", session.PackedBudget-50*81)
	if got := s.PackedPercent(); got != 100 {
		t.Fatalf("packed %d%%", got)
	}
	if cr := mint(t, c, s); len(cr.SessionToken) > session.MaxToken {
		t.Errorf("token of %d characters", len(cr.SessionToken))
	}
}

func FuzzOpen(f *testing.F) {
	c := newCodec(f)
	cr := mint(f, c, example())
	f.Add(cr.AccessKeyID, cr.SessionToken)
	f.Add("ASIAY34FZKBOKMUTVV7A", "TGFueQ")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, id, token string) {
		s, err := c.Open(id, token)
		if id == cr.AccessKeyID && token == cr.SessionToken {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		if s != nil || !errors.Is(err, session.ErrInvalid) {
			t.Fatalf("opened a token that nobody minted: %+v, %v", s, err)
		}
	})
}

func BenchmarkMint(b *testing.B) {
	c := newCodec(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Mint(typical(), rand.Reader); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	c := newCodec(b)
	cr := mint(b, c, typical())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Open(cr.AccessKeyID, cr.SessionToken); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSecret(b *testing.B) {
	c := newCodec(b)
	s := typical()
	mint(b, c, s)
	b.ReportAllocs()
	for b.Loop() {
		_ = c.Secret(s)
	}
}

// What a Codec remembers of a token it has opened is good for that token alone, and only
// for those who bring the access key id that belongs to it.
func TestRememberedTokens(t *testing.T) {
	c := newCodec(t)
	first, second := mint(t, c, example()), mint(t, c, typical())
	for range 2 {
		s, err := c.Open(first.AccessKeyID, first.SessionToken)
		if err != nil || s.AccessKeyID != first.AccessKeyID || c.Secret(s) != first.SecretAccessKey {
			t.Fatalf("its own session: %+v, %v", s, err)
		}
		for _, other := range [][2]string{
			{second.AccessKeyID, first.SessionToken},
			{first.AccessKeyID, second.SessionToken},
			{first.AccessKeyID, first.SessionToken[:len(first.SessionToken)-1]},
			{first.AccessKeyID, first.SessionToken + "A"},
			{first.AccessKeyID + first.SessionToken[:1], first.SessionToken[1:]},
			{first.AccessKeyID[:19], first.AccessKeyID[19:] + first.SessionToken},
		} {
			if _, err := c.Open(other[0], other[1]); err != session.ErrInvalid {
				t.Errorf("access key id %s with token %.8s…: %v", other[0], other[1], err)
			}
		}
	}
	if again, _ := c.Open(first.AccessKeyID, first.SessionToken); cap(again.TransitiveTags) > len(again.TransitiveTags) {
		t.Error("who appends to the tags of a session writes into that of others")
	}
}
