package console

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/lanyard-iam/lanyard/internal/samlx"
)

// providerRoutes are the pages of SAML and OpenID Connect identity providers.
func (c *Console) providerRoutes() []Route {
	return []Route{
		{Pattern: "GET /identity-providers", Handle: c.showProviders},
		{Pattern: "GET /identity-providers/new", Handle: c.newProvider},
		{Pattern: "POST /identity-providers", Handle: c.createProvider, MaxBody: 4 << 20}, // metadata, as a form writes it
		{Pattern: "GET /identity-providers/{arn...}", Handle: c.showProvider},
		{Pattern: "POST /identity-providers/{arn}/audiences", Handle: c.addAudience},
		{Pattern: "POST /identity-providers/{arn}/audiences/remove", Handle: c.removeAudience},
		{Pattern: "POST /identity-providers/{arn}/thumbprints", Handle: c.setThumbprints},
		{Pattern: "POST /identity-providers/{arn}/metadata", Handle: c.setMetadata, MaxBody: 4 << 20},
		{Pattern: "POST /identity-providers/{arn}/delete", Handle: c.deleteProvider},
	}
}

func providerPath(arn string) string { return "/identity-providers/" + url.PathEscape(arn) }

// isSAML tells the two kinds of provider apart by their ARNs.
func isSAML(arn string) bool { return strings.Contains(arn, ":saml-provider/") }

func providerName(arn string) string {
	_, name, _ := strings.Cut(arn, "-provider/")
	return firstOf(name, arn)
}

type providersPage struct {
	Now    time.Time
	Rows   []providerRow
	Filter Filter
	Denied []*Denied
	Empty  Empty
}

type providerRow struct {
	Name, Path, Kind string
	Created          time.Time
	Ends             time.Time
	State            State
}

// showProviders lists them all: AWS's lists have no pages, and an account has a hundred of
// each at most.
func (c *Console) showProviders(v *Visit) error {
	ctx, client := v.Request.Context(), v.API().IAM
	var saml *iam.ListSAMLProvidersOutput
	var oidc *iam.ListOpenIDConnectProvidersOutput
	var samlErr, oidcErr error
	atOnce(
		func() { saml, samlErr = client.ListSAMLProviders(ctx, &iam.ListSAMLProvidersInput{}) },
		func() { oidc, oidcErr = client.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{}) },
	)
	body := providersPage{Now: v.Now, Empty: Empty{
		Icon: "link", Title: "No identity providers yet",
		Text:   "An identity provider says who people and programs are, so that they need no password and no key here: SAML for people, OpenID Connect for CI systems and clusters.",
		Action: Step{"Add provider", "/identity-providers/new"}, Command: &Command{Line: "aws iam create-open-id-connect-provider --url https://token.actions.githubusercontent.com --client-id-list sts.amazonaws.com"},
		More: Step{"Which credential should I use?", "/credential-advisor"},
	}}
	for _, err := range []error{samlErr, oidcErr} {
		if denied := v.deniedOf(err); denied != nil {
			body.Denied = append(body.Denied, denied)
		} else if err != nil {
			return err
		}
	}
	if samlErr == nil {
		for _, p := range saml.SAMLProviderList {
			row := providerRow{Name: providerName(*p.Arn), Path: providerPath(*p.Arn), Kind: "SAML", Created: aws.ToTime(p.CreateDate), Ends: aws.ToTime(p.ValidUntil)}
			row.State = validity(v.Now, row.Ends)
			body.Rows = append(body.Rows, row)
		}
	}
	if oidcErr == nil {
		for _, p := range oidc.OpenIDConnectProviderList {
			body.Rows = append(body.Rows, providerRow{Name: providerName(*p.Arn), Path: providerPath(*p.Arn), Kind: "OpenID Connect"})
		}
	}
	body.Filter = Filter{Table: "providers", Label: "Find providers", Count: len(body.Rows), Noun: "provider"}
	return v.Render("providers", Page{
		Title: "Identity providers", Lead: "Who else may say who somebody is.", Body: body,
		CLI: []Command{CLI("aws", "iam", "list-saml-providers"), CLI("aws", "iam", "list-open-id-connect-providers")},
	})
}

// soon is how long before its end something is marked.
const soon = 30 * day

// validity says how it stands with what ends at a time; the zero time is no end.
func validity(now, ends time.Time) State {
	switch {
	case ends.IsZero():
		return State{}
	case !now.Before(ends):
		return State{Bad, "Expired"}
	case ends.Sub(now) < soon:
		return State{Warning, "Expires " + ago(now, ends)}
	}
	return State{Good, "Valid"}
}

