// Package arn owns names: ARNs, account ids, the unique ids of IAM entities
// (AIDA…, AROA…), access key ids, and paths. It knows their form, not what they
// name; who exists is the business of package identity, and matching an ARN
// against a policy is the business of package policy.
//
// Forms are those of the IAM User Guide, "IAM identifiers".
package arn

import (
	"errors"
	"strings"
	"unique"
)

// AccountID is the id of an AWS account: exactly twelve decimal digits. Leading
// zeros count, so it is never a number.
type AccountID string

// UnmarshalText reads an id that was checked before. There are few accounts and many
// records that name one: they share the text.
func (a *AccountID) UnmarshalText(text []byte) error {
	*a = AccountID(unique.Make(string(text)).Value())
	return nil
}

// ParseAccountID checks that s is an account id.
func ParseAccountID(s string) (AccountID, error) {
	if len(s) != 12 {
		return "", errors.New("an account id has exactly 12 digits")
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return "", errors.New("an account id has only digits")
		}
	}
	return AccountID(s), nil
}

// Partition is a group of regions between which access cannot be delegated:
// aws, aws-cn, aws-us-gov …
type Partition string

// PartitionOf returns the partition to which a region belongs, by the prefixes
// of the SDK's endpoint partitions. An unknown region belongs to "aws".
func PartitionOf(region string) Partition {
	for _, p := range [...]struct {
		prefix    string
		partition Partition
	}{
		{"cn-", "aws-cn"},
		{"us-gov-", "aws-us-gov"},
		{"us-isob-", "aws-iso-b"},
		{"us-isof-", "aws-iso-f"},
		{"us-iso-", "aws-iso"},
		{"eu-isoe-", "aws-iso-e"},
		{"eusc-", "aws-eusc"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.partition
		}
	}
	return "aws"
}

// GlobalRegion is the region of a partition in which its global services, such as
// IAM, are: the one for which they are signed and under which CloudTrail records
// them.
func GlobalRegion(p Partition) string {
	switch p {
	case "aws-cn":
		return "cn-north-1"
	case "aws-us-gov":
		return "us-gov-west-1"
	case "aws-iso":
		return "us-iso-east-1"
	case "aws-iso-b":
		return "us-isob-east-1"
	case "aws-iso-e":
		return "eu-isoe-west-1"
	case "aws-iso-f":
		return "us-isof-south-1"
	case "aws-eusc":
		return "eusc-de-east-1"
	}
	return "us-east-1"
}

// ARN is an Amazon Resource Name in its six parts. Resource is the greedy
// remainder and may hold colons and slashes.
type ARN struct {
	Partition Partition
	Service   string
	Region    string
	Account   string // an account id, "aws", or empty
	Resource  string
}

// Parse splits an ARN. It fails when a part is missing; it does not judge
// whether the service or the resource exist.
func Parse(s string) (ARN, error) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[1] == "" || p[2] == "" || p[5] == "" {
		return ARN{}, errors.New("not an ARN: six parts separated by colons are needed, e.g. arn:aws:iam::123456789012:user/alice")
	}
	return ARN{Partition: Partition(p[1]), Service: p[2], Region: p[3], Account: p[4], Resource: p[5]}, nil
}

// String writes the ARN.
func (a ARN) String() string {
	return "arn:" + string(a.Partition) + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// Split divides Resource at its first slash into a type and the rest:
// "user/div/alice" becomes "user" and "/div/", "alice".
func (a ARN) Split() (kind, path, name string) {
	kind, rest, ok := strings.Cut(a.Resource, "/")
	if !ok {
		return a.Resource, "", ""
	}
	i := strings.LastIndexByte(rest, '/')
	return kind, "/" + rest[:i+1], rest[i+1:]
}

// Scope is an account in a partition: what is needed, beside path and name, to
// write the ARN of anything in IAM and STS.
type Scope struct {
	Partition Partition
	Account   AccountID
}

func (s Scope) iam(resource string) string {
	return "arn:" + string(s.Partition) + ":iam::" + string(s.Account) + ":" + resource
}

func (s Scope) sts(resource string) string {
	return "arn:" + string(s.Partition) + ":sts::" + string(s.Account) + ":" + resource
}

// Root is the ARN of the account and of its root user.
func (s Scope) Root() string { return s.iam("root") }

// User is the ARN of a user. Path begins and ends with a slash.
func (s Scope) User(path, name string) string { return s.iam("user" + path + name) }

// Group is the ARN of a user group.
func (s Scope) Group(path, name string) string { return s.iam("group" + path + name) }

// Role is the ARN of a role.
func (s Scope) Role(path, name string) string { return s.iam("role" + path + name) }

// ServiceLinkedPath begins the paths of service-linked roles, and of the managed
// policies that only they have: nobody but AWS makes anything below it.
const ServiceLinkedPath = "/aws-service-role/"

// Policy is the ARN of a customer managed policy.
func (s Scope) Policy(path, name string) string { return s.iam("policy" + path + name) }

// InstanceProfile is the ARN of an instance profile.
func (s Scope) InstanceProfile(path, name string) string {
	return s.iam("instance-profile" + path + name)
}

// ServerCertificate is the ARN of a server certificate.
func (s Scope) ServerCertificate(path, name string) string {
	return s.iam("server-certificate" + path + name)
}

// MFADevice is the ARN, and so the serial number, of a virtual MFA device.
func (s Scope) MFADevice(path, name string) string { return s.iam("mfa" + path + name) }

// SecurityKey is the ARN, and so the serial number, of a FIDO security key: whose it is
// ("user/alice") and its label and id.
func (s Scope) SecurityKey(name string) string { return s.iam("u2f/" + name) }

// OIDCProvider is the ARN of an OpenID Connect provider: its URL without https://.
func (s Scope) OIDCProvider(url string) string { return s.iam("oidc-provider/" + url) }

// SAMLProvider is the ARN of a SAML provider.
func (s Scope) SAMLProvider(name string) string { return s.iam("saml-provider/" + name) }

// AssumedRole is the ARN of a role session. The role's path does not appear.
func (s Scope) AssumedRole(role, session string) string {
	return s.sts("assumed-role/" + role + "/" + session)
}

// SignInSession is the ARN of a sign-in session of `aws login`.
func (s Scope) SignInSession(region, id string) string { return s.signin(region, "session/"+id) }

// PublicClient is the ARN by which policies know a program that people let have their
// credentials with `aws login`: localhost or remote.
func (s Scope) PublicClient(region, name string) string {
	return s.signin(region, "oauth2/public-client/"+name)
}

func (s Scope) signin(region, resource string) string {
	return "arn:" + string(s.Partition) + ":signin:" + region + ":" + string(s.Account) + ":" + resource
}

// FederatedUser is the ARN of a GetFederationToken session.
func (s Scope) FederatedUser(name string) string { return s.sts("federated-user/" + name) }
