package webauthnx

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"

	"github.com/lanyard-iam/lanyard/internal/webauthnx/softkey"
)

// fixed is a key that is the same in each of the fuzzer's processes.
func fixed(n byte) *softkey.Key {
	return &softkey.Key{ID: []byte("a fixed key"), UserHandle: alice.ID, Algorithm: EdDSA, Signer: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)), Flags: softkey.UserPresent}
}

// Whatever a browser answers: it is refused with a sentence, or accepted as what it says.
// The fuzzer gets the parts in clear, since it cannot guess base64 within base64.
func FuzzRegistration(f *testing.F) {
	rp := site(f)
	options, state, err := rp.BeginRegistration(alice, RegistrationOptions{}, noon, zeros{})
	if err != nil {
		f.Fatal(err)
	}
	k := fixed(1)
	seed(f, k.Create(options, origin), "attestationObject")
	seed(f, k.Create(options, origin, func(d *softkey.Draft) { d.Statement = k.SelfAttested }), "attestationObject")
	for _, alg := range []int{ES256, RS256} {
		seed(f, softkey.New(alg).Create(options, origin), "attestationObject")
	}
	f.Fuzz(func(t *testing.T, text string, clientData, object []byte) {
		for _, response := range [][]byte{[]byte(text), rejoined(text, map[string][]byte{"clientDataJSON": clientData, "attestationObject": object})} {
			c, err := rp.FinishRegistration(state, alice.ID, response, noon, nobody)
			if _, refused := errors.AsType[Refusal](err); err != nil && !refused {
				t.Fatalf("%v", err)
			}
			if err == nil && (len(c.ID) == 0 || len(c.ID) > 1023 || len(c.PublicKey) > 1024 || c.Algorithm == 0 || len(c.Transports) > 6) {
				t.Fatalf("%+v", c)
			}
		}
	})
}

func FuzzLogin(f *testing.F) {
	rp := site(f)
	kept := &Credential{ID: fixed(1).ID, PublicKey: softkey.Encode(fixed(1).COSE()), Algorithm: EdDSA}
	find := func([]byte) (*Owned, error) { return &Owned{alice.ID, kept}, nil }
	options, state, err := rp.BeginLogin(alice.ID, []*Credential{kept}, false, noon, zeros{})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := rp.FinishLogin(state, alice.ID, fixed(1).Get(options, origin), noon, find); err != nil {
		f.Fatal(err)
	}
	seed(f, fixed(2).Get(options, origin), "authenticatorData")
	f.Fuzz(func(t *testing.T, text string, clientData, data []byte) {
		for _, response := range [][]byte{[]byte(text), rejoined(text, map[string][]byte{"clientDataJSON": clientData, "authenticatorData": data})} {
			// The fuzzer has another key.
			if _, err := rp.FinishLogin(state, alice.ID, response, noon, find); err == nil {
				t.Fatalf("%s is accepted", response)
			} else if _, refused := errors.AsType[Refusal](err); !refused {
				t.Fatalf("%v", err)
			}
		}
	})
}

// seed adds an answer, taken apart.
func seed(f *testing.F, response []byte, part string) {
	var e struct{ Response map[string]any }
	if err := json.Unmarshal(response, &e); err != nil {
		f.Fatal(err)
	}
	bytesOf := func(name string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(e.Response[name].(string))
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	f.Add(string(response), bytesOf("clientDataJSON"), bytesOf(part))
}

// rejoined is an answer with other parts.
func rejoined(text string, parts map[string][]byte) []byte {
	var e map[string]any
	if json.Unmarshal([]byte(text), &e) != nil {
		return nil
	}
	response, ok := e["response"].(map[string]any)
	if !ok {
		return nil
	}
	for name, b := range parts {
		response[name] = base64.RawURLEncoding.EncodeToString(b)
	}
	out, _ := json.Marshal(e)
	return out
}
