package samlx

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

// certificate is a new self-signed certificate in base64.
func certificate(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "idp"}, NotAfter: time.Unix(1<<31, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// signing is a KeyDescriptor.
func signing(cert string) string { return keyFor(` use="signing"`, cert) }

func keyFor(use, cert string) string {
	return `<md:KeyDescriptor` + use + `><ds:KeyInfo><ds:X509Data><ds:X509Certificate>` + cert + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`
}

// entity is an EntityDescriptor that declares the prefixes.
func entity(id, attrs, inside string) string {
	return fmt.Sprintf(`<md:EntityDescriptor xmlns:md="%s" xmlns:ds="%s" entityID="%s"%s>%s</md:EntityDescriptor>`, metadataSpace, signatureSpace, id, attrs, inside)
}

func idp(id, attrs string, keys ...string) string {
	return entity(id, attrs, `<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">`+strings.Join(keys, "")+
		`<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example.com/sso"/></md:IDPSSODescriptor>`)
}

func group(attrs string, entities ...string) string {
	return `<EntitiesDescriptor xmlns="` + metadataSpace + `"` + attrs + `>` + strings.Join(entities, "\n") + `</EntitiesDescriptor>`
}

func TestParseMetadata(t *testing.T) {
	one, two := certificate(t), certificate(t)
	folded := one[:64] + "\n\t  " + one[64:128] + "\r\n" + one[128:] + "\n"
	for _, test := range []struct {
		name, doc string
		ids       []string
		keys      int // of the first
		until     string
	}{
		{"plain", idp("https://idp", "", signing(one)), []string{"https://idp"}, 1, ""},
		{"declaration and BOM", "\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?>\n" + idp("a", "", signing(one)), []string{"a"}, 1, ""},
		{"comments around", "<!-- a -->" + idp("a", "", signing(one)) + "\n<!-- b -->\n", []string{"a"}, 1, ""},
		{"base64 in lines", idp("a", "", signing(folded)), []string{"a"}, 1, ""},
		{"a comment inside a certificate", idp("a", "", signing(one[:40]+"<!-- x -->"+one[40:])), []string{"a"}, 1, ""},
		{"key without use", idp("a", "", keyFor("", one)), []string{"a"}, 1, ""},
		{"two keys, one twice", idp("a", "", signing(one), signing(two), signing(one)), []string{"a"}, 2, ""},
		{"an encryption key is none", idp("a", "", signing(one), keyFor(` use="encryption"`, two)), []string{"a"}, 1, ""},
		{"an unreadable key beside", idp("a", "", signing("AAAA"), signing(one)), []string{"a"}, 1, ""},
		{"validity", idp("a", ` validUntil="2030-01-02T03:04:05.678Z"`, signing(one)), []string{"a"}, 1, "2030-01-02T03:04:05.678Z"},
		{"validity without zone", idp("a", ` validUntil="2030-01-02T03:04:05"`, signing(one)), []string{"a"}, 1, "2030-01-02T03:04:05Z"},
		{"validity with zone", idp("a", ` validUntil="2030-01-02T03:04:05+01:00"`, signing(one)), []string{"a"}, 1, "2030-01-02T02:04:05Z"},
		{"the earliest validity counts", group(` validUntil="2031-01-01T00:00:00Z"`, idp("a", ` validUntil="2030-01-01T00:00:00Z"`, signing(one))), []string{"a"}, 1, "2030-01-01T00:00:00Z"},
		{"a group with a service provider", group("", entity("sp", "", `<md:SPSSODescriptor/>`), idp("a", "", signing(one)), group("", idp("b", "", signing(two)))), []string{"a", "b"}, 1, ""},
	} {
		m, err := ParseMetadata(test.doc)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		var ids []string
		for _, p := range m.IDPs {
			ids = append(ids, p.EntityID)
		}
		if fmt.Sprint(ids) != fmt.Sprint(test.ids) || len(m.IDPs[0].Signing) != test.keys {
			t.Errorf("%s: %q with %d keys", test.name, ids, len(m.IDPs[0].Signing))
		}
		until := ""
		if !m.ValidUntil.IsZero() {
			until = m.ValidUntil.Format(time.RFC3339Nano)
		}
		if until != test.until {
			t.Errorf("%s: valid until %q", test.name, until)
		}
	}
}

