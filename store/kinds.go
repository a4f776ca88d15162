package store

import (
	"fmt"
	"strconv"
)

// Kind is a type of record. The set is closed, and a kind keeps its number for ever:
// it is the first byte of every key and of every stored value.
type Kind uint8

// The kinds of record. What each contains is declared by the package that owns it.
const (
	Account         Kind = 1  // an AWS account and its root user
	Keyring         Kind = 2  // the wrapped keys of package keyring
	User            Kind = 3  // an IAM user
	Group           Kind = 4  // an IAM group
	Role            Kind = 5  // an IAM role
	Policy          Kind = 6  // a customer managed policy and its versions
	InstanceProfile Kind = 7  // an instance profile
	AccessKey       Kind = 8  // an access key with its sealed secret
	MFADevice       Kind = 9  // an MFA device with its sealed seed
	NameIndex       Kind = 10 // unique id (AIDA…, AROA…) to the name of what has it
	Membership      Kind = 11 // a user's membership of a group
	Attachment      Kind = 12 // a managed policy's attachment to a user, group or role
	Counts          Kind = 13 // how many of each resource an account has
	LastUsed        Kind = 14 // when a key, password or role was last used
	PasswordPolicy  Kind = 15 // an account's password policy
	AccountAlias    Kind = 16 // an account's alias
	TOTPState       Kind = 17 // a TOTP device's last accepted step and drift
	Throttle        Kind = 18 // failed attempts of a principal
	Revocation      Kind = 19 // "issued before T is invalid" of a principal
	DenialTrace     Kind = 20 // why a request was denied
	Meta            Kind = 21 // facts about the installation itself

	ServerCertificate  Kind = 22 // a TLS certificate with its sealed key
	SigningCertificate Kind = 23 // a user's X.509 signing certificate
	SSHPublicKey       Kind = 24 // a user's SSH public key
	ServiceCredential  Kind = 25 // a service-specific credential with the digest of its secret
	OIDCProvider       Kind = 26 // an OpenID Connect identity provider
	SAMLProvider       Kind = 27 // a SAML identity provider with its sealed keys
	RoleDeletion       Kind = 28 // the deletion of a service-linked role
	Report             Kind = 29 // where the credential report of an account is
	Activity           Kind = 30 // when an entity last used a service or an action
	AccountSettings    Kind = 31 // an account's switches and properties
	DelegationRequest  Kind = 32 // a request for temporary delegation
	ManagedPolicy      Kind = 33 // an AWS managed policy that was imported
	Suppression        Kind = 34 // a finding of the advisor that was accepted

	BrowserSession Kind = 35 // a signed-in browser
	SignIn         Kind = 36 // a sign-in that lacks a step
	OneTimeLink    Kind = 37 // a link that lets one person in once
	RecoveryCodes  Kind = 38 // the digests of a person's recovery codes
	KnownDevice    Kind = 39 // a browser in which a person has signed in before
	PersonState    Kind = 40 // what the console keeps for a person: progress, plans, preferences
	SignInRules    Kind = 41 // an account's rules for signing in
	PasskeyIndex   Kind = 42 // the id of a passkey to the MFA device
	Ceremony       Kind = 43 // a WebAuthn ceremony that was used up
	OAuthCode      Kind = 44 // an authorization code of aws login, or a sign-in token
	OAuthGrant     Kind = 45 // a session of aws login, which refreshes credentials
	RootEmail      Kind = 46 // the e-mail address by which a root user signs in
	PolicyTests    Kind = 47 // what is expected of a policy
	Notifications  Kind = 48 // whom an account tells of security events
	Notice         Kind = 49 // a notification that waits to be delivered
)

// An upgrade turns the JSON of one version of a kind into that of the next.
type upgrade func(old []byte) ([]byte, error)

// kindInfo describes a kind. Its version is one more than the number of its upgrades;
// upgrades[0] leads from version 1 to version 2. An upgrade, once released, stays.
type kindInfo struct {
	name     string
	upgrades []upgrade
}

func (i kindInfo) version() uint8 { return uint8(len(i.upgrades) + 1) }

