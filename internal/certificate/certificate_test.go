package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// party is somebody with a key and a certificate.
type party struct {
	key  crypto.Signer
	cert *x509.Certificate
	pem  string
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate signed by issuer, or by itself.
func issue(t testing.TB, name string, key crypto.Signer, issuer *party, ca bool) *party {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: now.AddDate(0, 0, -1), NotAfter: now.AddDate(0, 0, 1),
		BasicConstraintsValid: true, IsCA: ca,
	}
	p := &party{key: key, cert: template}
	if issuer == nil {
		issuer = p
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.cert, key.Public(), issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	if p.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	p.pem = encode("CERTIFICATE", der)
	return p
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return encode("PRIVATE KEY", der)
}

func sec1(t testing.TB, key *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return encode("EC PRIVATE KEY", der)
}

func TestParse(t *testing.T) {
	leaf := issue(t, "leaf", ecKey(t), nil, false)
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, good := range []string{leaf.pem, "\n " + leaf.pem + "\r\n", strings.ReplaceAll(leaf.pem, "\n", "\r\n"), strings.TrimSpace(leaf.pem)} {
		c, err := Parse(good)
		if err != nil {
			t.Errorf("Parse(%q): %v", good, err)
			continue
		}
		if !c.NotAfter().Equal(now.AddDate(0, 0, 1)) || len(c.Fingerprint()) != 64 {
			t.Errorf("NotAfter %v, fingerprint %s", c.NotAfter(), c.Fingerprint())
		}
	}
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"nothing", "", ErrMalformed},
		{"prose", "certificate", ErrMalformed},
		{"a file's name", "file://cert.pem", ErrMalformed},
		{"text before it", "Certificate:\n" + leaf.pem, ErrMalformed},
		{"text behind it", leaf.pem + "x", ErrMalformed},
		{"two", leaf.pem + leaf.pem, ErrMalformed},
		{"a broken one before", "-----BEGIN CERTIFICATE-----\nAA\n" + leaf.pem, ErrMalformed},
		{"headers", strings.Replace(leaf.pem, "-----\n", "-----\nA: b\n\n", 1), ErrMalformed},
		{"not DER", encode("CERTIFICATE", []byte("x")), ErrMalformed},
		{"a private key", pkcs8(t, leaf.key), ErrMalformed},
		{"Ed25519", issue(t, "e", edwards, nil, false).pem, ErrUnsupported},
		{"RSA of 512 bits", withRSA(t, leaf, 512), ErrUnsupported},
		{"RSA of 9000 bits", withRSA(t, leaf, 9000), ErrUnsupported},
	} {
		if _, err := Parse(c.text); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// withRSA is a certificate for an RSA key of that size. It is signed by another key,
// so that none of the size has to be made.
func withRSA(t testing.TB, issuer *party, bits int) string {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	n.SetBit(n, 0, 1)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now, NotAfter: now}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.cert, &rsa.PublicKey{N: n, E: 65537}, issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	return encode("CERTIFICATE", der)
}

func TestValid(t *testing.T) {
	c, err := Parse(issue(t, "leaf", ecKey(t), nil, false).pem)
	if err != nil {
		t.Fatal(err)
	}
	for days, want := range map[int]error{-2: ErrNotYetValid, -1: nil, 0: nil, 1: nil, 2: ErrExpired} {
		if err := c.Valid(now.AddDate(0, 0, days)); !errors.Is(err, want) {
			t.Errorf("on day %d: %v, want %v", days, err, want)
		}
	}
}

