package iam

import (
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
)

// Operations that name a user, group or role by ARN.

// entityARN is the ARN of a user, group or role, taken apart; id is its unique id, if
// that is known.
type entityARN struct {
	text, path, name, id string
	account              arn.AccountID
	kind                 identity.EntityType
}

func parseEntityARN(s string) (entityARN, error) {
	a, err := arn.Parse(s)
	account, notAccount := arn.ParseAccountID(a.Account)
	kind, path, name := a.Split()
	switch e := (entityARN{text: s, path: path, name: name, account: account, kind: identity.EntityType(kind)}); e.kind {
	case identity.TypeUser, identity.TypeGroup, identity.TypeRole:
		if err == nil && notAccount == nil && a.Service == "iam" && a.Region == "" && name != "" {
			return e, nil
		}
	}
	return entityARN{}, invalidInput("Invalid Entity Arn: %s does not clearly define entity type and name.", s)
}

// findEntity finds the user, group or role of an ARN, which must be right in path and
// case, too.
func findEntity(c *service.Call, text string) (*bearer, error) {
	e, err := parseEntityARN(text)
	if err != nil {
		return nil, err
	}
	b, err := findBearer(c, e.kind, e.name)
	if err != nil {
		return nil, err
	}
	if b.arn(c.Scope) != text {
		return nil, noSuchEntity("The %s with name %s cannot be found.", e.kind, e.name)
	}
	return b, nil
}

// onEntity states that an operation asks about the user, group or role whose ARN get
// finds in its input.
func onEntity[I any](get func(*I) *string) checks[I] {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		name := *get(in)
		e, err := parseEntityARN(name)
		if err != nil {
			return nil, err
		}
		asked := authz.Check{Resource: name, Account: e.account}
		if e.account != c.Scope.Account {
			return []authz.Check{asked}, nil
		}
		check, _, err := checkBearer(c, e.kind, e.name)
		if err != nil {
			return nil, err
		}
		if check.Resource != name { // of the entity that is meant nothing is known
			check = asked
		}
		return []authz.Check{check}, nil
	}
}