// T141 to T144 and T160: what is no honest metadata is refused, quickly, and the
// refusal does not repeat it.
func TestT141_T144_T160_Refused(t *testing.T) {
	cert := certificate(t)
	good := idp("a", "", signing(cert))
	deep := strings.Repeat("<x>", 90_000) + strings.Repeat("</x>", 90_000)
	var attrs, keys, entities strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&attrs, " a%d=''", i)
	}
	for range 11 {
		keys.WriteString(signing(certificate(t)))
	}
	for i := range 11 {
		entities.WriteString(idp(fmt.Sprint("e", i), "", signing(cert)))
	}
	laughs := `<!DOCTYPE l [<!ENTITY a "SECRET"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>`
	for _, test := range []struct{ name, doc, want string }{
		{"empty", "", "it has no element"},
		{"no XML", "SECRET", "there is text outside the root element on line 1"},
		{"JSON", `{"SECRET":1}`, "there is text outside the root element on line 1"},
		{"not UTF-8", "<a>\xff</a>", "it is not UTF-8"},
		{"UTF-16", `<?xml version="1.0" encoding="UTF-16"?>` + good, "it is not XML in UTF-8"},
		{"UTF-7", `<?xml version="1.0" encoding="UTF-7"?>` + good, "it is not XML in UTF-8"},
		{"EBCDIC", `<?xml version="1.0" encoding="IBM037"?>` + good, "it is not XML in UTF-8"},
		{"too long", "<a>" + strings.Repeat("x", 10_000_000) + "</a>", "it is longer than 700000 bytes"},
		{"external entity", `<!DOCTYPE a SYSTEM "file:///etc/passwd">` + good, "there is a document type declaration on line 1"},
		{"parameter entity", `<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1/SECRET">%x;]>` + good, "there is a document type declaration on line 1"},
		{"a billion laughs", laughs + good, "there is a document type declaration on line 1"},
		{"an unknown entity", strings.Replace(good, cert, "&SECRET;", 1), "it is not well-formed XML on line 1"},
		{"a stylesheet", `<?xml-stylesheet href="SECRET"?>` + good, "there is a processing instruction on line 1"},
		{"an instruction inside", strings.Replace(good, cert, cert[:10]+"<?x?>"+cert[10:], 1), "there is a processing instruction on line 1"},
		{"a second declaration", good + `<?xml version="1.0"?>`, "there is a processing instruction on line 1"},
		{"depth", good[:len(good)-len("</md:EntityDescriptor>")] + deep + "</md:EntityDescriptor>", "elements are nested deeper than 64 on line 1"},
		{"attributes", strings.Replace(good, " entityID", attrs.String()+" entityID", 1), "it is longer than 700000 bytes"},
		{"fewer attributes", strings.Replace(good, " entityID", attrs.String()[:strings.LastIndex(attrs.String()[:500_000], " ")]+" entityID", 1), "an element has more than 128 attributes on line 1"},
		{"elements", strings.Replace(good, "<md:IDPSSO", strings.Repeat("<x/>", 20_001)+"<md:IDPSSO", 1), "there are more than 20000 elements on line 1"},
		{"leading text", "SECRET" + good, "there is text outside the root element on line 1"},
		{"trailing text", good + "\nSECRET", "there is text outside the root element on line 2"},
		{"two roots", good + good, "there is a second root element on line 1"},
		{"an attribute twice", strings.Replace(good, ` entityID="a"`, ` entityID="a" entityID="SECRET"`, 1), "an element has an attribute twice on line 1"},
		{"an attribute twice by two prefixes", strings.Replace(good, ` entityID="a"`, ` entityID="a" xmlns:x="urn:x" xmlns:y="urn:x" x:z="1" y:z="2"`, 1), "an element has an attribute twice on line 1"},
		{"an ID twice", strings.Replace(strings.Replace(good, ` entityID`, ` ID="i" entityID`, 1), "<ds:KeyInfo>", `<ds:KeyInfo ID="i">`, 1), "two elements have the same ID on line 1"},
		{"unclosed", good[:len(good)-5], "it is not well-formed XML on line 1"},
		{"crossed", strings.Replace(good, "</md:EntityDescriptor>", "</md:Entity>", 1), "it is not well-formed XML on line 1"},
		{"not SAML", `<html></html>`, "the root element is not SAML 2.0 metadata"},
		{"a prefix that nobody declared", `<md:EntityDescriptor entityID="a"></md:EntityDescriptor>`, "the root element is not SAML 2.0 metadata"},
		{"another element", `<KeyDescriptor xmlns="` + metadataSpace + `"/>`, "the root element is not an EntityDescriptor"},
		{"no entityID", idp("", "", signing(cert)), "an EntityDescriptor has no valid entityID"},
		{"a long entityID", idp(strings.Repeat("a", 1025), "", signing(cert)), "an EntityDescriptor has no valid entityID"},
		{"a service provider", entity("sp", "", "<md:SPSSODescriptor/>"), "it has no IDPSSODescriptor"},
		{"no key", idp("a", ""), "it has no valid signing certificate"},
		{"an encryption key only", idp("a", "", keyFor(` use="encryption"`, cert)), "it has no valid signing certificate"},
		{"no certificate", idp("a", "", signing("QUJD")), "it has no valid signing certificate"},
		{"a certificate and more", idp("a", "", signing(cert[:len(cert)-4]+"QUJDQUJD")), "it has no valid signing certificate"},
		{"the key of another namespace", strings.ReplaceAll(good, signatureSpace, "urn:other"), "it has no valid signing certificate"},
		{"validity", idp("a", ` validUntil="SECRET"`, signing(cert)), "validUntil of EntityDescriptor is not a time"},
		{"entities of one id", group("", good, good), "two identity providers have the same entityID"},
		{"keys", idp("a", "", keys.String()), ErrTooManyKeys.Error()},
		{"identity providers", group("", entities.String()), ErrTooManyIDPs.Error()},
	} {
		begin := time.Now()
		_, err := ParseMetadata(test.doc)
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
		if took := time.Since(begin); took > time.Second { // T142 says 100 ms, on a machine that does nothing else
			t.Errorf("%s took %v", test.name, took)
		}
	}
}

