package console

import (
	"context"
	"crypto/rand"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

const theirs = arn.AccountID("444455556666")

// withMFA trusts a user who has signed in with MFA.
func withMFA(who string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + who + `"},"Action":"sts:AssumeRole","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}}`
}

// newSwitchWorld is a world with alice, who may assume roles, and with the roles of two accounts:
// deploy and production of another one, which has an alias, and auditor of hers.
func newSwitchWorld(t *testing.T) *world {
	w := newWorld(t)
	w.edit(func(tx store.Tx) error {
		if err := identity.Accounts.Put(tx, &identity.Account{ID: theirs, Partition: "aws", Created: w.now}, string(theirs)); err != nil {
			return err
		}
		return identity.SetAlias(tx, theirs, "acme-prod")
	})
	w.signIn("alice", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["sts:AssumeRole","iam:ListGroups","cloudtrail:LookupEvents"],"Resource":"*"}}`)
	alice := "arn:aws:iam::111122223333:user/alice"
	w.signInRoot()
	w.makeTrusting("auditor", "/", trusting(alice), nothing, time.Hour)
	w.signInTo(theirs)
	w.makeTrusting("deploy", "/", withMFA(alice), everything, 2*time.Hour)
	w.makeTrusting("production", "/team/", trusting(alice), everything, time.Hour)
	w.makeTrusting("closed", "/", trusting("arn:aws:iam::444455556666:root"), everything, time.Hour)
	w.signIn("alice")
	return w
}

func (w *world) signInTo(account arn.AccountID) {
	w.t.Helper()
	var cookie string
	w.edit(func(tx store.Tx) (err error) {
		s := &session.Session{Kind: session.Root, Account: account, PrincipalID: string(account), MFAKnown: true, MFA: true, MFATime: w.now}
		cookie, err = w.sessions.NewBrowser(tx, s, &identity.BrowserSession{Factors: []identity.Factor{identity.ByPassword, identity.ByTOTP}, FactorTime: w.now}, w.now, rand.Reader)
		return err
	})
	w.cookies[SessionCookie] = &http.Cookie{Name: SessionCookie, Value: cookie}
}

func (w *world) makeTrusting(name, path, trust, document string, longest time.Duration) {
	w.t.Helper()
	_, err := w.api().IAM.CreateRole(context.Background(), &iam.CreateRoleInput{RoleName: &name, Path: &path, AssumeRolePolicyDocument: &trust, MaxSessionDuration: aws.Int32(int32(longest.Seconds()))})
	w.must(err)
	_, err = w.api().IAM.PutRolePolicy(context.Background(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: &document})
	w.must(err)
}

func (w *world) whoIs() *Person {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(w.cookies[SessionCookie])
	p, err := w.console.config.Person(r)
	w.must(err)
	return p
}

// trailText is every record of the trail of an account.
func (w *world) trailText(account arn.AccountID) string {
	w.t.Helper()
	kept := w.cookies[SessionCookie]
	defer func() { w.cookies[SessionCookie] = kept }()
	w.signInTo(account)
	return w.get("/events/export?by=&format=json").body
}

// records are the records of an account, each on a line of its own.
func (w *world) records(account arn.AccountID) (list []string) {
	w.t.Helper()
	kept := w.cookies[SessionCookie]
	defer func() { w.cookies[SessionCookie] = kept }()
	w.signInTo(account)
	for in := (&cloudtrail.LookupEventsInput{}); ; {
		out, err := w.api().CloudTrail.LookupEvents(context.Background(), in)
		w.must(err)
		for _, e := range out.Events {
			list = append(list, *e.CloudTrailEvent)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return list
		}
	}
}

func to(account, role string, more ...string) url.Values {
	form := url.Values{"account": {account}, "roleName": {role}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

func TestSwitchRole(t *testing.T) {
	w := newSwitchWorld(t)
	w.get("/").contains(t, "Switch role", "alice")
	fresh := w.get("/switchrole")
	fresh.contains(t, "Switch role", "Display name", "aws sts assume-role", "Dark blue")
	fresh.lacks(t, "Recent roles", "Back to alice")
	if strings.Contains(fresh.body, `aria-current="page"`) {
		t.Error("an entry of the navigation is marked, and the page is of none")
	}

	// A link fills the form in, and does nothing more.
	link := w.get("/switchrole?account=acme-prod&roleName=deploy&displayName=Deploy%20here&color=red")
	for _, want := range []string{`value="acme-prod"`, `value="deploy"`, `value="Deploy here"`, `<option value="red" selected>`} {
		if !strings.Contains(link.body, want) {
			t.Errorf("the form has no %s:\n%s", want, link.body)
		}
	}
	if p := w.whoIs(); p.Switched != nil {
		t.Fatal("a link switched")
	}

	w.post("/switchrole", to("acme-prod", "deploy", "displayName", "Deploy here", "color", "red")).leadsTo(t, "/")
	p := w.whoIs()
	if p.ARN != "arn:aws:sts::444455556666:assumed-role/deploy/alice" || p.Account != string(theirs) || p.Name != "Deploy here" || p.Colour != Red || p.Kind != "Role" || p.Self() != "alice" || !p.MFA {
		t.Errorf("switched: %+v", p)
	}
	w.get("/roles").contains(t, "You work as the role deploy", "Deploy here", "Back to alice", "acme-prod", "production")
	w.post("/users", url.Values{"name": {"bob"}}).leadsTo(t, "/users/bob")
	w.get("/security").contains(t, "This is about alice")
	w.get("/switchrole").contains(t, "You work as", "Recent roles", "Deploy here", "4444-5555-6666")

	// Another role is assumed by alice and not by the role: deploy could not.
	w.post("/switchrole", to("4444-5555-6666", "team/production")).leadsTo(t, "/")
	if p := w.whoIs(); p.ARN != "arn:aws:sts::444455556666:assumed-role/production/alice" || p.Name != "team/production @ acme-prod" {
		t.Errorf("switched on: %+v", p)
	}
	w.post("/switchrole/back", nil).leadsTo(t, "/")
	w.get("/groups").contains(t, "You are alice again.")
	if p := w.whoIs(); p.Switched != nil || p.ARN != "arn:aws:iam::111122223333:user/alice" {
		t.Errorf("back: %+v", p)
	}
	w.post("/switchrole/back", nil).leadsTo(t, "/")
	w.get("/switchrole").contains(t, "team/production", "deploy")

	records := w.trailText(theirs)
	for _, want := range []string{`"eventName": "SwitchRole"`, `"eventName": "ExitRole"`, `"eventName": "CreateUser"`, `"SwitchFrom": "arn:aws:iam::111122223333:user/alice"`, `"DisplayName": "Deploy here"`, `"SwitchRole": "Success"`, `"eventType": "AwsConsoleSignIn"`, "assumed-role/deploy/alice"} {
		if !strings.Contains(records, want) {
			t.Errorf("the trail lacks %s:\n%s", want, records)
		}
	}
	if records := w.trailText(ours); !strings.Contains(records, `"eventName": "AssumeRole"`) {
		t.Errorf("AssumeRole is not on the trail of who asked:\n%s", records)
	}
}

// Whatever it is that does not fit, the answer is one, and it is AWS's.
func TestSwitchRoleRefused(t *testing.T) {
	w := newSwitchWorld(t)
	var answer string // of all, but for what was typed and what is random
	for name, form := range map[string]url.Values{
		"no account":          to("", "deploy"),
		"no role":             to(string(theirs), ""),
		"unknown account":     to("999900001111", "deploy"),
		"unknown alias":       to("nobody-at-all", "deploy"),
		"unknown role":        to(string(theirs), "nothing"),
		"does not trust her":  to(string(theirs), "closed"),
		"without its path":    to(string(theirs), "production"),
		"no name of a role":   to(string(theirs), "de ploy"),
		"an ARN":              to(string(theirs), "arn:aws:iam::444455556666:role/deploy"),
		"markup in the names": to("<script>alert(1)</script>", "<script>alert(2)</script>"),
	} {
		t.Run(name, func(t *testing.T) {
			a := w.post("/switchrole", form)
			if a.StatusCode != http.StatusUnprocessableEntity || strings.Contains(a.body, "<script>alert(") {
				t.Errorf("%d", a.StatusCode)
			}
			a.contains(t, "You did not switch", msgNoSwitch)
			body := a.body
			for _, field := range []string{"account", "roleName"} {
				if typed := form.Get(field); typed != "" {
					body = strings.ReplaceAll(body, ` value="`+html.EscapeString(typed)+`"`, "")
				}
			}
			body = regexp.MustCompile(`(?s)nonce="[^"]*"|[0-9a-f]{8}-[0-9a-f-]{27}|<pre.*?</pre>|data-copy="[^"]*"`).ReplaceAllString(body, "")
			body = strings.ReplaceAll(body, ` value=""`, "")
			if answer == "" {
				answer = body
			} else if body != answer {
				t.Errorf("it tells what does not fit:\n%s\n---\n%s", body, answer)
			}
			if w.whoIs().Switched != nil {
				t.Error("switched")
			}
		})
	}

	// Trust policies see whether the sign-in had MFA.
	var cookie string
	person := w.whoIs().Browser.PersonID
	w.edit(func(tx store.Tx) (err error) {
		s := &session.Session{Kind: session.User, Account: ours, PrincipalID: person, MFAKnown: true}
		cookie, err = w.sessions.NewBrowser(tx, s, &identity.BrowserSession{Factors: []identity.Factor{identity.ByPassword}}, w.now, rand.Reader)
		return err
	})
	w.cookies[SessionCookie].Value = cookie
	w.post("/switchrole", to(string(theirs), "deploy")).contains(t, msgNoSwitch)
	w.post("/switchrole", to(string(theirs), "team/production")).leadsTo(t, "/")

	w.signInRoot()
	w.get("/switchrole").contains(t, "The root user cannot switch roles")
	home := w.get("/health")
	home.lacks(t, "Switch role")
	w.post("/switchrole", to(string(ours), "auditor")).contains(t, "The root user cannot switch roles")
	if w.whoIs().Switched != nil {
		t.Error("root switched")
	}
}

// T058, T243: an account or a role that there is costs the same requests of the API as one
// that there is none, and leaves the same on the trail of who tries.
func TestT058_SwitchRoleIsNoOracle(t *testing.T) {
	var first string
	for _, name := range []string{"closed role", "unknown role", "unknown account", "known alias", "unknown alias", "their own account"} {
		w := newSwitchWorld(t)
		form := map[string]url.Values{
			"closed role":       to(string(theirs), "closed"),
			"unknown role":      to(string(theirs), "nothing"),
			"unknown account":   to("999900001111", "closed"),
			"known alias":       to("acme-prod", "closed"),
			"unknown alias":     to("acme-test", "closed"),
			"their own account": to(string(ours), "nothing"),
		}[name]
		var done []string
		w.aws.Observe = func(_, operation string, status int, _ time.Duration) {
			done = append(done, operation+" "+http.StatusText(status))
		}
		w.post("/switchrole", form).contains(t, msgNoSwitch)
		w.aws.Observe = nil
		var record string
		for _, e := range w.records(ours) {
			if strings.Contains(e, `"eventName":"AssumeRole"`) {
				record = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|(ASIA|AIDA)[A-Z0-9]{16,17}|role/[a-z]+|:[0-9]{12}:`).ReplaceAllString(e, "")
			}
		}
		work := strings.Join(done, ", ") + "\n" + record
		if first == "" {
			first = work
		}
		if len(done) == 0 || work != first {
			t.Errorf("T058: %s:\n%s\nwant\n%s", name, work, first)
		}
	}
}

