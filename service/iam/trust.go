package iam

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// trust checks a trust policy that is to be saved, and pins the users and roles
// that it names to the unique ids that they have now: one who is deleted and made
// again is another and is not trusted (IAM User Guide, "AWS JSON policy
// elements: Principal").
func (s *Service) trust(c *service.Call, text string) (identity.Pins, error) {
	doc, err := parseDocument(text, policy.TrustPolicy)
	if err != nil {
		return nil, err
	}
	if policy.CountNonSpace(text) > s.limits.TrustPolicySize {
		return nil, limitExceeded("Cannot exceed quota for ACLSizePerRole: %d", s.limits.TrustPolicySize)
	}
	var pins identity.Pins
	for _, p := range doc.Principals() {
		id, err := principal(c, p)
		if errors.Is(err, store.ErrNotFound) {
			return nil, &types.MalformedPolicyDocumentException{
				Message: aws.String(fmt.Sprintf(`Invalid principal in policy: "%s":"%s"`, p.Type, p.Value)),
			}
		}
		if err != nil {
			return nil, err
		}
		if id != "" {
			if pins == nil {
				pins = make(identity.Pins)
			}
			pins[p.Value] = id
		}
	}
	return pins, nil
}

// principal checks that whom a trust policy names exists, in any account of this
// installation, and returns the unique id to pin a user's or role's ARN to. The
// error is store.ErrNotFound for a principal that does not exist.
func principal(c *service.Call, p policy.Principal) (id string, err error) {
	switch p.Kind {
	case policy.UniqueIDPrincipal:
		e, err := identity.Entities.Get(c.Reader, p.Value)
		if err != nil {
			return "", err
		}
		if e.Type != identity.TypeUser && e.Type != identity.TypeRole {
			return "", store.ErrNotFound
		}
		return "", nil // an id needs no pin
	case policy.AccountPrincipal:
		if a, err := arn.Parse(p.Value); err == nil {
			return "", inAccount(c, a)
		}
		return "", knownAccount(c, p.Value)
	case policy.UserPrincipal, policy.RolePrincipal, policy.SessionPrincipal, policy.FederatedUserPrincipal:
		a, err := arn.Parse(p.Value)
		if err != nil {
			return "", err
		}
		if err := inAccount(c, a); err != nil {
			return "", err
		}
		return namedPrincipal(c, p, a)
	}
	return "", nil // services, identity providers and everyone need not exist
}

func namedPrincipal(c *service.Call, p policy.Principal, a arn.ARN) (id string, err error) {
	account := arn.AccountID(a.Account)
	_, path, name := a.Split()
	switch p.Kind {
	case policy.UserPrincipal:
		u, err := identity.FindUser(c.Reader, account, name)
		if err != nil {
			return "", err
		}
		if u.ARN(a.Partition) != p.Value { // another path, or another case
			return "", store.ErrNotFound
		}
		return u.ID, nil
	case policy.RolePrincipal:
		r, err := identity.FindRole(c.Reader, account, name)
		if err != nil {
			return "", err
		}
		if r.ARN(a.Partition) != p.Value {
			return "", store.ErrNotFound
		}
		return r.ID, nil
	case policy.SessionPrincipal: // assumed-role/ROLE/SESSION
		role := strings.Trim(path, "/")
		r, err := identity.FindRole(c.Reader, account, role)
		if err != nil {
			return "", err
		}
		if r.Name != role {
			return "", store.ErrNotFound
		}
	}
	return "", nil
}

// inAccount checks that an ARN's account exists and that its partition is the
// caller's: access is not delegated between partitions.
func inAccount(c *service.Call, a arn.ARN) error {
	if a.Partition != c.Scope.Partition {
		return store.ErrNotFound
	}
	return knownAccount(c, a.Account)
}

func knownAccount(c *service.Call, id string) error {
	if id == c.Account() || identity.Accounts.Has(c.Reader, id) {
		return nil
	}
	return store.ErrNotFound
}

// trustPolicy is a role's trust policy as it is shown: as it was sent, but with
// the present ARN of a pinned user who was renamed, and with the raw unique id of
// one who is gone, because that id is all that the policy trusts.
func trustPolicy(c *service.Call, r *identity.Role) (string, error) {
	current := make(map[string]string, len(r.TrustPins))
	changed := false
	for name, id := range r.TrustPins {
		now, err := principalARN(c, name, id)
		if err != nil {
			return "", err
		}
		current[name] = now
		changed = changed || now != name
	}
	if !changed {
		return r.TrustPolicy, nil
	}
	doc, err := policy.Parse(r.TrustPolicy, policy.TrustPolicy)
	if err != nil {
		return "", fmt.Errorf("trust policy of role %s: %w", r.ID, err)
	}
	return doc.ReplacePrincipals(func(principal string) string {
		if now, ok := current[principal]; ok {
			return now
		}
		return principal
	}), nil
}

// principalARN is how a pinned principal is shown: by its present ARN, in the
// partition in which the policy named it, or by its id.
func principalARN(c *service.Call, name, id string) (string, error) {
	a, err := arn.Parse(name)
	if err != nil {
		return "", err
	}
	if u, err := identity.UserByID(c.Reader, id); err == nil {
		return u.ARN(a.Partition), nil
	} else if !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	if r, err := identity.RoleByID(c.Reader, id); err == nil {
		return r.ARN(a.Partition), nil
	} else if !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	return id, nil
}
