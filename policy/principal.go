package policy

import (
	"slices"
	"strings"
)

// CallerType is what kind of principal makes a request.
type CallerType uint8

// The kinds of caller. WebIdentity and SAML are callers who hold no AWS
// credentials yet: they present a token or assertion to AssumeRoleWith….
const (
	Root CallerType = iota + 1
	User
	AssumedRole
	FederatedUser
	Service
	WebIdentity
	SAML
	Anonymous
)

func (t CallerType) String() string { return name(callerTypeNames, t) }

// MarshalText writes the name used in aws:PrincipalType, or the constant's own
// where AWS has none.
func (t CallerType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (t *CallerType) UnmarshalText(b []byte) error { return unmarshalName(callerTypeNames, t, b) }

func callerTypeNames() []string {
	return []string{
		Root: "Account", User: "User", AssumedRole: "AssumedRole", FederatedUser: "FederatedUser",
		Service: "Service", WebIdentity: "WebIdentity", SAML: "SAML", Anonymous: "Anonymous",
	}
}

// Caller is who makes a request.
type Caller struct {
	Type CallerType
	// Account is the caller's account id; empty for Service, WebIdentity, SAML
	// and Anonymous.
	Account string
	// ARN is the user's, the session's (assumed-role, federated-user), or the
	// root user's.
	ARN string
	// PrincipalARN is the value of aws:PrincipalArn: for an assumed role the
	// role's ARN with its path, else ARN.
	PrincipalARN string
	// ID is the unique id: AIDA… of a user, AROA… of a role (without the session
	// name), the account id of root.
	ID string
	// IssuerARN and IssuerID are the user who made a FederatedUser's session.
	IssuerARN, IssuerID string
	// Service is a service principal's name, such as ec2.amazonaws.com.
	Service string
	// Federated is the identity provider of WebIdentity and SAML callers, as a
	// trust policy names it: a provider's ARN or a host name.
	Federated string
	// ServiceLinked marks sessions of service-linked roles, which no service or
	// resource control policy restrains.
	ServiceLinked bool
}

// Principal is one entry of a Principal or NotPrincipal element.
type Principal struct {
	// Type is the key of the entry: AWS, Service, Federated or CanonicalUser.
	// It is AWS for the bare "*".
	Type string
	// Value is the entry as the document spells it.
	Value string
	Kind  PrincipalKind
}

// PrincipalKind is what an entry of a Principal element names.
type PrincipalKind uint8

// The kinds of entry (reference_policies_elements_principal.html).
const (
	AnyPrincipal           PrincipalKind = iota + 1 // *
	AccountPrincipal                                // an account id, or its root ARN
	UserPrincipal                                   // a user's ARN
	RolePrincipal                                   // a role's ARN
	SessionPrincipal                                // an assumed-role session's ARN
	FederatedUserPrincipal                          // a federated user's ARN
	UniqueIDPrincipal                               // AIDA… or AROA…
	ServicePrincipal                                // a service
	FederatedPrincipal                              // an identity provider
	CanonicalUserPrincipal                          // an S3 canonical user id
)

// principal is a compiled entry. pin, if set, is the unique id that the entity
// had when the policy was saved: a later entity under the same ARN is another.
type principal struct {
	kind PrincipalKind
	text string
	pin  string
}

func (p *principal) typ() string {
	switch p.kind {
	case ServicePrincipal:
		return "Service"
	case FederatedPrincipal:
		return "Federated"
	case CanonicalUserPrincipal:
		return "CanonicalUser"
	}
	return "AWS"
}

// newPrincipal classifies an entry; ok is false for what is no principal, such
// as a group's ARN or a wildcard other than "*".
func newPrincipal(typ, text string) (p principal, ok bool) {
	p.text = text
	if strings.ContainsAny(text, "*?") && text != "*" {
		return p, false
	}
	switch typ {
	case "AWS":
		p.kind = awsPrincipalKind(text)
	case "Service":
		if isHostName(text) {
			p.kind = ServicePrincipal
		}
	case "Federated":
		if isFederated(text) {
			p.kind = FederatedPrincipal
		}
	case "CanonicalUser":
		if len(text) == 64 && strings.Trim(text, "0123456789abcdef") == "" {
			p.kind = CanonicalUserPrincipal
		}
	}
	return p, p.kind != 0
}

func awsPrincipalKind(s string) PrincipalKind {
	switch {
	case s == "*":
		return AnyPrincipal
	case isAccountID(s):
		return AccountPrincipal
	case isUniqueID(s):
		return UniqueIDPrincipal
	}
	part := strings.SplitN(s, ":", 6)
	if len(part) != 6 || part[0] != "arn" || part[1] == "" || part[3] != "" || !isAccountID(part[4]) {
		return 0
	}
	kind, name, _ := strings.Cut(part[5], "/")
	switch part[2] + ":" + kind {
	case "iam:root":
		if part[5] == "root" {
			return AccountPrincipal
		}
	case "iam:user":
		if isPathAndName(name) {
			return UserPrincipal
		}
	case "iam:role":
		if isPathAndName(name) {
			return RolePrincipal
		}
	case "sts:assumed-role":
		if role, session, _ := strings.Cut(name, "/"); isName(role) && isName(session) {
			return SessionPrincipal
		}
	case "sts:federated-user":
		if isName(name) {
			return FederatedUserPrincipal
		}
	}
	return 0
}

func isAccountID(s string) bool { return len(s) == 12 && allDigits(s) }

func isUniqueID(s string) bool {
	return len(s) >= 16 && (strings.HasPrefix(s, "AIDA") || strings.HasPrefix(s, "AROA")) &&
		strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

// isPathAndName accepts [PATH/]NAME; paths take any visible ASCII.
func isPathAndName(s string) bool {
	name := s[strings.LastIndexByte(s, '/')+1:]
	return isName(name) && !strings.ContainsFunc(s, func(r rune) bool { return r < '!' || r > '~' })
}

// isName accepts the characters of user, role and session names.
func isName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
			strings.ContainsRune("+=,.@-", r))
	})
}

