package iam

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/store"
)

// samlCertificate is the base64 of a certificate, made once.
var samlCertificate = sync.OnceValue(func() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "idp"}, NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(der)
})

// samlKey is an RSA key as PEM, made once.
var samlKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func pemOf(kind string, der []byte) *string {
	return aws.String(string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

// samlMetadata is metadata of an identity provider, with odd white space in it.
func samlMetadata(id, attrs string) *string {
	return aws.String("<?xml version=\"1.0\"?>\r\n<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"" + id + "\"" + attrs + ">\n\t<IDPSSODescriptor>" +
		`<KeyDescriptor><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` + samlCertificate() + `</X509Certificate></X509Data></KeyInfo></KeyDescriptor>` +
		"</IDPSSODescriptor><!-- " + strings.Repeat("\u00fc \u2603 ", 80) + " --></EntityDescriptor>\r\n\r\n")
}

// saml makes a SAML provider, as root.
func (w *world) saml(name string) (providerARN string) {
	w.t.Helper()
	return *do(w.root(), w.iam.CreateSAMLProvider, &iam.CreateSAMLProviderInput{Name: &name, SAMLMetadataDocument: samlMetadata("https://"+name, "")}).SAMLProviderArn
}

func (w *world) samlProvider(providerARN string) *iam.GetSAMLProviderOutput {
	w.t.Helper()
	return do(w.root(), w.iam.GetSAMLProvider, &iam.GetSAMLProviderInput{SAMLProviderArn: &providerARN})
}

func TestSAMLProvider(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	document := samlMetadata("https://idp.example.com", ` validUntil="2030-01-02T03:04:05Z"`)
	made := do(root, w.iam.CreateSAMLProvider, &iam.CreateSAMLProviderInput{Name: aws.String("Corp"), SAMLMetadataDocument: document, Tags: []types.Tag{tag("k", "v")}})
	if *made.SAMLProviderArn != "arn:aws:iam::111122223333:saml-provider/Corp" || len(made.Tags) != 1 {
		t.Fatalf("made %s", asJSON(made))
	}
	got := w.samlProvider(*made.SAMLProviderArn)
	if *got.SAMLMetadataDocument != *document {
		t.Error("the metadata are not those that were sent")
	}
	if !regexp.MustCompile(`^[A-Z0-9]{22,64}$`).MatchString(*got.SAMLProviderUUID) || !got.CreateDate.Equal(second(w.now)) ||
		got.ValidUntil.Format(time.RFC3339) != "2030-01-02T03:04:05Z" || len(got.PrivateKeyList) != 0 || got.AssertionEncryptionMode != "" || len(got.Tags) != 1 {
		t.Errorf("got %s", asJSON(got))
	}
	refused(root, w.iam.CreateSAMLProvider, &iam.CreateSAMLProviderInput{Name: aws.String("corp"), SAMLMetadataDocument: document}, "EntityAlreadyExists", "Provider with name corp already exists.")
	w.consistent(t)

	// New metadata replace the old, and what they do not say is as if it never was said.
	w.later(time.Hour)
	next := samlMetadata("https://idp2.example.com", "")
	do(root, w.iam.UpdateSAMLProvider, &iam.UpdateSAMLProviderInput{SAMLProviderArn: made.SAMLProviderArn, SAMLMetadataDocument: next})
	after := w.samlProvider(*made.SAMLProviderArn)
	if *after.SAMLMetadataDocument != *next || !after.ValidUntil.Equal(second(w.now).AddDate(100, 0, 0)) || *after.SAMLProviderUUID != *got.SAMLProviderUUID || !after.CreateDate.Equal(*got.CreateDate) || len(after.Tags) != 1 {
		t.Errorf("after an update %s", asJSON(after))
	}
	w.saml("acme")
	list := do(root, w.iam.ListSAMLProviders, &iam.ListSAMLProvidersInput{}).SAMLProviderList
	if len(list) != 2 || *list[0].Arn != "arn:aws:iam::111122223333:saml-provider/acme" || !list[1].ValidUntil.Equal(*after.ValidUntil) || !list[1].CreateDate.Equal(*after.CreateDate) {
		t.Errorf("list %s", asJSON(list))
	}
	if n := do(root, w.iam.GetAccountSummary, &iam.GetAccountSummaryInput{}).SummaryMap["Providers"]; n != 2 {
		t.Errorf("%d providers in the summary", n)
	}

	// The ARN is exact: a policy on it is not evaded by another spelling.
	for _, other := range []string{"arn:aws:iam::111122223333:saml-provider/corp", "arn:aws:iam::111122223333:saml-provider/none", "arn:aws-cn:iam::111122223333:saml-provider/Corp"} {
		missing := "Manifest not found for arn " + other
		refused(root, w.iam.GetSAMLProvider, &iam.GetSAMLProviderInput{SAMLProviderArn: &other}, "NoSuchEntity", missing)
		refused(root, w.iam.UpdateSAMLProvider, &iam.UpdateSAMLProviderInput{SAMLProviderArn: &other, SAMLMetadataDocument: next}, "NoSuchEntity", missing)
		refused(root, w.iam.DeleteSAMLProvider, &iam.DeleteSAMLProviderInput{SAMLProviderArn: &other}, "NoSuchEntity", missing)
		refused(root, w.iam.TagSAMLProvider, &iam.TagSAMLProviderInput{SAMLProviderArn: &other, Tags: []types.Tag{tag("a", "b")}}, "NoSuchEntity", missing)
		refused(root, w.iam.UntagSAMLProvider, &iam.UntagSAMLProviderInput{SAMLProviderArn: &other, TagKeys: []string{"a"}}, "NoSuchEntity", missing)
		refused(root, w.iam.ListSAMLProviderTags, &iam.ListSAMLProviderTagsInput{SAMLProviderArn: &other}, "NoSuchEntity", missing)
	}
	do(root, w.iam.DeleteSAMLProvider, &iam.DeleteSAMLProviderInput{SAMLProviderArn: made.SAMLProviderArn})
	refused(root, w.iam.DeleteSAMLProvider, &iam.DeleteSAMLProviderInput{SAMLProviderArn: made.SAMLProviderArn}, "NoSuchEntity", "Manifest not found for arn "+*made.SAMLProviderArn)
	w.consistent(t)
	w.saml("CORP") // the name is free again
	w.consistent(t)
}

func TestSAMLProviderLimits(t *testing.T) {
	w := newWorld(t)
	w.iam.limits.SAMLProvidersPerAccount = 1
	w.saml("one")
	two := &iam.CreateSAMLProviderInput{Name: aws.String("two"), SAMLMetadataDocument: samlMetadata("x", "")}
	refused(w.root(), w.iam.CreateSAMLProvider, two, "LimitExceeded", "Cannot exceed quota for SAMLProvidersPerAccount: 1")
	do(w.root(), w.iam.DeleteSAMLProvider, &iam.DeleteSAMLProviderInput{SAMLProviderArn: aws.String("arn:aws:iam::111122223333:saml-provider/one")})
	do(w.root(), w.iam.CreateSAMLProvider, two)
	w.consistent(t)
}

// T160: metadata that cannot be believed do not become a provider, nor replace one's.
func TestT160_SAMLMetadataIsChecked(t *testing.T) {
	w := newWorld(t)
	good := w.saml("good")
	before := w.samlProvider(good)
	var entities strings.Builder
	for i := range 11 {
		entities.WriteString(strings.TrimPrefix(*samlMetadata(fmt.Sprint("e", i), ""), `<?xml version="1.0"?>`))
	}
	for _, test := range []struct{ document, code, message string }{
		{strings.Repeat("x", 1000), "InvalidInput", "Could not parse metadata: there is text outside the root element on line 1"},
		{"<!DOCTYPE x>" + *samlMetadata("x", ""), "InvalidInput", "Could not parse metadata: there is a document type declaration on line 1"},
		{strings.ReplaceAll(*samlMetadata("x", ""), "IDPSSO", "SPSSO"), "InvalidInput", "Could not parse metadata: it has no IDPSSODescriptor"},
		{*samlMetadata("x", "") + "<!--" + strings.Repeat("x", 700_000) + "-->", "InvalidInput", "Could not parse metadata: it is longer than 700000 bytes"},
		{`<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata">` + entities.String() + `</EntitiesDescriptor>`, "LimitExceeded", "Cannot exceed quota for IdPsPerSAMLProvider: 10"},
	} {
		refused(w.root(), w.iam.CreateSAMLProvider, &iam.CreateSAMLProviderInput{Name: aws.String("bad"), SAMLMetadataDocument: &test.document}, test.code, test.message)
		refused(w.root(), w.iam.UpdateSAMLProvider, &iam.UpdateSAMLProviderInput{SAMLProviderArn: &good, SAMLMetadataDocument: &test.document}, test.code, test.message)
	}
	if after := w.samlProvider(good); asJSON(after) != asJSON(before) {
		t.Error("a refused update changed the provider")
	}
	w.consistent(t)
}

// The largest document that is taken fits into a record.
func TestLargestSAMLMetadata(t *testing.T) {
	w := newWorld(t)
	document := *samlMetadata("x", "")
	document += "<!--" + strings.Repeat("<", 700_000-len(document)-7) + "-->"
	made := do(w.root(), w.iam.CreateSAMLProvider, &iam.CreateSAMLProviderInput{Name: aws.String("large"), SAMLMetadataDocument: &document})
	if got := w.samlProvider(*made.SAMLProviderArn); *got.SAMLMetadataDocument != document {
		t.Error("it came back otherwise")
	}
}

func TestSAMLPrivateKeys(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(samlKey())
	w.must(err)
	one, two := pemOf("PRIVATE KEY", pkcs8), pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(samlKey()))
	create := &iam.CreateSAMLProviderInput{Name: aws.String("corp"), SAMLMetadataDocument: samlMetadata("x", ""), AssertionEncryptionMode: types.AssertionEncryptionModeTypeRequired}
	const needed = "Assertion encryption cannot be required without a private key."
	refused(root, w.iam.CreateSAMLProvider, create, "InvalidInput", needed)
	create.AddPrivateKey = one
	arn := do(root, w.iam.CreateSAMLProvider, create).SAMLProviderArn
	got := w.samlProvider(*arn)
	if len(got.PrivateKeyList) != 1 || got.AssertionEncryptionMode != "Required" || !got.PrivateKeyList[0].Timestamp.Equal(second(w.now)) ||
		!regexp.MustCompile(`^[A-Z0-9]{22,64}$`).MatchString(*got.PrivateKeyList[0].KeyId) || *got.PrivateKeyList[0].KeyId == *got.SAMLProviderUUID {
		t.Fatalf("got %s", asJSON(got))
	}
	first := got.PrivateKeyList[0].KeyId

	// It is exchanged by adding the next and then removing the first.
	remove := &iam.UpdateSAMLProviderInput{SAMLProviderArn: arn, RemovePrivateKey: first}
	refused(root, w.iam.UpdateSAMLProvider, remove, "InvalidInput", needed)
	refused(root, w.iam.UpdateSAMLProvider, &iam.UpdateSAMLProviderInput{SAMLProviderArn: arn, RemovePrivateKey: first, AddPrivateKey: two}, "InvalidInput", "A private key cannot be removed in the request that adds another.")
	w.later(time.Minute)
	do(root, w.iam.UpdateSAMLProvider, &iam.UpdateSAMLProviderInput{SAMLProviderArn: arn, AddPrivateKey: two})
	refused(root, w.iam.UpdateSAMLProvider, &iam.UpdateSAMLProviderInput{SAMLProviderArn: arn, AddPrivateKey: two}, "LimitExceeded", "Cannot exceed quota for PrivateKeysPerSAMLProvider: 2")
	do(root, w.iam.UpdateSAMLProvider, remove)
	refused(root, w.iam.UpdateSAMLProvider, remove, "NoSuchEntity", "The private key with id "+*first+" cannot be found.")
	got = w.samlProvider(*arn)
	if len(got.PrivateKeyList) != 1 || *got.PrivateKeyList[0].KeyId == *first {
		t.Errorf("after the exchange %s", asJSON(got))
	}
	do(root, w.iam.UpdateSAMLProvider, &iam.UpdateSAMLProviderInput{SAMLProviderArn: arn, RemovePrivateKey: got.PrivateKeyList[0].KeyId, AssertionEncryptionMode: types.AssertionEncryptionModeTypeAllowed})
	if got = w.samlProvider(*arn); len(got.PrivateKeyList) != 0 || got.AssertionEncryptionMode != "Allowed" {
		t.Errorf("without keys %s", asJSON(got))
	}
}

// A private key is kept sealed under its own id, opens to what was sent, and is in no
// answer and no error.
func TestSAMLPrivateKeysAreSealed(t *testing.T) {
	w := newWorld(t)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(samlKey())
	w.must(err)
	arn := do(w.root(), w.iam.CreateSAMLProvider, &iam.CreateSAMLProviderInput{Name: aws.String("Corp"), SAMLMetadataDocument: samlMetadata("x", ""), AddPrivateKey: pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(samlKey()))}).SAMLProviderArn
	w.view(func(r store.Reader) error {
		p, err := identity.SAMLProviders.Get(r, string(ours), "corp")
		if err != nil {
			return err
		}
		k := p.Keys[0]
		if bytes.Contains(k.Sealed, samlKey().D.Bytes()) {
			t.Error("the key is kept in the clear")
		}
		open, err := w.ring.Open(keyring.PrivateKeys, samlKeyBinding(p, k.ID), k.Sealed)
		if err != nil || !bytes.Equal(open, pkcs8) {
			t.Errorf("it opens to another key: %v", err)
		}
		if _, err := w.ring.Open(keyring.PrivateKeys, samlKeyBinding(p, "OTHER"), k.Sealed); err == nil {
			t.Error("it opens as another key")
		}
		return nil
	})
	if text := asJSON(w.samlProvider(*arn)); strings.Contains(text, "PRIVATE KEY") || strings.Contains(text, base64.StdEncoding.EncodeToString(pkcs8)[40:80]) {
		t.Error("the key is shown")
	}

	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	w.must(err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	ecDER, err := x509.MarshalPKCS8PrivateKey(ec)
	w.must(err)
	good := pemOf("PRIVATE KEY", pkcs8)
	const form, strength = "The private key must be one unencrypted key in PEM format.", "The private key must be an RSA key of at least 2048 bits."
	for what, test := range map[string]struct {
		key  *string
		want string
	}{
		"text":             {aws.String("SECRET"), form},
		"two keys":         {aws.String(*good + *good), form},
		"more after it":    {aws.String(*good + "SECRET"), form},
		"encrypted":        {aws.String(strings.Replace(*good, "-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n", 1)), form},
		"encrypted PKCS8":  {pemOf("ENCRYPTED PRIVATE KEY", pkcs8), form},
		"a certificate":    {pemOf("CERTIFICATE", pkcs8), form},
		"garbage":          {pemOf("PRIVATE KEY", []byte("SECRET")), strength},
		"elliptic":         {pemOf("PRIVATE KEY", ecDER), strength},
		"short":            {pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(weak)), strength},
		"under wrong name": {pemOf("RSA PRIVATE KEY", pkcs8), strength},
	} {
		_, err := try(w.root(), w.iam.UpdateSAMLProvider, &iam.UpdateSAMLProviderInput{SAMLProviderArn: arn, AddPrivateKey: test.key})
		checkError(t, what, err, "InvalidInput", test.want)
	}
}

