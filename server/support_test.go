package server

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// A server that keeps secrets of every kind, and whose log was told some by a mistake, hands
// out a bundle in which there is none, however it is written, and no name.
func TestSupportBundleHasNoSecrets(t *testing.T) {
	c := installation(t)
	c.Settings = []Setting{{"listen", "127.0.0.1:0", "flag"}, {"url", "", "default"}}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	account := arn.AccountID("111122223333")
	now := time.Now().UTC()
	seal, _, err := c.sealKey()
	if err != nil {
		t.Fatal(err)
	}
	creds, err := s.sessions.Mint(&session.Session{Kind: session.LocalRoot, Account: account, PrincipalID: string(account), Issued: now, Expires: now.Add(time.Hour)}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	seed := make([]byte, 20)
	rand.Read(seed)
	secret := map[string]string{
		"access key":         "kV3/9fP+QbT7mZ2xW8cLrN5yHs4JdGaE6uRoXi1q",
		"webhook secret":     "whsec_Zk8N2qPq7Lx3Vb6Tn9Rc4Wd1Yf5Hg0Js",
		"webhook URL":        "https://hooks.example.com/T024BE91L/Zk8N2qPq7Lx3Vb6Tn9Rc4Wd1",
		"password":           "correct-Horse-7-battery",
		"cookie":             "AIDAQWERTYUIOPASDFGH." + base64.RawURLEncoding.EncodeToString(seed) + "Zx9Qy7",
		"session token":      creds.SessionToken,
		"session secret":     creds.SecretAccessKey,
		"seal key":           seal.Text(),
		"TOTP seed":          base32.StdEncoding.EncodeToString(seed),
		"one-time link":      "Q7RM-4K2P-XH9D-T3WV",
		"name of a user":     "margarethe",
		"id of an account":   "222233334444",
		"e-mail of root":     "root-user@corp.example.com",
		"ARN":                "arn:aws:iam::111122223333:user/margarethe",
		"id of an accesskey": creds.AccessKeyID,
	}
	err = s.store.Update(t.Context(), func(tx store.Tx) error {
		call := s.systemCall(tx, account)
		user, err := s.iam.CreateUser(call, &awsiam.CreateUserInput{UserName: aws.String("margarethe")})
		if err != nil {
			return err
		}
		sealed, err := s.ring.Seal(keyring.AccessKeySecrets, string(identity.AccessKeys.Key("AKIAIOSFODNN7EXAMPLE")), []byte(secret["access key"]))
		if err != nil {
			return err
		}
		hook, err := s.ring.Seal(keyring.PrivateKeys, identity.SecretLabel(account), []byte(secret["webhook secret"]))
		if err != nil {
			return err
		}
		return errors.Join(
			identity.NotificationsOf.Put(tx, &identity.Notifications{Webhook: &identity.Destination{To: secret["webhook URL"], Secret: hook}}, string(account)),
			identity.AccessKeys.Put(tx, &identity.AccessKey{ID: "AKIAIOSFODNN7EXAMPLE", Account: account, UserID: *user.User.UserId, UserName: "margarethe", Secret: sealed, Created: now}, "AKIAIOSFODNN7EXAMPLE"),
			identity.BrowserSessions.Put(tx, &identity.BrowserSession{Account: account, PersonID: *user.User.UserId, Token: creds.SessionToken, AccessKeyID: creds.AccessKeyID}, *user.User.UserId, identity.Digest(secret["cookie"])),
			identity.RootEmails.Put(tx, &identity.Alias{Account: account}, secret["e-mail of root"]),
			identity.MFADevices.Put(tx, &identity.MFADevice{Account: account, Path: "/", Name: "margarethe", Seed: seed}, string(account), "/margarethe"),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	// What a careless line could say. Passwords and links look like words: none is ever logged,
	// which other tests see to.
	for what, text := range secret {
		if what != "password" && what != "one-time link" && what != "name of a user" {
			s.log.Warn("careless", "what", text)
			s.log.Error("a text around " + text + ", and behind it")
		}
	}
	s.log.Info("a line to keep", "id", "7c1e0c52-3a55-4a0e-9d0c-6b8f7e2d9a11", "path", "/var/lib/lanyard/lanyard.db-wal", "bytes", 42835968)

	bundle, err := s.supportBundle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files := unzipped(t, bundle)
	for _, name := range []string{"README.txt", "about.txt", "server.json", "records.txt", "metrics.txt", "goroutines.txt", "log.jsonl"} {
		if len(files[name]) < 20 {
			t.Errorf("%s has %d bytes", name, len(files[name]))
		}
	}
	for name, want := range map[string][]string{
		"log.jsonl":      {"a line to keep", "7c1e0c52-3a55-4a0e-9d0c-6b8f7e2d9a11", "/var/lib/lanyard/lanyard.db-wal", "42835968", "[REDACTED]", "[ARN]", "[ACCOUNT]"},
		"about.txt":      {"Lanyard test", "github.com/lanyard-iam/lanyard", "goroutines"},
		"records.txt":    {"User", "1 records", "AccessKey"},
		"metrics.txt":    {"lanyard_trail_queue_depth"},
		"server.json":    {`"listen"`, `"flag"`, s.ring.SealKeyID()},
		"goroutines.txt": {"TestSupportBundleHasNoSecrets"},
	} {
		for _, text := range want {
			if !strings.Contains(files[name], text) {
				t.Errorf("%s lacks %q", name, text)
			}
		}
	}
	for name, text := range files {
		for what, canary := range secret {
			for how, form := range written(canary) {
				if strings.Contains(text, form) {
					t.Errorf("%s has the %s, %s", name, what, how)
				}
			}
		}
	}
}

// written are the ways in which a secret may stand somewhere. Of base64, what does not depend on
// where in a longer text it begins.
func written(secret string) map[string]string {
	forms := map[string]string{"as it is": secret, "in hex": hex.EncodeToString([]byte(secret)), "in HEX": strings.ToUpper(hex.EncodeToString([]byte(secret)))}
	for shift := range 3 {
		text := base64.RawStdEncoding.EncodeToString(slices.Concat(make([]byte, shift), []byte(secret)))
		inner := text[4 : len(text)-4]
		if len(inner) < 8 {
			continue
		}
		forms["in base64, shifted by "+string(rune('0'+shift))] = inner
		forms["in base64url, shifted by "+string(rune('0'+shift))] = strings.NewReplacer("+", "-", "/", "_").Replace(inner)
	}
	if raw, err := base64.StdEncoding.DecodeString(secret); err == nil && len(raw) >= 20 {
		forms["decoded, in hex"] = hex.EncodeToString(raw)
	}
	if raw, err := base32.StdEncoding.DecodeString(secret); err == nil && len(raw) >= 10 {
		forms["decoded, in hex"] = hex.EncodeToString(raw)
		forms["decoded"] = string(raw)
		forms["decoded, in base64"] = base64.StdEncoding.EncodeToString(raw)
	}
	return forms
}

func unzipped(t *testing.T, bundle []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(bundle), int64(len(bundle)))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(text)
	}
	return files
}

// The log in memory is bounded, and its newest lines are kept.
func TestRecentIsBounded(t *testing.T) {
	var r recent
	line := append(bytes.Repeat([]byte("x "), 500), '\n')
	for range 2000 {
		r.Write(line)
	}
	r.Write(bytes.Repeat([]byte("y "), recentBytes))
	r.Write([]byte("the last\n"))
	text := r.text()
	if len(text) > recentBytes+1000 || !strings.HasSuffix(text, "the last\n") || strings.Count(text, "\n") < 200 {
		t.Errorf("%d bytes, %d lines", len(text), strings.Count(text, "\n"))
	}
}

func TestRedacted(t *testing.T) {
	for text, want := range map[string]string{
		"dial tcp 127.0.0.1:4747: connection refused":                     "dial tcp 127.0.0.1:4747: connection refused",
		"request 7c1e0c52-3a55-4a0e-9d0c-6b8f7e2d9a11":                    "request 7c1e0c52-3a55-4a0e-9d0c-6b8f7e2d9a11",
		"open /var/lib/lanyard/data/lanyard.db: no space left on device":  "open /var/lib/lanyard/data/lanyard.db: no space left on device",
		"github.com/lanyard-iam/lanyard/server.(*Server).describeStore":   "github.com/lanyard-iam/lanyard/server.(*Server).describeStore",
		"user arn:aws:iam::111122223333:user/a/b+c=d,e is gone":           "user [ARN],e is gone",
		"key AKIAIOSFODNN7EXAMPLE of account 111122223333":                "key AKIA[ID] of account [ACCOUNT]",
		"mail to root@corp.example.com failed":                            "mail to [NAME@HOST] failed",
		"token LanyBLRD17YMVnnTYEISMMu7d3/XMea5mIXdYat6oza5TFVRPYfehT6Ag": "token [REDACTED]",
		"seed JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP":                           "seed [REDACTED]",
		"key d214986ef855dd2cd214986ef855dd2c":                            "key [REDACTED]",
	} {
		if got := redacted(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
