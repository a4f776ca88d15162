package console

import (
	"encoding/base32"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/webauthnx/softkey"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// ownSecurity is what AWS's documentation lets people do for themselves.
const ownSecurity = `{"Version":"2012-10-17","Statement":[
	{"Effect":"Allow","Action":["iam:ChangePassword","iam:EnableMFADevice","iam:DeactivateMFADevice","iam:ResyncMFADevice","iam:ListAccessKeys"],"Resource":"arn:aws:iam::*:user/${aws:username}"},
	{"Effect":"Allow","Action":["iam:CreateVirtualMFADevice","iam:DeleteVirtualMFADevice"],"Resource":"arn:aws:iam::*:mfa/*"}]}`

// script posts as the script of a page does, and gives the status and the answer.
func (w *world) script(path string, body map[string]any) (int, map[string]json.RawMessage) {
	w.t.Helper()
	text, err := json.Marshal(body)
	w.must(err)
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(string(text)))
	r.Host = w.console.config.URL.Host
	r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}, "Sec-Fetch-Site": {"same-origin"}}
	a := w.do(r)
	var answer map[string]json.RawMessage
	w.must(json.Unmarshal([]byte(a.body), &answer))
	return a.StatusCode, answer
}

// ceremony goes through both ends, with the answer of a key, and gives where it led to or
// what was wrong.
func (w *world) ceremony(begin, finish string, fields map[string]any, touch func(options []byte) []byte) (location, wrong string) {
	w.t.Helper()
	read := func(answer map[string]json.RawMessage) {
		_ = json.Unmarshal(answer["location"], &location)
		_ = json.Unmarshal(answer["error"], &wrong)
	}
	_, answer := w.script(begin, fields)
	if answer["publicKey"] == nil {
		read(answer)
		return location, wrong
	}
	var inner struct {
		PublicKey json.RawMessage `json:"publicKey"`
	}
	options := []byte(answer["publicKey"])
	if json.Unmarshal(options, &inner) == nil && inner.PublicKey != nil {
		w.t.Fatalf("options in options: %s", options)
	}
	all := map[string]any{"credential": json.RawMessage(touch(options))}
	for k, v := range fields {
		all[k] = v
	}
	_, answer = w.script(finish, all)
	read(answer)
	return location, wrong
}

func (w *world) create(k *softkey.Key) func([]byte) []byte {
	return func(options []byte) []byte { return k.Create(options, w.site) }
}

func (w *world) touch(k *softkey.Key) func([]byte) []byte {
	return func(options []byte) []byte { return k.Get(options, w.site) }
}

// person makes a user with a password and what people may do for themselves.
func (w *world) person(name string) {
	w.t.Helper()
	w.signIn(name, ownSecurity)
	w.signInRoot()
	_, err := w.api().IAM.CreateLoginProfile(w.t.Context(), &iam.CreateLoginProfileInput{UserName: &name, Password: aws.String(goodPassword)})
	w.must(err)
	w.cookies = map[string]*http.Cookie{}
}

func (w *world) signInWithPassword(name string) *answered {
	w.t.Helper()
	return w.post("/signin", url.Values{"account": {string(ours)}, "username": {name}, "password": {goodPassword}, "return": {"/security"}})
}

// events are the names of the account's records.
func (w *world) events() (names []string) {
	w.t.Helper()
	cookies := w.cookies
	w.cookies = map[string]*http.Cookie{}
	w.signInRoot()
	out, err := w.api().CloudTrail.LookupEvents(w.t.Context(), &cloudtrail.LookupEventsInput{})
	w.must(err)
	w.cookies = cookies
	for _, e := range out.Events {
		names = append(names, *e.EventName)
	}
	return names
}

var recoveryCode = regexp.MustCompile(`\b[0-9A-Z]{4}(-[0-9A-Z]{4}){3}\b`)

