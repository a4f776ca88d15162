package webauthnx

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"
)

// certificate is one with which a maker of authenticators signs for a model.
func certificate(t *testing.T, maker crypto.Signer, aaguid []byte, from, to time.Time) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: to, BasicConstraintsValid: true,
		Subject: pkix.Name{Country: []string{"SE"}, Organization: []string{"Maker"}, OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: "Model 1"},
	}
	if aaguid != nil {
		value, err := asn1.Marshal(aaguid)
		if err != nil {
			t.Fatal(err)
		}
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}, Value: value}}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, maker.Public(), maker)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
