package iam

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

const codecommit, bedrock = "codecommit.amazonaws.com", "bedrock.amazonaws.com"

func credentialFor(user, serviceName string) *iam.CreateServiceSpecificCredentialInput {
	return &iam.CreateServiceSpecificCredentialInput{UserName: &user, ServiceName: &serviceName}
}

func (w *world) credential(user, serviceName string) *types.ServiceSpecificCredential {
	w.t.Helper()
	return do(w.root(), w.iam.CreateServiceSpecificCredential, credentialFor(user, serviceName)).ServiceSpecificCredential
}

func (w *world) credentialRecord(user, id string) (credential *identity.ServiceCredential) {
	w.t.Helper()
	w.view(func(r store.Reader) (err error) {
		credential, err = identity.ServiceCredentials.Get(r, string(ours), w.record(user).ID, id)
		return err
	})
	return credential
}

func (w *world) credentials(in *iam.ListServiceSpecificCredentialsInput) []types.ServiceSpecificCredentialMetadata {
	w.t.Helper()
	return do(w.root(), w.iam.ListServiceSpecificCredentials, in).ServiceSpecificCredentials
}

func TestServiceCredentialLife(t *testing.T) {
	w := newWorld(t)
	root, alice := w.root(), aws.String("alice")
	w.user("alice")
	made := w.credential("ALICE", "CodeCommit.amazonaws.com")
	if !regexp.MustCompile(`^ACCA[A-Z2-7]{17}$`).MatchString(*made.ServiceSpecificCredentialId) || *made.UserName != "alice" || *made.ServiceName != codecommit ||
		*made.ServiceUserName != "alice-at-111122223333" || made.Status != types.StatusTypeActive || !made.CreateDate.Equal(second(w.now)) ||
		made.ServiceCredentialAlias != nil || made.ServiceCredentialSecret != nil || made.ExpirationDate != nil {
		t.Errorf("made %s", asJSON(made))
	}
	if !regexp.MustCompile(`^[A-Za-z0-9+/]{60}$`).MatchString(*made.ServicePassword) {
		t.Errorf("the password has another form: %d characters", len(*made.ServicePassword))
	}
	list := w.credentials(&iam.ListServiceSpecificCredentialsInput{UserName: alice})
	if len(list) != 1 || *list[0].ServiceUserName != *made.ServiceUserName || *list[0].ServiceSpecificCredentialId != *made.ServiceSpecificCredentialId || strings.Contains(asJSON(list), *made.ServicePassword) {
		t.Errorf("list %s", asJSON(list))
	}

	// Two for each service.
	if second := w.credential("alice", codecommit); *second.ServiceUserName != "alice+1-at-111122223333" || *second.ServicePassword == *made.ServicePassword {
		t.Errorf("the second %s", asJSON(second))
	}
	refused(root, w.iam.CreateServiceSpecificCredential, credentialFor("alice", codecommit), "LimitExceeded", "Cannot exceed quota for ServiceSpecificCredentialsPerUser: 2")
	if other := w.credential("alice", "cassandra.amazonaws.com"); *other.ServiceUserName != "alice-at-111122223333" {
		t.Errorf("for another service %s", asJSON(other))
	}

	set := func(status types.StatusType) *iam.UpdateServiceSpecificCredentialInput {
		return &iam.UpdateServiceSpecificCredentialInput{UserName: alice, ServiceSpecificCredentialId: made.ServiceSpecificCredentialId, Status: status}
	}
	for _, s := range []types.StatusType{types.StatusTypeInactive, types.StatusTypeActive, types.StatusTypeInactive} {
		do(root, w.iam.UpdateServiceSpecificCredential, set(s))
		if got := w.credentialRecord("alice", *made.ServiceSpecificCredentialId).Inactive; got != (s == types.StatusTypeInactive) {
			t.Errorf("after %s: inactive %v", s, got)
		}
	}
	refused(root, w.iam.UpdateServiceSpecificCredential, set(types.StatusTypeExpired), "InvalidInput", "The status of a service-specific credential can be set to Active or Inactive.")

	// A new password; all else stays.
	w.later(time.Hour)
	reset := do(root, w.iam.ResetServiceSpecificCredential, &iam.ResetServiceSpecificCredentialInput{UserName: alice, ServiceSpecificCredentialId: made.ServiceSpecificCredentialId}).ServiceSpecificCredential
	if *reset.ServicePassword == *made.ServicePassword || len(*reset.ServicePassword) != 60 {
		t.Error("the password is the old one, or of another form")
	}
	want := *made
	want.ServicePassword, want.Status = reset.ServicePassword, types.StatusTypeInactive
	if asJSON(reset) != asJSON(&want) {
		t.Errorf("reset %s", asJSON(reset))
	}

	// Through the user alone.
	w.user("bob")
	id := made.ServiceSpecificCredentialId
	missing := "No such credential " + *id + " exists"
	bob := aws.String("bob")
	refused(root, w.iam.UpdateServiceSpecificCredential, &iam.UpdateServiceSpecificCredentialInput{UserName: bob, ServiceSpecificCredentialId: id, Status: types.StatusTypeActive}, "NoSuchEntity", missing)
	refused(root, w.iam.ResetServiceSpecificCredential, &iam.ResetServiceSpecificCredentialInput{UserName: bob, ServiceSpecificCredentialId: id}, "NoSuchEntity", missing)
	refused(root, w.iam.DeleteServiceSpecificCredential, &iam.DeleteServiceSpecificCredentialInput{UserName: bob, ServiceSpecificCredentialId: id}, "NoSuchEntity", missing)
	const nobody = "The user with name nobody cannot be found."
	refused(root, w.iam.CreateServiceSpecificCredential, credentialFor("nobody", codecommit), "NoSuchEntity", nobody)
	refused(root, w.iam.ResetServiceSpecificCredential, &iam.ResetServiceSpecificCredentialInput{UserName: aws.String("nobody"), ServiceSpecificCredentialId: id}, "NoSuchEntity", nobody)
	refused(root, w.iam.ListServiceSpecificCredentials, &iam.ListServiceSpecificCredentialsInput{UserName: aws.String("nobody")}, "NoSuchEntity", nobody)
	refused(root, w.iam.CreateServiceSpecificCredential, credentialFor("alice", "lambda.amazonaws.com"), "NoSuchEntity", "No such service lambda.amazonaws.com is supported for Service Specific Credentials")

	refused(root, w.iam.DeleteUser, &iam.DeleteUserInput{UserName: alice}, "DeleteConflict", "Cannot delete entity, must remove referenced objects first.")
	for _, c := range w.credentials(&iam.ListServiceSpecificCredentialsInput{UserName: alice}) {
		do(root, w.iam.DeleteServiceSpecificCredential, &iam.DeleteServiceSpecificCredentialInput{UserName: alice, ServiceSpecificCredentialId: c.ServiceSpecificCredentialId})
	}
	refused(root, w.iam.DeleteServiceSpecificCredential, &iam.DeleteServiceSpecificCredentialInput{UserName: alice, ServiceSpecificCredentialId: id}, "NoSuchEntity", missing)
	do(root, w.iam.DeleteUser, &iam.DeleteUserInput{UserName: alice})
	w.consistent(t)
}