// Root claims the account with a passkey alone, sees the recovery codes once, and signs in
// with the passkey.
func TestClaimWithPasskey(t *testing.T) {
	w := newWorld(t)
	w.post("/claim", url.Values{"secret": {w.link(identity.LinkClaim)}}).leadsTo(t, "/claim")
	w.get("/claim").contains(t, "to sign in with a passkey alone")
	w.post("/claim/account", url.Values{"email": {"root@example.com"}}).leadsTo(t, "/claim")
	page := w.get("/claim")
	page.contains(t, "Step 2 of 3", "You chose no password")
	key := softkey.NewPasskey(softkey.ES256)
	to, wrong := w.ceremony("/signin/enrol/key/begin", "/signin/enrol/key", map[string]any{"key": "safe"}, w.create(key))
	if to != "/security/recovery-codes?to=%2F" {
		t.Fatalf("led to %q: %s", to, wrong)
	}
	carried := w.cookies[codesCookie]
	if recoveryCode.MatchString(carried.Value) || !carried.HttpOnly || !carried.Secure || carried.MaxAge > 300 {
		t.Errorf("codes travel as %+v", carried)
	}
	codes := w.get(to)
	if n := len(slices.Compact(slices.Sorted(slices.Values(recoveryCode.FindAllString(textOf(codes.doc), -1))))); n != 10 {
		t.Errorf("%d codes are shown", n)
	}
	w.post("/security/stored", codes.fieldsOf(t, "/security/stored")).leadsTo(t, "/")
	// Neither Back nor somebody with the cookie sees them again.
	w.cookies[codesCookie] = carried
	if again := w.get(to); recoveryCode.MatchString(textOf(again.doc)) {
		t.Error("shown twice")
	}
	w.post("/signout", nil).leadsTo(t, "/signin")

	w.get("/signin").contains(t, "Sign in with a passkey")
	passkey := func(key *softkey.Key) (string, string) {
		return w.ceremony("/signin/passkey/begin", "/signin/passkey", map[string]any{"return": "/users?x=1"}, w.touch(key))
	}
	stranger := softkey.NewPasskey(softkey.ES256)
	stranger.UserHandle = key.UserHandle
	if to, wrong := passkey(stranger); to != "" || wrong == "" {
		t.Errorf("a stranger's passkey led to %q", to)
	}
	if to, wrong := passkey(key); to != "/users?x=1" {
		t.Errorf("led to %q: %s", to, wrong)
	}
	w.get("/security").contains(t, "Root user", "safe", "Passkey", "10 codes left", "lanyard claim", "This browser", "Set a password", "a passkey alone")

	// The first password takes the passkey, shown lately, and no other.
	other := w.cookies[SessionCookie]
	if to, wrong := passkey(key); to != "/users?x=1" {
		t.Fatalf("led to %q: %s", to, wrong)
	}
	next := "another 4 unlikely Words!"
	form := url.Values{"password": {next}, "again": {next}}
	w.later(recently + time.Second)
	w.get(ownPasswordPath).leadsTo(t, "/signin/factor?to=%2Fsecurity%2Fpassword")
	w.post(ownPasswordPath, form).leadsTo(t, "/signin/factor?to=%2Fsecurity%2Fpassword")
	_, err := lanyard.Call[lanyard.ChangeRootPasswordOutput](t.Context(), w.api().Lanyard, &lanyard.ChangeRootPasswordInput{NewPassword: &next})
	if err == nil || !strings.Contains(err.Error(), "RecentFactorRequired") {
		t.Errorf("without a recent factor: %v", err)
	}
	if to, wrong := w.ceremony("/security/step-up/begin", "/security/step-up", map[string]any{"to": ownPasswordPath}, w.touch(key)); to != ownPasswordPath {
		t.Fatalf("led to %q: %s", to, wrong)
	}
	w.get(ownPasswordPath).contains(t, "Set a password", "e-mail address")
	w.get(ownPasswordPath).lacks(t, "Current password")
	w.post(ownPasswordPath, url.Values{}).contains(t, "Type it twice")
	w.post(ownPasswordPath, url.Values{"password": {"Password123!"}, "again": {"Password123!"}}).contains(t, "tried first")
	_, err = lanyard.Call[lanyard.ChangeRootPasswordOutput](t.Context(), w.api().Lanyard, &lanyard.ChangeRootPasswordInput{OldPassword: aws.String(""), NewPassword: &next})
	if err == nil {
		t.Error("an old password that there is not")
	}
	_, err = lanyard.Call[lanyard.ChangeRootPasswordOutput](t.Context(), w.api().Lanyard, &lanyard.ChangeRootPasswordInput{OldPassword: &next, NewPassword: &next})
	if err == nil || !strings.Contains(err.Error(), "no password yet") {
		t.Errorf("an old password that there is not: %v", err)
	}
	w.post(ownPasswordPath, form).leadsTo(t, "/security")
	w.get("/security").contains(t, "Your password was set", "Change password", "e-mail address of root is set by")
	w.get(ownPasswordPath).contains(t, "Current password")
	_, err = lanyard.Call[lanyard.ChangeRootPasswordOutput](t.Context(), w.api().Lanyard, &lanyard.ChangeRootPasswordInput{NewPassword: aws.String("yet 1 more unlikely Word!")})
	if err == nil || !strings.Contains(err.Error(), "OldPassword is needed") {
		t.Errorf("without the old one: %v", err)
	}
	if names := w.events(); !slices.Contains(names, "PasswordUpdated") || w.inTrail(next) {
		t.Errorf("on record: %v", names)
	}
	w.cookies = map[string]*http.Cookie{SessionCookie: other}
	w.get("/security").leadsTo(t, "/signin?return=%2Fsecurity") // the others ended
	w.cookies = map[string]*http.Cookie{}
	w.post("/signin", url.Values{"as": {"root"}, "email": {"root@example.com"}, "password": {next}}).leadsTo(t, "/signin/factor")
}

