package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// document is a policy document as people read it. It is made of documents that
// package policy accepts, whose names of elements are exact.
type document struct {
	Version   string
	Statement statements
}

// statement is one statement of a document.
type statement struct {
	Sid          string
	Effect       string
	Action       texts
	NotAction    texts
	Resource     texts
	NotResource  texts
	Principal    principals
	NotPrincipal principals
	Condition    map[string]map[string]texts
	Line         int    `json:"-"` // on which it begins, from 1
	raw          string // its text
}

func (s *statement) allows() bool { return strings.EqualFold(s.Effect, "Allow") }

// texts is a string or a list of them. Conditions may have numbers and truth values.
type texts []string

func (t *texts) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(b, &list); err != nil {
			return err
		}
		for _, one := range list {
			*t = append(*t, scalar(one))
		}
		return nil
	}
	*t = texts{scalar(b)}
	return nil
}

func scalar(b json.RawMessage) string {
	var s string
	if json.Unmarshal(b, &s) == nil {
		return s
	}
	return string(b)
}

// principals are the entries of a Principal element by type; "*" is AWS: *.
type principals map[string]texts

func (p *principals) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*p = principals{"AWS": {scalar(b)}}
		return nil
	}
	var byType map[string]texts
	if err := json.Unmarshal(b, &byType); err != nil {
		return err
	}
	*p = byType
	return nil
}

// statements is one statement or a list of them.
type statements []statement

func (s *statements) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(b, &list); err != nil {
			return err
		}
		for _, one := range list {
			if err := s.add(one); err != nil {
				return err
			}
		}
		return nil
	}
	return s.add(b)
}

func (s *statements) add(b json.RawMessage) error {
	one := statement{raw: string(b)}
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*s = append(*s, one)
	return nil
}

// readDocument reads a document that is valid, and finds where its statements stand.
func readDocument(text string) (*document, error) {
	var d document
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return nil, fmt.Errorf("read a policy document: %w", err)
	}
	at := 0
	for i := range d.Statement {
		s := &d.Statement[i]
		if found := strings.Index(text[at:], s.raw); found >= 0 {
			at += found
			s.Line = lineAt(text, at)
			at += len(s.raw)
		}
	}
	return &d, nil
}

func lineAt(text string, at int) int { return strings.Count(text[:at], "\n") + 1 }

// pretty indents a document, and leaves alone what is no JSON.
func pretty(text string) string {
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(strings.TrimSpace(text)), "", "  "); err != nil {
		return text
	}
	return b.String()
}

// unescapeDocument undoes the URL encoding in which IAM hands out documents.
func unescapeDocument(text *string) string {
	if text == nil {
		return ""
	}
	plain, err := url.QueryUnescape(*text)
	if err != nil {
		return *text
	}
	return plain
}

// Grant is one row of the summary of a policy: what a statement says about one
// service.
type Grant struct {
	Deny      bool
	Service   string
	Actions   string
	Resources []string
	More      int // resources that are not shown
	AllBut    bool
	When      []string
	Sid       string
	Line      int
}

// maxShown is how many names a summary lists before it counts the rest.
const maxShown = 4

// summary says what a document allows and denies, service by service. Denials come
// first, as they win.
func summary(text string) ([]Grant, error) {
	d, err := readDocument(text)
	if err != nil {
		return nil, err
	}
	var rows []Grant
	for i := range d.Statement {
		rows = append(rows, d.Statement[i].access()...)
	}
	slices.SortStableFunc(rows, func(a, b Grant) int {
		if a.Deny != b.Deny {
			if a.Deny {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Service, b.Service)
	})
	return rows, nil
}

func (s *statement) access() []Grant {
	row := Grant{Deny: !s.allows(), When: s.when(), Sid: s.Sid, Line: s.Line, Resources: s.Resource}
	if len(s.NotResource) > 0 {
		row.AllBut, row.Resources = true, s.NotResource
	}
	if len(row.Resources) > maxShown {
		row.More = len(row.Resources) - maxShown
		row.Resources = row.Resources[:maxShown]
	}
	if len(s.NotAction) > 0 {
		row.Service, row.Actions = "Every service", "Everything but "+someOf(s.NotAction)
		return []Grant{row}
	}
	byService := map[string][]string{}
	for _, action := range s.Action {
		service, name, ok := strings.Cut(action, ":")
		if !ok { // "*"
			service, name = "", "*"
		}
		byService[strings.ToLower(service)] = append(byService[strings.ToLower(service)], name)
	}
	var rows []Grant
	for _, service := range slices.Sorted(maps.Keys(byService)) {
		row := row
		row.Service, row.Actions = service, actionsInWords(byService[service])
		if service == "" {
			row.Service = "Every service"
		}
		rows = append(rows, row)
	}
	return rows
}

// actionsInWords says which actions of one service patterns name.
func actionsInWords(names []string) string {
	if slices.Contains(names, "*") {
		return "Every action"
	}
	var begin, exact []string
	for _, name := range names {
		stem, ok := strings.CutSuffix(name, "*")
		if ok && stem != "" && !strings.ContainsAny(stem, "*?") {
			begin = append(begin, stem+"…")
		} else {
			exact = append(exact, name)
		}
	}
	var parts []string
	if len(begin) > 0 {
		parts = append(parts, "All of "+someOf(begin))
	}
	if len(exact) > 0 {
		parts = append(parts, someOf(exact))
	}
	return strings.Join(parts, "; ")
}

// someOf lists names, and counts those beyond the first few.
func someOf(names []string) string {
	if len(names) > maxShown+1 {
		return strings.Join(names[:maxShown], ", ") + fmt.Sprintf(" and %d more", len(names)-maxShown)
	}
	return strings.Join(names, ", ")
}

// listed joins words as a sentence does: "a, b or c".
func listed(names []string, last string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " " + last + " " + names[n-1]
	}
	return strings.Join(names, "")
}

