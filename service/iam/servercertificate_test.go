package iam

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/store"
)

// forged is a certificate with its key, both in PEM, and what it takes to sign others.
type forged struct {
	pem, key string
	cert     *x509.Certificate
	signer   crypto.Signer
}

// forge makes a certificate that is valid from yesterday for so many days, signed by
// issuer or by itself.
func (w *world) forge(name string, days int, issuer *forged) *forged {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: w.now.AddDate(0, 0, -1), NotAfter: w.now.AddDate(0, 0, days-1),
		BasicConstraintsValid: true, IsCA: true,
	}
	f := &forged{cert: template, signer: key}
	if issuer == nil {
		issuer = f
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.cert, key.Public(), issuer.signer)
	w.must(err)
	f.cert, err = x509.ParseCertificate(der)
	w.must(err)
	f.pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	der, err = x509.MarshalECPrivateKey(key)
	w.must(err)
	f.key = string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	return f
}

func upload(name string, f *forged) *iam.UploadServerCertificateInput {
	return &iam.UploadServerCertificateInput{ServerCertificateName: &name, CertificateBody: &f.pem, PrivateKey: &f.key}
}

func certificateNames(list []types.ServerCertificateMetadata) []string {
	return names(list, func(m types.ServerCertificateMetadata) *string { return m.ServerCertificateName })
}

func (w *world) certificateRecord(name string) (cert *identity.ServerCertificate) {
	w.t.Helper()
	w.view(func(r store.Reader) (err error) {
		cert, err = identity.ServerCertificates.Get(r, string(ours), identity.Fold(name))
		return err
	})
	return cert
}

func TestServerCertificateLife(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	ca := w.forge("ca", 100, nil)
	leaf := w.forge("leaf", 90, ca)
	in := upload("Web", leaf)
	in.Path, in.CertificateChain, in.Tags = aws.String("/cloudfront/prod/"), &ca.pem, tags("team=web")
	made := do(root, w.iam.UploadServerCertificate, in)
	meta := made.ServerCertificateMetadata
	if *meta.Arn != "arn:aws:iam::111122223333:server-certificate/cloudfront/prod/Web" || *meta.Path != "/cloudfront/prod/" || *meta.ServerCertificateName != "Web" {
		t.Errorf("made %s", asJSON(made))
	}
	if !regexp.MustCompile(`^ASCA[A-Z2-7]{17}$`).MatchString(*meta.ServerCertificateId) {
		t.Errorf("id = %s", *meta.ServerCertificateId)
	}
	if !meta.UploadDate.Equal(second(w.now)) || !meta.Expiration.Equal(leaf.cert.NotAfter) {
		t.Errorf("uploaded %v, expires %v", meta.UploadDate, meta.Expiration)
	}
	if asJSON(made.Tags) != asJSON(tags("team=web")) {
		t.Errorf("tags %s", asJSON(made.Tags))
	}
	w.consistent(t)

	get := func(name string) *types.ServerCertificate {
		return do(root, w.iam.GetServerCertificate, &iam.GetServerCertificateInput{ServerCertificateName: &name}).ServerCertificate
	}
	got := get("WEB")
	if *got.CertificateBody != strings.TrimSpace(leaf.pem) || *got.CertificateChain != strings.TrimSpace(ca.pem) {
		t.Error("body or chain is not what was sent")
	}
	if asJSON(got.ServerCertificateMetadata) != asJSON(meta) || asJSON(got.Tags) != asJSON(tags("team=web")) {
		t.Errorf("read %s", asJSON(got))
	}
	refused(root, w.iam.UploadServerCertificate, upload("wEB", leaf), "EntityAlreadyExists", "The Server Certificate with name wEB already exists.")

	// Another name and path, the same id; the key moves along.
	do(root, w.iam.UploadServerCertificate, upload("other", leaf))
	rename := func(from string, name, path *string) *iam.UpdateServerCertificateInput {
		return &iam.UpdateServerCertificateInput{ServerCertificateName: &from, NewServerCertificateName: name, NewPath: path}
	}
	do(root, w.iam.UpdateServerCertificate, rename("web", aws.String("Shop"), aws.String("/")))
	moved := get("shop").ServerCertificateMetadata
	if *moved.Arn != "arn:aws:iam::111122223333:server-certificate/Shop" || *moved.ServerCertificateId != *meta.ServerCertificateId {
		t.Errorf("moved %s", asJSON(moved))
	}
	w.consistent(t)
	place := identity.ServerCertificates.Key(string(ours), "shop")
	if key, err := w.ring.Open(keyring.PrivateKeys, string(place), w.certificateRecord("shop").PrivateKey); err != nil || string(key) != strings.TrimSpace(leaf.key) {
		t.Errorf("the key after the renaming: %v", err)
	}
	do(root, w.iam.UpdateServerCertificate, rename("shop", aws.String("SHOP"), nil)) // another case alone
	do(root, w.iam.UpdateServerCertificate, rename("shop", nil, nil))
	if got := *get("shop").ServerCertificateMetadata.ServerCertificateName; got != "SHOP" {
		t.Errorf("name = %s", got)
	}
	refused(root, w.iam.UpdateServerCertificate, rename("shop", aws.String("OTHER"), nil), "EntityAlreadyExists", "The Server Certificate with name OTHER already exists.")
	refused(root, w.iam.UpdateServerCertificate, rename("web", aws.String("x"), nil), "NoSuchEntity", "The Server Certificate with name web cannot be found.")
	w.consistent(t)

	remove := &iam.DeleteServerCertificateInput{ServerCertificateName: aws.String("shop")}
	do(root, w.iam.DeleteServerCertificate, remove)
	const gone = "The Server Certificate with name shop cannot be found."
	refused(root, w.iam.DeleteServerCertificate, remove, "NoSuchEntity", gone)
	refused(root, w.iam.GetServerCertificate, &iam.GetServerCertificateInput{ServerCertificateName: aws.String("shop")}, "NoSuchEntity", gone)
	w.consistent(t)
}