// providerPage is one provider.
type providerPage struct {
	Now     time.Time
	ARN     string
	Path    string
	SAML    bool
	About   []Pair
	Problem *Problem
	Delete  Confirm
	NewRole string

	Audiences   []audienceRow
	Audience    Field
	Thumbprints Field

	IDPs     []idpRow
	Unread   string // why the metadata could not be read
	Metadata Field
}

type audienceRow struct {
	Name   string
	Remove Confirm
}

type idpRow struct {
	EntityID     string
	Certificates []certificateRow
}

type certificateRow struct {
	Subject, Serial string
	From, Until     time.Time
	State           State
}

func (c *Console) showProvider(v *Visit) error { return c.providerForm(v, nil) }

// providerForm shows a provider: after a refusal, with why and with what was typed.
func (c *Console) providerForm(v *Visit, refused error) error {
	arn := v.Request.PathValue("arn")
	body := &providerPage{Now: v.Now, ARN: arn, Path: providerPath(arn), SAML: isSAML(arn)}
	by, command := "oidc", CLI("aws", "iam", "get-open-id-connect-provider", "--open-id-connect-provider-arn", arn)
	fill := v.showOIDC
	if body.SAML {
		by, command, fill = "saml", CLI("aws", "iam", "get-saml-provider", "--saml-provider-arn", arn), v.showSAML
	}
	if err := fill(body); err != nil {
		return cmp.Or(refused, err)
	}
	body.NewRole = newRolePath(by, arn)
	body.Delete = Confirm{
		ID: "delete", Open: "Delete provider", Title: "Delete the provider " + providerName(arn) + "?",
		Text:   "Roles that trust it stay, but nobody can take them by way of it any more. Sessions that are there go on until they end.",
		Action: body.Path + "/delete", Button: "Delete provider", Danger: true, Typed: providerName(arn),
	}
	page := Page{Title: providerName(arn), Crumbs: []Crumb{{"Identity providers", "/identity-providers"}}, CLI: []Command{command}, Body: body}
	if refused != nil {
		body.Problem, page.Status = v.ProblemOf(refused), http.StatusUnprocessableEntity
	}
	return v.Render("provider", page)
}

func (v *Visit) showOIDC(p *providerPage) error {
	out, err := v.API().IAM.GetOpenIDConnectProvider(v.Request.Context(), &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &p.ARN})
	if err != nil {
		return err
	}
	p.About = append([]Pair{
		{Key: "Type", Value: "OpenID Connect"}, {Key: "ARN", Value: p.ARN, Mono: true, Copy: true},
		{Key: "Issuer", Value: "https://" + strings.TrimPrefix(aws.ToString(out.Url), "https://"), Mono: true},
		{Key: "Created", Value: written(v.Now, aws.ToTime(out.CreateDate))},
	}, tagPairs(out.Tags)...)
	for i, name := range out.ClientIDList {
		p.Audiences = append(p.Audiences, audienceRow{name, Confirm{
			ID: "audience-" + string(rune('a'+i%26)) + strings.Repeat("x", i/26), Open: "Remove", Title: "Remove the audience " + name + "?",
			Text: "Tokens that are made for it are no longer taken.", Action: p.Path + "/audiences/remove", Hidden: []Option{{Value: "audience", Text: name}}, Button: "Remove audience", Danger: true,
		}})
	}
	p.Audience = Field{Name: "audience", Label: "Add an audience", Value: v.Form("audience"), Autocomplete: "off", MaxLength: 255, Hint: "The aud of the tokens, also called client ID."}
	p.Thumbprints = Field{Name: "thumbprints", Label: "Thumbprints", Type: "textarea", Rows: 3, Mono: true, Optional: true, Value: firstOf(v.Form("thumbprints"), strings.Join(out.ThumbprintList, "\n")),
		Hint: "SHA-1 of the certificates that may vouch for the provider’s keys: 40 hexadecimal digits each, one on each line, at most five."}
	return nil
}

