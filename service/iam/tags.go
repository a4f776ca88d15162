package iam

import (
	"cmp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
)

// tagKeys is how a kind of resource compares the keys of its tags (IAM User Guide,
// "Tags for IAM resources").
type tagKeys bool

const (
	anyCase   tagKeys = true  // users and roles: "department" replaces "Department"
	exactCase tagKeys = false // everything else
)

func (k tagKeys) equal(a, b string) bool {
	if k == anyCase {
		return identity.Fold(a) == identity.Fold(b)
	}
	return a == b
}

// reservedTagPrefix begins keys and values that only AWS may set.
const reservedTagPrefix = "aws:"

// setTags returns the tags of a resource after add was put on it; a tag with the
// same key is replaced. have is not changed.
func (s *Service) setTags(have []identity.Tag, add []types.Tag, keys tagKeys) ([]identity.Tag, error) {
	tags := slices.Clone(have)
	for i, t := range add {
		tag := identity.Tag{Key: aws.ToString(t.Key), Value: aws.ToString(t.Value)}
		if reserved(tag.Key) || reserved(tag.Value) {
			return nil, invalidInput("Tag keys and values cannot begin with %s", reservedTagPrefix)
		}
		if slices.ContainsFunc(add[:i], func(o types.Tag) bool { return keys.equal(aws.ToString(o.Key), tag.Key) }) {
			return nil, invalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		if at := slices.IndexFunc(tags, func(o identity.Tag) bool { return keys.equal(o.Key, tag.Key) }); at >= 0 {
			tags[at] = tag
		} else {
			tags = append(tags, tag)
		}
	}
	if len(tags) > s.limits.TagsPerResource {
		return nil, limitExceeded("Cannot exceed quota for TagsPerResource: %d", s.limits.TagsPerResource)
	}
	// Lists of tags are sorted by key.
	slices.SortFunc(tags, func(a, b identity.Tag) int { return cmp.Compare(a.Key, b.Key) })
	return tags, nil
}

func reserved(s string) bool {
	return len(s) >= len(reservedTagPrefix) && strings.EqualFold(s[:len(reservedTagPrefix)], reservedTagPrefix)
}

// removeTags returns the tags that remain without those of the given keys. A key
// that there is not is no error. have is not changed.
func removeTags(have []identity.Tag, remove []string, keys tagKeys) []identity.Tag {
	return slices.DeleteFunc(slices.Clone(have), func(t identity.Tag) bool {
		return slices.ContainsFunc(remove, func(key string) bool { return keys.equal(key, t.Key) })
	})
}

// listTags is the page of a resource's tags that in, a List…Tags input, asks for.
func (s *Service) listTags(c *service.Call, in any, tags []identity.Tag) (service.Paged[types.Tag], error) {
	return service.Page(c, s.markers, in, func(after string, yield func(string, types.Tag) bool) error {
		for _, t := range tags {
			if t.Key > after && !yield(t.Key, types.Tag{Key: &t.Key, Value: &t.Value}) {
				break
			}
		}
		return nil
	})
}

// sdkTags is tags as outputs have them: absent where there are none.
func sdkTags(tags []identity.Tag) []types.Tag {
	if len(tags) == 0 {
		return nil
	}
	out := make([]types.Tag, len(tags))
	for i, t := range tags {
		out[i] = types.Tag{Key: &t.Key, Value: &t.Value}
	}
	return out
}

// requestTags is the tags of a request as checks take them.
func requestTags(tags []types.Tag) []identity.Tag {
	out := make([]identity.Tag, len(tags))
	for i, t := range tags {
		out[i] = identity.Tag{Key: aws.ToString(t.Key), Value: aws.ToString(t.Value)}
	}
	return out
}