// The account that an unknown alias stands for is always the same, and nobody's.
func TestT058_AccountOfUnknownAlias(t *testing.T) {
	w := newSwitchWorld(t)
	of := func(typed string) arn.AccountID {
		id, err := w.signIns.AccountOf(t.Context(), typed)
		w.must(err)
		return id
	}
	one, again, other := of("acme-test"), of("acme-test"), of("acme-dev")
	if _, err := arn.ParseAccountID(string(one)); err != nil || one != again || one == other || one == ours || one == theirs {
		t.Errorf("T058: %s, %s, %s", one, again, other)
	}
	if of("acme-prod") != theirs || of(string(ours)) != ours || of("999900001111") != "999900001111" {
		t.Error("T058: who is known is not found")
	}
}

// No other site switches, or switches back.
func TestT241_SwitchRoleFromElsewhere(t *testing.T) {
	w := newSwitchWorld(t)
	for _, path := range []string{"/switchrole", "/switchrole/back"} {
		if path == "/switchrole/back" {
			w.post("/switchrole", to(string(theirs), "deploy")).leadsTo(t, "/")
		}
		before := w.whoIs().ARN
		r := httptest.NewRequest(http.MethodPost, w.site+path, strings.NewReader(to(string(theirs), "deploy").Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "https://evil.example.net")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		if a := w.do(r); a.StatusCode != http.StatusForbidden {
			t.Errorf("T241: %s from another site: %d", path, a.StatusCode)
		}
		if after := w.whoIs().ARN; after != before {
			t.Errorf("T241: %s from another site made %s of %s", path, after, before)
		}
	}
}

// What ends the sign-in ends the switch, at once; what ends the switch alone does not make
// the person's own what they meant for the role.
func TestT249_SwitchedSessionEnds(t *testing.T) {
	signedOut := map[string]func(*world){
		"signed out": func(w *world) { w.post("/signout", nil) },
		"sign-in revoked": func(w *world) {
			id := w.whoIs().Browser.PersonID
			w.edit(func(tx store.Tx) error { return session.Revoke(tx, id, w.now.Add(time.Second)) })
		},
		"signed out everywhere": func(w *world) {
			w.signIn("alice") // in another browser
			_, err := lanyard.Call[lanyard.EndAllBrowserSessionsOutput](t.Context(), w.api().Lanyard, &lanyard.EndAllBrowserSessionsInput{})
			w.must(err)
		},
		"new password": func(w *world) {
			w.signInRoot()
			w.post("/users/alice/password", nil).contains(t, "The password of alice")
		},
		"user deleted": func(w *world) {
			kept := w.cookies[SessionCookie]
			w.signInRoot()
			for _, path := range []string{"/users/alice/delete"} {
				w.post(path, url.Values{"typed": {"alice"}}).leadsTo(t, "/users")
			}
			w.cookies[SessionCookie] = kept
		},
		"idle": func(w *world) { w.later(session.BrowserIdle) },
	}
	for name, end := range signedOut {
		t.Run(name, func(t *testing.T) {
			w := newSwitchWorld(t)
			w.post("/switchrole", to(string(theirs), "deploy")).leadsTo(t, "/")
			kept := *w.cookies[SessionCookie]
			w.get("/roles").contains(t, "deploy")
			end(w)
			w.cookies[SessionCookie] = &kept
			if a := w.get("/roles"); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/signin") {
				t.Errorf("T249: %d %s", a.StatusCode, a.Header.Get("Location"))
			}
		})
	}

	roleEnds := map[string]func(*world){
		"role's sessions revoked": func(w *world) {
			id := w.whoIs().Browser.Role.PrincipalID
			w.edit(func(tx store.Tx) error { return session.Revoke(tx, id, w.now.Add(time.Second)) })
		},
		"role deleted": func(w *world) {
			kept := w.cookies[SessionCookie]
			w.signInTo(theirs)
			w.post("/roles/deploy/delete", url.Values{"typed": {"deploy"}}).leadsTo(t, "/roles")
			w.cookies[SessionCookie] = kept
		},
		"longest session over": func(w *world) {
			for range 9 {
				w.later(15 * time.Minute)
				w.get("/groups")
			}
		},
	}
	for name, end := range roleEnds {
		t.Run(name, func(t *testing.T) {
			w := newSwitchWorld(t)
			w.post("/switchrole", to(string(theirs), "deploy")).leadsTo(t, "/")
			end(w)
			for _, a := range []*answered{w.get("/groups"), w.post("/groups", url.Values{"name": {"g"}})} {
				if a.StatusCode != http.StatusConflict {
					t.Errorf("T249: %d", a.StatusCode)
				}
				a.contains(t, "Your session as the role has ended", "Nothing was done now.")
			}
			again := w.get("/switchrole")
			again.contains(t, "has ended", "Back to alice")
			if !strings.Contains(again.body, `value="deploy"`) {
				t.Error("the form is not filled in")
			}
			w.post("/switchrole/back", nil).leadsTo(t, "/")
			w.get("/groups").contains(t, "You are alice again.")
		})
	}
}