func TestSAMLProviderTags(t *testing.T) {
	w := newWorld(t)
	arn := w.saml("corp")
	admin := w.user("admin")
	tagIt := func(key, value string) *iam.TagSAMLProviderInput {
		return &iam.TagSAMLProviderInput{SAMLProviderArn: &arn, Tags: []types.Tag{tag(key, value)}}
	}
	w.may("admin", allowIf("iam:*SAMLProvider*", arn, `{"StringEqualsIfExists":{"aws:RequestTag/owner":"alice","aws:ResourceTag/owner":"alice"}}`))
	denied(admin, w.iam.TagSAMLProvider, tagIt("owner", "bob"))
	do(admin, w.iam.TagSAMLProvider, tagIt("owner", "alice"))
	do(w.root(), w.iam.TagSAMLProvider, tagIt("Owner", "x"))
	do(w.root(), w.iam.TagSAMLProvider, tagIt("a", ""))
	var seen []string
	sizes := pages(func(marker *string) (int, bool, *string) {
		out := do(admin, w.iam.ListSAMLProviderTags, &iam.ListSAMLProviderTagsInput{SAMLProviderArn: &arn, Marker: marker, MaxItems: aws.Int32(2)})
		seen = append(seen, names(out.Tags, func(t types.Tag) *string { return t.Key })...)
		return len(out.Tags), out.IsTruncated, out.Marker
	})
	equal(t, fmt.Sprint("pages of ", sizes), seen, []string{"Owner", "a", "owner"})
	do(admin, w.iam.UntagSAMLProvider, &iam.UntagSAMLProviderInput{SAMLProviderArn: &arn, TagKeys: []string{"a"}})
	if got := w.samlProvider(arn).Tags; len(got) != 2 {
		t.Errorf("tags %s", asJSON(got))
	}
	do(w.root(), w.iam.TagSAMLProvider, tagIt("owner", "bob"))
	denied(admin, w.iam.GetSAMLProvider, &iam.GetSAMLProviderInput{SAMLProviderArn: &arn})

	create := &iam.CreateSAMLProviderInput{Name: aws.String("new"), SAMLMetadataDocument: samlMetadata("x", ""), Tags: []types.Tag{tag("k", "v")}}
	w.may("admin", allow("iam:CreateSAMLProvider", "*"))
	denied(admin, w.iam.CreateSAMLProvider, create) // needs iam:TagSAMLProvider too
	w.may("admin", allow("iam:*SAMLProvider", "arn:aws:iam::111122223333:saml-provider/new"))
	do(admin, w.iam.CreateSAMLProvider, create)
}

