package console

import (
	"encoding/base32"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// inTrail tells whether a text is anywhere in the records of the account.
func (w *world) inTrail(text string) bool {
	w.t.Helper()
	cookies := w.cookies
	w.cookies = map[string]*http.Cookie{}
	defer func() { w.cookies = cookies }()
	w.signInRoot()
	for in := (&cloudtrail.LookupEventsInput{}); ; {
		out, err := w.api().CloudTrail.LookupEvents(w.t.Context(), in)
		w.must(err)
		for _, e := range out.Events {
			if strings.Contains(*e.CloudTrailEvent, text) {
				return true
			}
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return false
		}
	}
}

// TestOwnHardwareToken: a person adds a token of their own by serial number, seed and two
// codes; what is wrong is said beside its field, and the seed never comes back.
func TestOwnHardwareToken(t *testing.T) {
	w := newWorld(t)
	w.person("bob")
	w.person("carl")
	w.signInWithPassword("bob").leadsTo(t, "/security")
	w.get("/security/mfa/new").contains(t, "Add a hardware token", "aws iam enable-mfa-device --user-name bob")
	const serial = "GAHT12345678"
	seed := []byte("12345678901234567890")
	typed := "GEZD GNBV GY3T QOJQ gezd gnbv gy3t qojq" // as it is printed
	form := func(change url.Values) url.Values {
		f := w.codes(seed)
		f.Set("number", serial)
		f.Set("seed", typed)
		for name, value := range change {
			f[name] = value
		}
		return f
	}
	for what, wrong := range map[string]struct {
		change url.Values
		says   string
	}{
		"a short number":   {url.Values{"number": {"x<b>"}}, "from 9 to 256 letters"},
		"no number":        {url.Values{"number": {""}}, "from 9 to 256 letters"},
		"no code":          {url.Values{"code1": {""}}, "A code is six digits"},
		"letters":          {url.Values{"code2": {"12345x"}}, "A code is six digits"},
		"a short seed":     {url.Values{"seed": {"GEZDGNBV"}}, "A seed has from 16 to 64 bytes"},
		"no seed":          {url.Values{"seed": {""}}, "has no token with this number yet"},
		"another encoding": {url.Values{"encoding": {"hex"}}, "not in hex or base32"},
		"both encodings":   {url.Values{"seed": {strings.Repeat("ABCD", 10)}}, "may be hex or base32"},
		"the same code":    {url.Values{"code1": {mfa.Code(seed, mfa.StepAt(w.now))}}, "not valid"},
	} {
		a := w.post("/security/mfa/token", form(wrong.change))
		a.contains(t, wrong.says)
		if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, `aria-invalid="true"`) {
			t.Errorf("%s: %d, or not beside its field", what, a.StatusCode)
		}
		if strings.Contains(a.body, "GEZD") || strings.Contains(a.body, "ABCDABCD") {
			t.Errorf("%s: the seed comes back", what)
		}
	}
	w.get("/security").contains(t, "You have no MFA device")

	w.later(recently)
	w.post("/security/mfa/token", form(nil)).leadsTo(t, "/signin/factor?to=%2Fsecurity%2Fmfa%2Fnew")
	w.cookies = map[string]*http.Cookie{}
	w.signInWithPassword("bob").leadsTo(t, "/security")
	other := w.anotherSession("bob")
	w.post("/security/mfa/token", form(nil)).leadsTo(t, "/security/recovery-codes")
	w.get("/security").contains(t, serial, "Hardware token")
	mine := w.cookies[SessionCookie]
	w.cookies[SessionCookie] = other
	w.get("/security").leadsTo(t, "/signin?return=%2Fsecurity") // the others ended
	w.cookies[SessionCookie] = mine

	// It is the second factor from now on, and each code works once.
	w.post("/signout", nil)
	w.signInWithPassword("bob").leadsTo(t, "/signin/factor")
	w.post("/signin/factor", url.Values{"code": {mfa.Code(seed, mfa.StepAt(w.now))}}).contains(t, "used before")
	w.later(time.Minute)
	w.post("/signin/factor", url.Values{"code": {mfa.Code(seed, mfa.StepAt(w.now))}}).leadsTo(t, "/security")

	// The number is taken, for others and for himself.
	mine = w.cookies[SessionCookie]
	w.cookies = map[string]*http.Cookie{}
	w.signInWithPassword("carl").leadsTo(t, "/security")
	w.post("/security/mfa/token", form(nil)).contains(t, "a token with this number already")
	w.post("/security/mfa/token", form(url.Values{"seed": {""}})).contains(t, "in use already")
	w.cookies = map[string]*http.Cookie{SessionCookie: mine}
	w.post("/security/mfa/token", form(nil)).contains(t, "a token with this number already")

	// Given back it stays, and the number is enough for who has it in their hand.
	w.post("/security/mfa/remove", url.Values{"serial": {serial}}).leadsTo(t, "/security")
	w.cookies = map[string]*http.Cookie{}
	w.signInWithPassword("carl").leadsTo(t, "/security")
	w.later(time.Minute)
	w.post("/security/mfa/token", form(url.Values{"seed": {""}})).leadsTo(t, "/security/recovery-codes")
	w.get("/security").contains(t, serial)

	for _, secret := range []string{typed, strings.ReplaceAll(typed, " ", ""), base32.StdEncoding.EncodeToString(seed), hex.EncodeToString(seed)} {
		if w.inTrail(secret) || strings.Contains(w.log.String(), secret) {
			t.Error("the seed is in the trail or the log")
		}
	}
	if names := w.events(); !slices.Contains(names, "EnableMFADevice") || slices.Contains(names, "EnableHardwareToken") {
		t.Errorf("on record: %v", names)
	}
}

