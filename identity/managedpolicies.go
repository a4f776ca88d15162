package identity

import (
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/store"
)

// ManagedPolicies are AWS managed policies that the owner of the installation
// imported, for all accounts. They go before those of the catalogue.
var ManagedPolicies = store.Table[ManagedPolicy]{Kind: store.ManagedPolicy} // path and name, joined

// ManagedPolicy is an AWS managed policy as AWS had it when it was imported.
type ManagedPolicy struct {
	ID          string    `json:"id"`
	Description string    `json:"description,omitempty"`
	Created     time.Time `json:"created"`
	Updated     time.Time `json:"updated"`
	// Versions are in order of their numbers.
	Versions []ManagedPolicyVersion `json:"versions"`
	// Default is the id of the version in force.
	Default string `json:"default"`
}

// ManagedPolicyVersion is a version of an AWS managed policy.
type ManagedPolicyVersion struct {
	ID       string    `json:"id"` // v5
	Created  time.Time `json:"created"`
	Document string    `json:"d"`
}

// policy is an imported policy in the form of the catalogue. place is its path and
// name, joined.
func (p *ManagedPolicy) policy(place string) *awsmanaged.Policy {
	return awsmanaged.New(place, func() *awsmanaged.Content {
		c := &awsmanaged.Content{ID: p.ID, Description: p.Description, Created: p.Created, Updated: p.Updated, InForce: p.Default}
		for _, v := range p.Versions {
			c.Versions = append(c.Versions, awsmanaged.Version{ID: v.ID, Created: v.Created, Document: v.Document})
		}
		return c
	})
}

// FindManaged finds an AWS managed policy by its ARN, of any partition: the one that
// was imported, or else that of the catalogue. The error is store.ErrNotFound when
// there is none.
func FindManaged(r store.Reader, catalogue *awsmanaged.Catalogue, name string) (*awsmanaged.Policy, error) {
	place, ok := awsmanaged.Place(name)
	if !ok {
		return nil, store.ErrNotFound
	}
	imported, err := ManagedPolicies.Get(r, place)
	if err == nil {
		return imported.policy(place), nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if p, ok := catalogue.Find(name); ok {
		return p, nil
	}
	return nil, store.ErrNotFound
}

// ManagedAfter returns the AWS managed policies, imported or of the catalogue, that
// follow a path and name joined, in the order of these.
func ManagedAfter(r store.Reader, catalogue *awsmanaged.Catalogue, pathName string) (iter.Seq[*awsmanaged.Policy], error) {
	var imported []*awsmanaged.Policy
	err := ManagedPolicies.Scan(r, pathName, func(key store.Key, p *ManagedPolicy) bool {
		imported = append(imported, p.policy(key.Last()))
		return true
	})
	if err != nil {
		return nil, err
	}
	return func(yield func(*awsmanaged.Policy) bool) {
		rest := imported
		for p := range catalogue.After(pathName) {
			for len(rest) > 0 && strings.Compare(rest[0].Place(), p.Place()) < 0 {
				if !yield(rest[0]) {
					return
				}
				rest = rest[1:]
			}
			if len(rest) > 0 && rest[0].Place() == p.Place() {
				p, rest = rest[0], rest[1:]
			}
			if !yield(p) {
				return
			}
		}
		for _, p := range rest {
			if !yield(p) {
				return
			}
		}
	}, nil
}
