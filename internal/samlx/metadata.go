package samlx

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The namespaces of metadata.
const (
	metadataSpace  = "urn:oasis:names:tc:SAML:2.0:metadata"
	signatureSpace = "http://www.w3.org/2000/09/xmldsig#"
)

const (
	// MaxMetadataBytes bounds a metadata document.
	MaxMetadataBytes = 700_000
	// Keys and identity providers in one document (IAM User Guide, "IAM and STS
	// quotas").
	maxSigningKeys = 10
	maxIDPs        = 10
	maxEntityID    = 1024 // saml-metadata-2.0-os, 2.2.1
)

// ErrTooManyKeys and ErrTooManyIDPs refuse documents over AWS's quotas.
var (
	ErrTooManyKeys = errors.New("samlx: too many signing keys")
	ErrTooManyIDPs = errors.New("samlx: too many identity providers")
)

// Metadata is what a metadata document says about who may sign assertions.
type Metadata struct {
	IDPs []IDP
	// ValidUntil is when the document ends to be valid, or zero.
	ValidUntil time.Time
}

// IDP is an identity provider.
type IDP struct {
	EntityID string
	// Signing are the certificates of the keys it signs with; at least one. Whether
	// they have expired is for whoever verifies a signature.
	Signing []*x509.Certificate
}

// ParseMetadata reads the metadata of one identity provider, or of several in an
// EntitiesDescriptor. Errors tell what is wrong and on which line, not what stands there.
//
// The document's own signature is not looked at: whoever may upload a document is
// believed, and nobody else.
func ParseMetadata(doc string) (*Metadata, error) {
	root, err := parse(doc, MaxMetadataBytes)
	if err != nil {
		return nil, err
	}
	m := new(Metadata)
	switch {
	case root.name.Space != metadataSpace:
		err = errors.New("the root element is not SAML 2.0 metadata")
	case root.name.Local == "EntitiesDescriptor":
		err = m.addGroup(root)
	case root.name.Local == "EntityDescriptor":
		err = m.addEntity(root)
	default:
		err = errors.New("the root element is not an EntityDescriptor")
	}
	if err != nil {
		return nil, err
	}
	if len(m.IDPs) == 0 {
		return nil, errors.New("it has no IDPSSODescriptor")
	}
	return m, nil
}

// addGroup adds the entities of an EntitiesDescriptor, which may hold others.
func (m *Metadata) addGroup(group *element) error {
	if err := m.limitValidity(group); err != nil {
		return err
	}
	for _, child := range group.children {
		if child.name.Space != metadataSpace {
			continue
		}
		var err error
		switch child.name.Local {
		case "EntitiesDescriptor":
			err = m.addGroup(child)
		case "EntityDescriptor":
			err = m.addEntity(child)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addEntity adds an entity, if it is an identity provider.
func (m *Metadata) addEntity(entity *element) error {
	if err := m.limitValidity(entity); err != nil {
		return err
	}
	id := entity.attr("entityID")
	if id == "" || len(id) > maxEntityID || strings.TrimSpace(id) != id {
		return errors.New("an EntityDescriptor has no valid entityID")
	}
	idp := IDP{EntityID: id}
	roles := 0
	var refusal error
	entity.all(metadataSpace, "IDPSSODescriptor", func(role *element) {
		roles++
		refusal = errors.Join(refusal, m.limitValidity(role))
		role.all(metadataSpace, "KeyDescriptor", idp.addKey)
	})
	switch {
	case refusal != nil:
		return refusal
	case roles == 0:
		return nil // a service provider
	case len(idp.Signing) == 0:
		return errors.New("it has no valid signing certificate")
	case len(idp.Signing) > maxSigningKeys:
		return ErrTooManyKeys
	case len(m.IDPs) == maxIDPs:
		return ErrTooManyIDPs
	}
	for _, other := range m.IDPs {
		if other.EntityID == id {
			return errors.New("two identity providers have the same entityID")
		}
	}
	m.IDPs = append(m.IDPs, idp)
	return nil
}

// addKey adds the certificates of a KeyDescriptor, unless they are for encryption only.
// One that cannot be read can verify nothing and is left out.
func (p *IDP) addKey(key *element) {
	if use := key.attr("use"); use != "" && use != "signing" {
		return
	}
	key.all(signatureSpace, "KeyInfo", func(info *element) {
		info.all(signatureSpace, "X509Data", func(data *element) {
			data.all(signatureSpace, "X509Certificate", func(e *element) {
				if cert, err := parseCertificate(e.text); err == nil && !p.signsWith(cert) {
					p.Signing = append(p.Signing, cert)
				}
			})
		})
	})
}

func (p *IDP) signsWith(cert *x509.Certificate) bool {
	for _, have := range p.Signing {
		if have.Equal(cert) {
			return true
		}
	}
	return false
}

// parseCertificate reads the base64 of a certificate, in lines of any length.
func parseCertificate(text []byte) (*x509.Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// limitValidity takes an element's validUntil into account: the earliest counts.
func (m *Metadata) limitValidity(e *element) error {
	text := e.attr("validUntil")
	if text == "" {
		return nil
	}
	until, err := time.Parse(time.RFC3339Nano, text)
	if err != nil { // xs:dateTime without a zone: SAML's times are UTC
		until, err = time.Parse("2006-01-02T15:04:05.999999999", text)
	}
	if err != nil {
		return fmt.Errorf("validUntil of %s is not a time", e.name.Local)
	}
	if m.ValidUntil.IsZero() || until.Before(m.ValidUntil) {
		m.ValidUntil = until.UTC()
	}
	return nil
}
