package identity

import (
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/store"
)

// The tables of `aws login` and of the federation endpoint. A person is known by
// session.Session.Person; secrets are kept as digests.
var (
	OAuthCodes  = store.Table[OAuthCode]{Kind: store.OAuthCode}   // person id, digest of the code
	OAuthGrants = store.Table[OAuthGrant]{Kind: store.OAuthGrant} // person id, id of the sign-in session
)

// CodePurpose is what a code is redeemed for.
type CodePurpose string

// The purposes.
const (
	ForCredentials CodePurpose = "credentials" // an authorization code: a sign-in session of aws login
	ForConsole     CodePurpose = "console"     // a SigninToken: a browser session
)

// OAuthCode is what is redeemed once, by who has the code: for the session that Token is
// of. It is kept until it expires, so that a second use is known to be one.
type OAuthCode struct {
	Account  arn.AccountID `json:"account"`
	PersonID string        `json:"person"`
	Purpose  CodePurpose   `json:"for"`
	Created  time.Time     `json:"created"`
	Expires  time.Time     `json:"expires"`
	Used     time.Time     `json:"used,omitzero"`
	// AccessKeyID and Token are the temporary credentials of who asked. Their secret is
	// derived and stored nowhere. Stamp is the person's SignInStamp, if they have one.
	AccessKeyID string `json:"key"`
	Token       string `json:"token"`
	Stamp       string `json:"stamp,omitempty"`

	// Of authorization codes: to whom it was given, and the proof that they will bring
	// (PKCE). Grant is what was made of it.
	ClientID    string `json:"client,omitempty"`
	RedirectURI string `json:"redirect,omitempty"`
	Challenge   string `json:"challenge,omitempty"`
	Grant       string `json:"grant,omitempty"`

	// Duration is for how long the browser session of a SigninToken was asked, in seconds;
	// zero means as long as the credentials are good.
	Duration int32 `json:"duration,omitempty"`
}

// OAuthGrant is a sign-in session of `aws login`: as long as it is there, has not expired,
// and Stamp is the person's, whoever has the refresh token and the private key can have
// credentials of the person.
type OAuthGrant struct {
	Account     arn.AccountID `json:"account"`
	PersonID    string        `json:"person"`
	ClientID    string        `json:"client"`
	Created     time.Time     `json:"created"`
	LastUsed    time.Time     `json:"used"`
	Expires     time.Time     `json:"expires"`
	AccessKeyID string        `json:"key"` // as in OAuthCode
	Token       string        `json:"token"`
	Stamp       string        `json:"stamp,omitempty"`
	// Secret is the digest of the refresh token's secret, Key the thumbprint (RFC 7638) of
	// the key to which the token is bound.
	Secret string `json:"secret"`
	Key    string `json:"jkt"`
	// Proofs are the proofs of that key that were used and would still be good.
	Proofs []UsedProof `json:"proofs,omitempty"`
	// Address and UserAgent are of who redeemed the code.
	Address   string `json:"address,omitempty"`
	UserAgent string `json:"agent,omitempty"`
}

// UsedProof is a DPoP proof that must not be used again.
type UsedProof struct {
	ID    string    `json:"id"` // digest of its jti
	Until time.Time `json:"until"`
}
