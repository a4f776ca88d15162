package iam

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"golang.org/x/crypto/ssh"
)

// sshKey makes an SSH public key, in the form of OpenSSH and in PEM.
func (w *world) sshKey(bits int) (line, inPEM string) {
	w.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	w.must(err)
	public, err := ssh.NewPublicKey(&key.PublicKey)
	w.must(err)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	w.must(err)
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))), string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestSSHPublicKeyLife(t *testing.T) {
	w := newWorld(t)
	root, alice := w.root(), aws.String("alice")
	w.user("alice")
	line, inPEM := w.sshKey(2048)
	upload := func(user, body string) *iam.UploadSSHPublicKeyInput {
		return &iam.UploadSSHPublicKeyInput{UserName: &user, SSHPublicKeyBody: &body}
	}
	sent := line + " alice@laptop\n"
	made := do(root, w.iam.UploadSSHPublicKey, upload("ALICE", sent)).SSHPublicKey
	if !regexp.MustCompile(`^APKA[A-Z2-7]{17}$`).MatchString(*made.SSHPublicKeyId) || *made.UserName != "alice" || *made.SSHPublicKeyBody != sent ||
		made.Status != types.StatusTypeActive || !made.UploadDate.Equal(second(w.now)) {
		t.Errorf("made %s", asJSON(made))
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	w.must(err)
	if want := ssh.FingerprintLegacyMD5(public); *made.Fingerprint != want || len(want) != 47 {
		t.Errorf("fingerprint %s, want %s", *made.Fingerprint, want)
	}
	get := func(encoding types.EncodingType) *types.SSHPublicKey {
		return do(root, w.iam.GetSSHPublicKey, &iam.GetSSHPublicKeyInput{UserName: alice, SSHPublicKeyId: made.SSHPublicKeyId, Encoding: encoding}).SSHPublicKey
	}
	for encoding, want := range map[types.EncodingType]string{types.EncodingTypeSsh: line, types.EncodingTypePem: inPEM} {
		got := get(encoding)
		if *got.SSHPublicKeyBody != want || *got.Fingerprint != *made.Fingerprint || !got.UploadDate.Equal(*made.UploadDate) {
			t.Errorf("in %s: %s", encoding, asJSON(got))
		}
	}

	// The same key in another form is the same key, of this user.
	const twice = "The SSH public key is already associated with the specified IAM user."
	refused(root, w.iam.UploadSSHPublicKey, upload("alice", inPEM), "DuplicateSSHPublicKey", twice)
	refused(root, w.iam.UploadSSHPublicKey, upload("alice", line+" elsewhere"), "DuplicateSSHPublicKey", twice)
	w.user("bob")
	do(root, w.iam.UploadSSHPublicKey, upload("bob", inPEM))

	for range 4 {
		another, _ := w.sshKey(2048)
		do(root, w.iam.UploadSSHPublicKey, upload("alice", another))
	}
	sixth, _ := w.sshKey(2048)
	refused(root, w.iam.UploadSSHPublicKey, upload("alice", sixth), "LimitExceeded", "Cannot exceed quota for SSHPublicKeysPerUser: 5")
	list := func() []types.SSHPublicKeyMetadata {
		return do(root, w.iam.ListSSHPublicKeys, &iam.ListSSHPublicKeysInput{UserName: alice}).SSHPublicKeys
	}
	if got := list(); len(got) != 5 || *got[0].UserName != "alice" || !got[0].UploadDate.Equal(second(w.now)) {
		t.Errorf("list %s", asJSON(got))
	}
	sizes := pages(func(marker *string) (int, bool, *string) {
		out := do(root, w.iam.ListSSHPublicKeys, &iam.ListSSHPublicKeysInput{UserName: alice, MaxItems: aws.Int32(2), Marker: marker})
		return len(out.SSHPublicKeys), out.IsTruncated, out.Marker
	})
	if !slices.Equal(sizes, []int{2, 2, 1}) {
		t.Errorf("pages of %v", sizes)
	}

	set := func(user string, status types.StatusType) *iam.UpdateSSHPublicKeyInput {
		return &iam.UpdateSSHPublicKeyInput{UserName: &user, SSHPublicKeyId: made.SSHPublicKeyId, Status: status}
	}
	for _, s := range []types.StatusType{types.StatusTypeInactive, types.StatusTypeActive} {
		do(root, w.iam.UpdateSSHPublicKey, set("alice", s))
		if got := get(types.EncodingTypeSsh).Status; got != s {
			t.Errorf("status = %s, want %s", got, s)
		}
	}
	refused(root, w.iam.UpdateSSHPublicKey, set("alice", types.StatusTypeExpired), "InvalidInput", "The status of an SSH public key can be set to Active or Inactive.")
	missing := "The SSH Public Key with id " + *made.SSHPublicKeyId + " cannot be found"
	refused(root, w.iam.UpdateSSHPublicKey, set("bob", types.StatusTypeInactive), "NoSuchEntity", missing)
	refused(root, w.iam.GetSSHPublicKey, &iam.GetSSHPublicKeyInput{UserName: aws.String("bob"), SSHPublicKeyId: made.SSHPublicKeyId, Encoding: types.EncodingTypeSsh}, "NoSuchEntity", missing)
	refused(root, w.iam.DeleteSSHPublicKey, &iam.DeleteSSHPublicKeyInput{UserName: aws.String("bob"), SSHPublicKeyId: made.SSHPublicKeyId}, "NoSuchEntity", missing)

	do(root, w.iam.UpdateUser, &iam.UpdateUserInput{UserName: alice, NewUserName: aws.String("carol")})
	alice = aws.String("carol")
	if got := get(types.EncodingTypeSsh); *got.UserName != "carol" {
		t.Errorf("after the renaming: %s", asJSON(got))
	}
	refused(root, w.iam.DeleteUser, &iam.DeleteUserInput{UserName: alice}, "DeleteConflict", "Cannot delete entity, must remove referenced objects first.")
	for _, k := range list() {
		do(root, w.iam.DeleteSSHPublicKey, &iam.DeleteSSHPublicKeyInput{UserName: alice, SSHPublicKeyId: k.SSHPublicKeyId})
	}
	refused(root, w.iam.DeleteSSHPublicKey, &iam.DeleteSSHPublicKeyInput{UserName: alice, SSHPublicKeyId: made.SSHPublicKeyId}, "NoSuchEntity", missing)
	do(root, w.iam.DeleteUser, &iam.DeleteUserInput{UserName: alice})
	refused(root, w.iam.UploadSSHPublicKey, upload("carol", line), "NoSuchEntity", "The user with name carol cannot be found.")
	w.consistent(t)
}

func TestSSHPublicKeysThatAreRefused(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	short, shortPEM := w.sshKey(1024)
	for body, code := range map[string]string{
		"my key":        "UnrecognizedPublicKeyEncoding",
		"ssh-ed25519 A": "UnrecognizedPublicKeyEncoding",
		"ssh-rsa A":     "InvalidPublicKey",
		short:           "InvalidPublicKey",
		shortPEM:        "InvalidPublicKey",
	} {
		message := "Invalid public key uploaded."
		if code == "InvalidPublicKey" {
			message = "The public key is malformed, or is not an RSA key of at least 2048 bits."
		}
		refused(w.root(), w.iam.UploadSSHPublicKey, &iam.UploadSSHPublicKeyInput{UserName: aws.String("alice"), SSHPublicKeyBody: &body}, code, message)
	}
}

func TestSSHPublicKeysOfTheCaller(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	line, _ := w.sshKey(2048)
	in := &iam.UploadSSHPublicKeyInput{UserName: aws.String("alice"), SSHPublicKeyBody: &line}
	denied(alice, w.iam.UploadSSHPublicKey, in)
	w.may("alice", allow("iam:*SSHPublicKey*", "arn:aws:iam::111122223333:user/alice"))
	do(alice, w.iam.UploadSSHPublicKey, in)
	if got := do(alice, w.iam.ListSSHPublicKeys, &iam.ListSSHPublicKeysInput{}).SSHPublicKeys; len(got) != 1 {
		t.Errorf("list %s", asJSON(got))
	}
	w.user("bob")
	denied(alice, w.iam.ListSSHPublicKeys, &iam.ListSSHPublicKeysInput{UserName: aws.String("bob")})
	const mustName = "Must specify userName when calling with non-User credentials"
	refused(alice.inSession(), w.iam.ListSSHPublicKeys, &iam.ListSSHPublicKeysInput{}, "ValidationError", mustName)
	refused(w.asRole(), w.iam.ListSSHPublicKeys, &iam.ListSSHPublicKeysInput{}, "ValidationError", mustName)
	if got := do(w.root(), w.iam.ListSSHPublicKeys, &iam.ListSSHPublicKeysInput{}).SSHPublicKeys; got == nil || len(got) != 0 {
		t.Errorf("root's: %s", asJSON(got))
	}
	// By the user's tags.
	do(w.root(), w.iam.TagUser, &iam.TagUserInput{UserName: aws.String("bob"), Tags: tags("team=red")})
	w.may("alice", allowIf("iam:ListSSHPublicKeys", "*", `{"StringEquals":{"aws:ResourceTag/team":"red"}}`))
	do(alice, w.iam.ListSSHPublicKeys, &iam.ListSSHPublicKeysInput{UserName: aws.String("bob")})
	denied(alice, w.iam.ListSSHPublicKeys, &iam.ListSSHPublicKeysInput{})
}
