package identity

import (
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/store"
)

// The tables, one for each record type. Names are unique without regard to case
// in an account, so keys hold the lower-cased name (see Fold) and records the
// name as it was given.
var (
	Accounts         = store.Table[Account]{Kind: store.Account}                 // account
	Users            = store.Table[User]{Kind: store.User}                       // account, folded name
	Groups           = store.Table[Group]{Kind: store.Group}                     // account, folded name
	Roles            = store.Table[Role]{Kind: store.Role}                       // account, folded name
	Policies         = store.Table[Policy]{Kind: store.Policy}                   // account, folded name
	InstanceProfiles = store.Table[InstanceProfile]{Kind: store.InstanceProfile} // account, folded name
	AccessKeys       = store.Table[AccessKey]{Kind: store.AccessKey}             // access key id
	MFADevices       = store.Table[MFADevice]{Kind: store.MFADevice}             // account, SerialKey
	Entities         = store.Table[Entity]{Kind: store.NameIndex}                // unique id
	Members          = store.Table[Member]{Kind: store.Membership}               // account, group id, folded user name
	Attachments      = store.Table[Attachment]{Kind: store.Attachment}           // account, policy ARN, usage, entity type, entity id
	CountsOf         = store.Table[Counts]{Kind: store.Counts}                   // account
	LastUses         = store.Table[LastUse]{Kind: store.LastUsed}                // access key id or role id
	PasswordPolicies = store.Table[PasswordPolicy]{Kind: store.PasswordPolicy}   // account
	Aliases          = store.Table[Alias]{Kind: store.AccountAlias}              // alias
	Throttles        = store.Table[Throttle]{Kind: store.Throttle}               // purpose, unique id
	Revocations      = store.Table[Revocation]{Kind: store.Revocation}           // unique id or access key id
)

// Fold is the form of a name in keys: IAM compares names without regard to case.
func Fold(name string) string { return strings.ToLower(name) }

// Tag is a key and a value on an entity.
type Tag struct {
	Key   string `json:"k"`
	Value string `json:"v,omitempty"`
}

// InlinePolicy is a policy document embedded in one user, group or role. The
// document is kept byte for byte as it was sent.
type InlinePolicy struct {
	Name     string `json:"n"`
	Document string `json:"d"`
}

// Account is an AWS account.
type Account struct {
	ID arn.AccountID `json:"id"`
	// Partition is the one in which the account lives: its ARNs, in records and in
	// policies, are written in it.
	Partition arn.Partition `json:"partition"`
	Created   time.Time     `json:"created"`
	Alias     string        `json:"alias,omitempty"`
	// RootMFA are the MFA devices of the root user.
	RootMFA []EnabledDevice `json:"rootMFA,omitempty"`
	// RootEmail is the name by which the root user signs in; empty until the account is
	// claimed. RootEmails finds the account by it.
	RootEmail string `json:"rootEmail,omitempty"`
	// RootLogin is the root user's console password; nil for one who signs in with a
	// passkey, and before the account is claimed.
	RootLogin            *LoginProfile `json:"rootLogin,omitempty"`
	RootPasswordLastUsed time.Time     `json:"rootPasswordLastUsed,omitzero"`
}

// EnabledDevice is an MFA device in use by a person.
type EnabledDevice struct {
	Serial  string    `json:"serial"` // SerialKey form
	Enabled time.Time `json:"enabled"`
}

