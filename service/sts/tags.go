package sts

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
)

// Messages of refused session tags, as recorded from AWS.
const (
	msgDuplicateTags    = "Duplicate tag keys found. Please note that Tag keys are case insensitive."
	msgInheritedTag     = "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."
	msgTransitiveNoTag  = "The specified transitive tag key must be included in the requested tags."
	msgReservedTagSpace = "Tag keys and values must not begin with aws:."
)

// reservedTagPrefix begins the keys and values that only AWS may set.
const reservedTagPrefix = "aws:"

// sessionTags are the tags of a session to be.
type sessionTags struct {
	requested  []identity.Tag // those that the request passes
	transitive []string       // keys of the requested ones that are to be transitive
	inherited  []identity.Tag // transitive tags of the calling session
}

// parseTags checks the session tags of a request against each other and against
// those that the caller's session hands on. Keys are compared without regard to
// case and kept as they were written (IAM User Guide, "Pass session tags in AWS
// STS").
func parseTags(p *authn.Principal, tags []types.Tag, transitiveKeys []string) (sessionTags, error) {
	var t sessionTags
	spelling := make(map[string]string, len(tags)) // of the requested keys
	for _, tag := range tags {
		key, value := aws.ToString(tag.Key), aws.ToString(tag.Value)
		if reserved(key) || reserved(value) {
			return t, invalidParameterValue(msgReservedTagSpace)
		}
		folded := identity.Fold(key)
		if _, ok := spelling[folded]; ok {
			return t, invalidParameterValue(msgDuplicateTags)
		}
		spelling[folded] = key
		t.requested = append(t.requested, identity.Tag{Key: key, Value: value})
	}
	t.inherited = transitiveTags(p)
	for _, tag := range t.inherited {
		if _, ok := spelling[identity.Fold(tag.Key)]; ok {
			return t, invalidParameterValue(msgInheritedTag)
		}
	}
	for _, key := range transitiveKeys {
		written, ok := spelling[identity.Fold(key)]
		if !ok {
			return t, invalidParameterValue(msgTransitiveNoTag)
		}
		if written != "" { // named once more in another case: still one tag
			t.transitive = append(t.transitive, written)
			spelling[identity.Fold(key)] = ""
		}
	}
	return t, nil
}

func reserved(s string) bool {
	return len(s) >= len(reservedTagPrefix) && strings.EqualFold(s[:len(reservedTagPrefix)], reservedTagPrefix)
}

// transitiveTags are the tags that the caller's session hands on.
func transitiveTags(p *authn.Principal) []identity.Tag {
	if p.Session == nil {
		return nil
	}
	var handed []identity.Tag
	for _, key := range p.Session.TransitiveTags {
		for _, tag := range p.Session.Tags {
			if tag.Key == key {
				handed = append(handed, tag)
			}
		}
	}
	return handed
}

func (t *sessionTags) any() bool { return len(t.requested)+len(t.inherited) > 0 }

// all are the tags of the new session.
func (t *sessionTags) all() []identity.Tag {
	return append(t.inherited[:len(t.inherited):len(t.inherited)], t.requested...)
}

// handedOn are the keys of the new session's transitive tags: what was inherited
// stays transitive.
func (t *sessionTags) handedOn() []string {
	var keys []string
	for _, tag := range t.inherited {
		keys = append(keys, tag.Key)
	}
	return append(keys, t.transitive...)
}

// overlay is how a role's tags appear to its trust policy: a transitive tag of
// the calling session replaces a tag of the role with the same key.
func (t *sessionTags) overlay(role []identity.Tag) []identity.Tag {
	shown := make([]identity.Tag, len(role))
	copy(shown, role)
	for i := range shown {
		for _, tag := range t.inherited {
			if identity.Fold(tag.Key) == identity.Fold(shown[i].Key) {
				shown[i].Value = tag.Value
			}
		}
	}
	return shown
}