// TestRootPasswordUnclaimed: without an e-mail address a password is of no use.
func TestRootPasswordUnclaimed(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.get("/security").lacks(t, "Set a password")
	w.post("/security/password", url.Values{"password": {"another 4 unlikely Words!"}, "again": {"another 4 unlikely Words!"}}).contains(t, "no e-mail address", "lanyard claim")
}

// TestFirstKeyCounts: a first passkey that knew its user is a factor that was shown just now,
// so that recovery codes follow without another touch. One that did not is asked for.
func TestFirstKeyCounts(t *testing.T) {
	for name, verified := range map[string]bool{"knows its user": true, "is only touched": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.person("bob")
			w.signInWithPassword("bob").leadsTo(t, "/security")
			before := w.cookies[SessionCookie]
			key := softkey.New(softkey.ES256)
			if !verified {
				key.Flags &^= softkey.UserVerified
			}
			if to, wrong := w.ceremony("/security/key/begin", "/security/key", map[string]any{"key": "laptop"}, w.create(key)); to != "/security/recovery-codes" {
				t.Fatalf("led to %q: %s", to, wrong)
			}
			w.get("/security/recovery-codes").contains(t, "laptop was added")
			a := w.post("/security/recovery-codes", nil)
			if !verified {
				a.leadsTo(t, "/signin/factor?to=%2Fsecurity%2Frecovery-codes")
				return
			}
			if len(recoveryCode.FindAllString(textOf(a.doc), -1)) < 10 {
				t.Errorf("no codes: %d", a.StatusCode)
			}
			w.get("/security").contains(t, "Used in this session")
			if names := w.events(); !slices.Contains(names, "CheckMfa") {
				t.Errorf("on record: %v", names)
			}
			w.cookies[SessionCookie] = before
			w.get("/security").leadsTo(t, "/signin?return=%2Fsecurity")
		})
	}
}

