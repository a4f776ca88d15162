// Package sshkey owns SSH public keys in the forms in which people have them: the
// line of OpenSSH ("ssh-rsa AAAA… comment"), RFC 4716 and PEM. IAM knows RSA keys
// only. Who a key belongs to is not known here.
package sshkey

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Bounds of the modulus. Keys that are larger than the largest only cost time.
const (
	minBits = 2048
	maxBits = 16384
)

var (
	// ErrEncoding: the text is in no form that is known.
	ErrEncoding = errors.New("not an SSH public key in a known encoding")
	// ErrInvalid: the form is known, but what it holds is not an RSA public key of at
	// least 2048 bits.
	ErrInvalid = errors.New("not an RSA public key of at least 2048 bits")
)

// Key is an RSA public key.
type Key struct {
	rsa *rsa.PublicKey
	ssh ssh.PublicKey
}

// Parse reads a public key in any of the forms. Comments and headers are dropped.
func Parse(text string) (*Key, error) {
	text = strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(text, "-----BEGIN "):
		return parsePEM(text)
	case strings.HasPrefix(text, beginSSH2):
		return parseSSH2(text)
	case strings.HasPrefix(text, ssh.KeyAlgoRSA+" "):
		return parseLine(text)
	}
	return nil, ErrEncoding
}

// parseLine reads the form of OpenSSH: algorithm, base64, comment.
func parseLine(line string) (*Key, error) {
	if strings.ContainsAny(line, "\r\n") {
		return nil, ErrInvalid // more than one key, or a key that was broken
	}
	return parseBlob(strings.Fields(line)[1])
}

// parseBlob reads the base64 that the two SSH forms have in common (RFC 4253, 6.6).
func parseBlob(text string) (*Key, error) {
	blob, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, ErrInvalid
	}
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return nil, ErrInvalid
	}
	public, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return nil, ErrInvalid
	}
	return fromCrypto(public.CryptoPublicKey())
}

// parsePEM reads SubjectPublicKeyInfo and PKCS #1.
func parsePEM(text string) (*Key, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || len(block.Headers) > 0 || strings.TrimSpace(string(rest)) != "" {
		return nil, ErrInvalid
	}
	var public any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return nil, ErrEncoding
	}
	if err != nil {
		return nil, ErrInvalid
	}
	return fromCrypto(public)
}

// The lines around a key in RFC 4716.
const (
	beginSSH2 = "---- BEGIN SSH2 PUBLIC KEY ----"
	endSSH2   = "---- END SSH2 PUBLIC KEY ----"
)

// parseSSH2 reads RFC 4716: headers of the form "tag: value", continued by a
// backslash at the end of a line, then base64.
func parseSSH2(text string) (*Key, error) {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	body, ok := strings.CutPrefix(text, beginSSH2+"\n")
	if !ok {
		return nil, ErrInvalid
	}
	if body, ok = strings.CutSuffix(body, "\n"+endSSH2); !ok {
		return nil, ErrInvalid
	}
	var blob strings.Builder
	header, headers := false, true
	for line := range strings.SplitSeq(body, "\n") {
		switch {
		case header: // the continuation of one
		case headers && strings.Contains(line, ":"):
			header = true
		default:
			headers = false
			blob.WriteString(line)
			continue
		}
		header = strings.HasSuffix(line, `\`)
	}
	return parseBlob(blob.String())
}

func fromCrypto(public any) (*Key, error) {
	key, ok := public.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < minBits || key.N.BitLen() > maxBits || key.N.Bit(0) == 0 || key.E < 3 || key.E%2 == 0 {
		return nil, ErrInvalid
	}
	wire, err := ssh.NewPublicKey(key)
	if err != nil {
		return nil, ErrInvalid
	}
	return &Key{key, wire}, nil
}

// SSH is the key as OpenSSH writes it, on one line and without comment.
func (k *Key) SSH() string {
	return strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(k.ssh)), "\n")
}

// PEM is the key as SubjectPublicKeyInfo in PEM.
func (k *Key) PEM() (string, error) {
	der, err := x509.MarshalPKIXPublicKey(k.rsa)
	if err != nil {
		return "", fmt.Errorf("write a public key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

// Fingerprint is the MD5 of the key as ssh-keygen -l -E md5 shows it: pairs of
// hexadecimal digits with colons between.
func (k *Key) Fingerprint() string { return ssh.FingerprintLegacyMD5(k.ssh) }
