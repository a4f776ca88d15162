package server

import (
	"strings"
	"testing"
)

// T244: what the console says of itself comes from the configuration, which is held to what
// browsers and passkeys need.
func TestT244_ConsoleURL(t *testing.T) {
	for given, refusal := range map[string]string{
		"":                             "",
		"https://id.example.com":       "",
		"https://ID.example.com:8443/": "",
		"http://localhost:4747":        "",
		"http://id.example.com":        "over https only",
		"https://192.0.2.1":            "needs a name",
		"https://[2001:db8::1]:4747":   "needs a name",
		"id.example.com":               "and not",
		"https://id.example.com/iam":   "and not",
		"https://u:p@id.example.com":   "and not",
		"https://id.example.com?x=1":   "and not",
		"javascript:alert(1)":          "and not",
		"https://%zz":                  "URL of the console",
	} {
		err := (&Config{Dev: true, URL: given}).Validate()
		if (err == nil) != (refusal == "") || err != nil && !strings.Contains(err.Error(), refusal) {
			t.Errorf("T244: %q: %v, want %q", given, err, refusal)
		}
	}
}