// T249: a page that began as a role does nothing as it after the sign-in ended or the person
// went elsewhere; a renewal is no such end.
func TestT249_NothingAsTheRoleAfterTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(w *world)
		goes bool
	}{
		"signed out": {end: func(w *world) { w.must(w.signIns.SignOut(t.Context(), w.whoIs().Browser)) }},
		"new password": {end: func(w *world) {
			w.signInRoot()
			w.post("/users/alice/password", nil).contains(t, "The password of alice")
		}},
		"sign-in revoked": {end: func(w *world) {
			id := w.whoIs().Browser.PersonID
			w.edit(func(tx store.Tx) error { return session.Revoke(tx, id, w.now.Add(time.Second)) })
		}},
		"went back":     {end: func(w *world) { w.post("/switchrole/back", nil).leadsTo(t, "/") }},
		"another role":  {end: func(w *world) { w.post("/switchrole", to(string(theirs), "team/production")).leadsTo(t, "/") }},
		"the same role": {end: func(w *world) { w.post("/switchrole", to(string(theirs), "deploy")).leadsTo(t, "/") }, goes: true},
		"renewed": {end: func(w *world) {
			w.later(56 * time.Minute)
			before := w.whoIs().Browser.Role.AccessKeyID
			w.get("/groups")
			if w.whoIs().Browser.Role.AccessKeyID == before {
				t.Fatal("not renewed")
			}
		}, goes: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSwitchWorld(t)
			w.post("/switchrole", to(string(theirs), "deploy")).leadsTo(t, "/")
			api := w.api()
			_, err := api.IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("before")})
			w.must(err)
			c.end(w)
			_, err = api.IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("after")})
			if c.goes {
				w.must(err)
			} else if !sessionOver(err) {
				t.Errorf("T249: a change after the end: %v", err)
			}
		})
	}
}

