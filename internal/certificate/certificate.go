// Package certificate owns the reading of X.509 certificates, their private keys
// and their chains as people upload them, in PEM: what is well formed, what
// belongs together, and in which order a chain must be. Whether anybody trusts a
// certificate is not asked here, nor what becomes of it.
//
// All input comes from outside. It is bounded: the work on one upload is a few
// signature checks.
package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Bounds of what is looked at. An RSA key of 8,192 bits in PKCS #8 has 4.7 KB.
const (
	maxKeyDER    = 5 << 10
	minRSABits   = 1024
	maxRSABits   = 8192
	maxChainCert = 10
)

// Errors. None of them contains anything of a private key.
var (
	// ErrMalformed: not a certificate in PEM, or not exactly one.
	ErrMalformed = errors.New("not a certificate in PEM")
	// ErrUnsupported: the certificate is for a key that is neither RSA nor ECDSA, or
	// for an RSA key of a size that is not admitted.
	ErrUnsupported = errors.New("the certificate's key is neither RSA of 1024 to 8192 bits nor ECDSA")
	// ErrNotYetValid and ErrExpired: the present is outside the certificate's time.
	ErrNotYetValid = errors.New("the certificate is not yet valid")
	ErrExpired     = errors.New("the certificate has expired")
	// ErrKeyMalformed: not an RSA or ECDSA private key in PEM (PKCS #1, PKCS #8, SEC 1).
	ErrKeyMalformed = errors.New("not a private key in PEM")
	// ErrKeyEncrypted: the private key is protected by a password.
	ErrKeyEncrypted = errors.New("the private key is encrypted")
	// ErrMismatch: the private key belongs to another certificate.
	ErrMismatch = errors.New("certificate and private key do not belong together")
	// ErrChainTooLong: more certificates than any real chain has.
	ErrChainTooLong = fmt.Errorf("a chain has at most %d certificates", maxChainCert)
)

// ChainError says which certificate of a chain is not signed by the next one: the
// first of the chain has the index 0, the certificate that the chain is for -1.
type ChainError struct{ Index int }

func (e *ChainError) Error() string {
	return fmt.Sprintf("certificate %d of the chain is not signed by the next one", e.Index)
}

// Certificate is one certificate that was read.
type Certificate struct{ x509 *x509.Certificate }

// Parse reads a text that is one certificate in PEM, with nothing but white space
// around it.
func Parse(text string) (*Certificate, error) {
	list, err := parse(text, 1)
	if errors.Is(err, ErrChainTooLong) {
		return nil, ErrMalformed
	}
	if err != nil {
		return nil, err
	}
	c := list[0]
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil, ErrUnsupported
		}
	case *ecdsa.PublicKey:
	default:
		return nil, ErrUnsupported
	}
	return &Certificate{c}, nil
}

// parse reads from one to limit certificates.
func parse(text string, limit int) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		// pem.Decode would skip what is before a block.
		if !strings.HasPrefix(rest, "-----BEGIN CERTIFICATE-----") {
			return nil, ErrMalformed
		}
		block, after := pem.Decode([]byte(rest))
		if block == nil || block.Type != "CERTIFICATE" || len(block.Headers) > 0 || !follows(rest, after) {
			return nil, ErrMalformed
		}
		if len(list) == limit {
			return nil, ErrChainTooLong
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, ErrMalformed
		}
		list, rest = append(list, c), string(after)
	}
	if len(list) == 0 {
		return nil, ErrMalformed
	}
	return list, nil
}

// follows tells whether pem.Decode took the first block of text and did not skip
// over a broken one.
func follows(text string, rest []byte) bool {
	return strings.Count(text[:len(text)-len(rest)], "-----BEGIN") == 1
}

// NotAfter is when the certificate expires.
func (c *Certificate) NotAfter() time.Time { return c.x509.NotAfter.UTC() }

// Valid checks that the certificate is valid at a time.
func (c *Certificate) Valid(at time.Time) error {
	switch {
	case at.Before(c.x509.NotBefore):
		return ErrNotYetValid
	case at.After(c.x509.NotAfter):
		return ErrExpired
	}
	return nil
}

// Fingerprint is the SHA-256 of the certificate, in hexadecimal.
func (c *Certificate) Fingerprint() string {
	sum := sha256.Sum256(c.x509.Raw)
	return hex.EncodeToString(sum[:])
}

// Matches checks that text is the certificate's private key, in PEM and not
// encrypted.
func (c *Certificate) Matches(text string) error {
	key, err := parseKey(text)
	if err != nil {
		return err
	}
	public, ok := c.x509.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(key.Public()) {
		return ErrMismatch
	}
	return nil
}

// parseKey reads the one private key in text. What openssl writes around it, such
// as a block EC PARAMETERS, is skipped.
func parseKey(text string) (crypto.Signer, error) {
	for rest := []byte(text); ; {
		block, after := pem.Decode(rest)
		if block == nil {
			return nil, ErrKeyMalformed
		}
		rest = after
		if block.Type == "EC PARAMETERS" {
			continue
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return nil, ErrKeyEncrypted
		}
		if len(block.Bytes) > maxKeyDER { // reading a huge key takes long
			return nil, ErrKeyMalformed
		}
		var key any
		var err error
		switch block.Type {
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		default:
			return nil, ErrKeyMalformed
		}
		if err != nil {
			return nil, ErrKeyMalformed // not err's text: it may quote the key
		}
		switch key := key.(type) {
		case *rsa.PrivateKey:
			return key, nil
		case *ecdsa.PrivateKey:
			return key, nil
		}
		return nil, ErrKeyMalformed
	}
}

// ChainedBy checks that text is a chain of the certificate: in PEM, the certificate
// that signed this one first, and each signed by the one behind it. The root may
// be left out. Signatures with MD5 and SHA-1 do not count, nor do those of RSA keys
// that are larger than a certificate's may be: checking one takes as long as its
// maker likes.
func (c *Certificate) ChainedBy(text string) error {
	chain, err := parse(text, maxChainCert)
	if err != nil {
		return err
	}
	for i, child := -1, c.x509; i+1 < len(chain); i++ {
		issuer := chain[i+1]
		key, isRSA := issuer.PublicKey.(*rsa.PublicKey)
		if isRSA && key.N.BitLen() > maxRSABits || child.CheckSignatureFrom(issuer) != nil {
			return &ChainError{Index: i}
		}
		child = issuer
	}
	return nil
}
