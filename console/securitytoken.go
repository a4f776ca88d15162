package console

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

const hardwareToken = "Hardware token"

// tokenForm adds a hardware token.
type tokenForm struct {
	Open    bool
	Error   string
	Fields  []Field
	Command Command // for a token that the account knows
}

// tokenRefusal is what is wrong with one field of it; with the form where Field is empty.
type tokenRefusal struct{ Field, Problem string }

// tokenFields are empty but for the serial number and the encoding: a seed is typed again, and
// codes are others by then.
func tokenFields(serial, encoding string, wrong tokenRefusal) []Field {
	codes := codeFields(false)
	codes[0].Hint, codes[1].Hint = "The six digits that the token shows now.", "Wait until it shows the next ones, up to 30 seconds."
	fields := append([]Field{
		{Name: "number", Label: "Serial number", Value: serial, Autocomplete: "off", Mono: true, MaxLength: 256, Hint: "It is on the back of the token."},
		{Name: "seed", Label: "Seed", Optional: true, Autocomplete: "off", Mono: true, MaxLength: 256, Hint: "The secret key that came with it. Leave it empty for a token that your administrator has brought here."},
		{Name: "encoding", Label: "The seed is written in", Type: "select", Optional: true, Value: encoding, Options: []Option{{Value: "", Text: "Base32 or hex, whichever fits"}, {Value: "base32", Text: "Base32"}, {Value: "hex", Text: "Hex"}}},
	}, codes...)
	for i := range fields {
		if fields[i].Name == wrong.Field {
			fields[i].Error = wrong.Problem
		}
	}
	return fields
}

// addOwnToken gives the person a hardware token: one that the account knows by its serial
// number, one of their own by the seed, too.
func (c *Console) addOwnToken(v *Visit) error {
	if err := v.StepUp("/security/mfa/new"); err != nil {
		return err
	}
	serial, encoding := v.Form("number"), v.Form("encoding")
	if !slices.Contains([]string{"", "base32", "hex"}, encoding) {
		encoding = ""
	}
	wrong := v.addToken(serial, v.Form("seed"), encoding)
	if wrong == nil {
		return v.Redirect(c.deviceAdded(v, serial))
	}
	form := tokenForm{Open: true, Fields: tokenFields(serial, encoding, *wrong)}
	if wrong.Field == "" {
		form.Error = wrong.Problem
	}
	return c.newMFAForm(v, newMFAPage{Token: form})
}

func (v *Visit) addToken(serial, seed, encoding string) *tokenRefusal {
	code1, code2 := v.typedCode("code1"), v.typedCode("code2")
	switch {
	case !identity.ValidTokenSerial(serial):
		return &tokenRefusal{"number", "A serial number has from 9 to 256 letters, digits and _-.+=@"}
	case !sixDigits(code1):
		return &tokenRefusal{"code1", "A code is six digits."}
	case !sixDigits(code2):
		return &tokenRefusal{"code2", "A code is six digits."}
	}
	var err error
	if seed == "" {
		_, err = v.API().IAM.EnableMFADevice(v.Request.Context(), &iam.EnableMFADeviceInput{UserName: v.mfaUser(), SerialNumber: &serial, AuthenticationCode1: &code1, AuthenticationCode2: &code2})
	} else {
		parsed, wrong := mfa.ParseSeed(seed, encoding)
		if wrong != nil {
			return &tokenRefusal{"seed", sentence(wrong.Error())}
		}
		clear(parsed)
		in := &lanyard.EnableHardwareTokenInput{SerialNumber: &serial, Seed: &seed, AuthenticationCode1: &code1, AuthenticationCode2: &code2}
		if encoding != "" {
			in.SeedEncoding = &encoding
		}
		_, err = lanyard.Call[lanyard.EnableHardwareTokenOutput](v.Request.Context(), v.API().Lanyard, in)
	}
	if err == nil {
		return nil
	}
	p := v.ProblemOf(err)
	switch strings.TrimSuffix(p.Code, "Exception") {
	case "EntityAlreadyExists":
		if seed == "" {
			return &tokenRefusal{"number", "This token is in use already."}
		}
		return &tokenRefusal{"number", "The account has a token with this number already. If it is the one in your hand, leave the seed empty."}
	case "NoSuchEntity":
		return &tokenRefusal{"seed", "The account has no token with this number yet: type its seed, too."}
	case "InvalidAuthenticationCode":
		return &tokenRefusal{"code1", p.Why}
	}
	return &tokenRefusal{Problem: apology(p)}
}

func sixDigits(code string) bool { return len(code) == 6 && strings.Trim(code, "0123456789") == "" }