// T331: who may write metadata with a key of their own can be anybody whom roles trust
// that provider to vouch for. Without the grant it is refused, before the document is
// even read; with it, it works as on AWS, and no further than the boundary.
func TestT331_OnlySAMLProviders(t *testing.T) {
	w := newWorld(t)
	eve := w.user("eve")
	arn := w.saml("corp")
	create := &iam.CreateSAMLProviderInput{Name: aws.String("evil"), SAMLMetadataDocument: samlMetadata("evil", "")}
	update := &iam.UpdateSAMLProviderInput{SAMLProviderArn: &arn, SAMLMetadataDocument: samlMetadata("evil", "")}
	denied(eve, w.iam.CreateSAMLProvider, create)
	denied(eve, w.iam.UpdateSAMLProvider, update)
	denied(eve, w.iam.UpdateSAMLProvider, &iam.UpdateSAMLProviderInput{SAMLProviderArn: &arn, SAMLMetadataDocument: aws.String("<no")})
	w.may("eve", allow("iam:*SAMLProvider", "*"))
	w.policy("bound", allow("iam:Get*", "*"))
	do(w.root(), w.iam.PutUserPermissionsBoundary, &iam.PutUserPermissionsBoundaryInput{UserName: aws.String("eve"), PermissionsBoundary: aws.String("arn:aws:iam::111122223333:policy/bound")})
	denied(eve, w.iam.CreateSAMLProvider, create)
	denied(eve, w.iam.UpdateSAMLProvider, update)
	do(w.root(), w.iam.DeleteUserPermissionsBoundary, &iam.DeleteUserPermissionsBoundaryInput{UserName: aws.String("eve")})
	do(eve, w.iam.CreateSAMLProvider, create)
	do(eve, w.iam.UpdateSAMLProvider, update)
	w.consistent(t)
}