// The trail says what was done as the role in the console. What has the session's credentials
// elsewhere cannot look like it.
func TestSwitchedRecordsAreFromTheConsole(t *testing.T) {
	w := newSwitchWorld(t)
	w.post("/switchrole", to(string(theirs), "deploy")).leadsTo(t, "/")
	w.post("/users", url.Values{"name": {"bob"}}).leadsTo(t, "/users/bob")
	outside := httptest.NewServer(w.aws)
	defer outside.Close()
	keys := w.api().Lanyard.Credentials
	_, err := iam.New(iam.Options{Region: region, BaseEndpoint: &outside.URL, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey, SessionToken: keys.SessionToken}, nil
	})}).CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: aws.String("outside")})
	w.must(err)
	w.signInTo(theirs)
	for event, want := range map[string]bool{"CreateUser": true, "CreateGroup": false} {
		out, err := w.api().CloudTrail.LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{LookupAttributes: []types.LookupAttribute{{AttributeKey: types.LookupAttributeKeyEventName, AttributeValue: &event}}})
		w.must(err)
		if len(out.Events) != 1 || strings.Contains(*out.Events[0].CloudTrailEvent, `"sessionCredentialFromConsole":"true"`) != want {
			t.Errorf("%s: %+v", event, out.Events)
		}
	}
}