// The key is kept sealed, bound to its record, and shown by nothing.
func TestServerCertificateKeyIsSealed(t *testing.T) {
	w := newWorld(t)
	leaf := w.forge("leaf", 90, nil)
	made := do(w.root(), w.iam.UploadServerCertificate, upload("web", leaf))
	got := do(w.root(), w.iam.GetServerCertificate, &iam.GetServerCertificateInput{ServerCertificateName: aws.String("web")})
	secret := strings.Split(leaf.key, "\n")[1]
	cert := w.certificateRecord("web")
	record, err := json.Marshal(cert)
	w.must(err)
	for what, text := range map[string][]byte{"the answer": []byte(asJSON(made)), "GetServerCertificate": []byte(asJSON(got)), "the record": record, "the sealed key": cert.PrivateKey} {
		if bytes.Contains(text, []byte(secret)) || bytes.Contains(text, []byte("PRIVATE KEY")) {
			t.Errorf("%s shows the private key", what)
		}
	}
	elsewhere := identity.ServerCertificates.Key(string(ours), "other")
	if _, err := w.ring.Open(keyring.PrivateKeys, string(elsewhere), cert.PrivateKey); err == nil {
		t.Error("the key opens in the place of another record")
	}
}

func TestServerCertificatesThatAreRefused(t *testing.T) {
	w := newWorld(t)
	ca := w.forge("ca", 100, nil)
	upper := w.forge("upper", 100, ca)
	leaf := w.forge("leaf", 90, upper)
	with := func(change func(*iam.UploadServerCertificateInput)) *iam.UploadServerCertificateInput {
		in := upload("web", leaf)
		change(in)
		return in
	}
	chain := func(text string) *iam.UploadServerCertificateInput {
		return with(func(in *iam.UploadServerCertificateInput) { in.CertificateChain = &text })
	}
	later := w.forge("later", 90, nil)
	w.later(-48 * time.Hour)
	old := w.forge("old", 2, nil) // until a day before "leaf" begins
	w.later(48 * time.Hour)
	const badChain = "Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any intermediaries in order."
	for _, c := range []struct {
		what          string
		in            *iam.UploadServerCertificateInput
		code, message string
	}{
		{"no certificate", with(func(in *iam.UploadServerCertificateInput) { in.CertificateBody = aws.String("server.pem") }), "MalformedCertificate", "Unable to parse certificate. Please ensure the certificate is in PEM format."},
		{"two certificates", with(func(in *iam.UploadServerCertificateInput) { in.CertificateBody = aws.String(leaf.pem + upper.pem) }), "MalformedCertificate", "Unable to parse certificate. Please ensure the certificate is in PEM format."},
		{"no key", with(func(in *iam.UploadServerCertificateInput) { in.PrivateKey = &leaf.pem }), "MalformedCertificate", "Invalid Private Key."},
		{"an encrypted key", with(func(in *iam.UploadServerCertificateInput) {
			in.PrivateKey = aws.String("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
		}), "MalformedCertificate", "Unable to parse key; the body is encrypted."},
		{"another key", with(func(in *iam.UploadServerCertificateInput) { in.PrivateKey = &ca.key }), "KeyPairMismatch", "Public key certificate and private key doesn't match."},
		{"expired", upload("web", old), "MalformedCertificate", "Certificate is no longer valid. The 'Not After' date restriction on the certificate has passed."},
		{"another's chain", chain(ca.pem), "MalformedCertificate", badChain + " The index within the chain of the invalid certificate is: -1"},
		{"a chain with a gap", chain(upper.pem + leaf.pem), "MalformedCertificate", badChain + " The index within the chain of the invalid certificate is: 0"},
		{"a chain with text", chain("Subject: upper\n" + upper.pem), "MalformedCertificate", badChain},
		{"a tag of AWS's", with(func(in *iam.UploadServerCertificateInput) { in.Tags = tags("aws:x=1") }), "InvalidInput", "Tag keys and values cannot begin with aws:"},
	} {
		_, err := try(w.root(), w.iam.UploadServerCertificate, c.in)
		checkError(t, c.what, err, c.code, c.message)
	}
	w.later(-48 * time.Hour)
	refused(w.root(), w.iam.UploadServerCertificate, upload("web", later), "MalformedCertificate", "Certificate is not yet valid. The 'Not Before' date restriction on the certificate has not passed.")
	w.later(48 * time.Hour)
	w.consistent(t)
	do(w.root(), w.iam.UploadServerCertificate, chain(upper.pem+ca.pem))
	// It stays when it expires, as on AWS.
	w.later(200 * 24 * time.Hour)
	if got := do(w.root(), w.iam.ListServerCertificates, &iam.ListServerCertificatesInput{}); len(got.ServerCertificateMetadataList) != 1 {
		t.Errorf("list after the expiration: %s", asJSON(got))
	}
}

// Line ends become those of Unix, and white space around is dropped; nothing else of
// what was sent is changed.
func TestServerCertificateBodyIsKept(t *testing.T) {
	w := newWorld(t)
	ca := w.forge("ca", 90, nil)
	leaf := w.forge("leaf", 90, ca)
	for name, in := range map[string][2]string{
		"plain":    {leaf.pem, ca.pem},
		"trimmed":  {strings.TrimSpace(leaf.pem), strings.TrimSpace(ca.pem)},
		"spacious": {"\n" + leaf.pem + "\n\n", "\n\n" + ca.pem + " \n"},
	} {
		for suffix, end := range map[string]string{"unix": "\n", "windows": "\r\n", "mac": "\r"} {
			name := name + "-" + suffix
			request := upload(name, leaf)
			request.CertificateBody = aws.String(strings.ReplaceAll(in[0], "\n", end))
			request.CertificateChain = aws.String(strings.ReplaceAll(in[1], "\n", end))
			do(w.root(), w.iam.UploadServerCertificate, request)
			got := do(w.root(), w.iam.GetServerCertificate, &iam.GetServerCertificateInput{ServerCertificateName: &name}).ServerCertificate
			if *got.CertificateBody != strings.TrimSpace(leaf.pem) || *got.CertificateChain != strings.TrimSpace(ca.pem) {
				t.Errorf("%s: body %q, chain %q", name, *got.CertificateBody, *got.CertificateChain)
			}
		}
	}
}

func TestListServerCertificates(t *testing.T) {
	w := newWorld(t)
	leaf := w.forge("leaf", 90, nil)
	for _, c := range []struct{ path, name string }{{"/", "d"}, {"/cloudfront/", "B"}, {"/cloudfrontx/", "a"}, {"/cloudfront/x/", "c"}} {
		in := upload(c.name, leaf)
		in.Path, in.Tags = &c.path, tags("k=v")
		do(w.root(), w.iam.UploadServerCertificate, in)
	}
	all := do(w.root(), w.iam.ListServerCertificates, &iam.ListServerCertificatesInput{})
	equal(t, "certificates", certificateNames(all.ServerCertificateMetadataList), []string{"a", "B", "c", "d"})
	below := do(w.root(), w.iam.ListServerCertificates, &iam.ListServerCertificatesInput{PathPrefix: aws.String("/cloudfront/")})
	equal(t, "below /cloudfront/", certificateNames(below.ServerCertificateMetadataList), []string{"B", "c"})
	sizes := pages(func(marker *string) (int, bool, *string) {
		out := do(w.root(), w.iam.ListServerCertificates, &iam.ListServerCertificatesInput{MaxItems: aws.Int32(3), Marker: marker})
		return len(out.ServerCertificateMetadataList), out.IsTruncated, out.Marker
	})
	if !slices.Equal(sizes, []int{3, 1}) {
		t.Errorf("pages of %v", sizes)
	}
	none := do(w.rootOf(theirs), w.iam.ListServerCertificates, &iam.ListServerCertificatesInput{})
	if none.ServerCertificateMetadataList == nil || len(none.ServerCertificateMetadataList) != 0 {
		t.Errorf("another account has %s", asJSON(none))
	}
	refused(w.rootOf(theirs), w.iam.GetServerCertificate, &iam.GetServerCertificateInput{ServerCertificateName: aws.String("a")}, "NoSuchEntity", "The Server Certificate with name a cannot be found.")
	do(w.rootOf(theirs), w.iam.UploadServerCertificate, upload("a", leaf)) // names are an account's own
	w.consistent(t)
}

func TestServerCertificateQuota(t *testing.T) {
	w := newWorld(t)
	leaf := w.forge("leaf", 90, nil)
	summary := func() (have, quota int32) {
		m := do(w.root(), w.iam.GetAccountSummary, &iam.GetAccountSummaryInput{}).SummaryMap
		return m["ServerCertificates"], m["ServerCertificatesQuota"]
	}
	for i := range 20 {
		do(w.root(), w.iam.UploadServerCertificate, upload(fmt.Sprint("c", i), leaf))
	}
	refused(w.root(), w.iam.UploadServerCertificate, upload("one-more", leaf), "LimitExceeded", "Cannot exceed quota for ServerCertificatesPerAccount: 20")
	if have, quota := summary(); have != 20 || quota != 20 {
		t.Errorf("the summary says %d of %d", have, quota)
	}
	do(w.root(), w.iam.DeleteServerCertificate, &iam.DeleteServerCertificateInput{ServerCertificateName: aws.String("c7")})
	if have, _ := summary(); have != 19 {
		t.Errorf("the summary says %d", have)
	}
	do(w.root(), w.iam.UploadServerCertificate, upload("one-more", leaf))
	w.consistent(t)
}

func TestServerCertificateTags(t *testing.T) {
	w := newWorld(t)
	do(w.root(), w.iam.UploadServerCertificate, upload("web", w.forge("leaf", 90, nil)))
	name := aws.String("WEB")
	do(w.root(), w.iam.TagServerCertificate, &iam.TagServerCertificateInput{ServerCertificateName: name, Tags: tags("b=1", "a=2", "A=3")})
	do(w.root(), w.iam.UntagServerCertificate, &iam.UntagServerCertificateInput{ServerCertificateName: name, TagKeys: []string{"b", "never"}})
	got := do(w.root(), w.iam.ListServerCertificateTags, &iam.ListServerCertificateTagsInput{ServerCertificateName: name}).Tags
	if want := tags("A=3", "a=2"); asJSON(got) != asJSON(want) {
		t.Errorf("tags = %s", asJSON(got))
	}
	first := do(w.root(), w.iam.ListServerCertificateTags, &iam.ListServerCertificateTagsInput{ServerCertificateName: name, MaxItems: aws.Int32(1)})
	if !first.IsTruncated || len(first.Tags) != 1 {
		t.Errorf("first page %s", asJSON(first))
	}
	var many []string
	for i := range 49 {
		many = append(many, fmt.Sprintf("k%d=v", i))
	}
	refused(w.root(), w.iam.TagServerCertificate, &iam.TagServerCertificateInput{ServerCertificateName: name, Tags: tags(many...)}, "LimitExceeded", "Cannot exceed quota for TagsPerResource: 50")
	none := aws.String("none")
	const missing = "The Server Certificate with name none cannot be found."
	refused(w.root(), w.iam.TagServerCertificate, &iam.TagServerCertificateInput{ServerCertificateName: none}, "NoSuchEntity", missing)
	refused(w.root(), w.iam.UntagServerCertificate, &iam.UntagServerCertificateInput{ServerCertificateName: none}, "NoSuchEntity", missing)
	refused(w.root(), w.iam.ListServerCertificateTags, &iam.ListServerCertificateTagsInput{ServerCertificateName: none}, "NoSuchEntity", missing)
}

// Who may do what to which certificate, by name, path and tags.
func TestServerCertificatePermissions(t *testing.T) {
	w := newWorld(t)
	mallory := w.user("mallory")
	leaf := w.forge("leaf", 90, nil)
	const below = "arn:aws:iam::111122223333:server-certificate/web/"
	tagged := func() *iam.UploadServerCertificateInput {
		in := upload("a", leaf)
		in.Path, in.Tags = aws.String("/web/"), tags("team=web")
		return in
	}
	denied(mallory, w.iam.UploadServerCertificate, tagged())
	w.may("mallory", allow("iam:UploadServerCertificate", below+"a"))
	denied(mallory, w.iam.UploadServerCertificate, tagged()) // not without the permission to tag
	w.may("mallory", allow("iam:UploadServerCertificate", below+"a"), allowIf("iam:TagServerCertificate", below+"*", `{"StringEquals":{"aws:RequestTag/team":"ops"}}`))
	denied(mallory, w.iam.UploadServerCertificate, tagged())
	w.may("mallory", allowIf("iam:UploadServerCertificate", below+"a", `{"ForAllValues:StringEquals":{"aws:TagKeys":"team"}}`), allowIf("iam:TagServerCertificate", below+"*", `{"StringEquals":{"aws:RequestTag/team":"web"}}`))
	do(mallory, w.iam.UploadServerCertificate, tagged())
	in := tagged()
	in.Path = aws.String("/")
	denied(mallory, w.iam.UploadServerCertificate, in)

	get := &iam.GetServerCertificateInput{ServerCertificateName: aws.String("A")}
	denied(mallory, w.iam.GetServerCertificate, get)
	w.may("mallory", allowIf("iam:*ServerCertificate*", "*", `{"StringEquals":{"aws:ResourceTag/team":"ops"}}`))
	denied(mallory, w.iam.GetServerCertificate, get)
	w.may("mallory", allowIf("iam:*ServerCertificate*", below+"*", `{"StringEquals":{"aws:ResourceTag/team":"web"}}`))
	do(mallory, w.iam.GetServerCertificate, get)
	// That there is none is told only to those who may ask.
	denied(mallory, w.iam.GetServerCertificate, &iam.GetServerCertificateInput{ServerCertificateName: aws.String("none")})

	// A new name or path needs the permission for both.
	move := func(name string) *iam.UpdateServerCertificateInput {
		return &iam.UpdateServerCertificateInput{ServerCertificateName: aws.String("a"), NewServerCertificateName: &name}
	}
	w.may("mallory", allow("iam:UpdateServerCertificate", below+"a"))
	denied(mallory, w.iam.UpdateServerCertificate, move("b"))
	w.may("mallory", allow("iam:UpdateServerCertificate", below+"b"))
	denied(mallory, w.iam.UpdateServerCertificate, move("b"))
	w.may("mallory", allow("iam:UpdateServerCertificate", below+"*"))
	do(mallory, w.iam.UpdateServerCertificate, move("b"))
	denied(mallory, w.iam.UpdateServerCertificate, &iam.UpdateServerCertificateInput{ServerCertificateName: aws.String("b"), NewPath: aws.String("/")})

	w.may("mallory", allowIf("iam:TagServerCertificate", "*", `{"StringEquals":{"aws:RequestTag/team":"web"}}`), allowIf("iam:UntagServerCertificate", "*", `{"ForAllValues:StringEquals":{"aws:TagKeys":"x"}}`))
	denied(mallory, w.iam.TagServerCertificate, &iam.TagServerCertificateInput{ServerCertificateName: aws.String("b"), Tags: tags("team=ops")})
	denied(mallory, w.iam.UntagServerCertificate, &iam.UntagServerCertificateInput{ServerCertificateName: aws.String("b"), TagKeys: []string{"team"}})
	do(mallory, w.iam.TagServerCertificate, &iam.TagServerCertificateInput{ServerCertificateName: aws.String("b"), Tags: tags("team=web")})
	do(mallory, w.iam.UntagServerCertificate, &iam.UntagServerCertificateInput{ServerCertificateName: aws.String("b"), TagKeys: []string{"x"}})

	w.may("mallory", allow("iam:ListServerCertificates", below))
	denied(mallory, w.iam.ListServerCertificates, &iam.ListServerCertificatesInput{})
	do(mallory, w.iam.ListServerCertificates, &iam.ListServerCertificatesInput{PathPrefix: aws.String("/web/")})
}