func isHostName(s string) bool {
	return strings.Contains(s, ".") && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r == '.' || r == '-' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
	})
}

// isFederated accepts providers made in IAM and the ones that AWS has built in.
func isFederated(s string) bool {
	switch s {
	case "cognito-identity.amazonaws.com", "accounts.google.com", "graph.facebook.com", "www.amazon.com":
		return true
	}
	part := strings.SplitN(s, ":", 6)
	if len(part) != 6 || part[0] != "arn" || part[1] == "" || part[2] != "iam" || part[3] != "" || !isAccountID(part[4]) {
		return false
	}
	kind, name, _ := strings.Cut(part[5], "/")
	return (kind == "saml-provider" || kind == "oidc-provider") && name != ""
}

// account returns the id that an AccountPrincipal names.
func (p *principal) account() string {
	id := strings.TrimSuffix(p.text, ":root")
	return id[len(id)-12:]
}

// grantForm says by which of a caller's names a Principal element matched. What
// a resource-based policy may grant past other policies depends on it.
type grantForm uint8

const (
	byAny       grantForm = 1 << iota // *
	byAccount                         // the caller's account
	byEntity                          // the user, the role, or the user who issued a federated session
	bySession                         // this very session
	byService                         // the service
	byFederated                       // the identity provider
)

// match returns the form by which the entry names the caller, or 0.
func (p *principal) match(c *Caller) grantForm {
	switch p.kind {
	case AnyPrincipal:
		return byAny
	case AccountPrincipal:
		if c.Account != "" && c.Account == p.account() {
			return byAccount
		}
	case UserPrincipal:
		if c.Type == User && p.names(c.ARN, c.ID) || c.Type == FederatedUser && p.names(c.IssuerARN, c.IssuerID) {
			return byEntity
		}
	case RolePrincipal:
		if c.Type == AssumedRole && p.names(c.PrincipalARN, c.ID) {
			return byEntity
		}
	case SessionPrincipal:
		if c.Type == AssumedRole && c.ARN == p.text {
			return bySession
		}
	case FederatedUserPrincipal:
		if c.Type == FederatedUser && c.ARN == p.text {
			return bySession
		}
	case UniqueIDPrincipal:
		if (c.Type == User || c.Type == AssumedRole) && c.ID == p.text || c.Type == FederatedUser && c.IssuerID == p.text {
			return byEntity
		}
	case ServicePrincipal:
		if c.Type == Service && c.Service == p.text {
			return byService
		}
	case FederatedPrincipal:
		if (c.Type == WebIdentity || c.Type == SAML) && c.Federated == p.text {
			return byFederated
		}
	}
	return 0
}

// names reports whether the entry, a user's or role's ARN, means the entity. An
// entry that was pinned follows the id, through a rename and not past a deletion.
func (p *principal) names(arn, id string) bool {
	if p.pin != "" {
		return id == p.pin
	}
	return arn == p.text
}

// namesAll reports whether a NotPrincipal element names the caller completely:
// the account, the user or role, and the session. A caller left out under any
// of its names is not exempt.
// (reference_policies_elements_notprincipal.html)
func namesAll(list []principal, c *Caller) bool {
	got, want := matchAny(list, c), allNames(c.Type)
	return got&byAny != 0 || want != 0 && got&want == want
}

// allNames returns all the names under which a caller of a type is known.
func allNames(t CallerType) grantForm {
	switch t {
	case Root:
		return byAccount
	case User:
		return byAccount | byEntity
	case AssumedRole, FederatedUser:
		return byAccount | byEntity | bySession
	case Service:
		return byService
	case WebIdentity, SAML:
		return byFederated
	}
	return 0
}

// matchAny returns all forms by which any entry names the caller.
func matchAny(list []principal, c *Caller) grantForm {
	var got grantForm
	for i := range list {
		got |= list[i].match(c)
	}
	return got
}

func name[T ~uint8](names func() []string, v T) string {
	if list := names(); int(v) < len(list) {
		return list[v]
	}
	return ""
}

func unmarshalName[T ~uint8](names func() []string, v *T, b []byte) error {
	i := slices.Index(names(), string(b))
	if i < 0 {
		return errUnknownName
	}
	*v = T(i)
	return nil
}
