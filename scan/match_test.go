package scan

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// Of no account: the ids that these tests plant are drawn here, not issued.
const id = "AKIARTX3GSDSSZTB5BQM"

// secretOf draws a secret as they are made: 240 bits in base64.
func secretOf(seed uint64) string {
	var b [30]byte
	r := rand.New(rand.NewPCG(seed, 7))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return base64.StdEncoding.EncodeToString(b[:])
}

// What people write, in the files in which keys are found.
func TestForms(t *testing.T) {
	secret := secretOf(1)
	for name, text := range map[string]string{
		"credentials file":    "[default]\naws_access_key_id = ID\naws_secret_access_key = SECRET\n",
		"secret first":        "aws_secret_access_key=SECRET\naws_access_key_id=ID\n",
		"shell":               "export AWS_ACCESS_KEY_ID='ID'; export AWS_SECRET_ACCESS_KEY='SECRET'",
		"one line of shell":   "AWS_ACCESS_KEY_ID=ID AWS_SECRET_ACCESS_KEY=SECRET aws s3 ls",
		"CSV of the console":  "Access key ID,Secret access key\r\nID,SECRET\r\n",
		"JSON of the CLI":     "{\n \"UserName\": \"a\",\n \"AccessKeyId\": \"ID\",\n \"Status\": \"Active\",\n \"SecretAccessKey\": \"SECRET\",\n}",
		"JSON on one line":    `{"AccessKeyId":"ID","SecretAccessKey":"SECRET"}`,
		"JSON in a string":    `"credentials": "[default]\naws_access_key_id=ID\naws_secret_access_key=SECRET\n"`,
		"escaped line breaks": `"ID\nSECRET\n"`,
		"and before":          `"\nID\tSECRET"`,
		"YAML":                "access_key: ID\nsecret_key: \"SECRET\"\n",
		"Terraform":           "provider \"aws\" {\n  access_key = \"ID\"\n  secret_key = \"SECRET\"\n}\n",
		"Go":                  "credentials.NewStaticCredentialsProvider(\"ID\", \"SECRET\", \"\")",
		"Python":              "boto3.client('s3', aws_access_key_id='ID',\n    aws_secret_access_key='SECRET')",
		"docker":              "ENV AWS_ACCESS_KEY_ID ID\nENV AWS_SECRET_ACCESS_KEY SECRET",
		"XML":                 "<AccessKeyId>ID</AccessKeyId><SecretAccessKey>SECRET</SecretAccessKey>",
		"a URL":               "s3://ID:SECRET@bucket/",
		"comment":             "//ID\n//SECRET",
		"four lines between":  "ID\n\n\n\nSECRET",
		"nothing else":        "ID SECRET",
		"a session's":         "aws_access_key_id=ASIARTX3GSDSSZTB5BQM\naws_secret_access_key=SECRET\naws_session_token=" + strings.Repeat("x", 300),
		"the last in a file":  strings.Repeat("package x\n", 500) + "ID:SECRET",
	} {
		text = strings.NewReplacer("ID", id, "SECRET", secret).Replace(strings.NewReplacer("AccessKeyId", "AccessKeyI\x01", "_ID", "_I\x01", " ID,", " I\x01,").Replace(text))
		text = strings.NewReplacer("I\x01", "ID").Replace(text)
		found := matches([]byte(text))
		if len(found) != 1 || found[0].id[4:] != id[4:] || found[0].secrets[0] != secret {
			t.Errorf("%s: %+v in\n%s", name, found, text)
			continue
		}
		if want := 1 + strings.Count(text[:strings.Index(text, found[0].id)], "\n"); found[0].line != want {
			t.Errorf("%s: line %d, want %d", name, found[0].line, want)
		}
	}
	// What PowerShell writes.
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		var text []byte
		for _, u := range utf16.Encode([]rune("\ufeffä " + id + " " + secret)) {
			text = order.AppendUint16(text, u)
		}
		if isBinary(text) || len(matches(text)) != 1 {
			t.Errorf("UTF-16, %v: not found", order)
		}
	}
}

