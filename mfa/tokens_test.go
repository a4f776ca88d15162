package mfa_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/lanyard-iam/lanyard/mfa"
)

const (
	hexSeed    = "3132333435363738393031323334353637383930" // of RFC 6238
	base32Seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"         // the same
)

func TestParseTokens(t *testing.T) {
	text := "\ufeffSerial number,Seed\r\n# a batch\n\nGAHT12345678," + hexSeed + "\n" +
		`"GAHT12345679" , ` + strings.ToLower(base32Seed) + " \n" +
		"GAHT12345680," + base32Seed[:26] + "======,BASE32\n" +
		"GAHT12345681," + strings.Repeat("ABCD", 10) + ",hex\n"
	text = strings.Replace(text, `"GAHT12345679" ,`, `"GAHT12345679",`, 1)
	tokens, err := mfa.ParseTokens([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, token := range tokens {
		got = append(got, fmt.Sprintf("%d %s %x", token.Line, token.Serial, token.Seed))
	}
	want := []string{
		"4 GAHT12345678 " + hexSeed, "5 GAHT12345679 " + hexSeed,
		"6 GAHT12345680 " + hexSeed[:32], "7 GAHT12345681 " + strings.Repeat("abcd", 10),
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if tokens, err := mfa.ParseTokens(nil); err != nil || len(tokens) != 0 {
		t.Error(tokens, err)
	}
}

// Errors tell where, and nothing of a seed.
func TestParseTokensErrors(t *testing.T) {
	for text, want := range map[string]string{
		"GAHT12345678":                                          "line 1: a line is a serial number, a comma and a seed",
		"a,b,c,d":                                               "line 1: a line is a serial number, a comma and a seed",
		"GAHT12345678,SECRET!":                                  "line 1: the seed is not in hex or base32",
		"GAHT12345678," + base32Seed + ",hex":                   "line 1: the seed is not in hex or base32",
		"GAHT12345678," + hexSeed + ",base32":                   "line 1: the seed is not in hex or base32",
		"GAHT12345678," + hexSeed + ",rot13":                    "line 1: the third column is hex or base32",
		"GAHT12345678," + strings.Repeat("ABCD", 10):            "line 1: the seed may be hex or base32: say which in a third column",
		"GAHT12345678," + hexSeed[:30]:                          "line 1: a seed has from 16 to 64 bytes",
		"GAHT12345678,":                                         "line 1: the seed may be hex or base32: say which in a third column",
		"GAHT12345678," + strings.Repeat(hexSeed, 4):            "line 1: a seed has from 16 to 64 bytes",
		"a," + hexSeed + "\n\n#\nb,\"" + hexSeed:                "line 4: the quotes are not those of CSV",
		"a," + hexSeed + "\nb," + hexSeed[1:]:                   "line 2: the seed is not in hex or base32",
		strings.Repeat("GAHT12345678,"+hexSeed+"\n", 1001):      "line 1001: a file has at most 1000 tokens",
		"a," + hexSeed + "\nserial,seed\n":                      "line 2: a seed has from 16 to 64 bytes",
		"GAHT12345678," + hexSeed + "\nGAHT\"12345678,SECRET\n": "line 2: the quotes are not those of CSV",
	} {
		if _, err := mfa.ParseTokens([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
}

func FuzzParseTokens(f *testing.F) {
	f.Add([]byte("serial,seed\nGAHT12345678," + hexSeed + "\nx," + base32Seed + ",base32\n"))
	f.Add([]byte("a,\"b\nc\",hex\n#"))
	f.Fuzz(func(t *testing.T, text []byte) {
		tokens, err := mfa.ParseTokens(text)
		if err != nil {
			if len(err.Error()) > 100 {
				t.Fatalf("%v", err)
			}
			return
		}
		lines := bytes.Count(text, []byte("\n")) + 1
		for _, token := range tokens {
			if token.Line < 1 || token.Line > lines || len(token.Seed) < 16 || len(token.Seed) > 64 {
				t.Fatalf("%d %s %s", token.Line, token.Serial, hex.EncodeToString(token.Seed))
			}
		}
		if len(tokens) > mfa.MaxTokens {
			t.Fatal(len(tokens))
		}
	})
}
