package console

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"golang.org/x/net/html"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/store"
)

const goodPassword = "correct horse battery staple 9!X"

// link makes a one-time link for root.
func (w *world) link(purpose identity.LinkPurpose) string {
	w.t.Helper()
	var secret string
	w.edit(func(tx store.Tx) error {
		p, err := identity.FindPerson(tx, string(ours))
		if err != nil {
			return err
		}
		secret, _, err = authn.MakeLink(tx, p, purpose, "test", w.now, rand.Reader)
		return err
	})
	return secret
}

// leadsTo insists on a redirect.
func (a *answered) leadsTo(t *testing.T, path string) {
	t.Helper()
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != path {
		text := a.body
		if a.doc != nil {
			text = textOf(a.doc)
		}
		t.Fatalf("answered %d to %q, want a redirect to %q:\n%s", a.StatusCode, a.Header.Get("Location"), path, text)
	}
}

// seed reads the key of a new device off the page.
func (a *answered) seed(t *testing.T) []byte {
	t.Helper()
	var found string
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.ElementNode && n.Data == "code" {
			if text := strings.ReplaceAll(textOf(n), " ", ""); len(text) >= 52 {
				found = text
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(a.doc)
	seed, err := base32.StdEncoding.DecodeString(found)
	if err != nil || len(seed) == 0 {
		seed, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(found)
	}
	if err != nil || len(seed) == 0 {
		t.Fatalf("no seed on the page: %q %v\n%s", found, err, textOf(a.doc))
	}
	return seed
}

func (w *world) codes(seed []byte) url.Values {
	step := mfa.StepAt(w.now)
	return url.Values{"code1": {mfa.Code(seed, step-1)}, "code2": {mfa.Code(seed, step)}}
}

// The owner claims the account by the link, and root is signed in with MFA; then comes back
// with password and code.
func TestClaimAndSignIn(t *testing.T) {
	w := newWorld(t)
	w.get("/console").leadsTo(t, "/signin?return=%2Fconsole")
	w.get("/claim").contains(t, "Claim this account", "lanyard claim")
	w.post("/claim", url.Values{"secret": {w.link(identity.LinkClaim)}}).leadsTo(t, "/claim")
	w.get("/claim").contains(t, "1111-2222-3333", "Step 1 of 3")
	account := url.Values{"email": {"root@example.com"}, "alias": {"example"}, "password": {goodPassword}, "again": {goodPassword + "x"}}
	w.post("/claim/account", account).contains(t, "The two passwords differ")
	account.Set("again", goodPassword)
	w.post("/claim/account", account).leadsTo(t, "/claim")
	a := w.post("/claim", url.Values{"device": {"phone"}})
	a.contains(t, "Scan this")
	seed := a.seed(t)
	w.post("/signin/enrol/confirm", url.Values{"code1": {"000000"}, "code2": {"000000"}}).contains(t, "Step 2 of 3")
	w.later(time.Minute)
	a = w.post("/signin/enrol/confirm", w.codes(seed))
	a.contains(t, "Your recovery codes", "only time it can be seen")
	spare := recoveryCode.FindString(textOf(a.doc))
	if _, ok := w.cookies[SessionCookie]; !ok {
		t.Fatal("not signed in")
	}
	me, err := w.api().IAM.GetUser(t.Context(), &iam.GetUserInput{})
	w.must(err)
	if !strings.HasSuffix(aws.ToString(me.User.Arn), ":root") {
		t.Errorf("signed in as %s", *me.User.Arn)
	}
	w.post("/signout", nil).leadsTo(t, "/signin")
	w.get("/console").leadsTo(t, "/signin?return=%2Fconsole")

	w.later(5 * time.Minute)
	w.get("/signin?as=root").contains(t, "E-mail address of the root user")
	in := url.Values{"as": {"root"}, "email": {"Root@example.com"}, "password": {"wrong"}, "return": {"/users?x=1"}}
	if a := w.post("/signin", in); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a wrong password: %d", a.StatusCode)
	}
	in.Set("password", goodPassword)
	w.post("/signin", in).leadsTo(t, "/signin/factor")
	w.get("/signin/factor").contains(t, "the root user of example", "From: phone", "Recovery code")
	w.post("/signin/factor", url.Values{"code": {"000000"}}).contains(t, "Second factor")
	w.post("/signin/factor", url.Values{"code": {mfa.Code(seed, mfa.StepAt(w.now))}}).leadsTo(t, "/users?x=1")

	// A recovery code does, too, and says what that means.
	w.post("/signout", nil)
	w.post("/signin", in).leadsTo(t, "/signin/factor")
	w.post("/signin/factor", url.Values{"recovery": {spare}}).leadsTo(t, "/users?x=1")
	w.get("/users").contains(t, "a recovery code, which is used up")

	// All of that is told to root, since the address is known.
	told := map[string]int{}
	w.must(w.store.View(t.Context(), func(r store.Reader) error {
		return identity.Notices.Scan(r, "", func(_ store.Key, n *identity.Notice) bool {
			if n.To.To != "root@example.com" || n.Who != "arn:aws:iam::111122223333:root" {
				t.Errorf("%+v", n)
			}
			told[n.Event]++
			return true
		})
	}))
	if got := fmt.Sprint(told); got != "map[CheckMfa:1 ConsoleLogin:3 PasswordRecoveryCompleted:1]" {
		t.Errorf("told: %s", got)
	}
}

// Between the steps of a claim one can go back, without a word lost: who chose no password
// has no passkey, or mistyped the address.
func TestClaimGoesBack(t *testing.T) {
	w := newWorld(t)
	w.post("/claim", url.Values{"secret": {w.link(identity.LinkClaim)}}).leadsTo(t, "/claim")
	w.post("/claim/account", url.Values{"email": {"rot@example.com"}, "alias": {"example"}}).leadsTo(t, "/claim")
	w.get("/claim").contains(t, "Step 2 of 3", "rot@example.com", "Choose a password after all")
	shows := func(a *answered, values ...string) {
		t.Helper()
		for _, value := range values {
			if !strings.Contains(a.body, `value="`+value+`"`) {
				t.Errorf("no field has the value %s", value)
			}
		}
	}
	back := w.get("/claim?account=1")
	back.contains(t, "Step 1 of 3")
	shows(back, "rot@example.com", "example")
	account := url.Values{"email": {"root@example.com"}, "alias": {"example"}, "password": {"short"}, "again": {"short"}}
	back = w.post("/claim/account", account)
	back.contains(t, "Step 1 of 3", "at least 8")
	shows(back, "root@example.com", "example")
	account.Set("password", goodPassword)
	account.Set("again", goodPassword)
	w.post("/claim/account", account).leadsTo(t, "/claim")
	back = w.get("/claim")
	back.contains(t, "root@example.com", "Change the e-mail address")
	shows(back, "root-phone")
	w.get("/claim?account=1").contains(t, "keep the one that you have typed")
	w.post("/claim/account", url.Values{"email": {"boss@example.com"}, "alias": {"example"}}).leadsTo(t, "/claim")
	a := w.post("/claim", url.Values{"device": {"root-phone"}})
	a.contains(t, "boss@example.com")
	w.post("/signin/enrol/confirm", w.codes(a.seed(t))).contains(t, "Your recovery codes")
	w.post("/signout", nil)
	w.post("/signin", url.Values{"as": {"root"}, "email": {"boss@example.com"}, "password": {goodPassword}}).leadsTo(t, "/signin/factor")
}

// T240: how the cookies travel. T239: what was planted before is not what one is signed in
// by. T246: a half-way sign-in opens nothing.
func TestT240_Cookies(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	_, err := w.api().IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("bob")})
	w.must(err)
	_, err = w.api().IAM.CreateLoginProfile(t.Context(), &iam.CreateLoginProfileInput{UserName: aws.String("bob"), Password: aws.String(goodPassword)})
	w.must(err)
	planted := w.cookies[SessionCookie].Value
	a := w.post("/signin", url.Values{"account": {string(ours)}, "username": {"bob"}, "password": {goodPassword}, "return": {"https://evil.example/"}})
	a.leadsTo(t, "/")
	if w.cookies[SessionCookie].Value == planted {
		t.Error("T239: the planted session goes on")
	}
	old := httptest.NewRequest(http.MethodGet, "/", nil)
	old.AddCookie(&http.Cookie{Name: SessionCookie, Value: planted})
	if p, err := w.console.config.Person(old); p != nil || err != nil {
		t.Errorf("T239: the session that was replaced still opens: %v", err)
	}
	for _, cookie := range a.Cookies() {
		if !strings.HasPrefix(cookie.Name, "__Host-") || !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Domain != "" || cookie.Path != "/" {
			t.Errorf("T240: %s", cookie.Raw)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/signin", strings.NewReader("username=bob"))
	r.Host, r.Header = w.console.config.URL.Host, http.Header{"Origin": {"https://evil.example"}, "Content-Type": {"application/x-www-form-urlencoded"}}
	if a := w.do(r); a.StatusCode != http.StatusForbidden {
		t.Errorf("T241: a sign-in from another site: %d", a.StatusCode)
	}
}
