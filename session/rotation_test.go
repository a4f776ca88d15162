package session_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"reflect"
	"testing"

	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/session"
)

var update = flag.Bool("update", false, "write golden files that do not exist yet")

func TestT296_KeyRotation(t *testing.T) {
	seal, err := keyring.GenerateSealKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New(seal, rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	c := session.NewCodec(ring)
	opens := func(c *session.Codec, cr session.Credentials) error {
		s, err := c.Open(cr.AccessKeyID, cr.SessionToken)
		if err == nil && c.Secret(s) != cr.SecretAccessKey {
			t.Error("another secret")
		}
		return err
	}
	// another is a node that has loaded the ring as it is now.
	another := func() *session.Codec {
		t.Helper()
		ring, err := keyring.Open(seal, ring.Marshal())
		if err != nil {
			t.Fatal(err)
		}
		return session.NewCodec(ring)
	}
	apply := func(change *keyring.Change, err error) {
		t.Helper()
		if err == nil {
			err = change.Apply()
		}
		if err != nil {
			t.Fatal(err)
		}
	}

	old := mint(t, c, typical())
	oldID := ring.Active(keyring.SessionTokens).ID()
	if err := opens(another(), old); err != nil {
		t.Errorf("T299: another node, or this one after a restart: %v", err)
	}
	behind := another()
	apply(ring.Rotate(keyring.SessionTokens, now, rand.Reader))
	fresh := mint(t, c, typical())
	for _, cr := range []session.Credentials{old, fresh} {
		if err := opens(c, cr); err != nil {
			t.Errorf("after the rotation: %v", err)
		}
		if err := opens(another(), cr); err != nil {
			t.Errorf("after the rotation, on another node: %v", err)
		}
	}
	if err := opens(behind, fresh); err != session.ErrInvalid {
		t.Errorf("on a node that has not seen the key: %v", err)
	}
	apply(ring.Retire(oldID))
	if err := opens(c, old); err != session.ErrInvalid {
		t.Errorf("with a retired key: %v", err)
	}
	if err := opens(c, fresh); err != nil {
		t.Errorf("with the key in use: %v", err)
	}
}

// golden is a token with the keys that open it.
type golden struct {
	SealKey string
	Keyring []byte
	session.Credentials
}

// A token of any version can be opened for ever, with the same secret. So the files are
// never written again: a new version gets a new file.
func TestGoldenTokens(t *testing.T) {
	t.Run("1", func(t *testing.T) {
		want := example()
		want.Origin = "" // not known then, of a chained session
		testGoldenToken(t, "testdata/token-v1.json", want)
	})
	t.Run("2", func(t *testing.T) { testGoldenToken(t, "testdata/token-v2.json", example()) })
	t.Run("3", func(t *testing.T) {
		want := example()
		want.Console = true
		testGoldenToken(t, "testdata/token-v3.json", want)
	})
	t.Run("4", func(t *testing.T) {
		want := example()
		want.Console, want.Bearer = true, [16]byte{1, 2, 3}
		testGoldenToken(t, "testdata/token-v4.json", want)
	})
}

func testGoldenToken(t *testing.T, file string, want *session.Session) {
	if _, err := os.Stat(file); *update && errors.Is(err, fs.ErrNotExist) {
		seal, err := keyring.GenerateSealKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		ring, err := keyring.New(seal, rand.Reader, now)
		if err != nil {
			t.Fatal(err)
		}
		made := *want
		g := golden{SealKey: seal.Text(), Keyring: ring.Marshal(), Credentials: mint(t, session.NewCodec(ring), &made)}
		text, err := json.MarshalIndent(g, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	seal, err := keyring.ParseSealKey(g.SealKey)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.Open(seal, g.Keyring)
	if err != nil {
		t.Fatal(err)
	}
	c := session.NewCodec(ring)
	got, err := c.Open(g.AccessKeyID, g.SessionToken)
	if err != nil {
		t.Fatal(err)
	}
	if c.Secret(got) != g.SecretAccessKey {
		t.Error("the secret access key has changed")
	}
	mint(t, c, want) // sets what Open sets, with other randomness
	if want.Bearer == want.ID {
		want.Bearer = got.ID
	}
	want.ID, want.AccessKeyID = got.ID, got.AccessKeyID
	if !reflect.DeepEqual(got, want) {
		t.Errorf("opened %+v\nwas %+v", got, want)
	}
}