// The secret is in the answer and nowhere else. What is kept knows it again, and no
// other one.
func TestServiceCredentialSecretIsNotKept(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	for _, serviceName := range []string{codecommit, bedrock} {
		made := w.credential("alice", serviceName)
		secret := aws.ToString(made.ServicePassword) + aws.ToString(made.ServiceCredentialSecret)
		credential := w.credentialRecord("alice", *made.ServiceSpecificCredentialId)
		record, err := json.Marshal(credential)
		w.must(err)
		if bytes.Contains(record, []byte(secret)) {
			t.Error("the record shows the secret")
		}
		if !credential.HasSecret(secret) || credential.HasSecret(secret+"x") || credential.HasSecret("") {
			t.Error("the record knows another secret")
		}
		moved := *credential
		moved.ID = "ACCAANOTHER"
		if moved.HasSecret(secret) {
			t.Error("the digest is good for another credential")
		}
		in := &iam.ResetServiceSpecificCredentialInput{UserName: aws.String("alice"), ServiceSpecificCredentialId: made.ServiceSpecificCredentialId}
		reset := do(w.root(), w.iam.ResetServiceSpecificCredential, in).ServiceSpecificCredential
		credential = w.credentialRecord("alice", *made.ServiceSpecificCredentialId)
		if credential.HasSecret(secret) || !credential.HasSecret(aws.ToString(reset.ServicePassword)+aws.ToString(reset.ServiceCredentialSecret)) {
			t.Error("the old secret is good after the reset, or the new one is not")
		}
	}
}

