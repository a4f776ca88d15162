package identity

import (
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/store"
)

// The tables of identity providers.
var (
	OIDCProviders = store.Table[OIDCProvider]{Kind: store.OIDCProvider} // account, URL without scheme
	SAMLProviders = store.Table[SAMLProvider]{Kind: store.SAMLProvider} // account, folded name
)

// OIDCProvider is an OpenID Connect identity provider. It is known by its URL, which
// is compared exactly, as issuers of tokens are: a slash at the end makes another one.
type OIDCProvider struct {
	Account     arn.AccountID `json:"account"`
	URL         string        `json:"url"` // without https://
	Created     time.Time     `json:"created"`
	ClientIDs   []string      `json:"clientIds,omitempty"`
	Thumbprints []string      `json:"thumbprints,omitempty"` // hex SHA-1 in lower case
	Tags        []Tag         `json:"tags,omitempty"`
}

// SAMLProvider is a SAML identity provider.
type SAMLProvider struct {
	Account arn.AccountID `json:"account"`
	UUID    string        `json:"uuid"`
	Name    string        `json:"name"`
	Created time.Time     `json:"created"`
	// Metadata is the document as it was sent. It is bytes and not a string because
	// JSON writes the signs of XML six times as long.
	Metadata   []byte    `json:"metadata"`
	ValidUntil time.Time `json:"validUntil"`
	Encryption string    `json:"encryption,omitempty"` // of assertions: Required, Allowed or not said
	Keys       []SAMLKey `json:"keys,omitempty"`       // oldest first
	Tags       []Tag     `json:"tags,omitempty"`
}

// SAMLKey is a private key that opens encrypted assertions.
type SAMLKey struct {
	ID     string    `json:"id"`
	Sealed []byte    `json:"sealed"` // PKCS #8; keyring class PrivateKeys, additional data = the provider's key and ID
	Added  time.Time `json:"added"`
}

// ARN is the provider's ARN in a partition.
func (p *OIDCProvider) ARN(partition arn.Partition) string {
	return arn.Scope{Partition: partition, Account: p.Account}.OIDCProvider(p.URL)
}

// ARN is the provider's ARN in a partition.
func (p *SAMLProvider) ARN(partition arn.Partition) string {
	return arn.Scope{Partition: partition, Account: p.Account}.SAMLProvider(p.Name)
}