// An answer of a key is good once, for its own ceremony, in the same browser, in time.
func TestT260_PasskeyReplay(t *testing.T) {
	w := newWorld(t)
	w.person("bob")
	w.signIn("bob")
	key := softkey.NewPasskey(softkey.ES256)
	if to, wrong := w.ceremony("/security/key/begin", "/security/key", map[string]any{"key": "laptop", "passkey": "on"}, w.create(key)); to != "/security/recovery-codes" {
		t.Fatalf("led to %q: %s", to, wrong)
	}
	w.cookies = map[string]*http.Cookie{}
	begin := func() ([]byte, *http.Cookie) {
		_, answer := w.script("/signin/passkey/begin", map[string]any{})
		return answer["publicKey"], w.cookies[ceremonyCookie]
	}
	finish := func(credential []byte) int {
		status, _ := w.script("/signin/passkey", map[string]any{"credential": json.RawMessage(credential)})
		return status
	}
	options, handle := begin()
	answer := key.Get(options, w.site)
	delete(w.cookies, ceremonyCookie)
	if got := finish(answer); got != http.StatusUnprocessableEntity {
		t.Errorf("in another browser: %d", got)
	}
	begin()
	if got := finish(answer); got != http.StatusUnprocessableEntity {
		t.Errorf("for another ceremony: %d", got)
	}
	w.cookies[ceremonyCookie] = handle
	if got := finish(key.Get(options, "https://id.example.com.evil.example")); got != http.StatusUnprocessableEntity {
		t.Errorf("from another site: %d", got)
	}
	w.cookies[ceremonyCookie] = handle
	if got := finish(answer); got != http.StatusOK {
		t.Errorf("the right one: %d", got)
	}
	w.cookies = map[string]*http.Cookie{ceremonyCookie: handle}
	if got := finish(answer); got != http.StatusUnprocessableEntity {
		t.Errorf("again: %d", got)
	}
	options, _ = begin()
	w.later(6 * time.Minute)
	if got := finish(key.Get(options, w.site)); got != http.StatusUnprocessableEntity {
		t.Errorf("too late: %d", got)
	}
}

// TestEnrolmentWithKey: who has to have an MFA device sets a passkey up at sign-in, and then
// shows it beside the password.
func TestEnrolmentWithKey(t *testing.T) {
	w := newWorld(t)
	w.person("bob")
	w.signInRoot()
	w.post("/settings/sign-in", url.Values{"mfa": {"on"}, "grace": {"0"}, "remember": {"91"}}).contains(t, "from 0 to 90")
	w.post("/settings/sign-in", url.Values{"mfa": {"on"}, "grace": {"0"}, "remember": {"7"}}).leadsTo(t, "/settings")
	w.get("/settings").contains(t, "MFA is required since")
	w.cookies = map[string]*http.Cookie{}
	w.signInWithPassword("bob").leadsTo(t, "/signin/enrol")
	w.get("/signin/enrol").contains(t, "Set up a passkey or security key", "As a passkey")
	key := softkey.New(softkey.ES256)
	begin, finish := "/signin/enrol/key/begin", "/signin/enrol/key"
	if _, wrong := w.ceremony(begin, finish, map[string]any{"key": "not a name!"}, w.create(key)); !strings.Contains(wrong, "name of a security key") {
		t.Errorf("a wrong name: %q", wrong)
	}
	to, wrong := w.ceremony(begin, finish, map[string]any{"key": "yubi"}, w.create(key))
	if !strings.HasPrefix(to, "/security/recovery-codes?") {
		t.Fatalf("led to %q: %s", to, wrong)
	}
	w.get(to).contains(t, "Your recovery codes")
	w.post("/signout", nil)

	w.signInWithPassword("bob").leadsTo(t, "/signin/factor")
	w.get("/signin/factor").contains(t, "Use your passkey or security key", "Do not ask again in this browser for 7 days")
	begin, finish = "/signin/factor/begin", "/signin/factor/key"
	other := softkey.New(softkey.ES256)
	other.ID, other.UserHandle = key.ID, key.UserHandle
	if _, wrong := w.ceremony(begin, finish, nil, w.touch(other)); wrong == "" {
		t.Error("another key was taken")
	}
	if to, wrong := w.ceremony(begin, finish, map[string]any{"remember": "on"}, w.touch(key)); to != "/security" {
		t.Fatalf("led to %q: %s", to, wrong)
	}
	w.get("/security").contains(t, "yubi", "no second factor is asked for until")
	w.post("/signout", nil)
	w.signInWithPassword("bob").leadsTo(t, "/security") // the browser is remembered
	w.post("/signout", nil)
	delete(w.cookies, devicesCookie)
	w.signInWithPassword("bob").leadsTo(t, "/signin/factor")
	w.later(6 * time.Minute)
	if to, wrong := w.ceremony(begin, finish, nil, w.touch(key)); to != "/signin" {
		t.Errorf("too late: led to %q: %s", to, wrong)
	}
}