// TestOwnHardwareTokenDenied: who may enable devices and not make any is meant to use those
// that the account gives out.
func TestOwnHardwareTokenDenied(t *testing.T) {
	w := newWorld(t)
	w.signIn("dora", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:EnableMFADevice","Resource":"*"}}`)
	seed := []byte("12345678901234567890")
	form := w.codes(seed)
	form.Set("number", "GAHT12345678")
	form.Set("seed", hex.EncodeToString(seed))
	w.post("/security/mfa/token", form).contains(t, "iam:CreateVirtualMFADevice on resource: arn:aws:iam::111122223333:mfa/GAHT12345678")
	w.signInRoot()
	w.post("/security/mfa/token", form).leadsTo(t, "/security/recovery-codes")
	w.get("/security").contains(t, "GAHT12345678", "Hardware token")
}

// claimed is root as the claim leaves it: with a password and an app, whose seed it is.
func (w *world) claimed() (seed []byte) {
	w.t.Helper()
	w.post("/claim", url.Values{"secret": {w.link(identity.LinkClaim)}}).leadsTo(w.t, "/claim")
	w.post("/claim/account", url.Values{"email": {"root@example.com"}, "alias": {"example"}, "password": {goodPassword}, "again": {goodPassword}}).leadsTo(w.t, "/claim")
	seed = w.post("/claim", url.Values{"device": {"phone"}}).seed(w.t)
	w.later(time.Minute)
	w.post("/signin/enrol/confirm", w.codes(seed)).contains(w.t, "Your recovery codes")
	return seed
}

// TestRootPassword: root changes the password with the present one and a recent factor. It
// is on record as on AWS, other sessions end, this one stays.
func TestRootPassword(t *testing.T) {
	w := newWorld(t)
	seed := w.claimed()
	signIn := func(password string) *answered {
		w.cookies = map[string]*http.Cookie{}
		w.later(time.Minute)
		a := w.post("/signin", url.Values{"as": {"root"}, "email": {"root@example.com"}, "password": {password}, "return": {"/security"}})
		if a.StatusCode == http.StatusSeeOther {
			w.post("/signin/factor", url.Values{"code": {mfa.Code(seed, mfa.StepAt(w.now))}}).leadsTo(t, "/security")
		}
		return a
	}
	signIn(goodPassword)
	other := w.cookies[SessionCookie]
	signIn(goodPassword)
	w.get("/security").contains(t, "Change password", "e-mail address of root is set by")
	const page = "/security/password"
	next := "another 4 unlikely Words!"
	form := url.Values{"current": {"wrong"}, "password": {next}, "again": {next}}
	w.get(page).contains(t, "Current password")
	w.post(page, form).contains(t, "This is not your password")
	form.Set("current", goodPassword)
	form.Set("again", next+"x")
	w.post(page, form).contains(t, "The two passwords differ")
	for short, says := range map[string]string{
		"Xy1!":              "at least 8 characters",
		"Password123!":      "tried first",
		"root@example.com1": "too close to your name",
		goodPassword:        "the password that you have",
	} {
		form.Set("password", short)
		form.Set("again", short)
		a := w.post(page, form)
		a.contains(t, says)
		if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, `aria-invalid="true"`) || strings.Contains(a.body, `value="`+short) {
			t.Errorf("%s: %d, not beside its field, or it comes back", short, a.StatusCode)
		}
	}
	form.Set("password", next)
	form.Set("again", next)
	w.later(recently)
	w.get(page).leadsTo(t, "/signin/factor?to=%2Fsecurity%2Fpassword")
	w.post(page, form).leadsTo(t, "/signin/factor?to=%2Fsecurity%2Fpassword")
	w.post("/signin/factor", url.Values{"to": {page}, "code": {mfa.Code(seed, mfa.StepAt(w.now))}}).leadsTo(t, page)
	w.post(page, form).leadsTo(t, "/security")
	w.get("/security").contains(t, "Your password was changed", "This browser")
	w.cookies[SessionCookie] = other
	w.get("/security").leadsTo(t, "/signin?return=%2Fsecurity")
	if a := signIn(goodPassword); a.StatusCode == http.StatusSeeOther {
		t.Error("the old password is good")
	}
	signIn(next).leadsTo(t, "/signin/factor")

	// Wrong guesses are counted together with those at the sign-in page.
	form.Set("password", "something 4 Else entirely")
	form.Set("again", "something 4 Else entirely")
	form.Set("current", "wrong")
	for i := 0; ; i++ {
		a := w.post(page, form)
		if strings.Contains(textOf(a.doc), "Too many wrong passwords") {
			break
		}
		if i > 20 {
			t.Fatal("guesses have no end")
		}
	}
	form.Set("current", next)
	w.post(page, form).contains(t, "Too many wrong passwords")

	for _, secret := range []string{goodPassword, next, "Password123!"} {
		if w.inTrail(secret) || strings.Contains(w.log.String(), secret) {
			t.Error("a password is in the trail or the log")
		}
	}
	w.signInRoot()
	out, err := w.api().CloudTrail.LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{
		LookupAttributes: []types.LookupAttribute{{AttributeKey: types.LookupAttributeKeyEventName, AttributeValue: aws.String("PasswordUpdated")}},
	})
	w.must(err)
	good := 0
	for _, e := range out.Events {
		if *e.EventSource != "signin.amazonaws.com" || strings.Contains(*e.CloudTrailEvent, `"requestParameters":{`) {
			t.Errorf("on record: %s", *e.CloudTrailEvent)
		}
		if !strings.Contains(*e.CloudTrailEvent, `"errorCode"`) {
			good++
		}
	}
	if good != 1 || len(out.Events) < 5 {
		t.Errorf("%d changes on record, of %d attempts", good, len(out.Events))
	}
}

// TestRootPasswordOfOthers: it is root's alone, whatever one may do.
func TestRootPasswordOfOthers(t *testing.T) {
	w := newWorld(t)
	w.claimed()
	w.signIn("eve", allowAll)
	_, err := lanyard.Call[lanyard.ChangeRootPasswordOutput](t.Context(), w.api().Lanyard, &lanyard.ChangeRootPasswordInput{OldPassword: aws.String(goodPassword), NewPassword: aws.String("another 4 unlikely Words!")})
	if err == nil || !strings.Contains(err.Error(), "Only the root user") {
		t.Errorf("eve: %v", err)
	}
}