// kinds is the whole schema. It is read only.
var kinds = [...]kindInfo{
	Account:         {name: "Account"},
	Keyring:         {name: "Keyring"},
	User:            {name: "User"},
	Group:           {name: "Group"},
	Role:            {name: "Role"},
	Policy:          {name: "Policy"},
	InstanceProfile: {name: "InstanceProfile"},
	AccessKey:       {name: "AccessKey"},
	MFADevice:       {name: "MFADevice"},
	NameIndex:       {name: "NameIndex"},
	Membership:      {name: "Membership"},
	Attachment:      {name: "Attachment", upgrades: []upgrade{withoutName}},
	Counts:          {name: "Counts"},
	LastUsed:        {name: "LastUsed"},
	PasswordPolicy:  {name: "PasswordPolicy"},
	AccountAlias:    {name: "AccountAlias"},
	TOTPState:       {name: "TOTPState"},
	Throttle:        {name: "Throttle"},
	Revocation:      {name: "Revocation"},
	DenialTrace:     {name: "DenialTrace"},
	Meta:            {name: "Meta"},

	ServerCertificate:  {name: "ServerCertificate"},
	SigningCertificate: {name: "SigningCertificate"},
	SSHPublicKey:       {name: "SSHPublicKey"},
	ServiceCredential:  {name: "ServiceCredential"},
	OIDCProvider:       {name: "OIDCProvider"},
	SAMLProvider:       {name: "SAMLProvider"},
	RoleDeletion:       {name: "RoleDeletion"},
	Report:             {name: "Report"},
	Activity:           {name: "Activity"},
	AccountSettings:    {name: "AccountSettings"},
	DelegationRequest:  {name: "DelegationRequest"},
	ManagedPolicy:      {name: "ManagedPolicy"},
	Suppression:        {name: "Suppression"},

	BrowserSession: {name: "BrowserSession"},
	SignIn:         {name: "SignIn"},
	OneTimeLink:    {name: "OneTimeLink"},
	RecoveryCodes:  {name: "RecoveryCodes"},
	KnownDevice:    {name: "KnownDevice"},
	PersonState:    {name: "PersonState"},
	SignInRules:    {name: "SignInRules"},
	PasskeyIndex:   {name: "PasskeyIndex"},
	Ceremony:       {name: "Ceremony"},
	OAuthCode:      {name: "OAuthCode"},
	OAuthGrant:     {name: "OAuthGrant"},
	RootEmail:      {name: "RootEmail"},
	PolicyTests:    {name: "PolicyTests"},
	Notifications:  {name: "Notifications"},
	Notice:         {name: "Notice"},
}

// withoutName leads to version 2 of an attachment, which does not repeat the entity's
// name.
func withoutName([]byte) ([]byte, error) { return []byte(empty), nil }

// Known reports whether this release knows the kind.
func (k Kind) Known() bool { return int(k) < len(kinds) && kinds[k].name != "" }

func (k Kind) String() string {
	if !k.Known() {
		return "Kind(" + strconv.Itoa(int(k)) + ")"
	}
	return kinds[k].name
}

// upgraded brings a stored value (kind, version, JSON) to the newest version that
// schema knows.
func upgraded(schema []kindInfo, raw []byte) ([]byte, error) {
	if len(raw) < headerBytes {
		return nil, fmt.Errorf("%w: a record of %d bytes", ErrCorrupt, len(raw))
	}
	kind, version := Kind(raw[0]), raw[1]
	if kind == 0 || version == 0 {
		return nil, fmt.Errorf("%w: a record of kind %d, version %d", ErrCorrupt, kind, version)
	}
	if int(kind) >= len(schema) || schema[kind].name == "" {
		return nil, fmt.Errorf("%w: a record of kind %d, which this release does not know", ErrNewer, kind)
	}
	info := schema[kind]
	if version > info.version() {
		return nil, fmt.Errorf("%w: a %s record of version %d, this release knows up to %d", ErrNewer, info.name, version, info.version())
	}
	if version == info.version() {
		return raw, nil
	}
	body := raw[headerBytes:]
	for v := version; v < info.version(); v++ {
		var err error
		if body, err = info.upgrades[v-1](body); err != nil {
			return nil, fmt.Errorf("upgrade %s record from version %d: %w", info.name, v, err)
		}
	}
	return append([]byte{byte(kind), info.version()}, body...), nil
}