// API keys have an alias and a secret that contains it, and may expire.
func TestServiceAPIKeys(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	for serviceName, prefix := range map[string]string{bedrock: "ABSK", "logs.amazonaws.com": "ACWL", "cloudwatch.amazonaws.com": "APIAACWM", "aws-external-anthropic.amazonaws.com": "AEAA"} {
		made := w.credential("alice", serviceName)
		if made.ServiceUserName != nil || made.ServicePassword != nil || *made.ServiceCredentialAlias != "alice-at-111122223333" {
			t.Errorf("%s: made %s", serviceName, asJSON(made))
		}
		rest, ok := strings.CutPrefix(*made.ServiceCredentialSecret, prefix)
		inside, err := base64.StdEncoding.DecodeString(rest)
		if secret, found := strings.CutPrefix(string(inside), "alice-at-111122223333:"); !ok || err != nil || !found || len(secret) != 60 {
			t.Errorf("%s: the secret has another form", serviceName)
		}
	}
	in := credentialFor("alice", bedrock)
	in.CredentialAgeDays = aws.Int32(30)
	made := do(w.root(), w.iam.CreateServiceSpecificCredential, in).ServiceSpecificCredential
	if !made.ExpirationDate.Equal(second(w.now).Add(30*24*time.Hour)) || *made.ServiceCredentialAlias != "alice+1-at-111122223333" {
		t.Errorf("made %s", asJSON(made))
	}
	forPassword := credentialFor("alice", codecommit) // a password does not expire
	forPassword.CredentialAgeDays = aws.Int32(30)
	refused(w.root(), w.iam.CreateServiceSpecificCredential, forPassword, "InvalidInput", "CredentialAgeDays is only valid for services that support API keys, and codecommit.amazonaws.com does not.")
	status := func() types.StatusType {
		for _, c := range w.credentials(&iam.ListServiceSpecificCredentialsInput{UserName: aws.String("alice"), ServiceName: aws.String(bedrock)}) {
			if *c.ServiceSpecificCredentialId == *made.ServiceSpecificCredentialId {
				return c.Status
			}
		}
		return ""
	}
	w.later(30*24*time.Hour - time.Second)
	if got := status(); got != types.StatusTypeActive {
		t.Errorf("a moment before: %s", got)
	}
	w.later(time.Second)
	if got := status(); got != types.StatusTypeExpired {
		t.Errorf("at the time: %s", got)
	}
	// Neither activating nor resetting brings it back, and it still counts.
	do(w.root(), w.iam.UpdateServiceSpecificCredential, &iam.UpdateServiceSpecificCredentialInput{UserName: aws.String("alice"), ServiceSpecificCredentialId: made.ServiceSpecificCredentialId, Status: types.StatusTypeActive})
	reset := do(w.root(), w.iam.ResetServiceSpecificCredential, &iam.ResetServiceSpecificCredentialInput{UserName: aws.String("alice"), ServiceSpecificCredentialId: made.ServiceSpecificCredentialId}).ServiceSpecificCredential
	if status() != types.StatusTypeExpired || reset.Status != types.StatusTypeExpired || !reset.ExpirationDate.Equal(*made.ExpirationDate) {
		t.Errorf("after reset: %s %s", status(), asJSON(reset))
	}
	refused(w.root(), w.iam.CreateServiceSpecificCredential, credentialFor("alice", bedrock), "LimitExceeded", "Cannot exceed quota for ServiceSpecificCredentialsPerUser: 2")
}

// A credential's user name stays when the user is renamed, and nobody else gets it.
func TestServiceUserNamesAreUnique(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	first := w.credential("alice", codecommit)
	do(w.root(), w.iam.UpdateUser, &iam.UpdateUserInput{UserName: aws.String("alice"), NewUserName: aws.String("carol")})
	if got := w.credentials(&iam.ListServiceSpecificCredentialsInput{UserName: aws.String("carol")}); len(got) != 1 || *got[0].ServiceUserName != "alice-at-111122223333" || *got[0].UserName != "carol" {
		t.Errorf("after the renaming: %s", asJSON(got))
	}
	w.user("Alice")
	if got := *w.credential("alice", codecommit).ServiceUserName; got != "Alice+1-at-111122223333" {
		t.Errorf("the new Alice is %s", got)
	}
	w.user("alice+1")
	if got := *w.credential("alice+1", codecommit).ServiceUserName; got != "alice+1+1-at-111122223333" {
		t.Errorf("alice+1 is %s", got)
	}
	do(w.root(), w.iam.DeleteServiceSpecificCredential, &iam.DeleteServiceSpecificCredentialInput{UserName: aws.String("carol"), ServiceSpecificCredentialId: first.ServiceSpecificCredentialId})
	if got := *w.credential("alice", codecommit).ServiceUserName; got != "Alice-at-111122223333" {
		t.Errorf("the second of the new Alice is %s", got)
	}
	do(w.rootOf(theirs), w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("alice")})
	if got := do(w.rootOf(theirs), w.iam.CreateServiceSpecificCredential, credentialFor("alice", codecommit)).ServiceSpecificCredential; *got.ServiceUserName != "alice-at-444455556666" {
		t.Errorf("in another account: %s", asJSON(got))
	}
}

