package script_test

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
	"os"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
)

// cmdForge makes what people bring with them: certificates, keys, metadata. Nothing
// of it is kept in the repository, where a private key would alarm every scanner.
func cmdForge(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: forge certificate|ssh-key|saml NAME [MORE]")
	}
	more := ""
	if len(args) > 2 {
		more = args[2]
	}
	write := func(file string, data []byte) { ts.Check(os.WriteFile(ts.MkAbs(file), data, 0o600)) }
	switch kind, name := args[0], args[1]; kind {
	case "certificate": // NAME.pem, NAME.key and NAME-chain.pem; MORE is the days that it is good for
		days := 365
		if more != "" {
			var err error
			days, err = strconv.Atoi(more)
			ts.Check(err)
		}
		leaf, key, chain, err := forgeCertificate(name, days)
		ts.Check(err)
		write(name+".pem", leaf)
		write(name+".key", key)
		write(name+"-chain.pem", chain)
	case "ssh-key": // NAME.pub as ssh-keygen writes it, and NAME.pub.pem
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		ts.Check(err)
		public, err := ssh.NewPublicKey(&key.PublicKey)
		ts.Check(err)
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		ts.Check(err)
		write(name+".pub", ssh.MarshalAuthorizedKey(public))
		write(name+".pub.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	case "saml": // NAME.xml, the metadata of the identity provider MORE
		leaf, _, _, err := forgeCertificate(name, 365)
		ts.Check(err)
		block, _ := pem.Decode(leaf)
		write(name+".xml", fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="%[1]s">
  <md:IDPSSODescriptor WantAuthnRequestsSigned="false" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <md:KeyDescriptor use="signing">
      <ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">
        <ds:X509Data><ds:X509Certificate>%[2]s</ds:X509Certificate></ds:X509Data>
      </ds:KeyInfo>
    </md:KeyDescriptor>
    <md:NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified</md:NameIDFormat>
    <md:NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</md:NameIDFormat>
    <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="%[1]s/sso"/>
    <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="%[1]s/sso"/>
  </md:IDPSSODescriptor>
</md:EntityDescriptor>
`, more, base64.StdEncoding.EncodeToString(block.Bytes)))
	default:
		ts.Fatalf("forge knows certificate, ssh-key and saml, not %s", kind)
	}
}

// forgeCertificate makes a certificate for NAME.example.com, its key, and the
// certificate of the authority that signed it.
func forgeCertificate(name string, days int) (leaf, key, chain []byte, err error) {
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Example CA"},
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, nil, nil, err
	}
	leafKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name + ".example.com"}, DNSNames: []string{name + ".example.com"},
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(0, 0, days),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, &leafKey.PublicKey, caKey)
	if err != nil {
		return nil, nil, nil, err
	}
	encode := func(kind string, der []byte) []byte {
		// Terraform compares without the line end, so the files have none.
		return bytes.TrimSpace(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return encode("CERTIFICATE", der), encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(leafKey)), encode("CERTIFICATE", caDER), nil
}
