package wire_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// certificate makes a certificate that signs itself, and its key.
func (w *world) certificate() (body, key string) {
	w.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: w.name("host")},
		NotBefore: w.now().Add(-24 * time.Hour), NotAfter: w.now().AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		w.t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))
}

// sshKey makes an SSH public key.
func (w *world) sshKey() string {
	w.t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		w.t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(&private.PublicKey)
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
}

// Samples of certificates, SSH keys and service-specific credentials.

func onNewServerCertificate(w *world, _ string) []string {
	body, key := w.certificate()
	return []string{"ServerCertificateName", w.name("made"), "CertificateBody", body, "PrivateKey", key}
}

// onServerCertificate is about a certificate that is always the same one, since an
// account has room for twenty.
func onServerCertificate(more ...string) sample {
	return func(w *world, _ string) []string {
		const name = "the-certificate"
		body, key := w.certificate()
		r := w.iam(w.admin, "UploadServerCertificate", "ServerCertificateName", name, "CertificateBody", body, "PrivateKey", key)
		if r.status != http.StatusOK && r.code() != "EntityAlreadyExists" {
			w.t.Fatalf("UploadServerCertificate: %d %s", r.status, r.body)
		}
		return append([]string{"ServerCertificateName", name}, more...)
	}
}

func onNewSigningCertificate(w *world, _ string) []string {
	body, _ := w.certificate()
	return []string{"UserName", w.user(), "CertificateBody", body}
}

func onSigningCertificate(more ...string) sample {
	return func(w *world, caller string) []string {
		p := onNewSigningCertificate(w, caller)
		id := w.ok(w.iam(w.admin, "UploadSigningCertificate", p...)).field("CertificateId")
		return append([]string{"UserName", p[1], "CertificateId", id}, more...)
	}
}

func onNewSSHKey(w *world, _ string) []string {
	return []string{"UserName", w.user(), "SSHPublicKeyBody", w.sshKey()}
}

func onSSHKey(more ...string) sample {
	return func(w *world, caller string) []string {
		p := onNewSSHKey(w, caller)
		id := w.ok(w.iam(w.admin, "UploadSSHPublicKey", p...)).field("SSHPublicKeyId")
		return append([]string{"UserName", p[1], "SSHPublicKeyId", id}, more...)
	}
}

const codecommit = "codecommit.amazonaws.com"

func onServiceCredential(more ...string) sample {
	return func(w *world, _ string) []string {
		user := w.user()
		id := w.ok(w.iam(w.admin, "CreateServiceSpecificCredential", "UserName", user, "ServiceName", codecommit)).field("ServiceSpecificCredentialId")
		return append([]string{"UserName", user, "ServiceSpecificCredentialId", id}, more...)
	}
}

// T326: with the permission, a password is replaced by one that the caller knows.
func TestT326_OnlyResetServiceSpecificCredential(t *testing.T) {
	w := newWorld(t)
	victim := w.user()
	made := w.ok(w.iam(w.admin, "CreateServiceSpecificCredential", "UserName", victim, "ServiceName", codecommit))
	name, key := w.caller()
	parameters := []string{"UserName", victim, "ServiceSpecificCredentialId", made.field("ServiceSpecificCredentialId")}
	w.denied("T326", "iam:ResetServiceSpecificCredential", w.iam(key, "ResetServiceSpecificCredential", parameters...))
	w.ok(w.iam(w.admin, "PutUserPolicy", "UserName", name, "PolicyName", "grant", "PolicyDocument", allow("iam:ResetServiceSpecificCredential")))
	r := w.ok(w.iam(key, "ResetServiceSpecificCredential", parameters...))
	if r.field("ServicePassword") == "" || r.field("ServicePassword") == made.field("ServicePassword") {
		t.Error("T326: the password is the old one")
	}
	w.bounded(name, w.policy(allow("a:b")))
	w.denied("T326 inside a boundary", "iam:ResetServiceSpecificCredential", w.iam(key, "ResetServiceSpecificCredential", parameters...))
}

// plantCertificates plants the private keys of certificates, and the secrets of
// service-specific credentials.
func (c *canaries) plantCertificates(admin credentials, user string) {
	c.w.t.Helper()
	body, key := c.w.certificate()
	c.plant("private key", strings.Split(key, "\n")[1])
	_, other := c.w.certificate()
	c.plant("private key", strings.Split(other, "\n")[1])
	upload := func(name, key string) *reply {
		return c.iam(admin, false, "UploadServerCertificate", "ServerCertificateName", name, "CertificateBody", body, "PrivateKey", key)
	}
	c.w.ok(upload("canary", key))
	upload("canary", key)           // there already
	upload("canary-other", other)   // does not match
	upload("canary-mixed", key+"x") // is looked at
	upload("canary name", key)      // no such name
	c.iam(admin, false, "UploadServerCertificate", "ServerCertificateName", "x", "CertificateBody", key, "PrivateKey", body)
	c.iam(admin, false, "UploadServerCertificate", "PrivateKey", key)
	c.w.ok(c.iam(admin, false, "UpdateServerCertificate", "ServerCertificateName", "canary", "NewServerCertificateName", "canary-2"))
	c.w.ok(c.iam(admin, false, "GetServerCertificate", "ServerCertificateName", "canary-2"))
	c.w.ok(c.iam(admin, false, "ListServerCertificates"))

	for _, service := range []string{codecommit, "bedrock.amazonaws.com"} {
		made := c.w.ok(c.iam(admin, true, "CreateServiceSpecificCredential", "UserName", user, "ServiceName", service))
		reset := c.w.ok(c.iam(admin, true, "ResetServiceSpecificCredential", "UserName", user, "ServiceSpecificCredentialId", made.field("ServiceSpecificCredentialId")))
		for _, r := range []*reply{made, reset} {
			c.plant("service password", r.field("ServicePassword")+r.field("ServiceCredentialSecret"))
		}
	}
	c.w.ok(c.iam(admin, false, "ListServiceSpecificCredentials", "UserName", user))
}