func (v *Visit) showSAML(p *providerPage) error {
	out, err := v.API().IAM.GetSAMLProvider(v.Request.Context(), &iam.GetSAMLProviderInput{SAMLProviderArn: &p.ARN})
	if err != nil {
		return err
	}
	p.About = []Pair{
		{Key: "Type", Value: "SAML"}, {Key: "ARN", Value: p.ARN, Mono: true, Copy: true},
		{Key: "Created", Value: written(v.Now, aws.ToTime(out.CreateDate))},
		{Key: "Encrypted assertions", Value: firstOf(string(out.AssertionEncryptionMode), "Not asked for")},
	}
	if until := aws.ToTime(out.ValidUntil); !until.IsZero() {
		p.About = append(p.About, Pair{Key: "Metadata valid until", Value: written(v.Now, until)})
	}
	p.About = append(p.About, tagPairs(out.Tags)...)
	text := aws.ToString(out.SAMLMetadataDocument)
	if found, err := samlx.ParseMetadata(text); err != nil {
		p.Unread = err.Error()
	} else {
		p.idps(v.Now, found)
	}
	p.Metadata = Field{Name: "metadata", Label: "Metadata document", Type: "textarea", Rows: 12, Mono: true, Value: firstOf(v.Request.PostFormValue("metadata"), text)}
	return nil
}

func (p *providerPage) idps(now time.Time, m *samlx.Metadata) {
	for _, idp := range m.IDPs {
		row := idpRow{EntityID: idp.EntityID}
		for _, cert := range idp.Signing {
			one := certificateRow{Subject: firstOf(cert.Subject.String(), "no name"), Serial: cert.SerialNumber.Text(16), From: cert.NotBefore, Until: cert.NotAfter, State: validity(now, cert.NotAfter)}
			if now.Before(cert.NotBefore) {
				one.State = State{Warning, "Not valid yet"}
			}
			row.Certificates = append(row.Certificates, one)
		}
		p.IDPs = append(p.IDPs, row)
	}
}

func tagPairs(tags []types.Tag) []Pair {
	var pairs []Pair
	for _, tag := range tags {
		pairs = append(pairs, Pair{Key: "Tag " + aws.ToString(tag.Key), Value: aws.ToString(tag.Value)})
	}
	return pairs
}

// changeProvider ends a change.
func (c *Console) changeProvider(v *Visit, done string, err error) error {
	if err != nil {
		return c.providerForm(v, err)
	}
	v.Flash(Good, done)
	return v.Redirect(providerPath(v.Request.PathValue("arn")))
}

func (c *Console) addAudience(v *Visit) error {
	arn, audience := v.Request.PathValue("arn"), v.Form("audience")
	_, err := v.API().IAM.AddClientIDToOpenIDConnectProvider(v.Request.Context(), &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: &audience})
	return c.changeProvider(v, "The audience "+audience+" was added.", err)
}

func (c *Console) removeAudience(v *Visit) error {
	arn, audience := v.Request.PathValue("arn"), v.Form("audience")
	_, err := v.API().IAM.RemoveClientIDFromOpenIDConnectProvider(v.Request.Context(), &iam.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: &audience})
	return c.changeProvider(v, "The audience "+audience+" was removed.", err)
}

func (c *Console) setThumbprints(v *Visit) error {
	arn := v.Request.PathValue("arn")
	if err := v.StepUp(providerPath(arn)); err != nil { // whoever has these keys may become anybody whom roles trust
		return err
	}
	_, err := v.API().IAM.UpdateOpenIDConnectProviderThumbprint(v.Request.Context(), &iam.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: &arn, ThumbprintList: linesOf(v.Form("thumbprints"))})
	return c.changeProvider(v, "The thumbprints were saved.", err)
}

func (c *Console) setMetadata(v *Visit) error {
	arn, text := v.Request.PathValue("arn"), v.Request.PostFormValue("metadata")
	if err := v.StepUp(providerPath(arn)); err != nil { // whoever has these keys may become anybody whom roles trust
		return err
	}
	_, err := v.API().IAM.UpdateSAMLProvider(v.Request.Context(), &iam.UpdateSAMLProviderInput{SAMLProviderArn: &arn, SAMLMetadataDocument: &text})
	return c.changeProvider(v, "The metadata was replaced.", err)
}

func (c *Console) deleteProvider(v *Visit) error {
	arn := v.Request.PathValue("arn")
	if err := v.StepUp(providerPath(arn)); err != nil {
		return err
	}
	if v.Form("typed") != providerName(arn) {
		return c.providerForm(v, &Problem{Status: http.StatusUnprocessableEntity, Title: "The provider was not deleted", Why: "The name that was typed is not " + providerName(arn) + ".", Do: []Step{{Text: "Type the name to confirm."}}})
	}
	ctx, client := v.Request.Context(), v.API().IAM
	var err error
	if isSAML(arn) {
		_, err = client.DeleteSAMLProvider(ctx, &iam.DeleteSAMLProviderInput{SAMLProviderArn: &arn})
	} else {
		_, err = client.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
	}
	if err != nil {
		return c.providerForm(v, err)
	}
	v.Flash(Good, "The provider "+providerName(arn)+" was deleted.")
	return v.Redirect("/identity-providers")
}

