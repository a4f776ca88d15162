package arn

import (
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
)

// The prefixes of unique ids (IAM User Guide, "Unique ID prefixes").
const (
	PrefixUser            = "AIDA"
	PrefixRole            = "AROA"
	PrefixGroup           = "AGPA"
	PrefixPolicy          = "ANPA"
	PrefixInstanceProfile = "AIPA"
	PrefixAccessKey       = "AKIA" // long-term access key
	PrefixSessionKey      = "ASIA" // temporary access key

	PrefixServerCertificate = "ASCA"
	PrefixPublicKey         = "APKA"
	PrefixServiceCredential = "ACCA"
)

var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewUniqueID draws a unique id: the prefix and 17 characters of base32, as AWS
// publishes them.
func NewUniqueID(prefix string, rand io.Reader) (string, error) {
	var b [11]byte // 17 characters of 5 bits need 85 of these 88
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", fmt.Errorf("draw unique id: %w", err)
	}
	return prefix + encoding.EncodeToString(b[:])[:17], nil
}

// NewSigningCertificateID draws the id of a signing certificate, which has no
// prefix: 32 characters of base32.
func NewSigningCertificateID(rand io.Reader) (string, error) {
	var b [20]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", fmt.Errorf("draw certificate id: %w", err)
	}
	return encoding.EncodeToString(b[:]), nil
}

// The account sits in bits 46 to 7 of the first six bytes of an access key id's
// body; bit 47 is set in all keys issued since AWS encodes the account at all.
const (
	accountShift  = 7
	accountMask   = 0x7fffffffff80
	accountMarker = 1 << 47
)

// NewAccessKeyID draws an access key id whose body encodes the account the way
// AWS's own do, so that GetAccessKeyInfo needs no look-up. 39 bits are random:
// the caller of a long-term key checks that the id is free.
func NewAccessKeyID(prefix string, account AccountID, rand io.Reader) (string, error) {
	n, err := strconv.ParseUint(string(account), 10, 40)
	if err != nil {
		return "", fmt.Errorf("account id %q: %w", account, err)
	}
	var b [10]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", fmt.Errorf("draw access key id: %w", err)
	}
	var head [8]byte
	copy(head[2:], b[:6])
	low := binary.BigEndian.Uint64(head[:]) & (1<<accountShift - 1)
	binary.BigEndian.PutUint64(head[:], accountMarker|n<<accountShift|low)
	copy(b[:6], head[2:])
	return prefix + encoding.EncodeToString(b[:]), nil
}

// AccountOfAccessKey reads the account from an access key id made by
// NewAccessKeyID or by AWS since 2019. ok is false for ids of another form.
func AccountOfAccessKey(id string) (account AccountID, ok bool) {
	if len(id) != 20 {
		return "", false
	}
	b, err := encoding.DecodeString(id[4:])
	if err != nil {
		return "", false
	}
	var head [8]byte
	copy(head[2:], b[:6])
	n := binary.BigEndian.Uint64(head[:])
	if n&accountMarker == 0 {
		return "", false
	}
	n = n & accountMask >> accountShift
	if n > 999_999_999_999 {
		return "", false
	}
	return AccountID(fmt.Sprintf("%012d", n)), true
}

// IsAccessKey tells whether a text has the form of the id of a long-term access key,
// as AWS and NewAccessKeyID make them.
func IsAccessKey(id string) bool { return hasForm(id, PrefixAccessKey) }

// IsSessionKey tells whether a text has the form of the id of a temporary access key.
func IsSessionKey(id string) bool { return hasForm(id, PrefixSessionKey) }

func hasForm(id, prefix string) bool {
	if len(id) != 20 || id[:4] != prefix {
		return false
	}
	for _, c := range []byte(id[4:]) {
		if (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}
