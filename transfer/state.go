package transfer

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/paging"
)

// digest stands for a document: its white space does not count.
type digest [sha256.Size]byte

func digestOf(document string) digest { return sha256.Sum256([]byte(compact(document))) }

// having is an entity that there is in the account already.
type having struct {
	name, path, arn string
	inline          map[string]digest
	attached        map[string]bool // ARNs
	boundary        string
	tags            map[string]string
	groups          map[string]bool // folded names
	trust           digest
	profiles        map[string]bool // folded names
	versions        []havingVersion // newest first
}

type havingVersion struct {
	id      string
	digest  digest
	inForce bool
}

// state is the account as it was when the import began, by kind and folded name.
type state struct {
	of       [kinds]map[string]*having
	ids      map[string]bool // unique ids of users and roles
	profiles map[string]*havingProfile
	quotas   map[string]int32
}

type havingProfile struct {
	name, path string
	roles      []string
}

// load reads the account through the API, page by page.
func load(ctx context.Context, client *iam.Client) (*state, error) {
	s := &state{ids: map[string]bool{}, profiles: map[string]*havingProfile{}}
	for k := range s.of {
		s.of[k] = map[string]*having{}
	}
	pages := paging.Of(client.GetAccountAuthorizationDetails, &iam.GetAccountAuthorizationDetailsInput{
		MaxItems: aws.Int32(1000),
		Filter:   []types.EntityType{types.EntityTypeUser, types.EntityTypeGroup, types.EntityTypeRole, types.EntityTypeLocalManagedPolicy},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the account: %w", err)
		}
		if err := s.add(page); err != nil {
			return nil, err
		}
	}
	profiles := paging.Of(client.ListInstanceProfiles, &iam.ListInstanceProfilesInput{MaxItems: aws.Int32(1000)})
	for profiles.HasMorePages() {
		page, err := profiles.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the instance profiles: %w", err)
		}
		for _, p := range page.InstanceProfiles {
			have := &havingProfile{name: *p.InstanceProfileName, path: *p.Path}
			for _, r := range p.Roles {
				have.roles = append(have.roles, identity.Fold(*r.RoleName))
			}
			s.profiles[identity.Fold(have.name)] = have
		}
	}
	summary, err := client.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{})
	if err != nil {
		return nil, fmt.Errorf("read the account's quotas: %w", err)
	}
	s.quotas = summary.SummaryMap
	return s, nil
}

func (s *state) add(page *iam.GetAccountAuthorizationDetailsOutput) error {
	var failed error
	document := func(text *string) digest {
		decoded, err := url.PathUnescape(aws.ToString(text))
		if err != nil {
			failed = fmt.Errorf("a policy document of the account: %w", err)
		}
		return digestOf(decoded)
	}
	put := func(k kind, name, path, arn *string, documents []types.PolicyDetail, attached []types.AttachedPolicy) *having {
		h := &having{name: *name, path: *path, arn: *arn, inline: map[string]digest{}, attached: map[string]bool{}}
		for _, p := range documents {
			h.inline[*p.PolicyName] = document(p.PolicyDocument)
		}
		for _, p := range attached {
			h.attached[*p.PolicyArn] = true
		}
		s.of[k][identity.Fold(h.name)] = h
		return h
	}
	extras := func(h *having, boundary *types.AttachedPermissionsBoundary, tags []types.Tag) {
		if boundary != nil {
			h.boundary = aws.ToString(boundary.PermissionsBoundaryArn)
		}
		h.tags = map[string]string{}
		for _, t := range tags {
			h.tags[*t.Key] = aws.ToString(t.Value)
		}
	}
	for _, u := range page.UserDetailList {
		h := put(users, u.UserName, u.Path, u.Arn, u.UserPolicyList, u.AttachedManagedPolicies)
		extras(h, u.PermissionsBoundary, u.Tags)
		h.groups = map[string]bool{}
		for _, g := range u.GroupList {
			h.groups[identity.Fold(g)] = true
		}
		s.ids[*u.UserId] = true
	}
	for _, g := range page.GroupDetailList {
		put(groups, g.GroupName, g.Path, g.Arn, g.GroupPolicyList, g.AttachedManagedPolicies)
	}
	for _, r := range page.RoleDetailList {
		h := put(roles, r.RoleName, r.Path, r.Arn, r.RolePolicyList, r.AttachedManagedPolicies)
		extras(h, r.PermissionsBoundary, r.Tags)
		h.trust = document(r.AssumeRolePolicyDocument)
		h.profiles = map[string]bool{}
		for _, p := range r.InstanceProfileList {
			h.profiles[identity.Fold(*p.InstanceProfileName)] = true
		}
		s.ids[*r.RoleId] = true
	}
	for _, p := range page.Policies {
		h := put(policies, p.PolicyName, p.Path, p.Arn, nil, nil)
		for _, v := range p.PolicyVersionList {
			h.versions = append(h.versions, havingVersion{*v.VersionId, document(v.Document), v.IsDefaultVersion})
		}
	}
	return failed
}

// quota is a limit of the account, or a very high one if it is not told.
func (s *state) quota(key types.SummaryKeyType) int {
	if n, ok := s.quotas[string(key)]; ok {
		return int(n)
	}
	return 1 << 30
}