// Who has more than a few apps says which of them a code is of.
func TestFactorOfManyDevices(t *testing.T) {
	w := newWorld(t)
	w.person("bob")
	w.signInRoot()
	api, seeds := w.api().IAM, map[string][]byte{}
	for _, name := range []string{"phone", "tablet", "spare"} {
		made, err := api.CreateVirtualMFADevice(t.Context(), &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: &name})
		w.must(err)
		seeds[name], err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(string(made.VirtualMFADevice.Base32StringSeed))
		w.must(err)
		codes := w.codes(seeds[name])
		_, err = api.EnableMFADevice(t.Context(), &iam.EnableMFADeviceInput{
			UserName: aws.String("bob"), SerialNumber: made.VirtualMFADevice.SerialNumber, AuthenticationCode1: aws.String(codes.Get("code1")), AuthenticationCode2: aws.String(codes.Get("code2")),
		})
		w.must(err)
	}
	w.post("/signout", nil)
	w.later(time.Minute)
	code := func(name string) string { return mfa.Code(seeds[name], mfa.StepAt(w.now)) }
	w.signInWithPassword("bob").leadsTo(t, "/signin/factor")
	w.get("/signin/factor").contains(t, "Choose a device", "phone", "tablet", "spare")
	a := w.post("/signin/factor", url.Values{"device": {"/tablet"}, "code": {code("phone")}})
	a.contains(t, "This code is not right")
	if !strings.Contains(a.body, `<option value="/tablet" selected`) {
		t.Error("the device is not chosen any more")
	}
	w.post("/signin/factor", url.Values{"device": {"/tablet"}, "code": {code("tablet")}}).leadsTo(t, "/security")
	w.later(11 * time.Minute)
	stepUp := "/signin/factor?to=%2Fsecurity"
	w.get(stepUp).contains(t, "Choose a device")
	w.post("/signin/factor", url.Values{"to": {"/security"}, "device": {"/phone"}, "code": {code("spare")}}).contains(t, "This code is not right")
	w.post("/signin/factor", url.Values{"to": {"/security"}, "device": {"/spare"}, "code": {code("spare")}}).leadsTo(t, "/security")
}

