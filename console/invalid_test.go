package console

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func TestInPlainWords(t *testing.T) {
	for message, want := range map[string]string{
		"1 validation error detected: Value at 'minimumPasswordLength' failed to satisfy constraint: Member must have value greater than or equal to 6":                                                                                                         "Minimum password length has to be 6 at least.",
		"2 validation errors detected: Value '' at 'userName' failed to satisfy constraint: Member must have length greater than or equal to 1; Value '; Value at x' at 'path' failed to satisfy constraint: Member must have length less than or equal to 512": "2 validation errors detected: Value '' at 'userName' failed to satisfy constraint: Member must have length greater than or equal to 1; Value '; Value at x' at 'path' failed to satisfy constraint: Member must have length less than or equal to 512",
		"2 validation errors detected: Value '' at 'userName' failed to satisfy constraint: Member must have length greater than or equal to 1; Value at 'path' failed to satisfy constraint: Member must have length less than or equal to 512":                "User name needs at least 1 character. Path can have at most 512 characters.",
		`1 validation error detected: Value at 'userName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]+`:                                                                                                            `User name has a form that is not taken, or characters that are not ([\w+=,.@-]+).`,
		"1 validation error detected: Value at 'tags.1.member.key' failed to satisfy constraint: Member must have length less than or equal to 128":                                                                                                             "Key can have at most 128 characters.",
		"1 validation error detected: Value null at 'samlMetadataDocument' failed to satisfy constraint: Member must not be null":                                                                                                                               "Saml metadata document is missing.",
		"1 validation error detected: Value at 'policyARN' failed to satisfy constraint: Member must not be null":                                                                                                                                               "Policy ARN is missing.",
		"1 validation error detected: Value at 'sAMLMetadataDocument' failed to satisfy constraint: Member must have length greater than or equal to 1000":                                                                                                      "SAML metadata document needs at least 1000 characters.",
		"1 validation error detected: Value at 'thumbprintList' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 40, Member must have length greater than or equal to 40]":                          "Each of Thumbprint list can have at most 40 characters and needs at least 40 characters.",
		"1 validation error detected: Value at 'thumbprintList' failed to satisfy constraint: Member must satisfy constraint: [Member must be blue]":                                                                                                            "",
		"1 validation error detected: Value at 'x' failed to satisfy constraint: Member must be blue":                                                                                                                                                           "1 validation error detected: Value at 'x' failed to satisfy constraint: Member must be blue",
		"1 validation error detected: ":      "",
		"User with name bob already exists.": "User with name bob already exists.",
	} {
		if want == "" {
			want = message
		}
		if got := inPlainWords(message); got != want {
			t.Errorf("%s\n%s", message, got)
		}
	}
}

// What a form has that is not taken is said in words, and what was typed is still there.
func TestRefusedFormsKeepWhatWasTyped(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	has := func(a *answered, fields map[string]string) {
		t.Helper()
		for name, want := range fields {
			tag := regexp.MustCompile(`<input[^>]* name="` + name + `"[^>]*>`).FindString(a.body)
			switch {
			case want == "on" || want == "off":
				if strings.Contains(tag, " checked") != (want == "on") {
					t.Errorf("%s is not %s: %s", name, want, tag)
				}
			case !strings.Contains(tag, `value="`+want+`"`):
				t.Errorf("%s has not %q: %s", name, want, tag)
			}
		}
	}
	a := w.post("/settings/password-policy", url.Values{"length": {"3"}, "age": {"90"}, "symbols": {"on"}})
	a.contains(t, "What was typed is not valid", "Minimum password length has to be 6 at least.")
	a.lacks(t, "validation error")
	has(a, map[string]string{"length": "3", "age": "90", "symbols": "on", "change": "off", "grace": "0"})
	has(w.get("/settings"), map[string]string{"length": "8", "symbols": "off", "change": "on"})
	has(w.post("/settings/alias", url.Values{"alias": {"Bad_Alias"}}), map[string]string{"alias": "Bad_Alias", "length": "8"})
	a = w.post("/settings/sign-in", url.Values{"mfa": {"on"}, "grace": {"500"}, "remember": {"2"}})
	a.contains(t, "from 0 to 90")
	has(a, map[string]string{"grace": "500", "remember": "2", "mfa": "on", "change": "on"})
	a = w.post("/users", url.Values{"name": {"my user"}})
	a.contains(t, "User name has a form that is not taken")
	has(a, map[string]string{"name": "my user"})
}
