package signin_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/logincreds"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awssignin "github.com/aws/aws-sdk-go-v2/service/signin"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/service/signin"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/sigv4"
	"github.com/lanyard-iam/lanyard/store"
)

func credentialsOf(c session.Credentials) sigv4.Credentials {
	return sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
}

// `aws login` as AWS CLI 2.36.7 does it: the browser's URL, the callback, the code redeemed
// with a proof of a new key, and then the credentials, which can do what the person can.
func TestLoginOnTheSameDevice(t *testing.T) {
	w := newWorld(t)
	p := w.program()
	signedIn := w.console()
	code := p.code(signedIn)
	r := p.redeem(code).good(t)
	if r.ExpiresIn != 900 {
		t.Errorf("expires in %d", r.ExpiresIn)
	}
	// The CLI reads sub, without verifying, and the account out of it.
	var claims struct{ Sub, Aud, Iss string }
	parts := strings.Split(r.IDToken, ".")
	if len(parts) != 3 || !decode(parts[1], &claims) || claims.Sub != "arn:aws:iam::111122223333:user/alice" || claims.Aud != signin.SameDevice {
		t.Errorf("id token %s: %+v", r.IDToken, claims)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(r.text), &members); err != nil || len(members) != 5 || members["idToken"] == nil || members["accessToken"] == nil {
		t.Errorf("members %v", members)
	}
	if arn, err := w.arn(r); err != nil || arn != claims.Sub {
		t.Errorf("%s, %v", arn, err)
	}
	// IAM, too: it is no session of GetSessionToken.
	if _, err := w.iam(r).ListUsers(t.Context(), &awsiam.ListUsersInput{}); err != nil {
		t.Error(err)
	}

	again := p.refresh(r.RefreshToken).good(t)
	if again.IDToken != "" || again.RefreshToken != r.RefreshToken || again.AccessToken.AccessKeyID == r.AccessToken.AccessKeyID {
		t.Errorf("refreshed: %s", again.text)
	}

	// Fifteen minutes later the credentials are over, and the sign-in is not.
	w.ahead += 15*time.Minute + time.Second
	if _, err := w.arn(r); err == nil {
		t.Error("the credentials outlive their fifteen minutes")
	}
	if arn, err := w.arn(p.refresh(r.RefreshToken).good(t)); err != nil || arn != claims.Sub {
		t.Errorf("%s, %v", arn, err)
	}
	// It ends with the twelve hours of the session of the console.
	w.ahead += 12*time.Hour - 15*time.Minute - 61*time.Second
	if last := p.refresh(r.RefreshToken).good(t); last.ExpiresIn > 61 || last.ExpiresIn < 50 {
		t.Errorf("the last credentials are good for %d s", last.ExpiresIn)
	}
	w.ahead += 62 * time.Second
	p.refresh(r.RefreshToken).refused(t, "after twelve hours", 401, "AccessDeniedException", "TOKEN_EXPIRED")
}

func decode(part string, v any) bool {
	data, err := base64URL(part)
	return err == nil && json.Unmarshal(data, v) == nil
}