type newProviderPage struct {
	Type    string
	Tabs    []Tab
	Fields  []Field
	Problem *Problem
}

func (c *Console) newProvider(v *Visit) error {
	return c.newProviderForm(v, firstOf(v.Query("type"), "oidc"), nil)
}

func (c *Console) newProviderForm(v *Visit, kind string, refused error) error {
	body := newProviderPage{Type: kind, Tabs: []Tab{
		{Text: "OpenID Connect", Path: "/identity-providers/new?type=oidc", Current: kind == "oidc"},
		{Text: "SAML", Path: "/identity-providers/new?type=saml", Current: kind == "saml"},
	}}
	command := CLI("aws", "iam", "create-open-id-connect-provider", "--url", firstOf(v.Form("url"), "https://token.actions.githubusercontent.com"), "--client-id-list", firstOf(v.Form("audience"), "sts.amazonaws.com"))
	switch kind {
	case "oidc":
		body.Fields = []Field{
			{Name: "url", Label: "Issuer", Type: "url", Value: v.Form("url"), Mono: true, MaxLength: 255, Autocomplete: "off", Placeholder: "https://token.actions.githubusercontent.com", Hint: "The iss of its tokens. It begins with https://."},
			{Name: "audience", Label: "Audience", Value: v.Form("audience"), Optional: true, MaxLength: 255, Autocomplete: "off", Placeholder: "sts.amazonaws.com", Hint: "The aud of the tokens, also called client ID. More can be added later."},
			{Name: "thumbprints", Label: "Thumbprints", Type: "textarea", Rows: 3, Mono: true, Optional: true, Value: v.Form("thumbprints"), Hint: "SHA-1 of the certificates that may vouch for the provider’s keys: one on each line, at most five."},
		}
	case "saml":
		command = CLI("aws", "iam", "create-saml-provider", "--name", firstOf(v.Form("name"), "NAME"), "--saml-metadata-document", "file://metadata.xml")
		body.Fields = []Field{
			{Name: "name", Label: "Provider name", Value: v.Form("name"), MaxLength: 128, Autocomplete: "off", Hint: "Letters, digits and . _ -"},
			{Name: "metadata", Label: "Metadata document", Type: "textarea", Rows: 12, Mono: true, Value: v.Request.PostFormValue("metadata"), Hint: "The XML that the provider hands out about itself, with its certificates."},
		}
	default:
		return errNoPage
	}
	page := Page{Title: "Add provider", Crumbs: []Crumb{{"Identity providers", "/identity-providers"}}, CLI: []Command{command}}
	if refused != nil {
		body.Problem, page.Status = v.ProblemOf(refused), http.StatusUnprocessableEntity
	}
	page.Body = body
	return v.Render("providernew", page)
}

func (c *Console) createProvider(v *Visit) error {
	kind := v.Form("type")
	arn, err := makeProvider(v.Request.Context(), v.API().IAM, kind, v)
	if err != nil {
		if !slices.Contains([]string{"oidc", "saml"}, kind) {
			return err
		}
		return c.newProviderForm(v, kind, err)
	}
	v.Flash(Good, "The provider was added. Now a role can trust it.")
	return v.Redirect(providerPath(arn))
}

func makeProvider(ctx context.Context, client *iam.Client, kind string, v *Visit) (string, error) {
	switch kind {
	case "oidc":
		issuer := v.Form("url")
		in := &iam.CreateOpenIDConnectProviderInput{Url: &issuer, ThumbprintList: linesOf(v.Form("thumbprints"))}
		if audience := v.Form("audience"); audience != "" {
			in.ClientIDList = []string{audience}
		}
		out, err := client.CreateOpenIDConnectProvider(ctx, in)
		if err != nil {
			return "", err
		}
		return *out.OpenIDConnectProviderArn, nil
	case "saml":
		name, text := v.Form("name"), v.Request.PostFormValue("metadata")
		out, err := client.CreateSAMLProvider(ctx, &iam.CreateSAMLProviderInput{Name: &name, SAMLMetadataDocument: &text})
		if err != nil {
			return "", err
		}
		return *out.SAMLProviderArn, nil
	}
	return "", errNoPage
}
