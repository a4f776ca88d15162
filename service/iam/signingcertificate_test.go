package iam

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func TestSigningCertificateLife(t *testing.T) {
	w := newWorld(t)
	root, alice := w.root(), aws.String("alice")
	w.user("alice")
	first, another := w.forge("first", 90, nil), w.forge("second", 90, nil)
	upload := func(f *forged) *iam.UploadSigningCertificateInput {
		return &iam.UploadSigningCertificateInput{UserName: alice, CertificateBody: &f.pem}
	}
	list := func() []types.SigningCertificate {
		return do(root, w.iam.ListSigningCertificates, &iam.ListSigningCertificatesInput{UserName: alice}).Certificates
	}
	if got := list(); got == nil || len(got) != 0 {
		t.Errorf("before: %s", asJSON(got))
	}
	made := do(root, w.iam.UploadSigningCertificate, upload(first)).Certificate
	if !regexp.MustCompile(`^[A-Z2-7]{32}$`).MatchString(*made.CertificateId) || *made.UserName != "alice" || *made.CertificateBody != first.pem ||
		made.Status != types.StatusTypeActive || !made.UploadDate.Equal(second(w.now)) {
		t.Errorf("made %s", asJSON(made))
	}
	if got := list(); len(got) != 1 || asJSON(got[0]) != asJSON(made) {
		t.Errorf("list %s", asJSON(got))
	}
	// Nobody of the account may have it a second time; other accounts are others.
	const twice = "The same certificate is associated with an IAM user in the account."
	w.user("bob")
	refused(root, w.iam.UploadSigningCertificate, upload(first), "DuplicateCertificate", twice)
	refused(root, w.iam.UploadSigningCertificate, &iam.UploadSigningCertificateInput{UserName: aws.String("bob"), CertificateBody: aws.String("\n" + first.pem)}, "DuplicateCertificate", twice)
	do(w.rootOf(theirs), w.iam.CreateUser, &iam.CreateUserInput{UserName: alice})
	do(w.rootOf(theirs), w.iam.UploadSigningCertificate, upload(first))

	do(root, w.iam.UploadSigningCertificate, upload(another))
	refused(root, w.iam.UploadSigningCertificate, upload(w.forge("third", 90, nil)), "LimitExceeded", "Cannot exceed quota for CertificatesPerUser: 2")
	sizes := pages(func(marker *string) (int, bool, *string) {
		out := do(root, w.iam.ListSigningCertificates, &iam.ListSigningCertificatesInput{UserName: alice, MaxItems: aws.Int32(1), Marker: marker})
		return len(out.Certificates), out.IsTruncated, out.Marker
	})
	if !slices.Equal(sizes, []int{1, 1}) {
		t.Errorf("pages of %v", sizes)
	}

	set := func(status types.StatusType) *iam.UpdateSigningCertificateInput {
		return &iam.UpdateSigningCertificateInput{UserName: alice, CertificateId: made.CertificateId, Status: status}
	}
	status := func() types.StatusType {
		for _, c := range list() {
			if *c.CertificateId == *made.CertificateId {
				return c.Status
			}
		}
		return ""
	}
	for _, s := range []types.StatusType{types.StatusTypeInactive, types.StatusTypeActive} {
		do(root, w.iam.UpdateSigningCertificate, set(s))
		if got := status(); got != s {
			t.Errorf("status = %s, want %s", got, s)
		}
	}
	refused(root, w.iam.UpdateSigningCertificate, set(types.StatusTypeExpired), "InvalidInput", "The status of a signing certificate can be set to Active or Inactive.")

	// A user's certificates are found through that user only, and stay when the
	// user is renamed.
	missing := "The Certificate with id " + *made.CertificateId + " cannot be found."
	refused(root, w.iam.UpdateSigningCertificate, &iam.UpdateSigningCertificateInput{UserName: aws.String("bob"), CertificateId: made.CertificateId, Status: types.StatusTypeInactive}, "NoSuchEntity", missing)
	refused(root, w.iam.DeleteSigningCertificate, &iam.DeleteSigningCertificateInput{UserName: aws.String("bob"), CertificateId: made.CertificateId}, "NoSuchEntity", missing)
	refused(w.rootOf(theirs), w.iam.DeleteSigningCertificate, &iam.DeleteSigningCertificateInput{UserName: alice, CertificateId: made.CertificateId}, "NoSuchEntity", missing)
	do(root, w.iam.UpdateUser, &iam.UpdateUserInput{UserName: alice, NewUserName: aws.String("carol")})
	refused(root, w.iam.ListSigningCertificates, &iam.ListSigningCertificatesInput{UserName: alice}, "NoSuchEntity", "The user with name alice cannot be found.")
	alice = aws.String("carol")
	if got := list(); len(got) != 2 || *got[0].UserName != "carol" {
		t.Errorf("after the renaming: %s", asJSON(got))
	}

	refused(root, w.iam.DeleteUser, &iam.DeleteUserInput{UserName: alice}, "DeleteConflict", "Cannot delete entity, must delete signing certificates first.")
	for _, c := range list() {
		do(root, w.iam.DeleteSigningCertificate, &iam.DeleteSigningCertificateInput{UserName: alice, CertificateId: c.CertificateId})
	}
	refused(root, w.iam.DeleteSigningCertificate, &iam.DeleteSigningCertificateInput{UserName: alice, CertificateId: made.CertificateId}, "NoSuchEntity", missing)
	do(root, w.iam.DeleteUser, &iam.DeleteUserInput{UserName: alice})
	do(root, w.iam.UploadSigningCertificate, &iam.UploadSigningCertificateInput{UserName: aws.String("bob"), CertificateBody: &first.pem}) // free again
	w.consistent(t)
}

