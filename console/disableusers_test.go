package console

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"golang.org/x/crypto/ssh"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// makeLogin makes a user with a password and two access keys, one of which is inactive.
func (w *world) makeLogin(name string) (active string) {
	w.t.Helper()
	ctx, client := w.t.Context(), w.api().IAM
	_, err := client.CreateUser(ctx, &iam.CreateUserInput{UserName: &name})
	w.must(err)
	_, err = client.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: &name, Password: aws.String("correct-Horse-7-battery")})
	w.must(err)
	var ids []string
	for range 2 {
		out, err := client.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name})
		w.must(err)
		ids = append(ids, *out.AccessKey.AccessKeyId)
	}
	_, err = client.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: &name, AccessKeyId: &ids[1], Status: types.StatusTypeInactive})
	w.must(err)
	return ids[0]
}

// left is how many active keys a user has, and whether a password.
func (w *world) left(name string) (keys int, password bool) {
	w.t.Helper()
	ids, _, err := keysOf(w.t.Context(), w.api(), name)
	w.must(err)
	_, err = w.api().IAM.GetLoginProfile(w.t.Context(), &iam.GetLoginProfileInput{UserName: &name})
	if err != nil && !isNoSuch(err) {
		w.t.Fatal(err)
	}
	return len(ids), err == nil
}

// keyPair is a key as ssh-keygen prints it, and a certificate of it.
func keyPair(t *testing.T, now time.Time) (public, certificate string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	line, err := ssh.NewPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	from := now.Add(-time.Hour)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: from.AddDate(10, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(ssh.MarshalAuthorizedKey(line)), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestDisableUsers(t *testing.T) {
	w := newWorld(t)
	w.signIn("admin", everything)
	alice, bob := w.makeLogin("alice"), w.makeLogin("bob")
	_, err := w.api().IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("quiet")})
	w.must(err)
	w.get("/users").contains(t, "Disable selected…")

	w.leads(w.get("/users/disable"), "/users").contains(t, "Mark the users to be disabled first.")
	w.post("/users/disable", url.Values{"typed": {"disable 0 users"}}).contains(t, "Nobody was chosen")
	mail, err := w.api().IAM.CreateServiceSpecificCredential(t.Context(), &iam.CreateServiceSpecificCredentialInput{UserName: aws.String("alice"), ServiceName: aws.String("codecommit.amazonaws.com")})
	w.must(err)
	other := *mail.ServiceSpecificCredential.ServiceSpecificCredentialId
	public, certificate := keyPair(t, w.now)
	_, err = w.api().IAM.UploadSSHPublicKey(t.Context(), &iam.UploadSSHPublicKeyInput{UserName: aws.String("alice"), SSHPublicKeyBody: &public})
	w.must(err)
	_, err = w.api().IAM.UploadSigningCertificate(t.Context(), &iam.UploadSigningCertificateInput{UserName: aws.String("alice"), CertificateBody: &certificate})
	w.must(err)
	chosen := url.Values{"user": {"alice", "bob", "ALICE", "quiet", "Admin", "gone", "<b>"}}
	page := w.get("/users/disable?" + chosen.Encode())
	page.contains(t, alice, bob, other, "Will be done", "There is none", "None is active", "That is you", "There is no such user", "<b>", "What was typed is not valid", "disable 4 users", "can be given again")
	if n := strings.Count(page.body, alice); n != 1 {
		t.Errorf("the key of alice is there %d times", n)
	}

	// Nothing happens without the words, or a factor of late.
	form := url.Values{"user": {"alice", "bob", "quiet", "Admin"}, "typed": {"disable"}}
	w.post("/users/disable", form).contains(t, "Nobody was disabled", "disable 3 users")
	form.Set("typed", "disable 3 users")
	w.later(recently)
	if a := w.post("/users/disable", form); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/signin/factor") {
		t.Fatalf("without a factor: %d to %s", a.StatusCode, a.Header.Get("Location"))
	}
	if keys, password := w.left("alice"); keys != 1 || !password {
		t.Fatalf("alice has %d keys, password %t", keys, password)
	}

	w.signIn("admin", everything)
	page = w.post("/users/disable", form)
	page.contains(t, "Deactivate an access key", alice, bob, "Remove the console password", "End the user’s sessions", "End the sessions that an access key began", "None was active", "There was none", "That is you")
	page.lacks(t, "Could not be done")
	for _, name := range []string{"alice", "bob"} {
		if keys, password := w.left(name); keys != 0 || password {
			t.Errorf("%s has %d keys, password %t", name, keys, password)
		}
		out, err := w.api().IAM.ListAccessKeys(t.Context(), &iam.ListAccessKeysInput{UserName: &name})
		w.must(err)
		if len(out.AccessKeyMetadata) != 2 {
			t.Errorf("%s has %d keys: none is to be deleted", name, len(out.AccessKeyMetadata))
		}
	}

	left, err := activeOthers(t.Context(), w.api(), "alice")
	if err != nil || len(left) != 0 {
		t.Errorf("left active: %v, %v", left, err)
	}
	page.contains(t, other, "Deactivate an SSH key", "Deactivate a signing certificate", "Deactivate a service-specific credential")

	me, err := w.api().IAM.GetUser(t.Context(), &iam.GetUserInput{UserName: aws.String("alice")})
	w.must(err)
	w.edit(func(tx store.Tx) error {
		for _, id := range []string{alice, *me.User.UserId} {
			if cut, err := identity.Revocations.Get(tx, id); err != nil || cut.Before.Before(w.now) {
				t.Errorf("sessions of %s go on: %v, %v", id, cut, err)
			}
		}
		return nil
	})

	// Once more, nothing is left to do.
	w.post("/users/disable", form).contains(t, "None was active", "There was none")
}