func TestMatches(t *testing.T) {
	curve, modulus := ecKey(t), rsaKey(t)
	ec, err := Parse(issue(t, "ec", curve, nil, false).pem)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := Parse(issue(t, "rsa", modulus, nil, false).pem)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 people have keys that were encrypted in this way
	legacy, err := x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(modulus), []byte("x"), x509.PEMCipherAES256)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(modulus))
	parameters, err := asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cert *Certificate
		key  string
		want error
	}{
		{"SEC 1", ec, sec1(t, curve), nil},
		{"SEC 1 as openssl writes it", ec, encode("EC PARAMETERS", parameters) + sec1(t, curve), nil},
		{"ECDSA in PKCS #8", ec, pkcs8(t, curve), nil},
		{"PKCS #1", rs, pkcs1, nil},
		{"RSA in PKCS #8", rs, pkcs8(t, modulus), nil},
		{"with attributes before it", rs, "Bag Attributes\n    friendlyName: x\n" + pkcs1, nil},
		{"another key", ec, sec1(t, ecKey(t)), ErrMismatch},
		{"a key of the other kind", ec, pkcs1, ErrMismatch},
		{"nothing", ec, " ", ErrKeyMalformed},
		{"parameters alone", ec, encode("EC PARAMETERS", parameters), ErrKeyMalformed},
		{"a certificate", ec, issue(t, "ec", curve, nil, false).pem, ErrKeyMalformed},
		{"not DER", ec, encode("PRIVATE KEY", []byte("x")), ErrKeyMalformed},
		{"PKCS #1 under the name of PKCS #8", rs, strings.ReplaceAll(pkcs1, "RSA ", ""), ErrKeyMalformed},
		{"too large", rs, encode("RSA PRIVATE KEY", make([]byte, maxKeyDER+1)), ErrKeyMalformed},
		{"Ed25519", ec, pkcs8(t, edwards), ErrKeyMalformed},
		{"encrypted", rs, encode("ENCRYPTED PRIVATE KEY", []byte("x")), ErrKeyEncrypted},
		{"encrypted, the old way", rs, string(pem.EncodeToMemory(legacy)), ErrKeyEncrypted},
	} {
		if err := c.cert.Matches(c.key); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestChainedBy(t *testing.T) {
	root := issue(t, "root", ecKey(t), nil, true)
	upper := issue(t, "upper", ecKey(t), root, true)
	lower := issue(t, "lower", ecKey(t), upper, true)
	leaf := issue(t, "leaf", ecKey(t), lower, false)
	// Of the same name as the real one, but with another key.
	impostor := issue(t, "lower", ecKey(t), upper, true)
	// A certificate that is not a CA's.
	server := issue(t, "server", ecKey(t), root, false)
	below := issue(t, "below", ecKey(t), server, false)

	const malformed = -2
	for _, c := range []struct {
		name  string
		leaf  *party
		chain string
		index int // of the certificate that is refused; len of the chain for none
	}{
		{"with the root", leaf, lower.pem + upper.pem + root.pem, 3},
		{"without the root", leaf, lower.pem + upper.pem, 2},
		{"the issuer alone", leaf, lower.pem, 1},
		{"lines between", leaf, "\n" + lower.pem + "\n\r\n" + upper.pem, 2},
		{"self-signed", root, root.pem, 1},
		{"in the wrong order", leaf, upper.pem + lower.pem, -1},
		{"with itself first", leaf, leaf.pem + lower.pem, -1},
		{"with a gap", leaf, lower.pem + root.pem, 0},
		{"too long at the end", leaf, lower.pem + upper.pem + root.pem + lower.pem, 2},
		{"an impostor", leaf, impostor.pem + upper.pem, -1},
		{"an issuer that is no CA", below, server.pem + root.pem, -1},
		{"another's", leaf, root.pem, -1},
		{"nothing", leaf, " ", malformed},
		{"text between", leaf, lower.pem + "Certificate:\n" + upper.pem, malformed},
		{"a broken one between", leaf, lower.pem + "-----BEGIN CERTIFICATE-----\nAA\n" + upper.pem, malformed},
		{"a key between", leaf, lower.pem + sec1(t, ecKey(t)), malformed},
		{"without end", leaf, strings.Repeat(root.pem, 500), malformed},
	} {
		parsed, err := Parse(c.leaf.pem)
		if err != nil {
			t.Fatal(err)
		}
		err = parsed.ChainedBy(c.chain)
		broken, refused := errors.AsType[*ChainError](err)
		switch {
		case c.index == malformed:
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrChainTooLong) {
				t.Errorf("%s: %v", c.name, err)
			}
		case c.index == strings.Count(c.chain, "BEGIN"):
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		case !refused || broken.Index != c.index:
			t.Errorf("%s: %v, want an error at %d", c.name, err, c.index)
		}
	}
}

