package iam

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// canonicalPartition is the partition of the ARNs of managed policies in records
// and in the index of attachments. They are shown in the caller's partition.
const canonicalPartition arn.Partition = "aws"

// awsOwner stands in place of the account in the ARN of an AWS managed policy.
const awsOwner = "aws"

// managedPolicy is a managed policy, whoever manages it.
type managedPolicy struct {
	name, path, id, description string
	key                         string // its ARN in canonical form
	arn                         string // its ARN in the caller's partition
	created, updated            time.Time
	attachable                  bool
	tags                        []identity.Tag
	versions                    []policyVersion // oldest first
}

type policyVersion struct {
	id        string // "v1"
	document  string
	created   time.Time
	isDefault bool
}

func customerManaged(p *identity.Policy, partition arn.Partition) *managedPolicy {
	m := &managedPolicy{
		name: p.Name, path: p.Path, id: p.ID, description: p.Description,
		key: p.ARN(canonicalPartition), arn: p.ARN(partition),
		created: p.Created, updated: p.Updated, attachable: true, tags: p.Tags,
		versions: make([]policyVersion, len(p.Versions)),
	}
	for i, v := range p.Versions {
		m.versions[i] = policyVersion{id: versionID(v.Number), document: v.Document, created: v.Created, isDefault: v.Number == p.Default}
	}
	return m
}

func awsManaged(p *awsmanaged.Policy, partition arn.Partition) *managedPolicy {
	content := p.Content()
	m := &managedPolicy{
		name: p.Name, path: p.Path, id: content.ID, description: content.Description,
		key: p.ARN(canonicalPartition), arn: p.ARN(partition),
		created: content.Created, updated: content.Updated, attachable: p.Attachable(),
		versions: make([]policyVersion, len(content.Versions)),
	}
	for i := range content.Versions {
		v := &content.Versions[i]
		m.versions[i] = policyVersion{id: v.ID, document: v.Document, created: v.Created, isDefault: v == content.Default()}
	}
	return m
}

// parsePolicyARN checks that a parameter is the ARN of a managed policy.
func parsePolicyARN(s string) (arn.ARN, error) {
	a, err := arn.Parse(s)
	if err != nil {
		return arn.ARN{}, service.Invalid("Invalid ARN:  Could not be parsed!") // two spaces: AWS does this
	}
	if kind, _, name := a.Split(); a.Service != "iam" || a.Region != "" || kind != "policy" || name == "" {
		return arn.ARN{}, invalidInput("ARN %s is not valid.", s)
	}
	return a, nil
}

// customerPolicyKey returns the key of the policy that an ARN names, if it can be
// one of the caller's account, else store.ErrNotFound.
func customerPolicyKey(c *service.Call, a arn.ARN) (string, error) {
	if a.Partition != c.Scope.Partition || a.Account != c.Account() {
		return "", store.ErrNotFound
	}
	_, _, name := a.Split()
	return identity.Fold(name), nil
}

// lookUpManaged finds a managed policy by its exact ARN: path, case and partition
// count, so that a condition on iam:PolicyARN judges the policy that is meant. The
// error is store.ErrNotFound when the caller's account knows none, or AWS's for what
// is no policy ARN.
func (s *Service) lookUpManaged(c *service.Call, policyARN string) (*managedPolicy, error) {
	a, err := parsePolicyARN(policyARN)
	if err != nil {
		return nil, err
	}
	if a.Account == awsOwner {
		if a.Partition != c.Scope.Partition {
			return nil, store.ErrNotFound
		}
		p, err := identity.FindManaged(c.Reader, s.managed, policyARN)
		if err != nil {
			return nil, err
		}
		return awsManaged(p, c.Scope.Partition), nil
	}
	key, err := customerPolicyKey(c, a)
	if err != nil {
		return nil, err
	}
	p, err := identity.Policies.Get(c.Reader, c.Account(), key)
	if err != nil {
		return nil, err
	}
	if p.ARN(c.Scope.Partition) != policyARN { // another path, or another case
		return nil, store.ErrNotFound
	}
	return customerManaged(p, c.Scope.Partition), nil
}

// findManaged finds a managed policy to read.
func (s *Service) findManaged(c *service.Call, policyARN string) (*managedPolicy, error) {
	m, err := s.lookUpManaged(c, policyARN)
	return m, orNoSuchEntity(err, "Policy %s was not found.", policyARN)
}

// findAttachable finds a managed policy to attach or to use as a boundary.
func (s *Service) findAttachable(c *service.Call, policyARN string) (*managedPolicy, error) {
	m, err := s.lookUpManaged(c, policyARN)
	if err != nil {
		return nil, orNoSuchEntity(err, "Policy %s does not exist or is not attachable.", policyARN)
	}
	if !m.attachable {
		return nil, &types.PolicyNotAttachableException{Message: aws.String("Cannot attach a Service Role Policy to a Customer Role.")}
	}
	return m, nil
}