// The records of it are as AWS publishes them, and say nothing that could be used.
func TestLoginRecords(t *testing.T) {
	w := newWorld(t)
	p := w.program()
	r := p.login()
	p.refresh(r.RefreshToken).good(t)

	authorized := w.records("AuthorizeOAuth2Access")
	if len(authorized) != 1 {
		t.Fatalf("%d records", len(authorized))
	}
	created := w.records("CreateOAuth2Token")
	if len(created) != 2 {
		t.Fatalf("%d records", len(created))
	}
	for _, rec := range append(authorized, created...) {
		for _, secret := range []string{r.RefreshToken, r.AccessToken.SecretAccessKey, r.AccessToken.SessionToken, r.IDToken, p.verifier} {
			if strings.Contains(rec, secret) {
				t.Errorf("a secret in %s", rec)
			}
		}
	}
	for _, c := range []struct{ record, want string }{
		{authorized[0], `"requestParameters":{"client_id":"arn:aws:signin:::devtools/same-device","code_challenge_method":"SHA-256","redirect_uri":"http://127.0.0.1:53037/oauth/callback","scope":"openid"},"responseElements":null,"additionalEventData":{"success":"true"}`},
		{authorized[0], `"sessionCredentialFromConsole":"true"`},
		{created[1], `"requestParameters":{"client_id":"arn:aws:signin:::devtools/same-device"},"responseElements":null,"additionalEventData":{"grant_type":"authorization_code","signInSessionArn":"arn:aws:signin:us-east-1:111122223333:session/`},
		{created[0], `"additionalEventData":{"grant_type":"refresh_token","signInSessionArn":"arn:aws:signin:us-east-1:111122223333:session/`},
		{created[0], `"userIdentity":{"type":"IAMUser","principalId":"AIDAALICEALICEALICEX","arn":"arn:aws:iam::111122223333:user/alice","accountId":"111122223333","userName":"alice","sessionContext":{`},
		{created[0], `"eventSource":"signin.amazonaws.com"`},
		{created[0], `"readOnly":true`},
		{created[0], `"mfaAuthenticated":"true"`},
		{created[0], `"userAgent":"aws-cli/2.36.7 md/command#login"`},
	} {
		if !strings.Contains(c.record, c.want) {
			t.Errorf("no %s in %s", c.want, c.record)
		}
	}
	// What the credentials do is traced to the sign-in.
	if _, err := w.arn(r); err != nil {
		t.Fatal(err)
	}
	if calls := w.records("GetCallerIdentity"); len(calls) != 1 || !strings.Contains(calls[0], `"signInSessionArn":"arn:aws:signin:`) || strings.Contains(calls[0], "FromConsole") {
		t.Errorf("%s", calls)
	}
}

// `aws login --remote`: the code is carried by a person.
func TestLoginOnAnotherDevice(t *testing.T) {
	w := newWorld(t)
	p := w.remoteProgram()
	code := p.code(w.console())
	w.ahead += 9 * time.Minute
	if arn, err := w.arn(p.redeem(code).good(t)); err != nil || arn != "arn:aws:iam::111122223333:user/alice" {
		t.Errorf("%s, %v", arn, err)
	}
	code = p.code(w.console())
	w.ahead += 10*time.Minute + time.Second
	p.redeem(code).refused(t, "after ten minutes", 401, "AccessDeniedException", "AUTHCODE_EXPIRED")
}