// TestStepUp: what is dangerous asks for a factor that was shown lately, by password where
// there is no device, by code or key where there is one. The session becomes another.
func TestStepUp(t *testing.T) {
	w := newWorld(t)
	w.person("bob")
	w.signInWithPassword("bob").leadsTo(t, "/security")
	stepUp := "/signin/factor?to=%2Fsecurity%2Fmfa%2Fnew"
	w.get("/security/mfa/new").contains(t, "Add an MFA device") // the password was shown just now
	w.later(recently)
	w.get("/security/mfa/new").leadsTo(t, stepUp)
	w.get(stepUp).contains(t, "Your password", "Cancel")
	back := url.Values{"to": {"/security/mfa/new"}, "password": {"wrong"}}
	w.post("/signin/factor", back).contains(t, "not right")
	back.Set("password", goodPassword)
	before := w.cookies[SessionCookie]
	w.post("/signin/factor", back).leadsTo(t, "/security/mfa/new")
	if w.cookies[SessionCookie].Value == before.Value {
		t.Error("the session is the same as before")
	}
	after := w.cookies[SessionCookie]
	w.cookies[SessionCookie] = before
	w.get("/security").leadsTo(t, "/signin?return=%2Fsecurity")
	w.cookies[SessionCookie] = after

	// An app, with a wrong code first.
	a := w.post("/security/mfa/app", url.Values{"device": {"bob"}})
	seed := a.seed(t)
	form := a.fieldsOf(t, "/security/mfa/app/confirm")
	confirm := func(codes url.Values) *answered {
		codes.Set("serial", form.Get("serial"))
		return w.post("/security/mfa/app/confirm", codes)
	}
	confirm(url.Values{"code1": {"000000"}, "code2": {"000000"}}).contains(t, "not valid")
	w.later(time.Minute)
	other := w.anotherSession("bob")
	confirm(w.codes(seed)).leadsTo(t, "/security/recovery-codes")
	w.get("/security").contains(t, "bob", "Authenticator app", "None left")
	mine := w.cookies[SessionCookie]
	w.cookies[SessionCookie] = other
	w.get("/security").leadsTo(t, "/signin?return=%2Fsecurity") // the others ended

	// Recovery codes want the device itself.
	w.cookies[SessionCookie] = mine
	w.post("/security/recovery-codes", nil).leadsTo(t, "/signin/factor?to=%2Fsecurity%2Frecovery-codes")
	w.get("/signin/factor?to=/security/recovery-codes").contains(t, "MFA code", "From: bob")
	w.post("/signin/factor", url.Values{"to": {"/security/recovery-codes"}, "code": {"000000"}}).contains(t, "not right")
	w.later(time.Minute)
	code := mfa.Code(seed, mfa.StepAt(w.now))
	w.post("/signin/factor", url.Values{"to": {"/security/recovery-codes"}, "code": {code}}).leadsTo(t, "/security/recovery-codes")
	w.post("/signin/factor", url.Values{"to": {"/security/recovery-codes"}, "code": {code}}).contains(t, "used before")
	if a := w.post("/security/recovery-codes", nil); len(recoveryCode.FindAllString(textOf(a.doc), -1)) < 10 {
		t.Error("no codes")
	}
	w.get("/security").contains(t, "10 codes left")

	// A key beside it, and another person's key.
	key := softkey.NewPasskey(softkey.ES256)
	if to, wrong := w.ceremony("/security/key/begin", "/security/key", map[string]any{"key": "laptop", "passkey": "on"}, w.create(key)); to != "/security" {
		t.Fatalf("led to %q: %s", to, wrong)
	}
	w.later(20 * time.Minute)
	if to, _ := w.ceremony("/security/key/begin", "/security/key", map[string]any{"key": "second"}, w.create(key)); to != "/signin/factor?to=%2Fsecurity" {
		t.Errorf("without a factor: led to %q", to)
	}
	if to, wrong := w.ceremony("/security/step-up/begin", "/security/step-up", map[string]any{"to": "/security?x"}, w.touch(softkey.NewPasskey(softkey.ES256))); wrong == "" {
		t.Errorf("a stranger's key: led to %q", to)
	}
	if to, wrong := w.ceremony("/security/step-up/begin", "/security/step-up", map[string]any{"to": "//evil.example"}, w.touch(key)); to != "/" {
		t.Errorf("led to %q: %s", to, wrong)
	}
	w.get("/security/mfa/new").contains(t, "Add a passkey")
	if names := w.events(); !slices.Contains(names, "EnableMFADevice") || !slices.Contains(names, "CheckMfa") || slices.Contains(names, "EnableSecurityKey") {
		t.Errorf("on record: %v", names)
	}
}

// anotherSession signs the same person in once more, elsewhere.
func (w *world) anotherSession(name string) *http.Cookie {
	w.t.Helper()
	mine := w.cookies[SessionCookie]
	w.cookies = map[string]*http.Cookie{}
	w.signInWithPassword(name).leadsTo(w.t, "/security")
	other := w.cookies[SessionCookie]
	w.cookies = map[string]*http.Cookie{SessionCookie: mine}
	return other
}