// editPolicy changes a customer managed policy.
func (s *Service) editPolicy(c *service.Call, policyARN string, change func(*identity.Policy) error) error {
	a, err := parsePolicyARN(policyARN)
	if err != nil {
		return err
	}
	if a.Account == awsOwner { // the check of the operation has refused it already
		return service.Denied("Policies that AWS manages cannot be changed.")
	}
	key, err := customerPolicyKey(c, a)
	if err == nil {
		err = identity.Policies.Edit(c.Tx, func(p *identity.Policy) error {
			if p.ARN(c.Scope.Partition) != policyARN {
				return store.ErrNotFound
			}
			return change(p)
		}, c.Account(), key)
	}
	return orNoSuchEntity(err, "Policy %s was not found.", policyARN)
}

// attachmentCount counts the entities that use a policy.
func attachmentCount(c *service.Call, key string, usage identity.Usage) int {
	n := 0
	c.Reader.Scan(attachmentsOf(c, key, usage), "", func(store.Key, *store.Item) bool { n++; return true })
	return n
}

// inUse tells whether any entity uses a policy in any of the given ways.
func inUse(c *service.Call, key string, usages ...identity.Usage) bool {
	used := false
	for _, usage := range usages {
		c.Reader.Scan(attachmentsOf(c, key, usage), "", func(store.Key, *store.Item) bool { used = true; return false })
	}
	return used
}

func attachmentsOf(c *service.Call, key string, usage identity.Usage) store.Key {
	return store.Prefix(identity.Attachments.Kind, c.Account(), key, string(usage))
}

// byAWS tells whether AWS manages the policy.
func (m *managedPolicy) byAWS() bool {
	return strings.HasPrefix(m.key, "arn:"+string(canonicalPartition)+":iam::"+awsOwner+":")
}

func (m *managedPolicy) defaultVersion() *policyVersion {
	for i := range m.versions {
		if m.versions[i].isDefault {
			return &m.versions[i]
		}
	}
	return &policyVersion{}
}

// toPolicy is the policy with all that GetPolicy tells of it.
func (m *managedPolicy) toPolicy(c *service.Call) *types.Policy {
	p := m.toListed(c)
	if m.description != "" {
		p.Description = aws.String(m.description)
	}
	p.Tags = sdkTags(m.tags)
	return &p
}

// toListed is the policy as lists show it: without description and tags.
func (m *managedPolicy) toListed(c *service.Call) types.Policy {
	return types.Policy{
		Arn:                           aws.String(m.arn),
		PolicyName:                    aws.String(m.name),
		PolicyId:                      aws.String(m.id),
		Path:                          aws.String(m.path),
		DefaultVersionId:              aws.String(m.defaultVersion().id),
		AttachmentCount:               aws.Int32(int32(attachmentCount(c, m.key, identity.AsPermissions))),
		PermissionsBoundaryUsageCount: aws.Int32(int32(attachmentCount(c, m.key, identity.AsBoundary))),
		IsAttachable:                  m.attachable,
		CreateDate:                    shown(m.created),
		UpdateDate:                    shown(m.updated),
	}
}

// toVersion is a version with its document.
func (v *policyVersion) toVersion() types.PolicyVersion {
	out := v.toListed()
	out.Document = encodeDocument(v.document)
	return out
}

// toListed is a version as ListPolicyVersions and CreatePolicyVersion show it.
func (v *policyVersion) toListed() types.PolicyVersion {
	return types.PolicyVersion{VersionId: aws.String(v.id), IsDefaultVersion: v.isDefault, CreateDate: shown(v.created)}
}

func versionID(number int) string { return "v" + strconv.Itoa(number) }

// versionNumber reads a version id; ok is false for one that no version of a
// customer managed policy can have.
func versionNumber(id string) (n int, ok bool) {
	digits, ok := strings.CutPrefix(id, "v")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && versionID(n) == id
}

func noSuchVersion(policyARN, id string) error {
	return noSuchEntity("Policy %s version %s does not exist or is not attachable.", policyARN, id)
}

// inPartition is a policy's canonical ARN in another partition.
func inPartition(key string, partition arn.Partition) string {
	return fmt.Sprintf("arn:%s%s", partition, strings.TrimPrefix(key, "arn:"+string(canonicalPartition)))
}

// policyNameOf is the name in a policy's ARN. Policies are not renamed.
func policyNameOf(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }

// policyPathOf is the path in a policy's ARN.
func policyPathOf(key string) string {
	return key[strings.IndexByte(key, '/') : strings.LastIndexByte(key, '/')+1]
}