func TestSigningCertificatesThatAreRefused(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	upload := func(user, body string) *iam.UploadSigningCertificateInput {
		return &iam.UploadSigningCertificateInput{UserName: &user, CertificateBody: &body}
	}
	cert := w.forge("a", 10, nil)
	refused(w.root(), w.iam.UploadSigningCertificate, upload("alice", "not PEM"), "MalformedCertificate", "Unable to parse certificate. Please ensure the certificate is in PEM format.")
	refused(w.root(), w.iam.UploadSigningCertificate, upload("alice", cert.key), "MalformedCertificate", "Unable to parse certificate. Please ensure the certificate is in PEM format.")
	refused(w.root(), w.iam.UploadSigningCertificate, upload("nobody", cert.pem), "NoSuchEntity", "The user with name nobody cannot be found.")
	w.later(-48 * time.Hour)
	refused(w.root(), w.iam.UploadSigningCertificate, upload("alice", cert.pem), "InvalidCertificate", "The certificate is not yet valid.")
	w.later(30 * 24 * time.Hour)
	refused(w.root(), w.iam.UploadSigningCertificate, upload("alice", cert.pem), "InvalidCertificate", "The certificate has expired.")
}

// Without a name it is the owner of the key that signed the request.
func TestSigningCertificatesOfTheCaller(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	cert := w.forge("a", 10, nil)
	in := &iam.UploadSigningCertificateInput{CertificateBody: &cert.pem}
	const own = "arn:aws:iam::111122223333:user/alice"
	denied(alice, w.iam.UploadSigningCertificate, in)
	w.may("alice", allow("iam:*SigningCertificate*", own))
	made := do(alice, w.iam.UploadSigningCertificate, in).Certificate
	if *made.UserName != "alice" {
		t.Errorf("made %s", asJSON(made))
	}
	if got := do(alice, w.iam.ListSigningCertificates, &iam.ListSigningCertificatesInput{}).Certificates; len(got) != 1 {
		t.Errorf("list %s", asJSON(got))
	}
	w.user("bob")
	bob := w.forge("b", 10, nil)
	denied(alice, w.iam.UploadSigningCertificate, &iam.UploadSigningCertificateInput{UserName: aws.String("bob"), CertificateBody: &bob.pem})

	const mustName = "Must specify userName when calling with non-User credentials"
	refused(alice.inSession(), w.iam.ListSigningCertificates, &iam.ListSigningCertificatesInput{}, "ValidationError", mustName)
	refused(w.asRole(), w.iam.UploadSigningCertificate, in, "ValidationError", mustName)
	do(alice.inSession(), w.iam.ListSigningCertificates, &iam.ListSigningCertificatesInput{UserName: aws.String("alice")})

	do(alice, w.iam.UpdateSigningCertificate, &iam.UpdateSigningCertificateInput{CertificateId: made.CertificateId, Status: types.StatusTypeInactive})
	// Root has none.
	refused(w.root(), w.iam.UploadSigningCertificate, &iam.UploadSigningCertificateInput{CertificateBody: &bob.pem}, "AccessDenied", noRootCertificates)
	if got := do(w.root(), w.iam.ListSigningCertificates, &iam.ListSigningCertificatesInput{}).Certificates; len(got) != 0 {
		t.Errorf("root's: %s", asJSON(got))
	}
	refused(w.root(), w.iam.DeleteSigningCertificate, &iam.DeleteSigningCertificateInput{CertificateId: made.CertificateId}, "NoSuchEntity", "The Certificate with id "+*made.CertificateId+" cannot be found.")
	do(alice, w.iam.DeleteSigningCertificate, &iam.DeleteSigningCertificateInput{CertificateId: made.CertificateId})
}

// The credential report has columns for two certificates, oldest first.
func TestCredentialReportShowsSigningCertificates(t *testing.T) {
	w := newWorld(t)
	w.iam.limits.SigningCertificatesPerUser = 3
	w.user("alice")
	w.user("bob")
	for i, name := range []string{"first", "second", "third"} {
		made := do(w.root(), w.iam.UploadSigningCertificate, &iam.UploadSigningCertificateInput{UserName: aws.String("alice"), CertificateBody: &w.forge(name, 90, nil).pem}).Certificate
		if i == 1 {
			do(w.root(), w.iam.UpdateSigningCertificate, &iam.UpdateSigningCertificateInput{UserName: aws.String("alice"), CertificateId: made.CertificateId, Status: types.StatusTypeInactive})
		}
		w.later(time.Hour)
	}
	w.generate()
	_, rows := w.report()
	for user, want := range map[string][]string{
		"alice":          {"true", "2026-03-01T12:00:00+00:00", "false", "2026-03-01T13:00:00+00:00", "1 more signing certificates: ListSigningCertificates"},
		"bob":            {"false", "N/A", "false", "N/A", "N/A"},
		"<root_account>": {"false", "N/A", "false", "N/A", "N/A"},
	} {
		var got []string
		for _, column := range []string{"cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated", "additional_credentials_info"} {
			got = append(got, rows[user][column])
		}
		equal(t, user, got, want)
	}
}
