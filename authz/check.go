package authz

import (
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
)

// Check is one question to the policy engine: may the caller perform Action on
// Resource, given these condition keys. An operation states its checks; the
// pipeline asks them. The zero Resource means "*".
type Check struct {
	Action   string        // "iam:CreateUser"; empty means the operation's own action
	Resource string        // ARN
	Account  arn.AccountID // who owns the resource; empty means the caller's account
	Keys     []Key         // condition keys beyond those that every request has

	// ResourcePolicy is the policy of the resource, if it has one. Trust marks it
	// as a role's trust policy, which must allow by itself.
	ResourcePolicy *policy.Set
	Trust          bool
	// Short asks for the denial sentence without its reason, as STS gives it.
	Short bool
}

// Key is a condition key and its value. List marks a multivalued key.
type Key struct {
	Name  string
	Value string
	List  []string
	Multi bool
}

// On asks about one resource.
func On(resource string) Check { return Check{Resource: resource} }

// With adds a condition key.
func (c Check) With(name, value string) Check {
	c.Keys = append(c.Keys[:len(c.Keys):len(c.Keys)], Key{Name: name, Value: value})
	return c
}

// WithList adds a multivalued condition key.
func (c Check) WithList(name string, values []string) Check {
	c.Keys = append(c.Keys[:len(c.Keys):len(c.Keys)], Key{Name: name, List: values, Multi: true})
	return c
}

// WithAction asks about another action than the operation's own.
func (c Check) WithAction(action string) Check {
	c.Action = action
	return c
}

// WithResourceTags adds aws:ResourceTag/k and iam:ResourceTag/k for the tags that
// the resource has.
func (c Check) WithResourceTags(tags []identity.Tag) Check {
	for _, t := range tags {
		c = c.With("aws:ResourceTag/"+t.Key, t.Value).With("iam:ResourceTag/"+t.Key, t.Value)
	}
	return c
}

// WithRequestTags adds aws:RequestTag/k and aws:TagKeys for the tags that the
// request carries.
func (c Check) WithRequestTags(tags []identity.Tag) Check {
	if len(tags) == 0 {
		return c
	}
	keys := make([]string, len(tags))
	for i, t := range tags {
		keys[i] = t.Key
		c = c.With("aws:RequestTag/"+t.Key, t.Value)
	}
	return c.WithList("aws:TagKeys", keys)
}