// The provider of AWS's SDK for Go refreshes from the cache that the CLI writes.
func TestSDKLoginProvider(t *testing.T) {
	w := newWorld(t)
	for round := range 3 {
		p := w.program()
		if round == 0 {
			// A key whose x begins with a zero byte, which the SDK leaves out.
			for {
				if point, _ := p.key.PublicKey.Bytes(); point[1] == 0 {
					break
				}
				p = w.program()
			}
		}
		r := p.login()
		cache := filepath.Join(t.TempDir(), "token.json")
		text, err := json.Marshal(map[string]any{
			"accessToken": map[string]any{
				"accessKeyId": r.AccessToken.AccessKeyID, "secretAccessKey": r.AccessToken.SecretAccessKey, "sessionToken": r.AccessToken.SessionToken,
				"accountId": "111122223333", "expiresAt": time.Now().Add(-time.Minute).UTC().Format(time.RFC3339),
			},
			"tokenType": "urn:aws:params:oauth:token-type:access_token_sigv4", "clientId": p.client, "refreshToken": r.RefreshToken, "idToken": r.IDToken, "dpopKey": p.pem(),
		})
		if err == nil {
			err = os.WriteFile(cache, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		client := awssignin.New(awssignin.Options{Region: "us-east-1", BaseEndpoint: &w.http.URL, HTTPClient: w.http.Client(), Retryer: aws.NopRetryer{}})
		provider := logincreds.New(client, cache)
		got, err := provider.Retrieve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.AccessKeyID == r.AccessToken.AccessKeyID || time.Until(got.Expires) < 14*time.Minute {
			t.Errorf("not refreshed: %+v", got)
		}
		out, err := awssts.NewFromConfig(w.config(got.AccessKeyID, got.SecretAccessKey, got.SessionToken)).GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{})
		if err != nil || aws.ToString(out.Arn) != "arn:aws:iam::111122223333:user/alice" {
			t.Errorf("%+v, %v", out, err)
		}
		// It understands how a sign-in ends.
		expire := func() {
			t.Helper()
			read, err := os.ReadFile(cache)
			if err != nil {
				t.Fatal(err)
			}
			var all map[string]any
			if err := json.Unmarshal(read, &all); err != nil {
				t.Fatal(err)
			}
			all["accessToken"].(map[string]any)["expiresAt"] = time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
			if read, err = json.Marshal(all); err == nil {
				err = os.WriteFile(cache, read, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		expire()
		want := "login session password has changed"
		switch round {
		case 0:
			w.setPassword("second")
		case 1:
			want = "insufficient permissions"
			w.user(adminDoc, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"signin:CreateOAuth2Token","Resource":"*"}}`)
		case 2:
			want = "login session has expired"
			w.edit(func(tx store.Tx) {
				all, err := session.Logins(tx, alice, w.now())
				if err != nil || len(all) == 0 {
					t.Errorf("%d, %v", len(all), err)
				}
				for _, l := range all {
					session.EndLogin(tx, alice, l.ID)
				}
			})
		}
		if _, err := provider.Retrieve(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		w.user(adminDoc, loginDoc)
	}
}

// setPassword changes the user's password.
func (w *world) setPassword(hash string) {
	w.t.Helper()
	w.edit(func(tx store.Tx) {
		w.must(identity.Users.Edit(tx, func(u *identity.User) error { u.Login.Hash = hash; return nil }, string(account), "alice"))
	})
}

// T247: the console is the only way to a code, so that whatever it asks for at sign-in, MFA
// first of all, was asked; and the credentials say whether it was.
func TestT247_OnlyTheConsole(t *testing.T) {
	w := newWorld(t)
	now := w.now()
	for what, s := range map[string]*session.Session{
		"GetSessionToken":     {Kind: session.User, Account: account, PrincipalID: alice, Issued: now, Expires: now.Add(time.Hour), MFAKnown: true, MFA: true, MFATime: now},
		"AssumeRole":          {Kind: session.Role, Account: account, PrincipalID: role, Name: "x", Issued: now, Expires: now.Add(time.Hour)},
		"the owner's session": {Kind: session.LocalRoot, Account: account, PrincipalID: string(account), Issued: now, Expires: now.Add(time.Hour)},
	} {
		_, err := w.program().authorize(credentialsOf(w.mint(s)))
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "AccessDeniedException" {
			t.Errorf("T247: %s: %v", what, err)
		}
	}
	// Nor is it a way to itself.
	r := w.program().login()
	if _, err := w.program().authorize(sigv4.Credentials{AccessKeyID: r.AccessToken.AccessKeyID, SecretAccessKey: r.AccessToken.SecretAccessKey, SessionToken: r.AccessToken.SessionToken}); err == nil {
		t.Error("T247: credentials of a sign-in make another")
	}

	onlyMFA := `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"iam:*","Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}}`
	w.user(adminDoc, loginDoc, onlyMFA)
	for _, mfa := range []bool{true, false} {
		s := &session.Session{Kind: session.User, Account: account, PrincipalID: alice, MFAKnown: true, MFA: mfa}
		if mfa {
			s.MFATime = w.now()
		}
		p := w.program()
		r := p.redeem(p.code(w.browser(s))).good(t)
		if _, err := w.iam(r).ListUsers(t.Context(), &awsiam.ListUsersInput{}); (err == nil) != mfa {
			t.Errorf("T247: signed in with MFA: %v, ListUsers: %v", mfa, err)
		}
	}
	// What is for sign-ins of `aws login` alone can be said.
	w.user(adminDoc, loginDoc, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"iam:ListUsers","Resource":"*","Condition":{"ArnLike":{"aws:SignInSessionArn":"arn:aws:signin:*:111122223333:session/*"}}}}`)
	if _, err := w.iam(w.program().login()).ListUsers(t.Context(), &awsiam.ListUsersInput{}); err == nil {
		t.Error("aws:SignInSessionArn is not there")
	}
}

// The two permissions of AWS, on AWS's resources.
func TestLoginPermissions(t *testing.T) {
	w := newWorld(t)
	only := func(action, client string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"` + action + `","Resource":"arn:aws:signin:us-east-1:111122223333:oauth2/public-client/` + client + `"}}`
	}
	w.user(only("signin:*", "localhost"))
	if r := w.program().login(); r.status != 200 {
		t.Error(r.text)
	}
	_, err := w.remoteProgram().authorize(w.console())
	if err == nil || !strings.Contains(err.Error(), "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: signin:AuthorizeOAuth2Access on resource: arn:aws:signin:us-east-1:111122223333:oauth2/public-client/remote") {
		t.Error(err)
	}
	w.user(only("signin:AuthorizeOAuth2Access", "*"))
	p := w.remoteProgram()
	code := p.code(w.console())
	p.redeem(code).refused(t, "without CreateOAuth2Token", 403, "AccessDeniedException", "INSUFFICIENT_PERMISSIONS")
	// It is on record, and nothing was used up.
	if all := w.records("CreateOAuth2Token"); len(all) != 2 || !strings.Contains(all[0], `"errorCode":"AccessDeniedException"`) || !strings.Contains(all[0], alice) {
		t.Errorf("%s", all)
	}
	w.user(only("signin:*", "*"))
	p.redeem(code).good(t)
	w.user(only("signin:AuthorizeOAuth2Access", "*"))
	// Taken away, it is so at the next refresh.
	w.user(loginDoc)
	r := p.login()
	w.user(adminDoc, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"signin:*","Resource":"*"}}`)
	p.refresh(r.RefreshToken).refused(t, "after a deny", 403, "AccessDeniedException", "INSUFFICIENT_PERMISSIONS")
}

// T206, T211, T214: what a browser may be sent with is read strictly, and what is not good
// is answered by no redirect.
func TestT211_AuthorizeRequests(t *testing.T) {
	w := newWorld(t)
	good := w.program().query()
	if _, err := w.signin.ParseAuthorize(good); err != nil {
		t.Fatal(err)
	}
	change := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("no %s in %s", from, good)
		}
		return strings.Replace(good, from, to, 1)
	}
	const callback = "http%3A%2F%2F127.0.0.1%3A53037%2Foauth%2Fcallback"
	bad := []string{
		"", "%zz", good + "&state=x", good + "&State=x", good + "&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Foauth%2Fcallback", good + strings.Repeat("&a=b", 3000),
		change("response_type=code", "response_type=token"), change("response_type=code&", ""),
		change("same-device", "other-device"), change("same-device", "cross-device"),
		change("code_challenge_method=SHA-256", "code_challenge_method=S256"), // T206
		change("code_challenge_method=SHA-256", "code_challenge_method=plain"),
		change("code_challenge_method=SHA-256&", ""),
		change("&code_challenge=", "&code_challenge=A"), change("&code_challenge=", "&challenge="), change("&code_challenge=", "&code_challenge=%3D"),
		change("scope=openid", "scope=openid+email"), change("scope=openid", "scope="),
		change("state=", "no="), change("state=", "state=%20"), change("state=", "state=%00"), change("state=", "state="+strings.Repeat("x", 600)),
	}
	for _, uri := range []string{
		"http%3A%2F%2Flocalhost%3A53037%2Foauth%2Fcallback", "https%3A%2F%2F127.0.0.1%3A53037%2Foauth%2Fcallback", "http%3A%2F%2F127.0.0.2%3A53037%2Foauth%2Fcallback",
		callback + "%2F", callback + "%3Fx%3D1", callback + "%23x", callback + "%2F..", "http%3A%2F%2F127.0.0.1%2Foauth%2Fcallback", "http%3A%2F%2F127.0.0.1%3A0%2Foauth%2Fcallback",
		"http%3A%2F%2F127.0.0.1%3A65536%2Foauth%2Fcallback", "http%3A%2F%2F127.0.0.1%3A053037%2Foauth%2Fcallback", "http%3A%2F%2F127.0.0.1%3A%2B1%2Foauth%2Fcallback",
		"http%3A%2F%2F127.0.0.1%3A53037%40evil.example%2Foauth%2Fcallback", "http%3A%2F%2Fevil.example%2Foauth%2Fcallback", "HTTP%3A%2F%2F127.0.0.1%3A53037%2Foauth%2Fcallback",
		"javascript%3Aalert(1)", "http%3A%2F%2F127.0.0.1%3A53037%2Foauth%252Fcallback", "http%3A%2F%2F127.0.0.1%3A53037%2Fx%2Foauth%2Fcallback", "",
	} {
		bad = append(bad, change(callback, uri))
	}
	remote := w.remoteProgram()
	for _, uri := range []string{"https://evil.example/v1/sessions/confirmation", w.http.URL + "/v1/sessions/confirmation/", w.http.URL + "/v1/sessions/confirmation?x", w.http.URL + "//v1/sessions/confirmation", "http://127.0.0.1:53037/oauth/callback", "/v1/sessions/confirmation"} {
		remote.redirect = uri
		bad = append(bad, remote.query())
	}
	for _, query := range bad {
		r, err := w.signin.ParseAuthorize(query)
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "ValidationException" || strings.Contains(err.Error(), "evil") {
			t.Errorf("T211: %s: %+v, %v", query, r, err)
		}
	}
	// Nor is it a way to post such a request past the page.
	p := w.program()
	r, err := w.signin.ParseAuthorize(p.query())
	w.must(err)
	r.RedirectURI = "http://evil.example/oauth/callback"
	c := &signin.Client{URL: w.http.URL, Region: "us-east-1", Credentials: w.console(), HTTP: w.http.Client(), Now: time.Now}
	if out, err := c.Authorize(t.Context(), r); err == nil {
		t.Errorf("T211: %+v", out)
	}
	if got := w.signin.Denied(&signin.AuthorizeRequest{ClientID: signin.SameDevice, RedirectURI: p.redirect, State: "a&b"}); got != p.redirect+"?error=access_denied&state=a%26b&iss=http%3A%2F%2Flocalhost%3A4747" {
		t.Error(got)
	}
	if got := w.signin.Denied(&signin.AuthorizeRequest{ClientID: signin.CrossDevice, RedirectURI: "x"}); got != "" {
		t.Error(got)
	}
}

// T207, T209: a code is worth nothing to whom it was not given.
func TestT207_CodeOfAnother(t *testing.T) {
	w := newWorld(t)
	p := w.program()
	code := p.code(w.console())
	for what, change := range map[string]func(body map[string]any){
		"no verifier":             func(b map[string]any) { delete(b, "codeVerifier") },
		"another verifier":        func(b map[string]any) { b["codeVerifier"] = w.program().verifier },
		"a verifier of 42":        func(b map[string]any) { b["codeVerifier"] = strings.Repeat("a", 42) },
		"a verifier of 129":       func(b map[string]any) { b["codeVerifier"] = strings.Repeat("a", 129) },
		"the other client":        func(b map[string]any) { b["clientId"] = signin.CrossDevice }, // T209
		"an unknown client":       func(b map[string]any) { b["clientId"] = "arn:aws:signin:::devtools/x" },
		"another redirect URI":    func(b map[string]any) { b["redirectUri"] = "http://127.0.0.1:53038/oauth/callback" },
		"no redirect URI":         func(b map[string]any) { delete(b, "redirectUri") },
		"no code":                 func(b map[string]any) { delete(b, "code") },
		"no grant type":           func(b map[string]any) { delete(b, "grantType") },
		"an unknown grant type":   func(b map[string]any) { b["grantType"] = "client_credentials" },
		"a refresh token with it": func(b map[string]any) { b["refreshToken"] = "x" },
		"a number":                func(b map[string]any) { b["code"] = 1 },
	} {
		body := p.codeBody(code)
		change(body)
		r := p.post(body, p.proof(nil))
		r.refused(t, "T207: "+what, 400, "ValidationException", "INVALID_REQUEST")
		if strings.Contains(r.text, code) || strings.Contains(r.text, p.verifier) {
			t.Errorf("T207: %s: a secret in %s", what, r.text)
		}
	}
	for what, other := range map[string]string{
		"a code of nobody": strings.Replace(code, ".", ".A", 1)[:len(code)], "half a code": code[:len(code)-1], "no code at all": "x", "dots": "...", "a code of another person": "QUFB." + code[len(code)-43:],
	} {
		p.redeem(other).refused(t, "T207: "+what, 401, "AccessDeniedException", "AUTHCODE_EXPIRED")
	}
	p.redeem(code).good(t) // it was not used up
	// The two strangers' attempts that knew the code are on record, without it.
	for _, rec := range w.records("CreateOAuth2Token") {
		if strings.Contains(rec, code) || strings.Contains(rec, p.verifier) {
			t.Errorf("a secret in %s", rec)
		}
	}
}

// T208: a code is good for one; who comes second ends what the first one got.
func TestT208_CodeTwice(t *testing.T) {
	w := newWorld(t)
	p := w.program()
	code := p.code(w.console())
	var (
		wait    sync.WaitGroup
		replies [8]*reply
	)
	for i := range replies {
		wait.Go(func() { replies[i] = p.redeem(code) })
	}
	wait.Wait()
	first := slices.IndexFunc(replies[:], func(r *reply) bool { return r.status == 200 })
	if first < 0 {
		t.Fatal(replies[0].text)
	}
	for i, r := range replies {
		if i != first {
			r.refused(t, "T208: in parallel", 401, "AccessDeniedException", "AUTHCODE_EXPIRED")
		}
	}
	if arn, err := w.arn(replies[first]); err == nil {
		t.Errorf("T208: the credentials of %s outlive the second use", arn)
	}
	p.refresh(replies[first].RefreshToken).refused(t, "T208: refresh", 401, "AccessDeniedException", "TOKEN_EXPIRED")
	// A thief of the code who has not the verifier cannot do that.
	p = w.program()
	code = p.code(w.console())
	r := p.redeem(code).good(t)
	thief := p.codeBody(code)
	thief["codeVerifier"] = w.program().verifier
	p.post(thief, p.proof(nil)).refused(t, "T208: a thief", 400, "ValidationException", "INVALID_REQUEST")
	p.refresh(r.RefreshToken).good(t)
}

// T210: a code on the same device waits a minute.
func TestT210_CodeLate(t *testing.T) {
	w := newWorld(t)
	p := w.program()
	code := p.code(w.console())
	w.ahead += 61 * time.Second
	p.redeem(code).refused(t, "T210", 401, "AccessDeniedException", "AUTHCODE_EXPIRED")
}

// T216: a refresh token may be used again (AWS: idempotent), since it is bound to a key;
// without it, and after the end of the session, it is worth nothing.
func TestT216_RefreshTokens(t *testing.T) {
	w := newWorld(t)
	p := w.program()
	r := p.login()
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() { p.refresh(r.RefreshToken).good(t) })
	}
	wait.Wait()

	thief := w.program()
	thief.refresh(r.RefreshToken).refused(t, "T216: with another key", 401, "AccessDeniedException", "TOKEN_EXPIRED")
	body := p.refreshBody(r.RefreshToken)
	p.post(body).refused(t, "T216: without a proof", 400, "ValidationException", "INVALID_REQUEST")
	body["clientId"] = signin.CrossDevice
	p.post(body, p.proof(nil)).refused(t, "T209: by the other client", 400, "ValidationException", "INVALID_REQUEST")
	for _, other := range []string{r.RefreshToken[:len(r.RefreshToken)-1] + "A", r.RefreshToken + "A", "x", "a.b.c", ".." + r.RefreshToken[len(r.RefreshToken)-43:]} {
		if other == r.RefreshToken {
			continue
		}
		p.refresh(other).refused(t, "T216: "+other, 401, "AccessDeniedException", "TOKEN_EXPIRED")
	}
}

// T249: what ends a person's sessions of the console ends these, at once.
func TestT249_EndOfASignIn(t *testing.T) {
	for _, c := range []struct {
		what   string
		end    func(w *world)
		status int
		code   string
	}{
		{"the password changed", func(w *world) { w.setPassword("second") }, 403, "USER_CREDENTIALS_CHANGED"},
		{"an MFA device was added", func(w *world) {
			w.edit(func(tx store.Tx) {
				w.must(identity.Users.Edit(tx, func(u *identity.User) error {
					u.MFA = append(u.MFA, identity.EnabledDevice{Serial: "mfa/x"})
					return nil
				}, string(account), "alice"))
			})
		}, 403, "USER_CREDENTIALS_CHANGED"},
		{"the password was taken away", func(w *world) {
			w.edit(func(tx store.Tx) {
				w.must(identity.Users.Edit(tx, func(u *identity.User) error { u.Login = nil; return nil }, string(account), "alice"))
			})
		}, 403, "USER_CREDENTIALS_CHANGED"},
		{"the user was deleted", func(w *world) {
			w.edit(func(tx store.Tx) {
				identity.Users.Delete(tx, string(account), "alice")
				identity.Entities.Delete(tx, alice)
			})
		}, 403, "USER_CREDENTIALS_CHANGED"},
		{"the sessions were revoked", func(w *world) {
			w.edit(func(tx store.Tx) { w.must(session.Revoke(tx, alice, w.now())) })
		}, 401, "TOKEN_EXPIRED"},
		{"the person ended it", func(w *world) {
			w.edit(func(tx store.Tx) {
				all, err := session.Logins(tx, alice, w.now())
				if err != nil || len(all) != 1 || all[0].Address == "" || all[0].UserAgent == "" {
					w.t.Errorf("%+v, %v", all, err)
				}
				session.EndLogin(tx, alice, all[0].ID)
			})
		}, 401, "TOKEN_EXPIRED"},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			p := w.program()
			r := p.login()
			waiting := w.program()
			code := waiting.code(w.console())
			c.end(w)
			if _, err := w.arn(r); err == nil {
				t.Error("the credentials are good")
			}
			p.refresh(r.RefreshToken).refused(t, "refresh", c.status, "AccessDeniedException", c.code)
			if c.what != "the person ended it" {
				status := map[int]string{403: "USER_CREDENTIALS_CHANGED", 401: "AUTHCODE_EXPIRED"}
				waiting.redeem(code).refused(t, "a code that waits", c.status, "AccessDeniedException", status[c.status])
			}
		})
	}
}

// A role session in the console lends itself, too; never for longer than it is good.
func TestLoginAsARole(t *testing.T) {
	w := newWorld(t)
	p := w.program()
	now := w.now()
	r := p.redeem(p.code(w.browser(&session.Session{
		Kind: session.Role, Account: account, PrincipalID: role, Name: "john.doe@example.com", Expires: now.Add(20 * time.Minute),
		Tags: []identity.Tag{{Key: "team", Value: "red"}}, TransitiveTags: []string{"team"}, SourceIdentity: "john",
	}))).good(t)
	const arn = "arn:aws:sts::111122223333:assumed-role/developers/john.doe@example.com"
	if got, err := w.arn(r); err != nil || got != arn {
		t.Errorf("%s, %v", got, err)
	}
	sn, err := w.sessions.Open(r.AccessToken.AccessKeyID, r.AccessToken.SessionToken)
	if err != nil || len(sn.Tags) != 1 || len(sn.TransitiveTags) != 1 || sn.SourceIdentity != "john" || sn.Console {
		t.Errorf("%+v, %v", sn, err)
	}
	w.ahead += 10 * time.Minute
	if again := p.refresh(r.RefreshToken).good(t); again.ExpiresIn > 600 {
		t.Errorf("%d s of a session that is good for ten minutes", again.ExpiresIn)
	}
	w.ahead += 11 * time.Minute
	p.refresh(r.RefreshToken).refused(t, "after the role session", 401, "AccessDeniedException", "TOKEN_EXPIRED")
}

// T249: whoever may assume a role chooses the session's name. However much they sign in under
// the name of somebody else, it ends neither a sign-in of the other's that is under way nor a
// sign-in session.
func TestT249_SignInsOfOneName(t *testing.T) {
	w := newWorld(t)
	p := w.program()
	as := func() sigv4.Credentials {
		return w.browser(&session.Session{Kind: session.Role, Account: account, PrincipalID: role, Name: "john.doe", Expires: w.now().Add(time.Hour)})
	}
	hers := as()
	signedIn := p.redeem(p.code(hers)).good(t)
	waiting := p.code(hers)
	link := w.signinToken(w.role(nil))
	for range 25 {
		w.signinToken(w.role(nil))
		p.redeem(p.code(as())).good(t)
	}
	p.refresh(signedIn.RefreshToken).good(t)
	p.redeem(waiting).good(t)
	if answer, b := w.login(link, "Destination", "/"); b == nil {
		t.Errorf("T249: %s", answer.Status)
	}
	// Her own are bounded, as anybody's.
	for range 20 {
		p.redeem(p.code(hers)).good(t)
	}
	p.refresh(signedIn.RefreshToken).refused(t, "the oldest sign-in session", 401, "AccessDeniedException", "TOKEN_EXPIRED")
}

// What strangers send leaves no record, and what is kept for one person is bounded.
func TestLoginBounds(t *testing.T) {
	w := newWorld(t)
	p := w.program()
	before := len(w.records("CreateOAuth2Token"))
	for range 20 {
		p.redeem("QUFB."+strings.Repeat("A", 43)).refused(t, "a stranger", 401, "AccessDeniedException", "AUTHCODE_EXPIRED")
	}
	if after := len(w.records("CreateOAuth2Token")); after != before {
		t.Errorf("%d records of strangers", after-before)
	}
	// Nor does who has a code of somebody's, and no verifier, fill the trail.
	body := w.remoteProgram().codeBody("")
	remote := w.remoteProgram()
	body["code"] = remote.code(w.console())
	for range 260 {
		remote.post(body, remote.proof(nil)).refused(t, "another's code", 400, "ValidationException", "INVALID_REQUEST")
	}
	if after := w.recorded("CreateOAuth2Token"); after < 50 || after > before+252 {
		t.Errorf("%d records of who has a code of somebody's", after-before)
	}

	signedIn := w.console()
	codes, first := 0, ""
	for range 15 {
		if code := p.code(signedIn); first == "" {
			first = code
		}
	}
	count := func() (codes, grants int) {
		w.must(w.db.View(context.Background(), func(r store.Reader) error {
			return errors.Join(
				identity.OAuthCodes.Scan(r, "", func(store.Key, *identity.OAuthCode) bool { codes++; return true }),
				identity.OAuthGrants.Scan(r, "", func(store.Key, *identity.OAuthGrant) bool { grants++; return true }))
		}))
		return codes, grants
	}
	if codes, _ = count(); codes != 10 {
		t.Errorf("%d codes wait", codes)
	}
	p.redeem(first).refused(t, "the oldest code", 401, "AccessDeniedException", "AUTHCODE_EXPIRED")
	var oldest *reply
	for i := range 21 {
		r := p.redeem(p.code(signedIn)).good(t)
		if i == 0 {
			oldest = r
		}
	}
	if _, grants := count(); grants != 20 {
		t.Errorf("%d sign-in sessions", grants)
	}
	p.refresh(oldest.RefreshToken).refused(t, "the oldest sign-in session", 401, "AccessDeniedException", "TOKEN_EXPIRED")
	// What has expired is swept away.
	w.ahead += 13 * time.Hour
	w.edit(func(tx store.Tx) {
		if more, err := signin.Sweep(tx, w.now()); more || err != nil {
			t.Errorf("%v, %v", more, err)
		}
	})
	if codes, grants := count(); codes+grants != 0 {
		t.Errorf("%d codes and %d sign-in sessions are left", codes, grants)
	}
}

// T224: who signs out everywhere ends what programs have, too; each can be ended alone.
func TestT224_SignOutEverywhere(t *testing.T) {
	w := newWorld(t)
	own := &lanyard.Client{URL: w.http.URL, Region: "us-east-1", Credentials: w.console(), HTTP: w.http.Client(), Now: time.Now}
	list := func() []lanyard.Login {
		t.Helper()
		out, err := lanyard.Call[lanyard.ListBrowserSessionsOutput](t.Context(), own, &lanyard.ListBrowserSessionsInput{})
		w.must(err)
		return out.Logins
	}
	if got := list(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	one, two := w.program(), w.remoteProgram()
	first, second := one.login(), two.login()
	all := list()
	if len(all) != 2 || aws.ToString(all[1].ClientId) != signin.SameDevice || aws.ToString(all[1].UserAgent) != "aws-cli/2.36.7 md/command#login" || all[1].Expires == nil {
		t.Fatalf("%+v", all)
	}
	_, err := lanyard.Call[lanyard.EndBrowserSessionOutput](t.Context(), own, &lanyard.EndBrowserSessionInput{Id: all[1].Id})
	w.must(err)
	if _, err := w.arn(first); err == nil {
		t.Error("T224: ended, and its credentials are good")
	}
	two.refresh(second.RefreshToken).good(t)
	waiting := w.program()
	code := waiting.code(w.console())
	_, err = lanyard.Call[lanyard.EndAllBrowserSessionsOutput](t.Context(), own, &lanyard.EndAllBrowserSessionsInput{})
	w.must(err)
	if _, err := w.arn(second); err == nil || len(list()) != 0 {
		t.Error("T224: signed out everywhere, and its credentials are good")
	}
	two.refresh(second.RefreshToken).refused(t, "T224", 401, "AccessDeniedException", "TOKEN_EXPIRED")
	waiting.redeem(code).refused(t, "T224: a code that waits", 401, "AccessDeniedException", "AUTHCODE_EXPIRED")
}