// What is no key, or not meant to be found.
func TestNoFindings(t *testing.T) {
	secret := secretOf(2)
	for name, text := range map[string]string{
		"an id alone":             id,
		"a secret alone":          secret,
		"AWS's example":           "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"the example's id":        "AKIAIOSFODNN7EXAMPLE " + secret,
		"the example's secret":    id + " wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"too short":               id + " " + secret[1:],
		"too long":                id + " x" + secret,
		"an id that is too long":  id + "A " + secret,
		"within a word":           "x" + id + " " + secret,
		"in lower case":           strings.ToLower(id) + " " + secret,
		"a git commit":            id + " da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"an upper-case hash":      id + " DA39A3EE5E6B4B0D3255BFEF95601890AFD80709",
		"a path":                  id + " internal/service/organizations/accounts1",
		"a line of x":             id + " " + strings.Repeat("xX", 20),
		"padded base64":           id + " " + secret + "==",
		"five lines between":      id + "\n\n\n\n\n" + secret,
		"far away":                id + strings.Repeat(" ", 1100) + secret,
		"cut off by the distance": id + strings.Repeat(" ", 990) + secret[:20] + secret,
		"marked":                  id + " " + secret + " # lanyard:allow",
		"the secret is marked":    id + "\n" + secret + " // lanyard:allow\n",
		"a longer blob":           id + "\n" + strings.Repeat(secret, 50),
		"another kind of id":      "AIDARTX3GSDSSZTB5BQM " + secret,
	} {
		if found := matches([]byte(text)); len(found) != 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
	if !isBinary([]byte("\x7fELF\x00")) {
		t.Error("a program is taken for text")
	}
}

// Each key has the secret that is nearest, and no more than a few others.
func TestNearestSecret(t *testing.T) {
	other := "AKIARTX3GSDSSZTB5BQN"
	first, second := secretOf(3), secretOf(4)
	found := matches([]byte(fmt.Sprintf("a: %s\nb: %s\n\nc: %s\nd: %s\n", id, first, other, second)))
	if len(found) != 2 || found[0].secrets[0] != first || found[1].secrets[0] != second || !slices.Contains(found[1].secrets, first) {
		t.Errorf("%+v", found)
	}
	many := id
	for i := range 10 {
		many += " " + secretOf(uint64(10+i))
	}
	if found = matches([]byte(many)); len(found) != 1 || len(found[0].secrets) != maxSecrets {
		t.Errorf("%+v", found)
	}
}

// A drawn secret is missed less than once in a thousand.
func TestDrawnSecretsAreRandom(t *testing.T) {
	missed := 0
	for i := range uint64(10_000) {
		if !isRandom([]byte(secretOf(i))) {
			missed++
		}
	}
	if missed > 10 {
		t.Errorf("%d of 10,000 secrets are taken for something else", missed)
	}
}

// The time that a file takes grows with its size and not with its square.
func TestHostileFilesAreBounded(t *testing.T) {
	for name, text := range map[string]string{
		"nothing but ids":       strings.Repeat(id+" ", MaxFile/21),
		"ids in one blob":       strings.Repeat(id+"/", MaxFile/21),
		"ids and secrets":       strings.Repeat(id+" "+secretOf(5)+" ", MaxFile/62),
		"prefixes":              strings.Repeat("AKIA", MaxFile/4),
		"an id in a large blob": strings.Repeat("A", MaxFile/2) + " " + id + " " + strings.Repeat("b", MaxFile/2),
	} {
		if n := len(matches([]byte(text))); n > maxPerFile {
			t.Errorf("%s: %d matches", name, n)
		}
	}
}

func FuzzMatches(f *testing.F) {
	f.Add([]byte(id + " " + secretOf(6)))
	f.Add([]byte("\xff\xfe" + id))
	f.Add([]byte(`\n` + id + `\n` + secretOf(6) + `\nlanyard:allow`))
	f.Add([]byte("IA"))
	f.Fuzz(func(t *testing.T, text []byte) {
		plain := utf8Of(text)
		lines := bytes.Split(plain, []byte("\n"))
		for _, m := range matches(text) {
			if m.line < 1 || m.line > len(lines) || !bytes.Contains(lines[m.line-1], []byte(m.id)) || len(m.id) != idLength {
				t.Fatalf("%+v is not there", m)
			}
			if len(m.secrets) == 0 || len(m.secrets) > maxSecrets {
				t.Fatalf("%+v", m)
			}
			for _, s := range m.secrets {
				if len(s) != secretLength || !bytes.Contains(plain, []byte(s)) {
					t.Fatalf("%q is no secret", s)
				}
			}
		}
	})
}
