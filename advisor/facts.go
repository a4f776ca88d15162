package advisor

import (
	"strings"
	"time"
)

// Facts are what is known of an account at one moment.
type Facts struct {
	Now       time.Time
	Account   string
	Partition string
	// Reported is the moment of the credential report, from which come passwords, MFA
	// and the use of keys.
	Reported time.Time
	Root     Root
	Users    []User
	Groups   []Group
	Roles    []Role
	Policies map[string]Policy // managed policies that are attached somewhere, by ARN
	// Providers are the identity providers.
	Providers []Provider
	// PasswordPolicy is the account's, nil if it has none.
	PasswordPolicy *PasswordPolicy
	// MFARequired tells whether the account's sign-in rules demand MFA; nil where that is
	// not known.
	MFARequired *bool
	// Recorded is the moment of the newest event in the trail; zero: there is none.
	Recorded time.Time
	// Calls are what the trail has of keys that were used lately, by access key id.
	Calls map[string][]Call
	// Suppressions are the findings that somebody accepted for a time.
	Suppressions []Suppression
	// Notes say what was not looked at.
	Notes []string
}

// Root is the account's root user.
type Root struct {
	ARN string
	MFA bool
	// Devices are its MFA devices, where somebody asked for them.
	Devices []Device
	// Email is the address by which root signs in; empty where it is not known.
	Email string
	// Password is nil where root has none, or where nobody tells.
	Password *Password
	// Keys are root's access keys, which this system does not make. Their ids are not
	// known.
	Keys []Key
	// Uses are root's newest calls of the last RecentRoot days.
	Uses []Use
}

// Use is a call in the trail.
type Use struct {
	At    time.Time
	Event string
}

// Call is a call that was made with an access key.
type Call struct {
	At      time.Time
	Address string // IP address
	Agent   string // the program, by its user agent without what differs from call to call
}

// Permissions are the policies of a user, group or role.
type Permissions struct {
	Attached []string // ARNs of managed policies
	Inline   []Inline
	Boundary string // ARN of a managed policy
}

// Inline is a policy that is embedded in an entity.
type Inline struct{ Name, Document string }

// Policy is a managed policy with the document in force.
type Policy struct{ Name, Document string }

// User is an IAM user.
type User struct {
	Name, ARN, ID string
	Path          string
	Created       time.Time
	Password      *Password
	MFA           bool
	Devices       []Device // where somebody asked for them
	Keys          []Key
	Certificates  int      // active signing certificates
	Groups        []string // names
	Tags          map[string]string
	Permissions
}

// Password is a user's console password.
type Password struct {
	Changed time.Time
	Used    time.Time // zero: never
}

// Key is an access key.
type Key struct {
	// ID is empty where nobody asked for it: see [User.KeyIDsMatter].
	ID      string
	Active  bool
	Created time.Time
	Used    time.Time // zero: never
}

// Device is an MFA device.
type Device struct {
	Serial  string // the ARN, or the number of a hardware token
	Enabled time.Time
}

// Kind is what a device is called.
func (d *Device) Kind() string {
	switch {
	case strings.Contains(d.Serial, ":u2f/"):
		return "passkey or security key"
	case strings.Contains(d.Serial, ":mfa/"):
		return "authenticator app"
	}
	return "hardware token"
}

// Provider is an identity provider.
type Provider struct {
	ARN     string
	Created time.Time
	// Expires is when a SAML provider's metadata, or the last of the certificates in it,
	// ends to be valid; zero for OpenID Connect, whose keys are fetched.
	Expires time.Time
	// Audiences are the client ids of an OpenID Connect provider.
	Audiences []string
}

// SAML tells whether it is a provider of SAML assertions, not of OpenID Connect tokens.
func (p *Provider) SAML() bool { return strings.Contains(p.ARN, ":saml-provider/") }

// Name is a SAML provider's name, an OpenID Connect provider's host and path.
func (p *Provider) Name() string {
	_, name, _ := strings.Cut(p.ARN, "/")
	return name
}

// PasswordPolicy are the account's rules for passwords.
type PasswordPolicy struct {
	MinimumLength int
	// MaxAge is after how many days a password must be changed; 0: never.
	MaxAge int
	// Reuse is how many former passwords are refused.
	Reuse int
}

// Group is a user group.
type Group struct {
	Name, ARN string
	Permissions
}

// Role is a role.
type Role struct {
	Name, ARN, ID, Path string
	Created             time.Time
	Used                time.Time // zero: never, or not known
	Trust               string
	Tags                map[string]string
	Permissions
}

// Suppression is somebody's decision to live with a finding for a time.
type Suppression struct {
	ID     string    `json:"id"`
	ARN    string    `json:"arn"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Until  time.Time `json:"until"` // the moment from which the finding is shown again
}

// The limits of the rules.
const (
	// MaxKeyAge is how old an access key may become.
	MaxKeyAge = 90 * 24 * time.Hour
	// MaxIdle is for how long a key or password may lie unused.
	MaxIdle = 90 * 24 * time.Hour
	// RecentRoot is for how long a use of root is a finding.
	RecentRoot = 30 * 24 * time.Hour
	// RecentCalls is for how long back calls are compared to see that a key is shared.
	RecentCalls = 14 * 24 * time.Hour
)

// idle tells whether a credential was not used for too long, and since when.
func idle(now, created, used time.Time) (since time.Time, ok bool) {
	since = created
	if used.After(created) {
		since = used
	}
	return since, now.Sub(since) >= MaxIdle
}

// KeyIDsMatter tells whether a finding can be about one of the user's keys, so that
// their ids are needed.
func (u *User) KeyIDsMatter(now time.Time) bool {
	for i := range u.Keys {
		k := &u.Keys[i]
		if _, unused := idle(now, k.Created, k.Used); unused || !k.Active || now.Sub(k.Created) >= MaxKeyAge || now.Sub(k.Used) <= RecentCalls {
			return true
		}
	}
	return len(u.Keys) > 1
}
