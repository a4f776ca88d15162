package mfa_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"image/png"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/mfa"
)

var seed = []byte("12345678901234567890") // RFC 6238, appendix B

// at is a moment in the middle of a step.
func at(step int64) time.Time { return time.Unix(step*30+15, 0) }

// The RFC prints eight digits; six are the last six of them.
func TestRFC6238Vectors(t *testing.T) {
	for _, v := range []struct {
		unix int64
		code string
	}{
		{59, "94287082"},
		{1111111109, "07081804"},
		{1111111111, "14050471"},
		{1234567890, "89005924"},
		{2000000000, "69279037"},
		{20000000000, "65353130"},
	} {
		now := time.Unix(v.unix, 0)
		code := v.code[2:]
		if got := mfa.Code(seed, mfa.StepAt(now)); got != code {
			t.Errorf("code at %d = %s, want %s", v.unix, got, code)
		}
		if step, ok := mfa.Verify(seed, code, now, 0, 0); !ok || step != v.unix/30 {
			t.Errorf("Verify at %d = %d, %v", v.unix, step, ok)
		}
	}
}

func TestAgreesWithAnotherImplementation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.SliceOfN(rapid.Byte(), 1, 80).Draw(t, "seed")
		step := rapid.Int64Range(0, 1<<33).Draw(t, "step")
		want, err := hotp.GenerateCodeCustom(mfa.Base32(seed), uint64(step), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			t.Fatal(err)
		}
		if got := mfa.Code(seed, step); got != want {
			t.Fatalf("code of step %d = %s, want %s", step, got, want)
		}
		now := time.Unix(step*30+rapid.Int64Range(0, 29).Draw(t, "second"), 0)
		if want, _ := totp.GenerateCode(mfa.Base32(seed), now); mfa.Code(seed, mfa.StepAt(now)) != want {
			t.Fatalf("code at %v differs from %s", now, want)
		}
	})
}

func TestT261_CodeWorksOnce(t *testing.T) {
	const step = 50_000_000
	code := mfa.Code(seed, step)
	used, ok := mfa.Verify(seed, code, at(step), 0, 0)
	if !ok || used != step {
		t.Fatalf("first use = %d, %v", used, ok)
	}
	for _, now := range []time.Time{at(step), at(step + 1), at(step - 1)} {
		if _, ok := mfa.Verify(seed, code, now, used, 0); ok {
			t.Errorf("the code is accepted again at %v", now)
		}
	}
	for _, spelling := range []string{" " + code, code + " ", code + "\n", code[:3] + " " + code[3:], "0" + code, "+" + code[1:], "", code[:5], "１２３４５６"} {
		if _, ok := mfa.Verify(seed, spelling, at(step), 0, 0); ok {
			t.Errorf("%q is accepted as %s", spelling, code)
		}
	}
}

func TestT262_WindowIsOneStepToEachSide(t *testing.T) {
	const step = 50_000_000
	for offset, want := range map[int64]bool{-3: false, -2: false, -1: true, 0: true, 1: true, 2: false, 3: false} {
		got, ok := mfa.Verify(seed, mfa.Code(seed, step+offset), at(step), 0, 0)
		if ok != want {
			t.Errorf("code of %+d steps: accepted = %v, want %v", offset, ok, want)
		}
		if ok && got != step+offset {
			t.Errorf("code of %+d steps yields step %d", offset, got)
		}
	}
	if _, ok := mfa.Verify(seed, mfa.Code(seed, step-1), at(step), step, 0); ok {
		t.Error("a step older than the last accepted one is accepted")
	}
}

func TestT264_EnablingNeedsTwoConsecutiveCodesOfTheSeed(t *testing.T) {
	const now = 50_000_000
	code := func(offset int64) string { return mfa.Code(seed, now+offset) }
	other := []byte("another seed of 20 b")
	for _, c := range []struct {
		name         string
		first, after string
		ok           bool
		drift        int64
	}{
		{"the code before and this one", code(-1), code(0), true, 0},
		{"this code and the next one", code(0), code(1), true, 0},
		{"codes some minutes old", code(-10), code(-9), true, -9},
		{"a clock that is ahead", code(18), code(19), true, 19},
		{"the oldest allowed", code(-20), code(-19), true, -19},
		{"older than allowed", code(-21), code(-20), false, 0},
		{"newer than allowed", code(20), code(21), false, 0},
		{"the same code twice", code(0), code(0), false, 0},
		{"wrong order", code(0), code(-1), false, 0},
		{"a step between", code(-2), code(0), false, 0},
		{"another seed's codes", mfa.Code(other, now-1), mfa.Code(other, now), false, 0},
		{"only the second right", "000000", code(0), false, 0},
		{"only the first right", code(-1), "000000", false, 0},
		{"spaces", code(-1) + " ", code(0), false, 0},
	} {
		step, drift, ok := mfa.VerifyPair(seed, c.first, c.after, at(now), 0, mfa.EnableWindow)
		if ok != c.ok || drift != c.drift {
			t.Errorf("%s: drift %d, ok %v; want %d, %v", c.name, drift, ok, c.drift, c.ok)
		}
		if ok {
			if _, _, again := mfa.VerifyPair(seed, c.first, c.after, at(now), step, mfa.EnableWindow); again {
				t.Errorf("%s: accepted twice", c.name)
			}
		}
	}
}