func TestListServiceCredentials(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"alice", "bob", "carol"} {
		w.user(name)
		w.credential(name, codecommit)
		w.credential(name, bedrock)
	}
	all := w.credentials(&iam.ListServiceSpecificCredentialsInput{AllUsers: aws.Bool(true)})
	if len(all) != 6 {
		t.Errorf("all: %s", asJSON(all))
	}
	some := w.credentials(&iam.ListServiceSpecificCredentialsInput{AllUsers: aws.Bool(true), ServiceName: aws.String("BEDROCK.amazonaws.com")})
	users := names(some, func(m types.ServiceSpecificCredentialMetadata) *string { return m.UserName })
	slices.Sort(users)
	equal(t, "users with API keys", users, []string{"alice", "bob", "carol"})
	for _, c := range some {
		if want := *c.UserName + "-at-111122223333"; *c.ServiceCredentialAlias != want || *c.ServiceName != bedrock {
			t.Errorf("%s, want %s", asJSON(c), want)
		}
	}
	for _, in := range []*iam.ListServiceSpecificCredentialsInput{{AllUsers: aws.Bool(true)}, {UserName: aws.String("bob"), AllUsers: aws.Bool(false)}} {
		var ids []string
		sizes := pages(func(marker *string) (int, bool, *string) {
			in.MaxItems, in.Marker = aws.Int32(1), marker
			out := do(w.root(), w.iam.ListServiceSpecificCredentials, in)
			for _, c := range out.ServiceSpecificCredentials {
				ids = append(ids, *c.ServiceSpecificCredentialId)
			}
			return len(out.ServiceSpecificCredentials), out.IsTruncated, out.Marker
		})
		slices.Sort(ids)
		if want := map[bool]int{true: 6, false: 2}[*in.AllUsers]; len(sizes) != want || len(slices.Compact(ids)) != want {
			t.Errorf("all users %v: pages of %v", *in.AllUsers, sizes)
		}
	}
	refused(w.root(), w.iam.ListServiceSpecificCredentials, &iam.ListServiceSpecificCredentialsInput{AllUsers: aws.Bool(true), UserName: aws.String("bob")}, "ValidationError", "UserName cannot be specified when AllUsers is true.")
	refused(w.root(), w.iam.ListServiceSpecificCredentials, &iam.ListServiceSpecificCredentialsInput{UserName: aws.String("bob"), ServiceName: aws.String("x")}, "NoSuchEntity", "No such service x is supported for Service Specific Credentials")
	none := do(w.rootOf(theirs), w.iam.ListServiceSpecificCredentials, &iam.ListServiceSpecificCredentialsInput{AllUsers: aws.Bool(true)})
	if none.ServiceSpecificCredentials == nil || len(none.ServiceSpecificCredentials) != 0 {
		t.Errorf("another account has %s", asJSON(none))
	}
}

// Without a name it is the caller, in a session too.
func TestServiceCredentialsOfTheCaller(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	id := w.credential("alice", codecommit).ServiceSpecificCredentialId
	w.may("alice", allow("iam:*ServiceSpecificCredential*", "arn:aws:iam::111122223333:user/alice"))
	for _, who := range []actor{alice, alice.inSession()} {
		if got := do(who, w.iam.ListServiceSpecificCredentials, &iam.ListServiceSpecificCredentialsInput{}); len(got.ServiceSpecificCredentials) != 1 {
			t.Errorf("list %s", asJSON(got))
		}
		do(who, w.iam.UpdateServiceSpecificCredential, &iam.UpdateServiceSpecificCredentialInput{ServiceSpecificCredentialId: id, Status: types.StatusTypeInactive})
		do(who, w.iam.ResetServiceSpecificCredential, &iam.ResetServiceSpecificCredentialInput{ServiceSpecificCredentialId: id})
	}
	const mustName = "Must specify userName when calling with non-User credentials"
	role := w.asRole()
	refused(role, w.iam.ListServiceSpecificCredentials, &iam.ListServiceSpecificCredentialsInput{}, "ValidationError", mustName)
	refused(role, w.iam.DeleteServiceSpecificCredential, &iam.DeleteServiceSpecificCredentialInput{ServiceSpecificCredentialId: id}, "ValidationError", mustName)
	// Root has none.
	if got := w.credentials(&iam.ListServiceSpecificCredentialsInput{}); len(got) != 0 {
		t.Errorf("root's: %s", asJSON(got))
	}
	refused(w.root(), w.iam.ResetServiceSpecificCredential, &iam.ResetServiceSpecificCredentialInput{ServiceSpecificCredentialId: id}, "NoSuchEntity", "No such credential "+*id+" exists")
	do(alice, w.iam.DeleteServiceSpecificCredential, &iam.DeleteServiceSpecificCredentialInput{ServiceSpecificCredentialId: id})
}

