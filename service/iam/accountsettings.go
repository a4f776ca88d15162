package iam

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/uuid"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// issuerDomain ends the issuers of web identity tokens. AWS's domain is not ours to
// name: whoever trusted it would ask AWS for the keys. This one is for private use.
const issuerDomain = ".tokens.lanyard.internal"

// EnableOutboundWebIdentityFederation lets the account's principals have tokens for
// services outside, and names the issuer that those will see.
func (s *Service) EnableOutboundWebIdentityFederation(c *service.Call, _ *iam.EnableOutboundWebIdentityFederationInput) (*iam.EnableOutboundWebIdentityFederationOutput, error) {
	var issuer string
	err := editSettings(c, func(a *identity.AccountSettings) error {
		if a.Outbound {
			return &types.FeatureEnabledException{Message: aws.String("Outbound web identity federation is already enabled for this account.")}
		}
		if a.Issuer == "" {
			id, err := uuid.NewRandomFromReader(c.Rand)
			if err != nil {
				return err
			}
			a.Issuer = id.String()
		}
		a.Outbound, issuer = true, issuerOf(a)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.EnableOutboundWebIdentityFederationOutput{IssuerIdentifier: &issuer}, nil
}

// DisableOutboundWebIdentityFederation takes that away. The issuer stays the account's.
func (s *Service) DisableOutboundWebIdentityFederation(c *service.Call, _ *iam.DisableOutboundWebIdentityFederationInput) (*iam.DisableOutboundWebIdentityFederationOutput, error) {
	err := editSettings(c, func(a *identity.AccountSettings) error {
		if !a.Outbound {
			return outboundDisabled()
		}
		a.Outbound = false
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.DisableOutboundWebIdentityFederationOutput{}, nil
}

// GetOutboundWebIdentityFederationInfo names the issuer, while the feature is enabled.
func (s *Service) GetOutboundWebIdentityFederationInfo(c *service.Call, _ *iam.GetOutboundWebIdentityFederationInfoInput) (*iam.GetOutboundWebIdentityFederationInfoOutput, error) {
	a, err := orZero(identity.SettingsOf.Get(c.Reader, c.Account()))
	if err != nil {
		return nil, err
	}
	if !a.Outbound {
		return nil, outboundDisabled()
	}
	return &iam.GetOutboundWebIdentityFederationInfoOutput{IssuerIdentifier: aws.String(issuerOf(a)), JwtVendingEnabled: true}, nil
}

// SetSecurityTokenServicePreferences sets the version of the tokens of the global
// endpoint. Ours are valid in every region whichever it is, so it is kept to be shown.
func (s *Service) SetSecurityTokenServicePreferences(c *service.Call, in *iam.SetSecurityTokenServicePreferencesInput) (*iam.SetSecurityTokenServicePreferencesOutput, error) {
	return &iam.SetSecurityTokenServicePreferencesOutput{}, editSettings(c, func(a *identity.AccountSettings) error {
		a.TokenVersion = 2
		if in.GlobalEndpointTokenVersion == types.GlobalEndpointTokenVersionV1Token {
			a.TokenVersion = 1
		}
		return nil
	})
}

// The one account property that there is: whether IAM Role Manager makes roles of
// AWS's templates.
const (
	roleManager        = "RoleManager"
	roleManagerEnabled = roleManager + "/Enabled"
)

// GetAccountProperties tells the account's properties.
func (s *Service) GetAccountProperties(*service.Call, *iam.GetAccountPropertiesInput) (*iam.GetAccountPropertiesOutput, error) {
	return &iam.GetAccountPropertiesOutput{Properties: map[string]string{roleManagerEnabled: "false"}}, nil
}

// PutAccountProperties sets the account's properties. Role Manager stays off, since
// there are no templates that it could use.
func (s *Service) PutAccountProperties(_ *service.Call, in *iam.PutAccountPropertiesInput) (*iam.PutAccountPropertiesOutput, error) {
	if len(in.Properties) == 0 {
		return nil, invalidInput("Properties must not be empty")
	}
	for key := range in.Properties {
		namespace, name, _ := strings.Cut(key, "/")
		if namespace == "" || name == "" || strings.Contains(name, "/") {
			return nil, invalidInput("Property key must be in format Namespace/PropertyName: %s", key)
		}
	}
	namespaces := namespacesOf(in.Properties)
	if len(namespaces) > 1 {
		return nil, invalidInput("All properties must belong to the same namespace")
	}
	if namespaces[0] != roleManager {
		return nil, invalidInput("Unsupported namespace: %s", namespaces[0])
	}
	switch value, ok := in.Properties[roleManagerEnabled]; {
	case !ok:
		return nil, invalidInput("%s namespace requires Enabled property", roleManager)
	case value == "true":
		return nil, invalidInput("Role Manager cannot be enabled: %s.", needsRoleTemplates)
	case value != "false":
		return nil, invalidInput("Enabled must be 'true' or 'false'")
	}
	return &iam.PutAccountPropertiesOutput{}, nil
}

func issuerOf(a *identity.AccountSettings) string { return "https://" + a.Issuer + issuerDomain }

func outboundDisabled() error {
	return &types.FeatureDisabledException{Message: aws.String("Outbound web identity federation is not enabled for this account.")}
}

// editSettings changes the switches of the account, which are all off at first.
func editSettings(c *service.Call, edit func(*identity.AccountSettings) error) error {
	err := identity.SettingsOf.Edit(c.Tx, edit, c.Account())
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	a := new(identity.AccountSettings)
	if err := edit(a); err != nil {
		return err
	}
	return identity.SettingsOf.Put(c.Tx, a, c.Account())
}

// namespacesOf are the namespaces of properties, each once, sorted.
func namespacesOf(properties map[string]string) []string {
	var namespaces []string
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		namespace, _, _ := strings.Cut(key, "/")
		namespaces = append(namespaces, namespace)
	}
	return slices.Compact(namespaces)
}

// The namespaces of account properties are a condition key.
const propertyNamespaces = "iam:AccountPropertyNamespaces"

func mayGetAccountProperties(*service.Call, *iam.GetAccountPropertiesInput) ([]authz.Check, error) {
	return []authz.Check{authz.On("*").WithList(propertyNamespaces, []string{roleManager})}, nil
}

func mayPutAccountProperties(_ *service.Call, in *iam.PutAccountPropertiesInput) ([]authz.Check, error) {
	return []authz.Check{authz.On("*").WithList(propertyNamespaces, namespacesOf(in.Properties))}, nil
}
