package lanyard

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// FindEntitiesInput asks for the things of a type whose name or ARN contains Query, in any
// case, or whose unique id it is. Type is User, Group, Role or Policy.
type FindEntitiesInput struct {
	Type, Query *string
	MaxItems    *int32
}

// FindEntitiesOutput has no marker: who wants to see more types more.
type FindEntitiesOutput struct {
	Entities    []FoundEntity
	IsTruncated bool
}

// FoundEntity is a user, a group, a role or a policy.
type FoundEntity struct{ Name, Arn *string }

// maxFound is how many entities FindEntities returns, unless it is asked for fewer.
const maxFound = 100

// finder looks through the entities of one type.
type finder struct {
	query  string // in lower case
	beyond bool   // it can only match an ARN as a whole
	most   int
	out    FindEntitiesOutput
}

// look adds an entity if it matches, and reports whether to go on. A part of an ARN between
// its separators is a part of the name, or of the path, or else of all ARNs of the type: only
// where that is not the answer is the ARN written out.
func (f *finder) look(folded, name, path, id string, prefix string, full func() string) bool {
	matches := strings.Contains(folded, f.query) || strings.EqualFold(id, f.query)
	if !matches {
		if f.beyond {
			matches = strings.Contains(strings.ToLower(full()), f.query)
		} else {
			matches = strings.Contains(prefix, f.query) || path != "/" && strings.Contains(strings.ToLower(path), f.query)
		}
	}
	if !matches {
		return true
	}
	if len(f.out.Entities) == f.most {
		f.out.IsTruncated = true
		return false
	}
	f.out.Entities = append(f.out.Entities, FoundEntity{Name: &name, Arn: aws.String(full())})
	return true
}

// FindEntities looks through the names of one type, of policies also through AWS's.
func (s *Service) FindEntities(c *service.Call, in *FindEntitiesInput) (*FindEntitiesOutput, error) {
	query := strings.ToLower(*in.Query)
	f := &finder{query: query, beyond: strings.ContainsAny(query, ":/"), most: maxFound}
	if in.MaxItems != nil {
		f.most = min(int(*in.MaxItems), maxFound)
	}
	f.out.Entities = []FoundEntity{}
	p := c.Scope.Partition
	account := string(c.Scope.Account)
	var err error
	switch *in.Type {
	case "User":
		prefix := strings.ToLower(c.Scope.User("/", ""))
		err = identity.Users.Scan(c.Reader, "", func(key store.Key, u *identity.User) bool {
			return f.look(key.Last(), u.Name, u.Path, u.ID, prefix, func() string { return u.ARN(p) })
		}, account)
	case "Group":
		prefix := strings.ToLower(c.Scope.Group("/", ""))
		err = identity.Groups.Scan(c.Reader, "", func(key store.Key, g *identity.Group) bool {
			return f.look(key.Last(), g.Name, g.Path, g.ID, prefix, func() string { return g.ARN(p) })
		}, account)
	case "Role":
		prefix := strings.ToLower(c.Scope.Role("/", ""))
		err = identity.Roles.Scan(c.Reader, "", func(key store.Key, r *identity.Role) bool {
			return f.look(key.Last(), r.Name, r.Path, r.ID, prefix, func() string { return r.ARN(p) })
		}, account)
	case "Policy":
		err = s.findPolicies(c, f, account)
	}
	if err != nil {
		return nil, err
	}
	return &f.out, nil
}

func (s *Service) findPolicies(c *service.Call, f *finder, account string) error {
	p := c.Scope.Partition
	prefix := strings.ToLower(c.Scope.Policy("/", ""))
	err := identity.Policies.Scan(c.Reader, "", func(key store.Key, policy *identity.Policy) bool {
		return f.look(key.Last(), policy.Name, policy.Path, policy.ID, prefix, func() string { return policy.ARN(p) })
	}, account)
	if err != nil || f.out.IsTruncated {
		return err
	}
	policies, err := identity.ManagedAfter(c.Reader, s.config.Managed, "")
	if err != nil {
		return err
	}
	prefix = strings.ToLower(arn.Scope{Partition: p, Account: "aws"}.Policy("/", ""))
	for policy := range policies {
		var id string
		if strings.HasPrefix(f.query, "anpa") { // it is in the policy's file
			id = policy.Content().ID
		}
		if !f.look(strings.ToLower(policy.Name), policy.Name, policy.Path, id, prefix, func() string { return policy.ARN(p) }) {
			break
		}
	}
	return nil
}

// mayFindEntities asks for what listing the same takes.
func mayFindEntities(c *service.Call, in *FindEntitiesInput) ([]authz.Check, error) {
	switch *in.Type {
	case "User":
		return []authz.Check{authz.On(c.Scope.User("/", ""))}, nil
	case "Group":
		return []authz.Check{authz.On(c.Scope.Group("/", "")).WithAction("iam:ListGroups")}, nil
	case "Role":
		return []authz.Check{authz.On(c.Scope.Role("/", "")).WithAction("iam:ListRoles")}, nil
	}
	return []authz.Check{authz.On(c.Scope.Policy("/", "")).WithAction("iam:ListPolicies")}, nil
}
