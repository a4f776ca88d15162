package webauthnx

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/lanyard-iam/lanyard/internal/webauthnx/softkey"
)

const origin = "https://id.example.com:8443"

var (
	noon  = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	alice = Person{ID: []byte("AIDAALICE"), Name: "alice", DisplayName: "Alice"}
)

func site(t testing.TB) *RelyingParty {
	t.Helper()
	rp, err := New(Config{ID: "id.example.com", Origin: origin, DisplayName: "Lanyard"})
	if err != nil {
		t.Fatal(err)
	}
	return rp
}

func nobody([]byte) (bool, error) { return false, nil }

// scene is a site where alice registers keys and signs in.
type scene struct {
	t     *testing.T
	rp    *RelyingParty
	kept  []*Credential // alice's
	owner []byte        // whose they are
}

func newScene(t *testing.T) *scene { return &scene{t: t, rp: site(t), owner: alice.ID} }

// register makes a key's credential, unless it is refused.
func (s *scene) register(k *softkey.Key, passkey bool, forge ...func(*softkey.Draft)) (*Credential, error) {
	s.t.Helper()
	options, state, err := s.rp.BeginRegistration(alice, RegistrationOptions{Passkey: passkey}, noon, rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.rp.FinishRegistration(state, alice.ID, k.Create(options, origin, forge...), noon, nobody)
}

// keep registers a key.
func (s *scene) keep(k *softkey.Key) *Credential {
	s.t.Helper()
	c, err := s.register(k, false)
	if err != nil {
		s.t.Fatal(err)
	}
	s.kept = append(s.kept, c)
	return c
}

func (s *scene) find(id []byte) (*Owned, error) {
	for _, c := range s.kept {
		if bytes.Equal(c.ID, id) {
			return &Owned{s.owner, c}, nil
		}
	}
	return nil, nil
}

// login signs alice in, unless it is refused.
func (s *scene) login(k *softkey.Key, verify bool, forge ...func(*softkey.Draft)) (*Login, error) {
	s.t.Helper()
	options, state, err := s.rp.BeginLogin(alice.ID, s.kept, verify, noon, rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.rp.FinishLogin(state, alice.ID, k.Get(options, origin, forge...), noon, s.find)
}

func wants(t *testing.T, what string, err error, want Refusal) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// forgeries are refused with the same refusal at registration and at sign-in.
func (s *scene) bothRefuse(what string, want Refusal, forge func(*softkey.Draft)) {
	s.t.Helper()
	_, err := s.register(softkey.New(ES256), false, forge)
	wants(s.t, what+" at registration", err, want)
	k := softkey.New(ES256)
	s.keep(k)
	_, err = s.login(k, false, forge)
	wants(s.t, what+" at sign-in", err, want)
}

func claim(name string, value any) func(*softkey.Draft) {
	return func(d *softkey.Draft) { d.ClientData[name] = value }
}

func TestRegisterAndSignIn(t *testing.T) {
	for _, alg := range []int{ES256, EdDSA, RS256} {
		s := newScene(t)
		k := softkey.New(alg)
		k.AAGUID[0] = 7
		c := s.keep(k)
		want := Credential{
			ID: k.ID, PublicKey: softkey.Encode(k.COSE()), Algorithm: alg, Counter: 1, AAGUID: k.AAGUID[:], Transports: []string{"usb", "nfc"},
			Attestation: "none", UserVerified: true, Discoverable: true,
		}
		if got, want := toJSON(t, c), toJSON(t, want); got != want {
			t.Errorf("registered %s, want %s", got, want)
		}
		for n := uint32(2); n < 4; n++ {
			l, err := s.login(k, true)
			if err != nil {
				t.Fatalf("algorithm %d: %v", alg, err)
			}
			if !bytes.Equal(l.PersonID, alice.ID) || !l.UserVerified || l.Credential.Counter != n || c.Counter != n-1 {
				t.Errorf("signed in %+v", l)
			}
			*c = l.Credential
		}
	}
}

func TestPasskeySaysWhoComes(t *testing.T) {
	s := newScene(t)
	k := softkey.NewPasskey(EdDSA)
	c, err := s.register(k, true)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Discoverable || !c.BackupEligible || !c.BackedUp || c.AAGUID != nil {
		t.Errorf("registered %+v", c)
	}
	s.kept = append(s.kept, c)
	options, state, err := s.rp.BeginDiscoverableLogin(noon, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(options), "allowCredentials") {
		t.Errorf("options %s", options)
	}
	l, err := s.rp.FinishLogin(state, nil, k.Get(options, origin), noon, s.find)
	if err != nil || !bytes.Equal(l.PersonID, alice.ID) {
		t.Errorf("%+v, %v", l, err)
	}
	_, err = s.rp.FinishLogin(state, nil, k.Get(options, origin, func(d *softkey.Draft) { d.UserHandle = nil }), noon, s.find)
	wants(t, "without a user handle", err, WrongPerson)
	_, err = s.rp.FinishLogin(state, nil, k.Get(options, origin, func(d *softkey.Draft) { d.Flags &^= softkey.UserVerified }), noon, s.find)
	wants(t, "unverified", err, NotVerified)
}

func TestOptions(t *testing.T) {
	rp := site(t)
	c := &Credential{ID: []byte{1, 2, 3}, Transports: []string{"usb"}}
	challenge := strings.Repeat("A", 43)
	options, _, err := rp.BeginRegistration(alice, RegistrationOptions{Passkey: true, Registered: []*Credential{c}}, noon, zeros{})
	if err != nil {
		t.Fatal(err)
	}
	equalJSON(t, options, `{
		"rp": {"id": "id.example.com", "name": "Lanyard"},
		"user": {"id": "QUlEQUFMSUNF", "name": "alice", "displayName": "Alice"},
		"challenge": "`+challenge+`", "timeout": 300000,
		"pubKeyCredParams": [{"type": "public-key", "alg": -8}, {"type": "public-key", "alg": -7}, {"type": "public-key", "alg": -257}],
		"excludeCredentials": [{"type": "public-key", "id": "AQID", "transports": ["usb"]}],
		"authenticatorSelection": {"residentKey": "required", "requireResidentKey": true, "userVerification": "required"},
		"attestation": "none", "extensions": {"credProps": true}}`)
	options, _, err = rp.BeginLogin(alice.ID, []*Credential{c}, false, noon, zeros{})
	if err != nil {
		t.Fatal(err)
	}
	equalJSON(t, options, `{"challenge": "`+challenge+`", "timeout": 300000, "rpId": "id.example.com", "userVerification": "preferred",
		"allowCredentials": [{"type": "public-key", "id": "AQID", "transports": ["usb"]}]}`)

	if _, _, err := rp.BeginLogin(alice.ID, nil, false, noon, zeros{}); err == nil {
		t.Error("a sign-in of somebody without keys")
	}
	if _, _, err := rp.BeginLogin(nil, []*Credential{c}, false, noon, zeros{}); err == nil {
		t.Error("a sign-in of nobody")
	}
	if _, _, err := rp.BeginRegistration(Person{ID: make([]byte, 65)}, RegistrationOptions{}, noon, zeros{}); err == nil {
		t.Error("a handle of 65 bytes")
	}
	if _, _, err := rp.BeginDiscoverableLogin(noon, strings.NewReader("too short")); err == nil {
		t.Error("a challenge without chance")
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestSites(t *testing.T) {
	for public, want := range map[string]Config{
		"https://ID.example.com:443/":   {"id.example.com", "https://id.example.com", "L"},
		"https://id.example.com:8443/x": {"id.example.com", "https://id.example.com:8443", "L"},
		"http://localhost:9000":         {"localhost", "http://localhost:9000", "L"},
		"http://localhost:80":           {"localhost", "http://localhost", "L"},
	} {
		c, err := ForURL(public, "L")
		if err != nil || c != want {
			t.Errorf("%s: %+v, %v", public, c, err)
		}
		if _, err := New(c); err != nil {
			t.Errorf("%s: %v", public, err)
		}
	}
	for _, public := range []string{"http://127.0.0.1:9000", "https://[::1]:9000", "http://id.example.com", "ftp://localhost", "https://b\u00fccher.example", "https://", "localhost:9000"} {
		c, err := ForURL(public, "L")
		if err != nil {
			t.Errorf("%s: %v", public, err)
		}
		if _, err := New(c); !errors.Is(err, ErrNoSite) {
			t.Errorf("%s: %v", public, err)
		}
	}
	for _, c := range []Config{
		{"example.com", "https://badexample.com", "L"},
		{"id.example.com", "https://example.com", "L"},
		{"id.example.com", "https://id.example.com/", "L"},
		{"id.example.com", "null", "L"},
		{"id.example.com", "https://id.example.com", ""},
	} {
		if _, err := New(c); !errors.Is(err, ErrNoSite) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := New(Config{"example.com", "https://id.example.com", "L"}); err != nil {
		t.Errorf("a site of the relying party: %v", err)
	}
}

func TestNoSite(t *testing.T) {
	var rp *RelyingParty
	_, _, begun := rp.BeginRegistration(alice, RegistrationOptions{}, noon, zeros{})
	_, _, login := rp.BeginLogin(alice.ID, []*Credential{{ID: []byte{1}}}, false, noon, zeros{})
	_, _, discoverable := rp.BeginDiscoverableLogin(noon, zeros{})
	_, finished := rp.FinishRegistration(nil, alice.ID, nil, noon, nobody)
	_, signedIn := rp.FinishLogin(nil, alice.ID, nil, noon, nil)
	for n, err := range []error{begun, login, discoverable, finished, signedIn} {
		if err != ErrNoSite {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func TestT269_ChallengeOfAnotherCeremony(t *testing.T) {
	s := newScene(t)
	k := softkey.New(ES256)
	s.keep(k)
	first, _, _ := s.rp.BeginLogin(alice.ID, s.kept, false, noon, rand.Reader)
	_, second, _ := s.rp.BeginLogin(alice.ID, s.kept, false, noon, rand.Reader)
	_, err := s.rp.FinishLogin(second, alice.ID, k.Get(first, origin), noon, s.find)
	wants(t, "of another sign-in", err, WrongChallenge)
	created, _, _ := s.rp.BeginRegistration(alice, RegistrationOptions{}, noon, rand.Reader)
	_, state, _ := s.rp.BeginRegistration(alice, RegistrationOptions{}, noon, rand.Reader)
	_, err = s.rp.FinishRegistration(state, alice.ID, softkey.New(ES256).Create(created, origin), noon, nobody)
	wants(t, "of another registration", err, WrongChallenge)

	again := func(spell func(string) string) func(*softkey.Draft) {
		return func(d *softkey.Draft) { d.ClientData["challenge"] = spell(d.ClientData["challenge"].(string)) }
	}
	for what, spell := range map[string]func(string) string{
		"padded":            func(c string) string { return c + "=" },
		"with a line break": func(c string) string { return c + "\n" },
		"standard alphabet": func(c string) string { return strings.NewReplacer("-", "+", "_", "/").Replace(c) + "=" },
		"in hexadecimal": func(c string) string {
			b, _ := base64.RawURLEncoding.DecodeString(c)
			return hex.EncodeToString(b)
		},
		"cut":   func(c string) string { return c[:42] },
		"empty": func(string) string { return "" },
	} {
		s.bothRefuse(what, WrongChallenge, again(spell))
	}
	// The same bytes with other bits at the end.
	s.bothRefuse("loose base64", WrongChallenge, again(func(c string) string {
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		return c[:42] + string(alphabet[strings.IndexByte(alphabet, c[42])+1])
	}))
}

func TestT269_ACeremonyEnds(t *testing.T) {
	s := newScene(t)
	k := softkey.New(ES256)
	options, state, _ := s.rp.BeginRegistration(alice, RegistrationOptions{}, noon, rand.Reader)
	created := k.Create(options, origin)
	_, err := s.rp.FinishRegistration(state, alice.ID, created, noon.Add(Lifetime), nobody)
	wants(t, "after five minutes", err, Expired)
	c, err := s.rp.FinishRegistration(state, alice.ID, created, noon.Add(Lifetime-time.Second), nobody)
	if err != nil {
		t.Fatal(err)
	}
	s.kept = []*Credential{c}
	options, state, _ = s.rp.BeginLogin(alice.ID, s.kept, false, noon, rand.Reader)
	_, err = s.rp.FinishLogin(state, alice.ID, k.Get(options, origin), noon.Add(Lifetime), s.find)
	wants(t, "after five minutes", err, Expired)
	if _, err := s.rp.FinishLogin(state, alice.ID, k.Get(options, origin), noon.Add(Lifetime-time.Second), s.find); err != nil {
		t.Error(err)
	}
	for _, broken := range []string{"", "{}", "null", `{"t":"webauthn.get","e":"2099-01-01T00:00:00Z"}`} {
		if _, err := s.rp.FinishLogin([]byte(broken), alice.ID, k.Get(options, origin), noon, s.find); err == nil {
			t.Errorf("ceremony %q", broken)
		} else if _, refused := errors.AsType[Refusal](err); refused {
			t.Errorf("ceremony %q is our own trouble: %v", broken, err)
		}
	}
}

func TestT270_Origins(t *testing.T) {
	s := newScene(t)
	for _, other := range []string{
		"https://id.example.com", "https://id.example.com:443", "https://id.example.com:8444", "http://id.example.com:8443",
		"https://a.id.example.com:8443", "https://example.com:8443", "https://evil-example.com:8443", "https://id.example.com.evil.net:8443",
		"https://ID.example.com:8443", "HTTPS://id.example.com:8443", origin + "/", origin + "/x", " " + origin, "https://x@id.example.com:8443",
		"null", "", "android:apk-key-hash:AAAA", "file://", "https://id.example.com.:8443",
	} {
		s.bothRefuse("origin "+other, WrongOrigin, claim("origin", other))
	}
	s.bothRefuse("cross origin", WrongOrigin, claim("crossOrigin", true))
	s.bothRefuse("top origin", WrongOrigin, claim("topOrigin", origin))
	s.bothRefuse("an empty top origin", WrongOrigin, claim("topOrigin", ""))
	s.bothRefuse("cross origin as text", Malformed, claim("crossOrigin", "true"))
	// Not said is said no.
	_, err := s.register(softkey.New(ES256), false, func(d *softkey.Draft) { delete(d.ClientData, "crossOrigin") })
	if err != nil {
		t.Error(err)
	}
}

func TestT271_AnotherSite(t *testing.T) {
	s := newScene(t)
	for _, id := range []string{"example.com", "evil.net", "a.id.example.com", "ID.EXAMPLE.COM", origin, ""} {
		s.bothRefuse("relying party "+id, WrongSite, func(d *softkey.Draft) { d.RPID = id })
	}
}

func TestT272_TypesAndDuplicates(t *testing.T) {
	s := newScene(t)
	k := softkey.New(ES256)
	s.keep(k)
	_, err := s.login(k, false, claim("type", "webauthn.create"))
	wants(t, "create as get", err, WrongCeremony)
	_, err = s.register(softkey.New(ES256), false, claim("type", "webauthn.get"))
	wants(t, "get as create", err, WrongCeremony)
	options, state, _ := s.rp.BeginRegistration(alice, RegistrationOptions{}, noon, rand.Reader)
	_, err = s.rp.FinishLogin(state, alice.ID, k.Get(options, origin), noon, s.find)
	wants(t, "a registration finished as sign-in", err, WrongCeremony)
	options, state, _ = s.rp.BeginLogin(alice.ID, s.kept, false, noon, rand.Reader)
	_, err = s.rp.FinishRegistration(state, alice.ID, softkey.New(ES256).Create(options, origin), noon, nobody)
	wants(t, "a sign-in finished as registration", err, WrongCeremony)

	s.bothRefuse("payment", WrongCeremony, claim("type", "payment.get"))
	s.bothRefuse("another case", WrongCeremony, func(d *softkey.Draft) {
		d.ClientData["type"] = strings.ToUpper(d.ClientData["type"].(string))
	})
	for _, name := range []string{"type", "challenge", "origin"} {
		s.bothRefuse("without "+name, Malformed, func(d *softkey.Draft) { delete(d.ClientData, name) })
		s.bothRefuse(name+" is a number", Malformed, claim(name, 1))
		s.bothRefuse(name+" in another case", Malformed, func(d *softkey.Draft) {
			d.ClientData[strings.ToUpper(name)] = d.ClientData[name]
			delete(d.ClientData, name)
		})
		// The right one is the last, then the first.
		for _, twin := range []string{name, strings.ToUpper(name), `\u00` + hex.EncodeToString([]byte(name[:1])) + name[1:]} {
			s.bothRefuse("a second "+twin, Malformed, func(d *softkey.Draft) {
				right, _ := json.Marshal(d.ClientData)
				d.RawClientData = []byte(`{"` + twin + `":"x",` + string(right[1:]))
			})
			s.bothRefuse("a second "+twin+" behind", Malformed, func(d *softkey.Draft) {
				right, _ := json.Marshal(d.ClientData)
				d.RawClientData = []byte(string(right[:len(right)-1]) + `,"` + twin + `":"x"}`)
			})
		}
	}
	for what, raw := range map[string]string{"an array": "[]", "null": "null", "half": `{"type":`, "two": "{}{}", "no UTF-8": "{\"type\":\"\xff\"}", "text": `"{}"`} {
		s.bothRefuse("client data: "+what, Malformed, func(d *softkey.Draft) { d.RawClientData = []byte(raw) })
	}
	// What browsers add is no harm.
	if _, err := s.login(k, false, claim("added", map[string]any{"a": 1})); err != nil {
		t.Error(err)
	}
}

func TestT272_TheAnswerItself(t *testing.T) {
	s := newScene(t)
	k := softkey.New(ES256)
	s.keep(k)
	options, state, _ := s.rp.BeginLogin(alice.ID, s.kept, false, noon, rand.Reader)
	right := string(k.Get(options, origin))
	answer := func(text string) error {
		_, err := s.rp.FinishLogin(state, alice.ID, []byte(text), noon, s.find)
		return err
	}
	for what, text := range map[string]string{
		"nothing":           "",
		"a second id":       `{"id":"AAAA",` + right[1:],
		"a second ID":       `{"ID":"AAAA",` + right[1:],
		"a second response": right[:len(right)-1] + `,"response":{}}`,
		"something behind":  right + "{}",
		"an array":          "[" + right + "]",
		"deep":              strings.Replace(right, `"clientExtensionResults":{}`, `"clientExtensionResults":`+strings.Repeat(`{"a":`, 20)+"1"+strings.Repeat("}", 20), 1),
		"very deep":         strings.Repeat("[", 60000),
		"many members":      right[:len(right)-1] + manyMembers() + "}",
		"long":              strings.Repeat(" ", MaxResponse) + right,
	} {
		wants(t, what, answer(text), Malformed)
	}
	for what, edit := range map[string]func(answer, response map[string]any){
		"no type":                    func(a, _ map[string]any) { delete(a, "type") },
		"another type":               func(a, _ map[string]any) { a["type"] = "password" },
		"no id":                      func(a, _ map[string]any) { delete(a, "id") },
		"no raw id":                  func(a, _ map[string]any) { delete(a, "rawId") },
		"another raw id":             func(a, _ map[string]any) { a["rawId"] = "AAAA" },
		"id with padding":            func(a, _ map[string]any) { a["id"] = a["id"].(string) + "="; a["rawId"] = a["id"] },
		"no signature":               func(_, r map[string]any) { delete(r, "signature") },
		"no client data":             func(_, r map[string]any) { delete(r, "clientDataJSON") },
		"no authenticator data":      func(_, r map[string]any) { r["authenticatorData"] = nil },
		"authenticator data of text": func(_, r map[string]any) { r["authenticatorData"] = "?" },
		"a signature of numbers":     func(_, r map[string]any) { r["signature"] = []int{1} },
		"a long user handle":         func(_, r map[string]any) { r["userHandle"] = strings.Repeat("AAAA", 22) },
		"a broken user handle":       func(_, r map[string]any) { r["userHandle"] = "=" },
	} {
		_, err := s.login(k, false, func(d *softkey.Draft) { d.Edit = edit })
		wants(t, what, err, Malformed)
	}
	if err := answer(right); err != nil {
		t.Errorf("the right answer: %v", err)
	}
}

func manyMembers() string {
	var b strings.Builder
	for n := range 70 {
		b.WriteString(`,"x` + string(rune('A'+n)) + `":1`)
	}
	return b.String()
}

func TestT273_PresenceAndVerification(t *testing.T) {
	s := newScene(t)
	s.bothRefuse("not touched", NotPresent, func(d *softkey.Draft) { d.Flags &^= softkey.UserPresent })
	unverified := func(d *softkey.Draft) { d.Flags &^= softkey.UserVerified }
	_, err := s.register(softkey.New(ES256), true, unverified)
	wants(t, "a passkey that does not know its user", err, NotVerified)
	k := softkey.New(ES256)
	k.Flags &^= softkey.UserVerified
	if c := s.keep(k); c.UserVerified {
		t.Error("an unverified registration counts as verified")
	}
	_, err = s.login(k, true)
	wants(t, "not verified where it is required", err, NotVerified)
	l, err := s.login(k, false)
	if err != nil || l.UserVerified {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestT274_Counters(t *testing.T) {
	for _, test := range []struct {
		kept, shown uint32
		ok          bool
	}{
		{5, 6, true}, {5, 5000, true}, {5, 1<<32 - 1, true}, {0, 0, true}, {0, 1, true},
		{5, 5, false}, {5, 4, false}, {5, 0, false}, {1<<32 - 1, 0, false}, {1<<32 - 1, 1<<32 - 1, false},
	} {
		s := newScene(t)
		k := softkey.New(EdDSA)
		s.keep(k).Counter = test.kept
		l, err := s.login(k, false, func(d *softkey.Draft) { d.Counter = test.shown })
		if !test.ok {
			wants(t, "a clone", err, Cloned)
		} else if err != nil || l.Credential.Counter != test.shown {
			t.Errorf("from %d to %d: %+v, %v", test.kept, test.shown, l, err)
		}
	}
	// Who does not have the key cannot raise the alarm.
	s := newScene(t)
	k := softkey.New(EdDSA)
	s.keep(k).Counter = 5
	_, err := s.login(k, false, func(d *softkey.Draft) { d.Counter, d.Signer = 1, softkey.New(EdDSA).Signer })
	wants(t, "a forged clone", err, WrongSignature)
}

func TestT275_SomebodyElses(t *testing.T) {
	s := newScene(t)
	k := softkey.New(ES256)
	s.keep(k)
	s.owner = []byte("AIDABOB")
	_, err := s.login(k, false, func(d *softkey.Draft) { d.UserHandle = nil })
	wants(t, "bob's key for alice", err, WrongPerson)
	_, err = s.login(k, false, func(d *softkey.Draft) { d.UserHandle = alice.ID })
	wants(t, "bob's key with alice's handle", err, WrongPerson)
	s.owner = alice.ID
	_, err = s.login(k, false, func(d *softkey.Draft) { d.UserHandle = []byte("AIDABOB") })
	wants(t, "alice's key with bob's handle", err, WrongPerson)
	options, state, _ := s.rp.BeginDiscoverableLogin(noon, rand.Reader)
	_, err = s.rp.FinishLogin(state, nil, k.Get(options, origin, func(d *softkey.Draft) { d.UserHandle = []byte("AIDABOB") }), noon, s.find)
	wants(t, "a passkey that says bob", err, WrongPerson)
	_, err = s.rp.FinishLogin(state, alice.ID, k.Get(options, origin), noon, s.find)
	wants(t, "a ceremony for anybody, finished as alice's second factor", err, WrongPerson)
	options, state, _ = s.rp.BeginLogin(alice.ID, s.kept, false, noon, rand.Reader)
	for _, other := range [][]byte{nil, []byte("AIDABOB")} {
		_, err = s.rp.FinishLogin(state, other, k.Get(options, origin), noon, s.find)
		wants(t, "alice's ceremony, finished by "+string(other), err, WrongPerson)
	}
	if _, err = s.login(k, false, func(d *softkey.Draft) { d.UserHandle = nil }); err != nil {
		t.Errorf("keys that remember nobody are fine for a known person: %v", err)
	}
	_, err = s.login(softkey.New(ES256), false)
	wants(t, "an unknown key", err, UnknownCredential)
	_, err = s.login(k, false, func(d *softkey.Draft) { d.Signer = softkey.New(ES256).Signer })
	wants(t, "an unknown key by a known name", err, WrongSignature)

	options, state, _ = s.rp.BeginRegistration(alice, RegistrationOptions{}, noon, rand.Reader)
	created := k.Create(options, origin)
	_, err = s.rp.FinishRegistration(state, []byte("AIDABOB"), created, noon, nobody)
	wants(t, "alice's ceremony, finished by bob", err, WrongPerson)
	_, err = s.rp.FinishRegistration(state, nil, created, noon, nobody)
	wants(t, "alice's ceremony, finished by nobody", err, WrongPerson)
	_, err = s.rp.FinishRegistration(state, alice.ID, created, noon, func(id []byte) (bool, error) { return bytes.Equal(id, k.ID), nil })
	wants(t, "registered already", err, AlreadyRegistered)
	_, err = s.register(k, false, func(d *softkey.Draft) {
		d.Edit = func(a, _ map[string]any) { a["id"], a["rawId"] = "AAAA", "AAAA" }
	})
	wants(t, "another id outside than inside", err, Malformed)
	trouble := errors.New("the disk")
	if _, err = s.rp.FinishRegistration(state, alice.ID, created, noon, func([]byte) (bool, error) { return false, trouble }); err != trouble {
		t.Errorf("our own trouble is %v", err)
	}
	options, state, _ = s.rp.BeginLogin(alice.ID, s.kept, false, noon, rand.Reader)
	if _, err = s.rp.FinishLogin(state, alice.ID, k.Get(options, origin), noon, func([]byte) (*Owned, error) { return nil, trouble }); err != trouble {
		t.Errorf("our own trouble is %v", err)
	}
}

func TestT276_KeysThatAreRefused(t *testing.T) {
	s := newScene(t)
	cose := func(what string, alg int, change func(map[int]any)) {
		t.Helper()
		k := softkey.New(alg)
		_, err := s.register(k, false, func(d *softkey.Draft) { change(d.COSE) })
		wants(t, what, err, UnsupportedKey)
	}
	set := func(name int, value any) func(map[int]any) { return func(m map[int]any) { m[name] = value } }
	flip := func(name int) func(map[int]any) {
		return func(m map[int]any) {
			b := bytes.Clone(m[name].([]byte))
			b[len(b)-1] ^= 1
			m[name] = b
		}
	}
	cose("RS1", RS256, set(3, -65535))
	cose("PS256", RS256, set(3, -37))
	cose("RSA that says ES256", RS256, set(3, ES256))
	cose("RSA of 1024 bits", RS256, set(-1, append([]byte{0xff}, bytes.Repeat([]byte{1}, 127)...)))
	cose("RSA of 8192 bits", RS256, set(-1, bytes.Repeat([]byte{0xff}, 1024)))
	cose("an even modulus", RS256, set(-1, append(bytes.Repeat([]byte{0xff}, 255), 0xfe)))
	cose("exponent 1", RS256, set(-2, []byte{1}))
	cose("exponent 2", RS256, set(-2, []byte{2}))
	cose("no exponent", RS256, func(m map[int]any) { delete(m, -2) })
	cose("a huge exponent", RS256, set(-2, bytes.Repeat([]byte{0xff}, 64)))
	cose("ES256 off the curve", ES256, flip(-3))
	cose("ES256 at (0, 0)", ES256, func(m map[int]any) { m[-2], m[-3] = make([]byte, 32), make([]byte, 32) })
	cose("a coordinate above the prime", ES256, set(-2, bytes.Repeat([]byte{0xff}, 32)))
	cose("a short coordinate", ES256, set(-2, []byte{1}))
	cose("a compressed point", ES256, set(-3, true))
	cose("ES256 that says EdDSA", ES256, set(3, EdDSA))
	cose("ES256 that says RS256", ES256, set(3, RS256))
	cose("ES384", ES256, set(3, -35))
	cose("ES256K", ES256, set(3, -47))
	cose("P-384", ES256, set(-1, 2))
	cose("no curve", ES256, func(m map[int]any) { delete(m, -1) })
	cose("another type of key", ES256, set(1, 4))
	cose("no algorithm", ES256, func(m map[int]any) { delete(m, 3) })
	cose("EdDSA that says ES256", EdDSA, set(3, ES256))
	cose("Ed448", EdDSA, set(-1, 7))
	cose("X25519", EdDSA, set(-1, 4))
	cose("31 bytes", EdDSA, set(-2, make([]byte, 31)))
	off := 0
	for y := range 16 { // about every second y is on no point
		k := make([]byte, 32)
		k[0] = byte(y)
		if !strongEd25519(k) {
			off++
		}
	}
	if off < 4 || off > 12 {
		t.Errorf("of 16 numbers, %d are on no point", off)
	}
	// Every encoding of the points of small order; libsodium's list.
	for _, y := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		b, _ := hex.DecodeString(y)
		cose("of small order", EdDSA, set(-2, b))
		b = bytes.Clone(b)
		b[31] |= 0x80
		cose("of small order, x negative", EdDSA, set(-2, b))
	}
	for range 50 {
		public, _, _ := ed25519.GenerateKey(rand.Reader)
		if !strongEd25519(public) {
			t.Errorf("%x is a good key", public)
		}
	}
}

func TestT277_CBOR(t *testing.T) {
	s := newScene(t)
	attestation := func(what string, change func(right []byte) []byte) {
		t.Helper()
		_, err := s.register(softkey.New(ES256), false, func(d *softkey.Draft) {
			statement := d.Statement
			d.Edit = func(_, response map[string]any) {
				right, _ := base64.RawURLEncoding.DecodeString(response["attestationObject"].(string))
				response["attestationObject"] = base64.RawURLEncoding.EncodeToString(change(right))
			}
			d.Statement = statement
		})
		wants(t, what, err, Malformed)
	}
	attestation("bytes behind", func(b []byte) []byte { return append(b, 0) })
	attestation("cut", func(b []byte) []byte { return b[:len(b)-1] })
	attestation("an array", func([]byte) []byte { return []byte{0x83, 1, 2, 3} })
	attestation("of indefinite length", func(b []byte) []byte { return append(append([]byte{0xbf}, b[1:]...), 0xff) })
	attestation("a second fmt", func(b []byte) []byte {
		return append(append([]byte{b[0] + 1}, b[1:]...), softkey.Encode(map[string]any{"fmt": "packed"})[1:]...)
	})
	attestation("a tag", func(b []byte) []byte { return append([]byte{0xd9, 0xd9, 0xf7}, b...) })
	attestation("deep", func(b []byte) []byte {
		return append(append([]byte{b[0] + 1}, b[1:]...), append([]byte{0x61, 'x'}, append(bytes.Repeat([]byte{0x81}, 10000), 0)...)...)
	})
	attestation("says to be long", func(b []byte) []byte {
		return append(append([]byte{b[0] + 1}, b[1:]...), 0x61, 'x', 0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	})
	attestation("no data", func([]byte) []byte {
		return softkey.Encode(map[string]any{"fmt": "none", "attStmt": map[string]any{}})
	})

	draft := func(what string, forge func(*softkey.Draft)) {
		t.Helper()
		_, err := s.register(softkey.New(ES256), false, forge)
		wants(t, what, err, Malformed)
	}
	key := func(change func([]byte) []byte) func(*softkey.Draft) {
		return func(d *softkey.Draft) { d.RawCOSE = change(softkey.Encode(d.COSE)) }
	}
	draft("a key with alg twice", key(func(b []byte) []byte { return append([]byte{b[0] + 1}, append(b[1:], 3, 0x26)...) }))
	draft("a key of indefinite length", key(func(b []byte) []byte { return append(append([]byte{0xbf}, b[1:]...), 0xff) }))
	draft("bytes behind the key", key(func(b []byte) []byte { return append(b, 0) }))
	draft("a key that is cut", key(func(b []byte) []byte { return b[:len(b)-1] }))
	draft("no credential", func(d *softkey.Draft) { d.Flags &^= softkey.Attested })
	draft("extensions that are not there", func(d *softkey.Draft) { d.Flags |= softkey.Extended })
	draft("extensions with bytes behind", func(d *softkey.Draft) {
		d.Flags |= softkey.Extended
		d.RawExtensions = append(softkey.Encode(map[string]any{}), 0)
	})
	draft("a credential id of 1024 bytes", func(d *softkey.Draft) { d.CredentialID = make([]byte, 1024) })
	draft("no credential id", func(d *softkey.Draft) { d.CredentialID = nil })

	k := softkey.New(ES256)
	s.keep(k)
	for what, forge := range map[string]func(*softkey.Draft){
		"nothing":                 func(d *softkey.Draft) { d.RawAuthData = []byte{} },
		"short":                   func(d *softkey.Draft) { d.RawAuthData = make([]byte, 36) },
		"bytes behind":            func(d *softkey.Draft) { d.RawExtensions = []byte{0} },
		"a credential":            func(d *softkey.Draft) { d.Flags |= softkey.Attested; d.COSE = k.COSE() },
		"a credential that is no": func(d *softkey.Draft) { d.Flags |= softkey.Attested; d.RawCOSE = []byte{0} },
		"deep extensions": func(d *softkey.Draft) {
			d.Flags |= softkey.Extended
			d.RawExtensions = append([]byte{0xa1, 0x61, 'x'}, append(bytes.Repeat([]byte{0x81}, 10000), 0)...)
		},
	} {
		_, err := s.login(k, false, forge)
		wants(t, "authenticator data: "+what, err, Malformed)
	}
	l, err := s.login(k, false, func(d *softkey.Draft) {
		d.Flags |= softkey.Extended
		d.RawExtensions = softkey.Encode(map[string]any{"uvm": []any{}})
	})
	if err != nil {
		t.Errorf("an extension: %+v, %v", l, err)
	}
}

func TestT278_BackupFlags(t *testing.T) {
	s := newScene(t)
	_, err := s.register(softkey.New(ES256), false, func(d *softkey.Draft) { d.Flags |= softkey.BackedUp })
	wants(t, "synced but cannot be", err, Malformed)
	k := softkey.NewPasskey(ES256)
	c := s.keep(k)
	for _, flags := range []byte{softkey.BackupEligible, softkey.BackupEligible | softkey.BackedUp} {
		l, err := s.login(k, false, func(d *softkey.Draft) { d.Flags = softkey.UserPresent | flags })
		if err != nil || !l.Credential.BackupEligible || l.Credential.BackedUp != (flags&softkey.BackedUp != 0) {
			t.Errorf("%+v, %v", l, err)
		}
		*c = l.Credential
	}
	_, err = s.login(k, false, func(d *softkey.Draft) { d.Flags &^= softkey.BackupEligible | softkey.BackedUp })
	wants(t, "no longer eligible", err, BackupChanged)
	plain := softkey.New(ES256)
	s.keep(plain)
	_, err = s.login(plain, false, func(d *softkey.Draft) { d.Flags |= softkey.BackupEligible })
	wants(t, "suddenly eligible", err, BackupChanged)
	_, err = s.login(plain, false, func(d *softkey.Draft) {
		d.Flags |= softkey.BackupEligible
		d.Signer = softkey.New(ES256).Signer
	})
	wants(t, "a forger learns nothing of the flags", err, WrongSignature)
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func equalJSON(t *testing.T, got []byte, want string) {
	t.Helper()
	var a, b any
	if json.Unmarshal(got, &a) != nil || json.Unmarshal([]byte(want), &b) != nil || toJSON(t, a) != toJSON(t, b) {
		t.Errorf("%s, want %s", got, want)
	}
}

// Refusals are sentences, and none is forgotten.
func TestRefusals(t *testing.T) {
	for r := Malformed; r <= Cloned; r++ {
		if text := r.Error(); !strings.HasSuffix(text, ".") || len(text) < 30 {
			t.Errorf("%d: %q", r, text)
		}
	}
	if len(sentences) != int(Cloned)+1 {
		t.Errorf("%d sentences", len(sentences))
	}
}

// The vectors of WebAuthn Level 3, section 16: answers that we did not make.
func TestVectorsOfTheStandard(t *testing.T) {
	type half struct{ Challenge, ClientDataJSON, AttestationObject, AuthenticatorData, Signature string }
	var vectors []struct {
		Section, ID string
		Create, Get half
	}
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	refused := map[string]Refusal{
		"16.4": WrongOrigin, "16.5": WrongOrigin, // in a frame
		"16.8": UnsupportedKey, "16.9": UnsupportedKey, // ES384, ES512
		// Made for a trial: Android's, Apple's and the TPM maker's roots are not the real ones.
		"16.13": WrongAttestation, "16.14": WrongAttestation, "16.15": WrongAttestation,
	}
	rp, err := New(Config{ID: "example.org", Origin: "https://example.org", DisplayName: "Example"})
	if err != nil {
		t.Fatal(err)
	}
	text := func(h string) string {
		b, err := hex.DecodeString(h)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	state := func(kind protocol.CeremonyType, h half) []byte {
		challenge, _ := hex.DecodeString(h.Challenge)
		return []byte(toJSON(t, ceremony{Type: kind, Challenge: challenge, Person: alice.ID, Expires: noon}))
	}
	answer := func(id string, response map[string]any) []byte {
		return []byte(toJSON(t, map[string]any{"id": text(id), "rawId": text(id), "type": "public-key", "response": response}))
	}
	for _, v := range vectors {
		c, err := rp.FinishRegistration(state(protocol.CreateCeremony, v.Create), alice.ID, answer(v.ID, map[string]any{
			"clientDataJSON": text(v.Create.ClientDataJSON), "attestationObject": text(v.Create.AttestationObject),
		}), noon.Add(-time.Minute), nobody)
		if want, no := refused[v.Section]; no {
			wants(t, v.Section, err, want)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", v.Section, err)
			continue
		}
		_, err = rp.FinishLogin(state(protocol.AssertCeremony, v.Get), alice.ID, answer(v.ID, map[string]any{
			"clientDataJSON": text(v.Get.ClientDataJSON), "authenticatorData": text(v.Get.AuthenticatorData), "signature": text(v.Get.Signature),
		}), noon.Add(-time.Minute), func([]byte) (*Owned, error) { return &Owned{alice.ID, c}, nil })
		if err != nil {
			t.Errorf("%s: sign-in: %v", v.Section, err)
		}
	}
	if len(vectors) < 12 {
		t.Errorf("%d vectors", len(vectors))
	}
}

// A statement is checked when it comes: wrong by signature, by its certificate's model,
// or by its certificate's time.
func TestT278_AttestationStatements(t *testing.T) {
	s := newScene(t)
	k := softkey.New(ES256)
	c, err := s.register(k, false, func(d *softkey.Draft) { d.Statement = k.SelfAttested })
	if err != nil || c.Attestation != "packed" {
		t.Errorf("self attestation: %+v, %v", c, err)
	}
	statement := func(what string, want Refusal, make func(k *softkey.Key, authData, hash []byte) (string, map[string]any)) {
		t.Helper()
		k := softkey.New(ES256)
		k.AAGUID = [16]byte{1, 2, 3}
		c, err := s.register(k, false, func(d *softkey.Draft) {
			d.Statement = func(authData, hash []byte) (string, map[string]any) { return make(k, authData, hash) }
		})
		if want == 0 {
			if err != nil || c.Attestation != "packed" || !bytes.Equal(c.AAGUID, k.AAGUID[:]) {
				t.Errorf("%s: %+v, %v", what, c, err)
			}
			return
		}
		wants(t, what, err, want)
	}
	statement("none with something in it", WrongAttestation, func(*softkey.Key, []byte, []byte) (string, map[string]any) {
		return "none", map[string]any{"alg": ES256}
	})
	statement("signed by another key", WrongAttestation, func(_ *softkey.Key, a, h []byte) (string, map[string]any) {
		return softkey.New(ES256).SelfAttested(a, h)
	})
	statement("another algorithm", WrongAttestation, func(k *softkey.Key, a, h []byte) (string, map[string]any) {
		format, st := k.SelfAttested(a, h)
		st["alg"] = EdDSA
		return format, st
	})
	for _, format := range []string{"android-safetynet", "x", ""} {
		statement("format "+format, WrongAttestation, func(k *softkey.Key, a, h []byte) (string, map[string]any) {
			_, st := k.SelfAttested(a, h)
			return format, st
		})
	}
	for _, format := range []string{"tpm", "apple", "android-key", "fido-u2f"} {
		statement(format+" with nothing in it", WrongAttestation, func(*softkey.Key, []byte, []byte) (string, map[string]any) {
			return format, map[string]any{}
		})
	}
	_, err = s.register(k, false, func(d *softkey.Draft) {
		d.Statement = func(authData, hash []byte) (string, map[string]any) {
			format, st := k.SelfAttested(authData, hash)
			part := map[string]any{"fmt": format, "attStmt": st}
			d.RawAttestation = softkey.Encode(map[string]any{"fmt": "compound", "attStmt": []any{part, part}, "authData": authData})
			return "", nil
		}
	})
	wants(t, "two statements", err, WrongAttestation)
	now := time.Now() // the library's clock is the machine's
	for _, test := range []struct {
		what     string
		want     Refusal
		aaguid   []byte
		from, to time.Time
	}{
		{"right", 0, []byte{1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, now.Add(-time.Hour), now.Add(time.Hour)},
		{"of another model", WrongAttestation, slices.Repeat([]byte{9}, 16), now.Add(-time.Hour), now.Add(time.Hour)},
		{"expired", WrongAttestation, nil, now.Add(-2 * time.Hour), now.Add(-time.Hour)},
		{"not yet valid", WrongAttestation, nil, now.Add(time.Hour), now.Add(2 * time.Hour)},
	} {
		statement("a certificate "+test.what, test.want, func(k *softkey.Key, a, h []byte) (string, map[string]any) {
			maker := softkey.New(ES256).Signer
			return "packed", map[string]any{
				"alg": ES256, "x5c": []any{certificate(t, maker, test.aaguid, test.from, test.to)},
				"sig": softkey.Sign(maker, append(slices.Clone(a), h...)),
			}
		})
	}
}
