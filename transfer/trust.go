package transfer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
)

// nobody is the trust policy of a role that is not complete yet.
const nobody = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`

// trust is what a role's trust policy becomes: without the principals that there are not
// here, which a policy cannot name. It fails for a document that cannot be had.
func (im *Importer) trust(text string) (document string, missing []Omission, err error) {
	doc, err := policy.Parse(text, policy.TrustPolicy)
	if err != nil {
		return "", nil, err
	}
	gone := map[string]string{}
	for _, p := range doc.Principals() {
		if why := im.absent(p); why != "" && gone[p.Value] == "" {
			gone[p.Value] = why
			missing = append(missing, Omission{"trust in " + p.Value, why})
		}
	}
	if len(gone) == 0 {
		return text, nil, nil
	}
	document, err = without(text, gone)
	return document, missing, err
}

// absent says why there is no such principal here, or nothing.
func (im *Importer) absent(p policy.Principal) string {
	account := ""
	switch p.Kind {
	case policy.UniqueIDPrincipal:
		if !im.state.ids[p.Value] {
			return "an id of something that was deleted in account " + string(im.file.account)
		}
		return ""
	case policy.AccountPrincipal:
		account = p.Value
		if a, err := arn.Parse(p.Value); err == nil {
			account = a.Account
		}
	case policy.UserPrincipal, policy.RolePrincipal, policy.SessionPrincipal, policy.FederatedUserPrincipal:
		a, err := arn.Parse(p.Value)
		if err != nil {
			return err.Error()
		}
		account = a.Account
		if account == string(im.Account) {
			return im.absentEntity(p, a)
		}
	default:
		return ""
	}
	if account != string(im.Account) && len(im.Accounts) > 0 && !slices.Contains(im.Accounts, arn.AccountID(account)) {
		return fmt.Sprintf("there is no account %s here", account)
	}
	return ""
}

// absentEntity looks for a user or role of the account among those that there are and
// those that this import makes.
func (im *Importer) absentEntity(p policy.Principal, a arn.ARN) string {
	k, want := users, p.Value
	_, path, name := a.Split()
	switch p.Kind {
	case policy.FederatedUserPrincipal:
		return ""
	case policy.RolePrincipal:
		k = roles
	case policy.SessionPrincipal:
		k, name, want = roles, strings.Trim(path, "/"), ""
	}
	if _, out := im.leftOut[key{k, identity.Fold(name)}]; out {
		return fmt.Sprintf("the %s was left out", k)
	}
	have, ok := im.present[key{k, identity.Fold(name)}]
	if !ok || want != "" && have != want {
		return fmt.Sprintf("there is no such %s", k)
	}
	return ""
}

// without takes principals out of a document. A statement that names nobody any more is
// dropped, and so a document may come to trust nobody.
func without(text string, gone map[string]string) (string, error) {
	var doc map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return "", err
	}
	list, ok := doc["Statement"].([]any)
	if !ok {
		list = []any{doc["Statement"]}
	}
	var kept []any
	for _, s := range list {
		statement, ok := s.(map[string]any)
		if !ok {
			return "", fmt.Errorf("a statement is not an object")
		}
		for member, principals := range statement {
			switch member {
			case "NotPrincipal":
				if names(principals, gone) {
					return "", fmt.Errorf("its NotPrincipal names somebody who is not here")
				}
			case "Principal":
				statement[member] = less(principals, gone)
			}
		}
		if p, is := statement["Principal"]; is && p == nil {
			continue
		}
		kept = append(kept, statement)
	}
	if len(kept) == 0 {
		return nobody, nil
	}
	doc["Statement"] = kept
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(doc); err != nil {
		return "", err
	}
	return strings.TrimSpace(out.String()), nil
}

// less is a Principal element without those that are gone, nil if none is left.
func less(principals any, gone map[string]string) any {
	byType, ok := principals.(map[string]any)
	if !ok {
		return principals // "*"
	}
	left := map[string]any{}
	for typ, value := range byType {
		switch value := value.(type) {
		case string:
			if gone[value] == "" {
				left[typ] = value
			}
		case []any:
			var some []any
			for _, v := range value {
				if s, _ := v.(string); gone[s] == "" {
					some = append(some, v)
				}
			}
			if len(some) > 0 {
				left[typ] = some
			}
		default:
			left[typ] = value
		}
	}
	if len(left) == 0 {
		return nil
	}
	return left
}

func names(principals any, gone map[string]string) bool {
	text, err := json.Marshal(principals)
	if err != nil {
		return true
	}
	for name := range gone {
		if quoted, _ := json.Marshal(name); bytes.Contains(text, quoted) {
			return true
		}
	}
	return false
}