// The session of a role lasts an hour, and is renewed while the switch may last: as long as
// the role allows sessions to be. Each renewal asks the trust policy.
func TestSwitchedSessionIsRenewed(t *testing.T) {
	w := newSwitchWorld(t)
	w.post("/switchrole", to(string(theirs), "deploy", "displayName", "D")).leadsTo(t, "/")
	first := w.whoIs()
	if got := first.Switched.Until.Sub(w.now); got != 2*time.Hour {
		t.Errorf("it ends after %s", got)
	}
	for range 4 {
		w.later(15 * time.Minute)
		w.get("/groups")
	}
	second := w.whoIs()
	if second.Switched.Ended || second.Browser.Role.AccessKeyID == first.Browser.Role.AccessKeyID || !second.Switched.Until.Equal(first.Switched.Until) || second.Name != "D" {
		t.Errorf("after an hour: %+v, %+v", second.Switched, second.Browser.Role)
	}
	if records := w.trailText(theirs); !strings.Contains(records, `"eventName": "RenewRole"`) {
		t.Errorf("the renewal is not on record:\n%s", records)
	}

	// A role that trusts no more is not renewed.
	w.post("/switchrole", to(string(theirs), "deploy")).leadsTo(t, "/")
	kept := w.cookies[SessionCookie]
	w.signInTo(theirs)
	w.post("/roles/deploy/trust", url.Values{"document": {trusting("arn:aws:iam::444455556666:root")}}).leadsTo(t, "/roles/deploy?tab=trust")
	w.cookies[SessionCookie] = kept
	for range 4 {
		w.later(15 * time.Minute)
		w.get("/groups")
	}
	w.get("/groups").contains(t, "Your session as the role has ended")
}

// A session of a role comes into a browser session only if it was asked for there.
func TestT239_OnlyOwnRoleSessions(t *testing.T) {
	w := newSwitchWorld(t)
	w.post("/switchrole", to(string(theirs), "deploy")).leadsTo(t, "/")
	other := *w.whoIs().Browser.Switched
	w.signIn("mallory", nothing)
	if err := w.signIns.SwitchRole(t.Context(), (&Visit{Request: httptest.NewRequest(http.MethodPost, "/", nil)}).visitor(), w.whoIs().Browser, other); err == nil {
		t.Error("T239: another person's role session was taken")
	}
	if w.whoIs().Switched != nil {
		t.Error("T239: switched")
	}
}