// A signature with SHA-1 proves nothing.
func TestChainWithSHA1(t *testing.T) {
	key := rsaKey(t)
	root := issue(t, "root", key, nil, true)
	leaf := issue(t, "leaf", ecKey(t), root, false)
	var parts struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(leaf.cert.Raw, &parts); err != nil {
		t.Fatal(err)
	}
	// sha256WithRSAEncryption becomes sha1WithRSAEncryption, in both places.
	sha256OID, sha1OID := "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05"
	parts.TBS.FullBytes = []byte(strings.Replace(string(parts.TBS.FullBytes), sha256OID, sha1OID, 1))
	parts.Algorithm.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}
	sum := sha1.Sum(parts.TBS.FullBytes)
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA1, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	parts.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	der, err := asn1.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := Parse(encode("CERTIFICATE", der))
	if err != nil {
		t.Fatal(err)
	}
	if weak.x509.SignatureAlgorithm != x509.SHA1WithRSA {
		t.Fatalf("the test made %v", weak.x509.SignatureAlgorithm)
	}
	if err := weak.ChainedBy(root.pem); err == nil {
		t.Error("a signature with SHA-1 was accepted")
	}
}

// Whatever is uploaded: every answer is one of the errors above, and a certificate
// that is accepted is accepted again.
// A chain may name an issuer with a key of any size, and a signature to match it.
// Checking one of 32 KB takes seconds of a processor, one of 128 KB minutes.
func TestChainWithHugeKey(t *testing.T) {
	const bits = 1 << 18
	n := new(big.Int).SetBit(big.NewInt(1), bits-1, 1)
	huge := &rsa.PublicKey{N: n, E: 1<<31 - 1}
	root := issue(t, "root", ecKey(t), nil, true)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: now, NotAfter: now.AddDate(0, 0, 1), BasicConstraintsValid: true, IsCA: true,
	}, root.cert, huge, root.key)
	if err != nil {
		t.Fatal(err)
	}
	var leaf struct {
		Signed    asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(issue(t, "leaf", rsaKey(t), nil, false).cert.Raw, &leaf); err != nil {
		t.Fatal(err)
	}
	leaf.Signature = asn1.BitString{Bytes: make([]byte, bits/8), BitLength: bits}
	leaf.Signature.Bytes[1] = 1
	signed, err := asn1.Marshal(leaf)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := Parse(encode("CERTIFICATE", signed))
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	broken, ok := errors.AsType[*ChainError](parsed.ChainedBy(encode("CERTIFICATE", der) + root.pem))
	if took := time.Since(begin); !ok || broken.Index != -1 || took > time.Second {
		t.Errorf("%v after %v", broken, took)
	}
}

func FuzzUpload(f *testing.F) {
	root := issue(f, "root", ecKey(f), nil, true)
	key := ecKey(f)
	leaf := issue(f, "leaf", key, root, false)
	f.Add(leaf.pem, sec1(f, key), root.pem)
	f.Add(leaf.pem, pkcs8(f, key), leaf.pem+root.pem)
	f.Add(root.pem+leaf.pem, "", "")
	known := []error{ErrMalformed, ErrUnsupported, ErrKeyMalformed, ErrKeyEncrypted, ErrMismatch, ErrChainTooLong}
	f.Fuzz(func(t *testing.T, body, key, chain string) {
		c, err := Parse(body)
		if err == nil {
			if again, err := Parse(encode("CERTIFICATE", c.x509.Raw)); err != nil || again.Fingerprint() != c.Fingerprint() {
				t.Errorf("not accepted again: %v", err)
			}
			err = errors.Join(c.Matches(key), c.ChainedBy(chain))
		}
		if err == nil {
			return
		}
		if _, ok := errors.AsType[*ChainError](err); ok {
			return
		}
		for _, k := range known {
			if errors.Is(err, k) {
				return
			}
		}
		t.Errorf("error %v", err)
	})
}
