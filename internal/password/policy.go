package password

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The characters that count as a symbol (IAM User Guide, "Setting an account
// password policy").
const symbols = "!@#$%^&*()_+-=[]{}|'"

// Policy is what a new password must have.
type Policy struct {
	MinimumLength int // characters
	// The classes of which at least one character is needed. Letters are those of
	// the basic Latin alphabet.
	Uppercase, Lowercase, Number, Symbol bool
	// Classes is how many of the four classes are needed, whichever they are.
	Classes int
}

// Default is the policy of an account that has not set one (IAM User Guide,
// "Default password policy"): eight characters, three of the four classes. That a
// password must not be the name of the account is for the caller to check.
func Default() Policy { return Policy{MinimumLength: 8, Classes: 3} }

// class is a set of characters of which a password may need one.
type class struct {
	name     string
	required bool
	has      func(rune) bool
}

func (p Policy) classes() [4]class {
	return [4]class{
		{"uppercase letter", p.Uppercase, func(r rune) bool { return 'A' <= r && r <= 'Z' }},
		{"lowercase letter", p.Lowercase, func(r rune) bool { return 'a' <= r && r <= 'z' }},
		{"number", p.Number, func(r rune) bool { return '0' <= r && r <= '9' }},
		{"symbol", p.Symbol, func(r rune) bool { return strings.ContainsRune(symbols, r) }},
	}
}

// Check returns what is wrong with a password in AWS's words, or "" when it meets
// the policy. It never quotes the password.
func (p Policy) Check(password string) string {
	var wrong, lacking []string
	if utf8.RuneCountInString(password) < p.MinimumLength {
		wrong = append(wrong, fmt.Sprintf("Password should have a minimum length of %d", p.MinimumLength))
	}
	present := 0
	for _, c := range p.classes() {
		needed := "Password should have at least one " + c.name
		switch {
		case strings.ContainsFunc(password, c.has):
			present++
		case c.required:
			wrong = append(wrong, needed)
		default:
			lacking = append(lacking, needed)
		}
	}
	if more := p.Classes - present; more > 0 {
		wrong = append(wrong, fmt.Sprintf("Password should meet %d more of the following requirements: %s", more, strings.Join(lacking, ", ")))
	}
	return strings.Join(wrong, ", ")
}