// A factor that is shown again is the person's, and does not end the switch.
func TestStepUpWhileSwitched(t *testing.T) {
	w := newSwitchWorld(t)
	w.post("/switchrole", to(string(theirs), "deploy")).leadsTo(t, "/")
	w.post("/users", url.Values{"name": {"bob"}}).leadsTo(t, "/users/bob")
	w.later(recently)
	w.post("/users/bob/delete", url.Values{"typed": {"bob"}}).leadsTo(t, "/signin/factor?to=%2Fusers%2Fbob")
	w.get("/signin/factor?to=/users/bob").contains(t, "alice")
}

// Whom another system lets in as a role switches to others, always from the role as which
// they came; a session of GetFederationToken does not.
func TestSwitchRoleFederated(t *testing.T) {
	w := newSwitchWorld(t)
	link := w.signinLink("mallory")
	w.signInRoot()
	_, err := w.api().IAM.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("developers"), PolicyName: aws.String("p"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}}`)})
	w.must(err)
	w.signInTo(theirs)
	w.makeTrusting("crossing", "/", trusting("arn:aws:iam::111122223333:role/developers"), everything, time.Hour)
	w.makeTrusting("beyond", "/", trusting("arn:aws:iam::444455556666:role/crossing"), everything, time.Hour)
	w.cookies = map[string]*http.Cookie{}
	if answer := w.federation(link); answer.StatusCode != http.StatusSeeOther {
		t.Fatalf("%s", answer.Status)
	}
	w.get("/users").contains(t, "developers/mallory", "Switch role")
	w.get("/switchrole").contains(t, "The role", "--role-session-name mallory")
	w.post("/switchrole", to(string(theirs), "deploy")).contains(t, "Invalid information") // it trusts alice
	w.post("/switchrole", to("acme-prod", "crossing")).leadsTo(t, "/")
	p := w.whoIs()
	if p.ARN != "arn:aws:sts::444455556666:assumed-role/crossing/mallory" || p.Switched.From != "developers/mallory" || p.Switched.Kind != "Federated user" {
		t.Fatalf("%+v, %+v", p, p.Switched)
	}
	w.get("/").contains(t, "developers/mallory (Federated user)", "Back to developers/mallory", "crossing @ acme-prod")
	w.get("/switchrole").contains(t, "Recent roles", "crossing")
	w.post("/users", url.Values{"name": {"bob"}}).leadsTo(t, "/users/bob")
	w.post("/switchrole", to(string(theirs), "beyond")).contains(t, "Invalid information") // asked for by developers, whom it does not trust
	w.get("/security").contains(t, "This is about developers/mallory")
	records := strings.Join(w.records(theirs), "\n")
	for _, want := range []string{`"eventName":"SwitchRole"`, `"SwitchFrom":"arn:aws:sts::111122223333:assumed-role/developers/mallory"`, `"eventName":"AssumeRole"`} {
		if !strings.Contains(records, want) {
			t.Errorf("their trail lacks %s", want)
		}
	}
	w.later(40 * time.Minute) // it is renewed, but not beyond the session in which they came
	w.get("/groups").contains(t, "crossing @ acme-prod")
	w.post("/switchrole/back", nil).leadsTo(t, "/")
	w.get("/").contains(t, "You are developers/mallory again")
	w.post("/switchrole", to(string(theirs), "crossing")).leadsTo(t, "/")
	w.later(21 * time.Minute)
	w.get("/groups").leadsTo(t, "/signin?return=%2Fgroups")

	w.signIn("alice")
	var cookie string
	w.edit(func(tx store.Tx) (err error) {
		s := &session.Session{Kind: session.Federated, Account: ours, PrincipalID: w.whoIs().Browser.PersonID, Name: "fed", Policy: everything}
		cookie, err = w.sessions.NewBrowser(tx, s, &identity.BrowserSession{}, w.now, rand.Reader)
		return err
	})
	w.cookies = map[string]*http.Cookie{SessionCookie: {Name: SessionCookie, Value: cookie}}
	w.get("/switchrole").contains(t, "GetFederationToken")
	w.get("/").lacks(t, "Switch role")
	w.post("/switchrole", to(string(theirs), "deploy")).contains(t, "GetFederationToken")
	if p := w.whoIs(); p.Switched != nil {
		t.Errorf("a federation token has switched: %+v", p)
	}
}
