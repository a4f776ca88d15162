package console

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// samlMetadata is the metadata of a provider with one certificate.
func samlMetadata(t *testing.T, from, until time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(0xbeef), Subject: pkix.Name{CommonName: markup}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com/` + strings.Repeat("x", 1000) + `"><IDPSSODescriptor><KeyDescriptor><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` +
		base64.StdEncoding.EncodeToString(der) + `</X509Certificate></X509Data></KeyInfo></KeyDescriptor></IDPSSODescriptor></EntityDescriptor>`
}

func TestOIDCProviders(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.get("/identity-providers").contains(t, "No identity providers yet", "Add provider")
	form := url.Values{"type": {"oidc"}, "url": {"http://token.example.com"}, "audience": {"sts.amazonaws.com"}}
	w.get("/identity-providers/new").contains(t, "Issuer")
	w.post("/identity-providers", form).contains(t, "That was refused", "http://token.example.com")
	form.Set("url", "https://token.example.com/a/b")
	path := providerPath("arn:aws:iam::111122223333:oidc-provider/token.example.com/a/b")
	w.leads(w.post("/identity-providers", form), path).contains(t, "was added", "https://token.example.com/a/b", "sts.amazonaws.com")
	w.post("/identity-providers", form).contains(t, "That name is taken")
	w.get("/identity-providers").contains(t, "token.example.com/a/b", "OpenID Connect", "1 provider")
	w.leads(w.post(path+"/audiences", url.Values{"audience": {"<b>"}}), path).contains(t, "The audience <b> was added")
	for i := range 30 {
		w.leads(w.post(path+"/audiences", url.Values{"audience": {fmt.Sprint("audience ", i)}}), path)
	}
	w.leads(w.post(path+"/audiences/remove", url.Values{"audience": {"sts.amazonaws.com"}}), path).contains(t, "was removed")
	w.post(path+"/thumbprints", url.Values{"thumbprints": {"xyz"}}).contains(t, "What was typed is not valid", "xyz")
	print := strings.Repeat("0a", 20)
	w.leads(w.post(path+"/thumbprints", url.Values{"thumbprints": {print + "\r\n\r\n"}}), path).contains(t, print)
	w.get("/roles/new?by=oidc").contains(t, "token.example.com/a/b")
	w.post(path+"/delete", url.Values{"typed": {"x"}}).contains(t, "The provider was not deleted")
	w.leads(w.post(path+"/delete", url.Values{"typed": {"token.example.com/a/b"}}), "/identity-providers").contains(t, "was deleted")
	if a := w.get(path); a.StatusCode != http.StatusNotFound {
		t.Errorf("a provider that is gone: %d", a.StatusCode)
	}
}

func TestSAMLProviders(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	form := url.Values{"type": {"saml"}, "name": {"ADFS"}, "metadata": {markup}}
	w.post("/identity-providers", form).contains(t, "What was typed is not valid", markup)
	form.Set("metadata", samlMetadata(t, w.now.Add(-day), w.now.Add(10*day)))
	path := providerPath("arn:aws:iam::111122223333:saml-provider/ADFS")
	w.leads(w.post("/identity-providers", form), path).contains(t, "was added", "Expires in 10 days", "beef", `\<script\>alert(`, "https://idp.example.com/")
	w.leads(w.post(path+"/metadata", url.Values{"metadata": {samlMetadata(t, w.now.Add(-2*day), w.now.Add(-day))}}), path).contains(t, "was replaced", "Expired")
	w.leads(w.post(path+"/metadata", url.Values{"metadata": {samlMetadata(t, w.now.Add(day), w.now.Add(100*day))}}), path).contains(t, "Not valid yet")
	w.post(path+"/metadata", url.Values{"metadata": {"<x>"}}).contains(t, "What was typed is not valid", "<x>")
	w.get("/identity-providers").contains(t, "ADFS", "SAML")
	w.get("/roles/new?by=saml").contains(t, "ADFS")
	w.leads(w.post("/roles", url.Values{"by": {"saml"}, "name": {"people"}, "provider": {"arn:aws:iam::111122223333:saml-provider/ADFS"}, "audience": {samlAudience}}), "/roles/people?tab=trust").contains(t, "Whoever the SAML provider ADFS vouches for may assume this role with a SAML assertion, if SAML:aud is "+samlAudience)
	w.leads(w.post(path+"/delete", url.Values{"typed": {"ADFS"}}), "/identity-providers").contains(t, "The provider ADFS was deleted")
	w.post("/identity-providers", url.Values{"type": {"magic"}}).contains(t, "There is no such page")
}

// Whose keys a provider's tokens are believed by may become anybody whom roles trust: to
// change them takes a factor of the last minutes, as to hand out a credential.
func TestKeysOfAProviderTakeARecentFactor(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.post("/identity-providers", url.Values{"type": {"saml"}, "name": {"ADFS"}, "metadata": {samlMetadata(t, w.now.Add(-day), w.now.Add(10*day))}})
	w.post("/identity-providers", url.Values{"type": {"oidc"}, "url": {"https://token.example.com"}, "audience": {"a"}})
	w.later(recently)
	for path, form := range map[string]url.Values{
		providerPath("arn:aws:iam::111122223333:saml-provider/ADFS") + "/metadata":                 {"metadata": {samlMetadata(t, w.now.Add(-day), w.now.Add(99*day))}},
		providerPath("arn:aws:iam::111122223333:oidc-provider/token.example.com") + "/thumbprints": {"thumbprints": {strings.Repeat("0a", 20)}},
	} {
		if to := w.post(path, form).Header.Get("Location"); !strings.HasPrefix(to, "/signin/factor?to=%2Fidentity-providers%2F") {
			t.Errorf("%s leads to %q", path, to)
		}
	}
}

func TestProvidersOfAPersonWithFewRights(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.leads(w.post("/identity-providers", url.Values{"type": {"oidc"}, "url": {"https://token.example.com"}}), providerPath("arn:aws:iam::111122223333:oidc-provider/token.example.com")).contains(t, "None: no token is taken.")
	w.signIn("dave", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListOpenIDConnectProviders","Resource":"*"}]}`)
	w.get("/identity-providers").contains(t, "it takes iam:ListSAMLProviders", "token.example.com")
	w.get(providerPath("arn:aws:iam::111122223333:oidc-provider/token.example.com")).contains(t, "iam:GetOpenIDConnectProvider")
	w.post("/identity-providers", url.Values{"type": {"oidc"}, "url": {"https://x.example.com"}}).contains(t, "iam:CreateOpenIDConnectProvider", "https://x.example.com")
}