// User is an IAM user, with all that a decision about them needs, so that
// authorizing reads one record and not six.
type User struct {
	Account          arn.AccountID   `json:"account"`
	ID               string          `json:"id"` // AIDA…
	Name             string          `json:"name"`
	Path             string          `json:"path"`
	Created          time.Time       `json:"created"`
	Tags             []Tag           `json:"tags,omitempty"`
	Boundary         string          `json:"boundary,omitempty"` // ARN of a managed policy
	Attached         []string        `json:"attached,omitempty"` // ARNs of managed policies
	Inline           []InlinePolicy  `json:"inline,omitempty"`   // sorted by name
	Groups           []string        `json:"groups,omitempty"`   // ids of groups, AGPA…
	AccessKeys       []string        `json:"keys,omitempty"`     // access key ids, oldest first
	MFA              []EnabledDevice `json:"mfa,omitempty"`
	Login            *LoginProfile   `json:"login,omitempty"`
	PasswordLastUsed time.Time       `json:"passwordLastUsed,omitzero"`
}

// LoginProfile is a user's console password.
type LoginProfile struct {
	Hash          string    `json:"hash"` // PHC string, argon2id
	Created       time.Time `json:"created"`
	Changed       time.Time `json:"changed"`
	ResetRequired bool      `json:"reset,omitempty"`
	// Previous are the hashes of earlier passwords, newest first, for
	// PasswordReusePrevention (at most 24).
	Previous []string `json:"previous,omitempty"`
}

// Group is a user group.
type Group struct {
	Account  arn.AccountID  `json:"account"`
	ID       string         `json:"id"` // AGPA…
	Name     string         `json:"name"`
	Path     string         `json:"path"`
	Created  time.Time      `json:"created"`
	Attached []string       `json:"attached,omitempty"`
	Inline   []InlinePolicy `json:"inline,omitempty"`
}

// Role is an IAM role.
type Role struct {
	Account            arn.AccountID  `json:"account"`
	ID                 string         `json:"id"` // AROA…
	Name               string         `json:"name"`
	Path               string         `json:"path"`
	Created            time.Time      `json:"created"`
	Description        string         `json:"description,omitempty"`
	MaxSessionDuration int32          `json:"maxSession"` // seconds
	TrustPolicy        string         `json:"trust"`
	TrustPins          Pins           `json:"pins,omitempty"`
	Tags               []Tag          `json:"tags,omitempty"`
	Boundary           string         `json:"boundary,omitempty"`
	Attached           []string       `json:"attached,omitempty"`
	Inline             []InlinePolicy `json:"inline,omitempty"`
	InstanceProfiles   []string       `json:"profiles,omitempty"` // folded names
}

// Pins binds each user and role ARN named as principal in a trust policy to the
// unique id that it had when the policy was saved: an entity that is deleted and
// made again is another one and is not trusted (IAM User Guide, "Principal").
type Pins map[string]string

// Policy is a customer managed policy.
type Policy struct {
	Account     arn.AccountID   `json:"account"`
	ID          string          `json:"id"` // ANPA…
	Name        string          `json:"name"`
	Path        string          `json:"path"`
	Description string          `json:"description,omitempty"`
	Created     time.Time       `json:"created"`
	Updated     time.Time       `json:"updated"`
	Default     int             `json:"default"` // number of the default version
	Last        int             `json:"last"`    // highest number ever given: numbers are not reused
	Versions    []PolicyVersion `json:"versions"`
	Tags        []Tag           `json:"tags,omitempty"`
}

// PolicyVersion is one version of a managed policy.
type PolicyVersion struct {
	Number   int       `json:"n"`
	Document string    `json:"d"`
	Created  time.Time `json:"c"`
}

// DefaultDocument is the document in force.
func (p *Policy) DefaultDocument() string {
	for i := range p.Versions {
		if p.Versions[i].Number == p.Default {
			return p.Versions[i].Document
		}
	}
	return ""
}

// InstanceProfile is a container for the role of a machine.
type InstanceProfile struct {
	Account arn.AccountID `json:"account"`
	ID      string        `json:"id"` // AIPA…
	Name    string        `json:"name"`
	Path    string        `json:"path"`
	Created time.Time     `json:"created"`
	Role    string        `json:"role,omitempty"` // folded name
	Tags    []Tag         `json:"tags,omitempty"`
}

