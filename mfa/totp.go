// Package mfa owns one-time codes: the time-based codes of virtual MFA devices and
// hardware tokens (TOTP, RFC 6238, over HOTP, RFC 4226), the seeds they are made of,
// the QR code by which a seed reaches a phone, and the file in which those of tokens
// are delivered.
//
// It is pure: the caller brings the time, the seed and the newest step that the
// device has used, and keeps the step that is returned. Whose device it is, how
// often one may guess, and where the seed is kept are package authn's and
// package service/iam's.
package mfa

import (
	"crypto/hmac"
	"crypto/sha1" // RFC 6238's default; authenticator apps know no other
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"net/url"
	"time"

	"rsc.io/qr"
)

// The parameters of AWS's virtual devices. Authenticator apps that ignore the
// parameters of an otpauth URL support only these.
const (
	// Period is how long a code is shown.
	Period = 30 * time.Second
	// Digits is the length of a code.
	Digits = 6
	// SeedSize is the size of a seed in bytes: 320 bits, 64 characters of base32.
	SeedSize = 40

	modulus = 1_000_000 // 10^Digits
)

// Skew is how many steps a code may be away from the time at which it is
// expected. One step to each side covers typing and transport (RFC 6238, 5.2).
const Skew = 1

// How far the clock of a device may be from ours when two consecutive codes show
// where it stands. Two codes are guessed with a chance of one in 10^12 for each
// step of the window.
const (
	// EnableWindow applies when a device is enabled. As on AWS, codes that are
	// some minutes old still enable it.
	EnableWindow = 10 * time.Minute
	// ResyncWindow applies when the clock of a device in use has drifted.
	ResyncWindow = 24 * time.Hour
)

// GenerateSeed draws the seed of a new device.
func GenerateSeed(rand io.Reader) ([]byte, error) {
	seed := make([]byte, SeedSize)
	if _, err := io.ReadFull(rand, seed); err != nil {
		return nil, fmt.Errorf("draw MFA seed: %w", err)
	}
	return seed, nil
}

// Base32 is how a seed is shown and typed: RFC 4648, without padding.
func Base32(seed []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(seed)
}

// OTPAuthURL is the content of the QR code: the Key URI Format that
// authenticator apps read. The label is device@account, as AWS has it; the
// issuer tells our devices from AWS's in the app.
func OTPAuthURL(device, account string, seed []byte) string {
	return "otpauth://totp/" + url.PathEscape(device+"@"+account) + "?secret=" + Base32(seed) + "&issuer=Lanyard"
}

// QRPNG draws text, at most some 2,300 bytes, as a QR code.
func QRPNG(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, fmt.Errorf("draw QR code: %w", err)
	}
	return code.PNG(), nil
}

// StepAt is the number of the time step at now, RFC 6238's T with T0 = 0.
func StepAt(now time.Time) int64 {
	s, p := now.Unix(), int64(Period/time.Second)
	if s < 0 {
		return -1 // a clock before 1970 is broken: no code is valid
	}
	return s / p
}

// Code is the code of a step: what a device with this seed shows.
func Code(seed []byte, step int64) string {
	return string(newGenerator(seed).code(step))
}

// Verify checks a code against the steps around now, moved by drift steps for a
// device whose clock is known to differ. It accepts no step up to and including
// last, the newest that was accepted before, so that a code works once, also
// when our clock jumps back. The caller must keep the step that is returned as
// the new last before it acts on ok.
//
// The time taken does not depend on the code, unless it is not six digits.
func Verify(seed []byte, code string, now time.Time, last, drift int64) (step int64, ok bool) {
	if !wellFormed(code) {
		return 0, false
	}
	g := newGenerator(seed)
	center := StepAt(now) + drift
	// Of two steps that happen to have the same code, the newer is taken, so that
	// the code does not work again as the other.
	for s := center - Skew; s <= center+Skew; s++ {
		if s > last && s >= 0 && subtle.ConstantTimeCompare(g.code(s), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}

// VerifyPair checks two consecutive codes, the older first, within window of
// now. It is how a device is enabled or resynchronised. It returns the step of
// the second code, to be kept as the newest used, and the drift to be used with
// Verify from now on. A drift that Skew covers is returned as zero: it is less a
// matter of the device's clock than of how long the codes were under way.
func VerifyPair(seed []byte, code1, code2 string, now time.Time, last int64, window time.Duration) (step, drift int64, ok bool) {
	if !wellFormed(code1) || !wellFormed(code2) {
		return 0, 0, false
	}
	g := newGenerator(seed)
	center := StepAt(now)
	reach := int64(window / Period)
	first := max(center-reach, last+1, 0)
	previous := 0 // whether code1 is the code of the step before s
	for s := first; s <= center+reach; s++ {
		code := g.code(s)
		if previous&subtle.ConstantTimeCompare(code, []byte(code2)) == 1 {
			step, ok = s, true
		}
		previous = subtle.ConstantTimeCompare(code, []byte(code1))
	}
	if !ok {
		return 0, 0, false
	}
	if drift = step - center; -Skew <= drift && drift <= Skew {
		drift = 0
	}
	return step, drift, true
}

// wellFormed demands exactly six ASCII digits. Nothing is trimmed: a second
// spelling of a code would be a second code to a careless replay check.
func wellFormed(code string) bool {
	if len(code) != Digits {
		return false
	}
	for i := range len(code) {
		if code[i] < '0' || code[i] > '9' {
			return false
		}
	}
	return true
}

// generator computes the codes of one seed.
type generator struct {
	mac     hash.Hash
	counter [8]byte
	sum     [sha1.Size]byte
	digits  [Digits]byte
}

func newGenerator(seed []byte) *generator {
	return &generator{mac: hmac.New(sha1.New, seed)}
}

// code is RFC 4226's HOTP with the step as counter. The slice is valid until the
// next call.
func (g *generator) code(step int64) []byte {
	binary.BigEndian.PutUint64(g.counter[:], uint64(step))
	g.mac.Reset()
	g.mac.Write(g.counter[:])
	sum := g.mac.Sum(g.sum[:0])
	offset := sum[len(sum)-1] & 0x0f
	n := binary.BigEndian.Uint32(sum[offset:]) & 0x7fff_ffff % modulus
	for i := Digits - 1; i >= 0; i-- {
		g.digits[i] = byte('0' + n%10)
		n /= 10
	}
	return g.digits[:]
}
