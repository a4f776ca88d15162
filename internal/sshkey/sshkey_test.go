package sshkey

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
)

// One key in all its forms, as OpenSSH's ssh-keygen writes them.
const (
	blob = "AAAAB3NzaC1yc2EAAAADAQABAAABAQDEMck5tw+RoGaePJoT5EsEm8awSjD4GNFeN3eqMqHpZyqnpuhSKLC8iqRlCzRmVddkIN6PFSZJRvrMvOm1f8tp7x26WBRM4JapCWhiOoLqOkquyyGHJcWftonYHziBY+024KIo6sUbwCv12WMKI8/q+ad2SJ4CT8T+kFVt+lHIk6HPKSUw8QzZMmAyt5SyfZGy1jEA3CmZf0gUoDWe1KVaNkOyvCMFQUWkmNvZTr1t/AF7lIkWCdwflb8VGTSNayhpbHxMT0FLddtmjQ4rbtjLXY9Tml9mukzcTg6EZJFPl0/tcUD+btDkBhV1sTqkjbNR6K4DWtRspQIB/pndv5m3"
	line = "ssh-rsa " + blob

	ssh2 = `---- BEGIN SSH2 PUBLIC KEY ----
Comment: "2048-bit RSA, converted by jane@example.com from OpenSSH"
AAAAB3NzaC1yc2EAAAADAQABAAABAQDEMck5tw+RoGaePJoT5EsEm8awSjD4GNFeN3eqMq
HpZyqnpuhSKLC8iqRlCzRmVddkIN6PFSZJRvrMvOm1f8tp7x26WBRM4JapCWhiOoLqOkqu
yyGHJcWftonYHziBY+024KIo6sUbwCv12WMKI8/q+ad2SJ4CT8T+kFVt+lHIk6HPKSUw8Q
zZMmAyt5SyfZGy1jEA3CmZf0gUoDWe1KVaNkOyvCMFQUWkmNvZTr1t/AF7lIkWCdwflb8V
GTSNayhpbHxMT0FLddtmjQ4rbtjLXY9Tml9mukzcTg6EZJFPl0/tcUD+btDkBhV1sTqkjb
NR6K4DWtRspQIB/pndv5m3
---- END SSH2 PUBLIC KEY ----
`

	spki = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxDHJObcPkaBmnjyaE+RL
BJvGsEow+BjRXjd3qjKh6Wcqp6boUiiwvIqkZQs0ZlXXZCDejxUmSUb6zLzptX/L
ae8dulgUTOCWqQloYjqC6jpKrsshhyXFn7aJ2B84gWPtNuCiKOrFG8Ar9dljCiPP
6vmndkieAk/E/pBVbfpRyJOhzyklMPEM2TJgMreUsn2RstYxANwpmX9IFKA1ntSl
WjZDsrwjBUFFpJjb2U69bfwBe5SJFgncH5W/FRk0jWsoaWx8TE9BS3XbZo0OK27Y
y12PU5pfZrpM3E4OhGSRT5dP7XFA/m7Q5AYVdbE6pI2zUeiuA1rUbKUCAf6Z3b+Z
twIDAQAB
-----END PUBLIC KEY-----
`

	pkcs1 = `-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAxDHJObcPkaBmnjyaE+RLBJvGsEow+BjRXjd3qjKh6Wcqp6boUiiw
vIqkZQs0ZlXXZCDejxUmSUb6zLzptX/Lae8dulgUTOCWqQloYjqC6jpKrsshhyXF
n7aJ2B84gWPtNuCiKOrFG8Ar9dljCiPP6vmndkieAk/E/pBVbfpRyJOhzyklMPEM
2TJgMreUsn2RstYxANwpmX9IFKA1ntSlWjZDsrwjBUFFpJjb2U69bfwBe5SJFgnc
H5W/FRk0jWsoaWx8TE9BS3XbZo0OK27Yy12PU5pfZrpM3E4OhGSRT5dP7XFA/m7Q
5AYVdbE6pI2zUeiuA1rUbKUCAf6Z3b+ZtwIDAQAB
-----END RSA PUBLIC KEY-----
`

	fingerprint = "fd:07:c5:c3:35:fd:f1:32:c4:c1:89:2c:a3:9e:a2:1d"
)

const (
	short   = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDdjnw9oshZfswL3JtLc24+0HF8fXNqF3xNTHkS204XeVOn6wR9gcm2PeS59EI22ahZJnq1qzmKR+T9GhgD6W9OpMmzgCMk7+YBQSwONR5j5koJIsyRdmZKK3Qk7AEBhupAbDlbRWiryUmukMymWLAr/cDLq0Q/j+414E9myr/xRw== short"
	ed25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOmtuHK2NLL0vaZ/OSFAhbakuDimtPZE0sJwO4FwA01U e"
)

func TestEveryFormIsTheSameKey(t *testing.T) {
	for name, text := range map[string]string{
		"line":                       line,
		"line with a comment":        line + " jane@example.com laptop",
		"line of a file":             line + " jane@example.com\n",
		"RFC 4716":                   ssh2,
		"RFC 4716, Windows":          strings.ReplaceAll(ssh2, "\n", "\r\n"),
		"RFC 4716, continued header": strings.Replace(ssh2, "KEY ----\n", "KEY ----\nx-note: this goes on\\\n and on: and on\\\nto here\n", 1),
		"RFC 4716, no header":        "---- BEGIN SSH2 PUBLIC KEY ----\n" + blob[:70] + "\n" + blob[70:] + "\n---- END SSH2 PUBLIC KEY ----",
		"SubjectPublicKeyInfo":       spki,
		"PKCS #1":                    pkcs1,
		"PEM of a Mac":               strings.ReplaceAll(spki, "\n", "\r\n"),
	} {
		key, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := key.SSH(); got != line {
			t.Errorf("%s: SSH = %s", name, got)
		}
		if got, err := key.PEM(); err != nil || got != spki {
			t.Errorf("%s: PEM = %s, %v", name, got, err)
		}
		if got := key.Fingerprint(); got != fingerprint {
			t.Errorf("%s: fingerprint = %s", name, got)
		}
	}
}

func TestWhatIsNoKeyIsRefused(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&curve.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"nothing", " ", ErrEncoding},
		{"prose", "my key", ErrEncoding},
		{"another algorithm", ed25519, ErrEncoding},
		{"options of authorized_keys", `no-pty ` + line, ErrEncoding},
		{"algorithm alone", "ssh-rsa", ErrEncoding},
		{"a private key", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----", ErrEncoding},
		{"a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", ErrEncoding},
		{"1024 bits", short, ErrInvalid},
		{"not base64", "ssh-rsa !!!", ErrInvalid},
		{"cut off", line[:len(line)-8], ErrInvalid},
		{"something behind the key", "ssh-rsa " + blob[:len(blob)-4] + "AAAA", ErrInvalid},
		{"two lines", line + "\n" + line, ErrInvalid},
		{"a line that is broken", line[:80] + "\n" + line[80:], ErrInvalid},
		{"the blob of another algorithm", "ssh-rsa " + strings.Fields(ed25519)[1], ErrInvalid},
		{"RFC 4716 without an end", strings.TrimSuffix(strings.TrimSpace(ssh2), "---- END SSH2 PUBLIC KEY ----"), ErrInvalid},
		{"RFC 4716 on one line", strings.ReplaceAll(ssh2, "\n", ""), ErrInvalid},
		{"RFC 4716 without a key", "---- BEGIN SSH2 PUBLIC KEY ----\nComment: x\n---- END SSH2 PUBLIC KEY ----", ErrInvalid},
		{"PEM without a key", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", ErrInvalid},
		{"PEM without an end", strings.Replace(spki, "END", "FIN", 1), ErrInvalid},
		{"two keys in PEM", spki + spki, ErrInvalid},
		{"an elliptic curve", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), ErrInvalid},
	} {
		if key, err := Parse(c.text); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v; want %v", c.name, key, err, c.want)
		}
	}
}

// What Parse accepts, it accepts again in both forms that it writes, as the same key.
func FuzzParse(f *testing.F) {
	for _, text := range []string{line + " comment", ssh2, spki, pkcs1, short, ed25519} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrEncoding) && !errors.Is(err, ErrInvalid) {
				t.Fatalf("error %v", err)
			}
			return
		}
		inPEM, err := key.PEM()
		if err != nil {
			t.Fatal(err)
		}
		for _, again := range []string{key.SSH(), inPEM} {
			other, err := Parse(again)
			if err != nil || other.SSH() != key.SSH() || other.Fingerprint() != key.Fingerprint() {
				t.Fatalf("%q is not read again: %v", again, err)
			}
		}
	})
}