// TestRemoveDevice: with a factor, one's own only, and the last one of who needs one not by
// mistake.
func TestRemoveDevice(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	a := w.post("/security/mfa/app", url.Values{"device": {"root-account-mfa-device"}})
	seed, serial := a.seed(t), a.fieldsOf(t, "/security/mfa/app/confirm").Get("serial")
	codes := w.codes(seed)
	codes.Set("serial", serial)
	w.post("/security/mfa/app/confirm", codes).leadsTo(t, "/security/recovery-codes")
	page := "/security/mfa?serial=" + url.QueryEscape(serial)
	w.get(page).contains(t, "Resync", "your last one", "aws iam resync-mfa-device --user-name root")

	w.later(time.Hour - time.Minute)
	resync := w.codes(seed)
	resync.Set("serial", serial)
	w.post("/security/mfa/resync", url.Values{"serial": {serial}, "code1": {"000000"}, "code2": {"000000"}}).contains(t, "not valid")
	w.post("/security/mfa/resync", resync).leadsTo(t, page)
	remove := url.Values{"serial": {serial}}
	w.post("/security/mfa/remove", remove).leadsTo(t, "/signin/factor?to="+url.QueryEscape(page))
	w.later(time.Minute - time.Second)
	w.post("/signin/factor", url.Values{"to": {page}, "code": {mfa.Code(seed, mfa.StepAt(w.now))}}).leadsTo(t, page)
	w.post("/security/mfa/remove", remove).contains(t, "your last MFA device")
	remove.Set("typed", "root-account-mfa-device")

	mine := w.cookies[SessionCookie]
	w.signIn("eve", allowAll)
	if a := w.post("/security/mfa/remove", remove); a.StatusCode != http.StatusNotFound {
		t.Errorf("eve removes root's: %d", a.StatusCode)
	}
	if a := w.get(page); a.StatusCode != http.StatusNotFound {
		t.Errorf("eve sees root's: %d", a.StatusCode)
	}
	w.cookies[SessionCookie] = mine
	w.post("/security/mfa/remove", remove).leadsTo(t, "/security")
	w.get("/security").contains(t, "You have no MFA device", "was removed")
	// Nothing is left of it, so the same name can be had again.
	w.post("/security/mfa/app", url.Values{"device": {"root-account-mfa-device"}}).contains(t, "Scan this")
}

// TestOwnPassword: the old one is asked for, other sessions end, this one stays.
func TestOwnPassword(t *testing.T) {
	w := newWorld(t)
	w.person("bob")
	w.signInWithPassword("bob")
	other := w.anotherSession("bob")
	next := "a longer staple for 5 horses!X"
	form := url.Values{"current": {"wrong"}, "password": {next}, "again": {next}}
	w.get("/security/password").contains(t, "Current password")
	w.post("/security/password", form).contains(t, "This is not your password")
	form.Set("current", goodPassword)
	form.Set("again", "x")
	w.post("/security/password", form).contains(t, "differ")
	form.Set("password", "x")
	w.post("/security/password", form).contains(t, "olicy")
	form.Set("password", next)
	form.Set("again", next)
	w.post("/security/password", form).leadsTo(t, "/security")
	w.get("/security").contains(t, "was changed", "This browser")
	mine := w.cookies[SessionCookie]
	w.cookies[SessionCookie] = other
	w.get("/security").leadsTo(t, "/signin?return=%2Fsecurity")
	w.cookies[SessionCookie] = mine
	if strings.Contains(w.log.String(), goodPassword) || strings.Contains(w.log.String(), next) {
		t.Error("a password is in the log")
	}
}