// T326: whoever makes or resets a credential of another user can be that user, so it
// needs the permission on that user, and policies can say for which service.
func TestT326_ServiceCredentialPermissions(t *testing.T) {
	w := newWorld(t)
	mallory := w.user("mallory")
	w.user("victim")
	const victim = "arn:aws:iam::111122223333:user/victim"
	create := func(serviceName string, days *int32) *iam.CreateServiceSpecificCredentialInput {
		in := credentialFor("victim", serviceName)
		in.CredentialAgeDays = days
		return in
	}
	denied(mallory, w.iam.CreateServiceSpecificCredential, create(codecommit, nil))
	w.may("mallory", allow("iam:CreateServiceSpecificCredential", "arn:aws:iam::111122223333:user/mallory"))
	denied(mallory, w.iam.CreateServiceSpecificCredential, create(codecommit, nil))
	w.may("mallory", allowIf("iam:CreateServiceSpecificCredential", victim, `{"StringEquals":{"iam:ServiceSpecificCredentialServiceName":"bedrock.amazonaws.com"},"NumericLessThanEquals":{"iam:ServiceSpecificCredentialAgeDays":"30"}}`))
	denied(mallory, w.iam.CreateServiceSpecificCredential, create(codecommit, aws.Int32(1)))
	denied(mallory, w.iam.CreateServiceSpecificCredential, create(bedrock, aws.Int32(31)))
	denied(mallory, w.iam.CreateServiceSpecificCredential, create(bedrock, nil)) // for ever
	made := do(mallory, w.iam.CreateServiceSpecificCredential, create("Bedrock.amazonaws.com", aws.Int32(30))).ServiceSpecificCredential

	// Changing one: by the service that it is for.
	reset := &iam.ResetServiceSpecificCredentialInput{UserName: aws.String("victim"), ServiceSpecificCredentialId: made.ServiceSpecificCredentialId}
	denied(mallory, w.iam.ResetServiceSpecificCredential, reset)
	w.may("mallory", allowIf("iam:ResetServiceSpecificCredential", victim, `{"StringEquals":{"iam:ServiceSpecificCredentialServiceName":"codecommit.amazonaws.com"}}`))
	denied(mallory, w.iam.ResetServiceSpecificCredential, reset)
	w.may("mallory", allowIf("iam:ResetServiceSpecificCredential", victim, `{"StringEquals":{"iam:ServiceSpecificCredentialServiceName":"bedrock.amazonaws.com"}}`))
	do(mallory, w.iam.ResetServiceSpecificCredential, reset)
	denied(mallory, w.iam.UpdateServiceSpecificCredential, &iam.UpdateServiceSpecificCredentialInput{UserName: aws.String("victim"), ServiceSpecificCredentialId: made.ServiceSpecificCredentialId, Status: types.StatusTypeInactive})
	denied(mallory, w.iam.DeleteServiceSpecificCredential, &iam.DeleteServiceSpecificCredentialInput{UserName: aws.String("victim"), ServiceSpecificCredentialId: made.ServiceSpecificCredentialId})
	// Whether there is such a user is told only to those who may act on them.
	denied(mallory, w.iam.ResetServiceSpecificCredential, &iam.ResetServiceSpecificCredentialInput{UserName: aws.String("nobody"), ServiceSpecificCredentialId: made.ServiceSpecificCredentialId})

	// The credentials of all users need the permission on all.
	everybody := &iam.ListServiceSpecificCredentialsInput{AllUsers: aws.Bool(true)}
	w.may("mallory", allow("iam:ListServiceSpecificCredentials", victim), allow("iam:ListServiceSpecificCredentials", "arn:aws:iam::111122223333:user/mallory"))
	denied(mallory, w.iam.ListServiceSpecificCredentials, everybody)
	do(mallory, w.iam.ListServiceSpecificCredentials, &iam.ListServiceSpecificCredentialsInput{UserName: aws.String("victim")})
	w.may("mallory", allow("iam:ListServiceSpecificCredentials", "arn:aws:iam::111122223333:user/*"))
	do(mallory, w.iam.ListServiceSpecificCredentials, everybody)
}