// AccessKey is a long-term access key.
type AccessKey struct {
	ID       string        `json:"id"`
	Account  arn.AccountID `json:"account"`
	UserID   string        `json:"userId"`
	UserName string        `json:"userName"` // folded
	Secret   []byte        `json:"secret"`   // sealed: keyring class AccessKeySecret, additional data = the record's key
	Inactive bool          `json:"inactive,omitempty"`
	Created  time.Time     `json:"created"`
}

// EntityType says what a unique id names.
type EntityType string

// The entities that have a unique id.
const (
	TypeUser            EntityType = "user"
	TypeGroup           EntityType = "group"
	TypeRole            EntityType = "role"
	TypePolicy          EntityType = "policy"
	TypeInstanceProfile EntityType = "instance-profile"

	TypeServerCertificate EntityType = "server-certificate"
)

// Entity finds a record by unique id. It exists exactly as long as the entity:
// a session of a deleted user or role finds none.
type Entity struct {
	Account arn.AccountID `json:"a"`
	Type    EntityType    `json:"t"`
	Name    string        `json:"n"` // folded
}

// Member is a row of the index from group to users.
type Member struct {
	UserID string `json:"u"`
}

// Usage is how a managed policy is used by an entity.
type Usage string

// The ways to use a managed policy (IAM API, PolicyUsageFilter).
const (
	AsPermissions Usage = "permissions"
	AsBoundary    Usage = "boundary"
)

// Attachment is a row of the index from managed policy to the entities that use it: its
// key says which.
type Attachment struct{}

// Counts are how many entities an account has, kept beside them so that a quota
// costs one read.
type Counts struct {
	Users            int `json:"users"`
	Groups           int `json:"groups"`
	Roles            int `json:"roles"`
	Policies         int `json:"policies"`
	PolicyVersions   int `json:"policyVersions"`
	InstanceProfiles int `json:"instanceProfiles"`
	MFADevices       int `json:"mfaDevices"`      // virtual ones
	MFADevicesInUse  int `json:"mfaDevicesInUse"` // of all kinds
	HardwareTokens   int `json:"hardwareTokens,omitempty"`
	SecurityKeys     int `json:"securityKeys,omitempty"`
	OIDCProviders    int `json:"oidcProviders,omitempty"`
	SAMLProviders    int `json:"samlProviders,omitempty"`

	ServerCertificates int `json:"serverCertificates,omitempty"`
}

// LastUse is when and for what an access key or a role was last used.
type LastUse struct {
	At      time.Time `json:"at"`
	Service string    `json:"s,omitempty"`
	Region  string    `json:"r,omitempty"`
}

// PasswordPolicy is an account's password policy, in the terms of
// UpdateAccountPasswordPolicy.
type PasswordPolicy struct {
	MinimumLength    int32 `json:"minLength"`
	RequireSymbols   bool  `json:"symbols,omitempty"`
	RequireNumbers   bool  `json:"numbers,omitempty"`
	RequireUppercase bool  `json:"upper,omitempty"`
	RequireLowercase bool  `json:"lower,omitempty"`
	AllowChange      bool  `json:"allowChange,omitempty"`
	MaxAge           int32 `json:"maxAge,omitempty"` // days, 0 = never expires
	ReusePrevention  int32 `json:"reuse,omitempty"`
	HardExpiry       bool  `json:"hardExpiry,omitempty"`
}

// Alias finds an account by its alias, which is unique in the installation.
type Alias struct {
	Account arn.AccountID `json:"account"`
}

// Throttle counts failures of one person at one kind of secret (purpose "mfa",
// later "password"), by unique id, so that changing spelling, session or address
// does not start a new count.
type Throttle struct {
	Failures int       `json:"n"`
	Since    time.Time `json:"since"` // start of the window
	Until    time.Time `json:"until,omitzero"`
}

// Revocation makes sessions issued to a principal, or minted by an access key, before
// Before invalid.
type Revocation struct {
	Before time.Time `json:"before"`
}