// TestOwnSessions: they are listed, ended one by one and all together.
func TestOwnSessions(t *testing.T) {
	w := newWorld(t)
	w.person("bob")
	w.signInWithPassword("bob")
	other := w.anotherSession("bob")
	page := w.get("/security")
	page.contains(t, "This browser", "192.0.2.1", "password")
	id := page.fieldsOf(t, "/security/sessions/end").Get("id")
	w.post("/security/sessions/end", url.Values{"id": {id}}).leadsTo(t, "/security")
	w.post("/security/sessions/end", url.Values{"id": {id}}).leadsTo(t, "/security") // twice does no harm
	mine := w.cookies[SessionCookie]
	w.cookies[SessionCookie] = other
	w.get("/security").leadsTo(t, "/signin?return=%2Fsecurity")

	w.cookies[SessionCookie] = mine
	other = w.anotherSession("bob")
	w.post("/security/sessions/end-all", nil).leadsTo(t, "/security")
	w.get("/security").contains(t, "signed out everywhere but here")
	w.post("/security/sessions/end-all", url.Values{"here": {"yes"}}).leadsTo(t, "/signin")
	for _, cookie := range []*http.Cookie{mine, other} {
		w.cookies[SessionCookie] = cookie
		w.get("/security").leadsTo(t, "/signin?return=%2Fsecurity")
	}
}

// TestSignInAgain: the warning before a session ends leads to a form although one is signed
// in, and the session before is over then.
func TestSignInAgain(t *testing.T) {
	w := newWorld(t)
	w.person("bob")
	w.signInWithPassword("bob")
	w.get("/signin?return=/users").leadsTo(t, "/users")
	w.get("/signin?again=1&return=/users").contains(t, "IAM user name")
	before := w.cookies[SessionCookie]
	w.signInWithPassword("bob").leadsTo(t, "/security")
	w.cookies[SessionCookie] = before
	w.get("/security").leadsTo(t, "/signin?return=%2Fsecurity")
}

// TestRecoveryLinkPage: an administrator hands a link out, once, with a factor.
func TestRecoveryLinkPage(t *testing.T) {
	w := newWorld(t)
	w.person("bob")
	w.signInRoot()
	a := w.post("/users/bob/recovery-link", nil)
	a.contains(t, "One-time recovery link", "only time it can be seen")
	_, secret, found := strings.Cut(textOf(a.doc), "/signin/recover#")
	if !found {
		t.Fatal(textOf(a.doc))
	}
	secret = recoveryCode.FindString(secret)
	w.post("/stored", a.fieldsOf(t, "/stored")).leadsTo(t, "/users/bob?tab=credentials")
	w.post("/stored", url.Values{"to": {"https://evil.example"}}).leadsTo(t, "/")
	w.later(11 * time.Minute)
	w.post("/users/bob/recovery-link", nil).leadsTo(t, "/signin/factor?to=%2Fusers%2Fbob%3Ftab%3Dcredentials")
	w.cookies = map[string]*http.Cookie{}
	w.post("/signin/recover", url.Values{"secret": {secret}}).leadsTo(t, "/signin/recover")
	w.signIn("eve", ownSecurity)
	if a := w.post("/users/bob/recovery-link", nil); a.StatusCode < 400 || !strings.Contains(textOf(a.doc), "iam:DeactivateMFADevice") {
		t.Errorf("eve: %d %s", a.StatusCode, textOf(a.doc))
	}
}

// TestSecurityDenied: who may do nothing still has a page about themselves, and hostile
// names stay text.
func TestSecurityDenied(t *testing.T) {
	w := newWorld(t)
	w.signIn("bob", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`)
	w.get("/security").contains(t, "bob", "You may not see this", "This browser")
	if a := w.post("/security/mfa/app", url.Values{"device": {"<b>x</b>"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a hostile name: %d", a.StatusCode)
	}
	if _, wrong := w.ceremony("/security/key/begin", "/security/key", map[string]any{"key": "x"}, w.create(softkey.New(softkey.ES256))); !strings.Contains(wrong, "iam:EnableMFADevice") {
		t.Errorf("a key: %s", wrong)
	}
}

func TestBrowserName(t *testing.T) {
	for agent, want := range map[string]string{
		"": "Unknown browser",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36":                 "Chrome on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0 Safari/537.36 Edg/139.0": "Edge on Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1":                 "Safari on iPhone",
		strings.Repeat("x", 100): strings.Repeat("x", 60) + "…",
	} {
		if got := browserName(agent); got != want {
			t.Errorf("%q is %q", agent, got)
		}
	}
}