// when says under which conditions a statement holds: all of them have to.
func (s *statement) when() []string {
	var list []string
	for _, operator := range slices.Sorted(maps.Keys(s.Condition)) {
		for _, key := range slices.Sorted(maps.Keys(s.Condition[operator])) {
			list = append(list, conditionInWords(operator, key, s.Condition[operator][key]))
		}
	}
	return list
}

// conditionInWords turns one condition into a phrase that follows on "may …": "with
// MFA", "if aws:SourceVpc is vpc-1". Operators and keys do not depend on case.
func conditionInWords(operator, key string, values []string) string {
	value := listed(values, "or")
	set, rest, isSet := strings.Cut(operator, ":")
	if !isSet {
		set, rest = "", operator
	}
	base := strings.ToLower(rest)
	base, ifExists := strings.CutSuffix(base, "ifexists")
	name := strings.ToLower(key)
	plain := set == "" && !ifExists
	truth := len(values) == 1 && strings.EqualFold(values[0], "true")
	switch {
	case base == "bool" && name == "aws:multifactorauthpresent" && truth && plain:
		return "with MFA"
	case base == "bool" && name == "aws:multifactorauthpresent" && len(values) == 1 && strings.EqualFold(values[0], "false"):
		if ifExists {
			return "without MFA"
		}
		return "in a session without MFA"
	case base == "bool" && name == "aws:securetransport" && truth && plain:
		return "over TLS"
	case base == "numericlessthan" && name == "aws:multifactorauthage" && plain:
		return "with MFA of the last " + value + " seconds"
	case (base == "stringequals" || base == "stringlike") && name == "sts:externalid" && plain:
		return "with the external ID " + value
	case base == "ipaddress" && name == "aws:sourceip" && plain:
		return "from the address " + value
	case base == "notipaddress" && name == "aws:sourceip" && plain:
		return "from any address but " + value
	case base == "dategreaterthan" && name == "aws:currenttime" && plain:
		return "after " + value
	case base == "datelessthan" && name == "aws:currenttime" && plain:
		return "before " + value
	case base == "datelessthan" && name == "aws:tokenissuetime" && plain:
		return "with a session from before " + value
	case base == "null" && len(values) == 1:
		if truth {
			return "if " + key + " is not there"
		}
		return "if " + key + " is there"
	}
	verb, ok := verbs[base]
	if !ok {
		verb = rest
	}
	phrase := key + " " + verb + " " + value
	switch strings.ToLower(set) {
	case "foranyvalue":
		phrase = "one of " + phrase
	case "forallvalues":
		phrase = "each of " + phrase
	}
	if ifExists {
		return "if " + phrase + ", or is not there"
	}
	return "if " + phrase
}

// verbs are the operators of conditions in words.
var verbs = map[string]string{
	"stringequals": "is", "stringnotequals": "is not",
	"stringequalsignorecase": "is, in any case,", "stringnotequalsignorecase": "is not, in any case,",
	"stringlike": "looks like", "stringnotlike": "does not look like",
	"arnequals": "is", "arnnotequals": "is not", "arnlike": "looks like", "arnnotlike": "does not look like",
	"numericequals": "is", "numericnotequals": "is not", "numericlessthan": "is less than", "numericlessthanequals": "is at most",
	"numericgreaterthan": "is more than", "numericgreaterthanequals": "is at least",
	"dateequals": "is", "datenotequals": "is not", "datelessthan": "is before", "datelessthanequals": "is not after",
	"dategreaterthan": "is after", "dategreaterthanequals": "is not before",
	"bool": "is", "binaryequals": "is", "ipaddress": "is in", "notipaddress": "is not in",
}
