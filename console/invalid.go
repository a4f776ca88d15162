package console

import (
	"regexp"
	"strings"
	"unicode"
)

// violation is one thing that AWS's validation of parameters found.
var violation = regexp.MustCompile(`^Value (?:.*)?at '([^']*)' failed to satisfy constraint: Member must (.*)$`)

// demands are AWS's words for what a parameter must be, and those of people.
var demands = []struct{ aws, words string }{
	{"have length less than or equal to ", "can have at most %s characters"},
	{"have length greater than or equal to ", "needs at least %s characters"},
	{"have value less than or equal to ", "can be %s at most"},
	{"have value greater than or equal to ", "has to be %s at least"},
	{"satisfy enum value set: ", "has to be one of %s"},
	{"satisfy regular expression pattern: ", "has a form that is not taken, or characters that are not (%s)"},
	{"not be null", "is missing"},
}

// inPlainWords says what AWS's validation of parameters says, for people who filled in a
// form. What it does not know stays as it is.
func inPlainWords(message string) string {
	_, list, found := strings.Cut(message, " detected: ")
	if !found || list == "" || !strings.Contains(message, "validation error") {
		return message
	}
	var sentences []string
	for list != "" {
		one, rest, _ := strings.Cut(list, "; Value ")
		if rest != "" {
			rest = "Value " + rest
		}
		m := violation.FindStringSubmatch(one)
		if m == nil {
			return message
		}
		name, must := nameOf(m[1]), []string{m[2]}
		if each, ok := strings.CutPrefix(m[2], "satisfy constraint: [Member must "); ok {
			name, must = "Each of "+name, strings.Split(strings.TrimSuffix(each, "]"), ", Member must ")
		}
		for i, demand := range must {
			if must[i] = demandInWords(demand); must[i] == "" {
				return message
			}
		}
		sentences = append(sentences, name+" "+strings.Join(must, " and ")+".")
		list = rest
	}
	return strings.Join(sentences, " ")
}

// demandInWords is what a parameter must be, in words, or "" if it is not known.
func demandInWords(demand string) string {
	for _, d := range demands {
		if limit, ok := strings.CutPrefix(demand, d.aws); ok {
			said := strings.Replace(d.words, "%s", limit, 1)
			if limit == "1" {
				said = strings.TrimSuffix(said, "s")
			}
			return said
		}
	}
	return ""
}

// nameOf is the name of a parameter as people would write it: "Minimum password length" of
// minimumPasswordLength, "SAML metadata document" of sAMLMetadataDocument, "Key" of
// tags.1.member.key.
func nameOf(member string) string {
	member = member[strings.LastIndexByte(member, '.')+1:]
	var b strings.Builder
	letters := []rune(member)
	for i, r := range letters {
		switch {
		case i == 0:
			b.WriteRune(unicode.ToUpper(r))
		case unicode.IsUpper(r) && (i > 1 && unicode.IsLower(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1])):
			b.WriteByte(' ')
			if i+1 < len(letters) && unicode.IsLower(letters[i+1]) {
				r = unicode.ToLower(r)
			}
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