func TestT266_ClockJumpsBack(t *testing.T) {
	const now = 50_000_000
	step, ok := mfa.Verify(seed, mfa.Code(seed, now), at(now), 0, 0)
	if !ok {
		t.Fatal("refused")
	}
	earlier := at(now - 10) // five minutes
	for offset := int64(-11); offset <= 0; offset++ {
		if _, ok := mfa.Verify(seed, mfa.Code(seed, now+offset), earlier, step, 0); ok {
			t.Errorf("code of %+d steps works again", offset)
		}
	}
}

func TestResynchronisedDeviceIsExpectedWhereItIs(t *testing.T) {
	const now = 50_000_000
	const ahead = 1000 // more than eight hours
	step, drift, ok := mfa.VerifyPair(seed, mfa.Code(seed, now+ahead), mfa.Code(seed, now+ahead+1), at(now), 0, mfa.ResyncWindow)
	if !ok || drift != ahead+1 {
		t.Fatalf("drift = %d, %v", drift, ok)
	}
	if _, ok := mfa.Verify(seed, mfa.Code(seed, now+ahead+2), at(now+1), step, drift); !ok {
		t.Error("the next code is refused")
	}
	if _, ok := mfa.Verify(seed, mfa.Code(seed, now+1), at(now+1), 0, drift); ok {
		t.Error("a code of our own time is accepted from a device that is hours ahead")
	}
}

// A pair never matches across the step that is used already.
func TestPairMayNotReachBackToAUsedCode(t *testing.T) {
	const now = 50_000_000
	if _, _, ok := mfa.VerifyPair(seed, mfa.Code(seed, now), mfa.Code(seed, now+1), at(now+1), now, mfa.ResyncWindow); ok {
		t.Error("a used code counts as the first of a pair")
	}
	if _, _, ok := mfa.VerifyPair(seed, mfa.Code(seed, now+1), mfa.Code(seed, now+2), at(now+2), now, mfa.ResyncWindow); !ok {
		t.Error("the next two codes are refused")
	}
}

func TestNoCodeBefore1970(t *testing.T) {
	now := time.Unix(-1, 0)
	for s := int64(-3); s <= 0; s++ {
		if step, ok := mfa.Verify(seed, mfa.Code(seed, s), now, 0, 0); ok && step < 0 {
			t.Errorf("step %d is accepted", step)
		}
	}
}

func TestSeed(t *testing.T) {
	s, err := mfa.GenerateSeed(rand.Reader)
	if err != nil || len(mfa.Base32(s)) != 64 {
		t.Fatalf("seed of %d bytes, %v", len(s), err)
	}
	back, err := base32.StdEncoding.DecodeString(mfa.Base32(s))
	if err != nil || !bytes.Equal(back, s) {
		t.Errorf("base32 does not yield the seed back: %v", err)
	}
	if _, err := mfa.GenerateSeed(strings.NewReader("short")); err == nil {
		t.Error("a seed is drawn from too little randomness")
	}
}

func TestOTPAuthURLIsReadByAuthenticators(t *testing.T) {
	u := mfa.OTPAuthURL("my/phone+1 &=?#", "123456789012", seed)
	if _, err := url.Parse(u); err != nil {
		t.Fatal(err)
	}
	key, err := otp.NewKeyFromURL(u)
	if err != nil {
		t.Fatal(err)
	}
	if key.Type() != "totp" || key.Secret() != mfa.Base32(seed) || key.Issuer() != "Lanyard" || key.AccountName() != "my/phone+1 &=?#@123456789012" {
		t.Errorf("%s reads as %s %s %s %s", u, key.Type(), key.Secret(), key.Issuer(), key.AccountName())
	}
}

func TestQRPNG(t *testing.T) {
	// The longest device name of the API.
	b, err := mfa.QRPNG(mfa.OTPAuthURL(strings.Repeat("x", 226), "123456789012", make([]byte, mfa.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if w := img.Bounds().Dx(); w < 200 || w != img.Bounds().Dy() {
		t.Errorf("image is %v", img.Bounds())
	}
	if _, err := mfa.QRPNG(strings.Repeat("x", 5000)); err == nil {
		t.Error("5,000 bytes fit into a QR code")
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(seed, "287082", int64(59), int64(0), int64(0))
	f.Add(seed, " 87082", int64(59), int64(1), int64(-1))
	f.Add([]byte{}, "", int64(-1), int64(-9), int64(1<<62))
	f.Fuzz(func(t *testing.T, seed []byte, code string, unix, last, drift int64) {
		unix %= 1 << 40
		drift %= 1 << 20
		now := time.Unix(unix, 0)
		step, ok := mfa.Verify(seed, code, now, last, drift)
		if !ok {
			if step != 0 {
				t.Fatalf("refused, but step %d", step)
			}
			return
		}
		if step <= last || step < 0 || mfa.Code(seed, step) != code {
			t.Fatalf("code %q accepted as step %d after %d", code, step, last)
		}
		if d := step - mfa.StepAt(now) - drift; d < -mfa.Skew || d > mfa.Skew {
			t.Fatalf("step %d is %d away", step, d)
		}
		if again, ok := mfa.Verify(seed, code, now, step, drift); ok {
			t.Fatalf("accepted twice, as %d and %d", step, again)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	b.ReportAllocs()
	now := at(50_000_000)
	code := mfa.Code(seed, 50_000_000)
	for b.Loop() {
		if _, ok := mfa.Verify(seed, code, now, 0, 0); !ok {
			b.Fatal("refused")
		}
	}
}

func BenchmarkResync(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		mfa.VerifyPair(seed, "000000", "000001", at(50_000_000), 0, mfa.ResyncWindow)
	}
}