// What is refused of one user keeps nothing else from being done.
func TestDisablingGoesOn(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	first, second := w.makeLogin("first"), w.makeLogin("second")
	w.signIn("helper", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:ListAccessKeys","iam:UpdateAccessKey","iam:GetLoginProfile","iam:DeleteLoginProfile","iam:PutUserPolicy","iam:ListSSHPublicKeys","iam:ListSigningCertificates","iam:ListServiceSpecificCredentials"],"Resource":"*"},
		{"Effect":"Deny","Action":["iam:UpdateAccessKey","iam:PutUserPolicy"],"Resource":"arn:aws:iam::111122223333:user/first"}]}`)
	page := w.post("/users/disable", url.Values{"user": {"first", "second"}, "typed": {"disable 2 users"}})
	page.contains(t, "Of 1 user something could not be done", "Could not be done", "iam:UpdateAccessKey", first, second, "Done")
	if keys, password := w.leftOf(t, "first"); keys != 1 || password {
		t.Errorf("first has %d keys, password %t", keys, password)
	}
	if keys, password := w.leftOf(t, "second"); keys != 0 || password {
		t.Errorf("second has %d keys, password %t", keys, password)
	}

	// Whoever may nothing of it sees what is missing, of each.
	w.signIn("nobody", nothing)
	w.get("/users/disable?user=first&user=second").contains(t, "Cannot be seen", "iam:ListAccessKeys", "iam:GetLoginProfile", "iam:ListSSHPublicKeys")
	w.post("/users/disable", url.Values{"user": {"first"}, "typed": {"disable 1 user"}}).contains(t, "Could not be done", "iam:DeleteLoginProfile")
}

// leftOf is left as root sees it.
func (w *world) leftOf(t *testing.T, name string) (int, bool) {
	t.Helper()
	w.signInRoot()
	return w.left(name)
}

func TestDisableLimits(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	var many []string
	for i := range shownUsers + 1 {
		many = append(many, fmt.Sprint("u", i))
	}
	w.get("/users/disable?"+url.Values{"user": many}.Encode()).contains(t, "Too many were chosen")
	w.post("/users/disable", url.Values{"user": many, "typed": {phrase(len(many))}}).contains(t, "Too many were chosen")
}

// Groups are in the list, also on later pages.
func TestUsersAndTheirGroups(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	ctx, client := t.Context(), w.api().IAM
	groups := []string{"g-a", "g-b", "g-c", "g-d"}
	for _, g := range groups {
		_, err := client.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: &g})
		w.must(err)
	}
	for i := range 2*shownUsers + 5 {
		name := fmt.Sprintf("u%03d", i)
		_, err := client.CreateUser(ctx, &iam.CreateUserInput{UserName: &name})
		w.must(err)
		if i%10 == 0 {
			_, err = client.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: &name, GroupName: &groups[0]})
			w.must(err)
		}
	}
	for _, g := range groups[1:] {
		_, err := client.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: aws.String("u100"), GroupName: &g})
		w.must(err)
	}
	// groupsIn are the users in group g-a on a page.
	groupsIn := func(a *answered) (names []string) {
		for _, row := range strings.Split(a.body, "<tr>")[1:] {
			if strings.Contains(row, `href="/groups/g-a"`) {
				_, rest, _ := strings.Cut(row, `value="`)
				name, _, _ := strings.Cut(rest, `"`)
				names = append(names, name)
			}
		}
		return names
	}
	page := w.get("/users")
	all := groupsIn(page)
	for range 2 {
		page = w.get(next(t, page))
		all = append(all, groupsIn(page)...)
	}
	page.contains(t, "g-a, g-b, g-c", "and 1 more")
	var want []string
	for i := 0; i < 2*shownUsers+5; i += 10 {
		want = append(want, fmt.Sprintf("u%03d", i))
	}
	if !slices.Equal(all, want) {
		t.Errorf("in the group are %v, not %v", all, want)
	}

	w.signIn("reader", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetCredentialReport","Resource":"*"}}`)
	page = w.get("/users")
	page.contains(t, "u001", "You may not see this", "iam:GetAccountAuthorizationDetails")
	page.lacks(t, "Groups None")
}