// T160: ten keys are read, the eleventh is one too many.
func TestT160_TenKeys(t *testing.T) {
	var keys []string
	for range 10 {
		keys = append(keys, signing(certificate(t)))
	}
	m, err := ParseMetadata(idp("a", "", keys...))
	if err != nil || len(m.IDPs[0].Signing) != 10 {
		t.Fatal(m, err)
	}
	if _, err := ParseMetadata(idp("a", "", append(keys, signing(certificate(t)))...)); !errors.Is(err, ErrTooManyKeys) {
		t.Error(err)
	}
}

// Whatever is read has what is promised, and is read the same again.
func FuzzParseMetadata(f *testing.F) {
	cert := certificate(f)
	for _, doc := range []string{
		"", "<a/>", idp("a", "", signing(cert)), idp("a", ` validUntil="2030-01-02T03:04:05Z"`, keyFor("", cert)),
		group(` validUntil="2030-01-02T03:04:05"`, idp("a", "", signing(cert)), idp("b", "", signing(cert))),
		`<!DOCTYPE a><a/>`, "\ufeff<?xml version='1.0'?><a xmlns:b='c' b:ID='1'><![CDATA[x]]></a>",
	} {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		m, err := ParseMetadata(doc)
		if err != nil {
			if m != nil || len(err.Error()) > 200 {
				t.Fatalf("%v and %.300q", m, err)
			}
			return
		}
		if len(m.IDPs) == 0 || len(m.IDPs) > maxIDPs {
			t.Fatalf("%d identity providers", len(m.IDPs))
		}
		for _, p := range m.IDPs {
			if p.EntityID == "" || len(p.Signing) == 0 || len(p.Signing) > maxSigningKeys || !strings.Contains(doc, "entityID") {
				t.Fatalf("%q with %d keys", p.EntityID, len(p.Signing))
			}
		}
		if strings.Contains(doc, "<!DOCTYPE") && !strings.Contains(doc, "<!--") && !strings.Contains(doc, "<![CDATA[") {
			t.Fatal("a document type was read")
		}
	})
}
