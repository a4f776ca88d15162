package iam

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

const (
	githubURL = "https://token.actions.githubusercontent.com"
	githubARN = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
	thumb     = "6938fd4d98bab03faadb97b34396831e3780aea1"
)

// oidc makes an OpenID Connect provider, as root.
func (w *world) oidc(url string) (providerARN string) {
	w.t.Helper()
	return *do(w.root(), w.iam.CreateOpenIDConnectProvider, &iam.CreateOpenIDConnectProviderInput{Url: &url}).OpenIDConnectProviderArn
}

func (w *world) oidcProvider(providerARN string) *iam.GetOpenIDConnectProviderOutput {
	w.t.Helper()
	return do(w.root(), w.iam.GetOpenIDConnectProvider, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &providerARN})
}

func TestOIDCProvider(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	made := do(root, w.iam.CreateOpenIDConnectProvider, &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String(githubURL), ClientIDList: []string{"sts.amazonaws.com", "b", "sts.amazonaws.com"},
		ThumbprintList: []string{strings.ToUpper(thumb)}, Tags: []types.Tag{tag("team", "red")},
	})
	if *made.OpenIDConnectProviderArn != githubARN || len(made.Tags) != 1 {
		t.Fatalf("made %s", asJSON(made))
	}
	got := w.oidcProvider(githubARN)
	if *got.Url != "token.actions.githubusercontent.com" || !got.CreateDate.Equal(second(w.now)) || len(got.Tags) != 1 {
		t.Errorf("got %s", asJSON(got))
	}
	equal(t, "client ids", got.ClientIDList, []string{"sts.amazonaws.com", "b"})
	equal(t, "thumbprints", got.ThumbprintList, []string{thumb})
	w.consistent(t)

	do(root, w.iam.AddClientIDToOpenIDConnectProvider, &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn, ClientID: aws.String("c")})
	do(root, w.iam.AddClientIDToOpenIDConnectProvider, &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn, ClientID: aws.String("b")}) // idempotent
	do(root, w.iam.RemoveClientIDFromOpenIDConnectProvider, &iam.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn, ClientID: aws.String("sts.amazonaws.com")})
	do(root, w.iam.RemoveClientIDFromOpenIDConnectProvider, &iam.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn, ClientID: aws.String("none")})
	other := strings.Repeat("a", 40)
	do(root, w.iam.UpdateOpenIDConnectProviderThumbprint, &iam.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn, ThumbprintList: []string{other, thumb}})
	got = w.oidcProvider(githubARN)
	equal(t, "client ids", got.ClientIDList, []string{"b", "c"})
	equal(t, "thumbprints", got.ThumbprintList, []string{other, thumb})
	do(root, w.iam.UpdateOpenIDConnectProviderThumbprint, &iam.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn, ThumbprintList: []string{}})
	equal(t, "thumbprints", w.oidcProvider(githubARN).ThumbprintList, []string{})

	// It is known by its URL, letter by letter, as tokens' issuers are compared.
	refused(root, w.iam.CreateOpenIDConnectProvider, &iam.CreateOpenIDConnectProviderInput{Url: aws.String(githubURL)}, "EntityAlreadyExists", "Provider with url "+githubURL+" already exists.")
	for _, url := range []string{githubURL + "/", githubURL + "/a/B", githubURL + "/a/b", "https://Token.actions.githubusercontent.com", "https://192.0.2.7/x"} {
		if made := w.oidc(url); made != "arn:aws:iam::111122223333:oidc-provider/"+strings.TrimPrefix(url, "https://") {
			t.Errorf("%s is %s", url, made)
		}
	}
	list := do(root, w.iam.ListOpenIDConnectProviders, &iam.ListOpenIDConnectProvidersInput{}).OpenIDConnectProviderList
	if len(list) != 6 || !slices.ContainsFunc(list, func(e types.OpenIDConnectProviderListEntry) bool { return *e.Arn == githubARN+"/a/B" }) {
		t.Errorf("list %s", asJSON(list))
	}
	if n := do(root, w.iam.GetAccountSummary, &iam.GetAccountSummaryInput{}).SummaryMap["Providers"]; n != 6 {
		t.Errorf("%d providers in the summary", n)
	}

	del := &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn}
	do(root, w.iam.DeleteOpenIDConnectProvider, del)
	do(root, w.iam.DeleteOpenIDConnectProvider, del) // idempotent
	w.consistent(t)
	missing := "OpenIDConnect Provider not found for arn " + githubARN
	refused(root, w.iam.GetOpenIDConnectProvider, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn}, "NoSuchEntity", missing)
	refused(root, w.iam.AddClientIDToOpenIDConnectProvider, &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn, ClientID: aws.String("x")}, "NoSuchEntity", missing)
	refused(root, w.iam.RemoveClientIDFromOpenIDConnectProvider, &iam.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn, ClientID: aws.String("x")}, "NoSuchEntity", missing)
	refused(root, w.iam.UpdateOpenIDConnectProviderThumbprint, &iam.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn}, "NoSuchEntity", missing)
	refused(root, w.iam.TagOpenIDConnectProvider, &iam.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn, Tags: []types.Tag{tag("a", "b")}}, "NoSuchEntity", missing)
	refused(root, w.iam.UntagOpenIDConnectProvider, &iam.UntagOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn, TagKeys: []string{"a"}}, "NoSuchEntity", missing)
	refused(root, w.iam.ListOpenIDConnectProviderTags, &iam.ListOpenIDConnectProviderTagsInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn}, "NoSuchEntity", missing)
	w.oidc(githubURL) // the URL is free again
	w.consistent(t)
}

// A trust policy may name providers that do not exist, but nothing that is none.
func TestTrustingProviders(t *testing.T) {
	w := newWorld(t)
	oidc, saml := w.oidc(githubURL), w.saml("corp")
	trust := func(provider, action string) *iam.CreateRoleInput {
		document := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":%q},"Action":%q}}`, provider, action)
		name := "r" + fmt.Sprint(len(do(w.root(), w.iam.ListRoles, &iam.ListRolesInput{}).Roles))
		return &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &document}
	}
	do(w.root(), w.iam.CreateRole, trust(oidc, "sts:AssumeRoleWithWebIdentity"))
	do(w.root(), w.iam.CreateRole, trust(saml, "sts:AssumeRoleWithSAML"))
	do(w.root(), w.iam.CreateRole, trust(oidc+"/later", "sts:AssumeRoleWithWebIdentity"))
	do(w.root(), w.iam.CreateRole, trust("accounts.google.com", "sts:AssumeRoleWithWebIdentity"))
	refused(w.root(), w.iam.CreateRole, trust(githubURL, "sts:AssumeRoleWithWebIdentity"), "MalformedPolicyDocument", "Federated principals must be valid domain names or SAML metadata ARNs")
	// Whoever trusts it, a provider can be deleted.
	do(w.root(), w.iam.DeleteOpenIDConnectProvider, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &oidc})
	do(w.root(), w.iam.DeleteSAMLProvider, &iam.DeleteSAMLProviderInput{SAMLProviderArn: &saml})
	w.consistent(t)
}

func TestOIDCProviderURLs(t *testing.T) {
	w := newWorld(t)
	const invalid, odd = "ValidationError Invalid Open ID Connect Provider URL", "InvalidInput Invalid Open ID Connect Provider URL."
	for url, want := range map[string]string{
		"example.com":                          invalid,
		"https://":                             invalid,
		"https:///path":                        invalid,
		"//example.com":                        invalid,
		"https://exa mple.com":                 invalid,
		"https://[::1":                         invalid,
		"http://example.com":                   odd + " The URL must begin with https://.",
		"HTTPS://example.com":                  odd + " The URL must begin with https://.",
		"https://user@example.com":             odd,
		"https://user:pw@example.com":          odd,
		"https://example.com?foo=1":            odd,
		"https://example.com/a?foo=1":          odd,
		"https://example.com#f":                odd,
		"https://example.com/#":                odd,
		"https://example.com:443":              odd,
		"https://[::1]":                        odd,
		"https://exa_mple.com":                 odd,
		"https://-example.com":                 odd,
		"https://example..com":                 odd,
		"https://example.com.":                 odd,
		"https://*.example.com":                odd,
		"https://example.com/*":                odd,
		"https://example.com/a b":              odd,
		"https://example.com/\u00e9":           odd,
		"https://ex\u00e4mple.com":             odd,
		`https://example.com\@evil.com`:        invalid,
		"https://" + strings.Repeat("a", 64):   odd,
		"https://example.com/<script>":         odd,
		"https://example.com/a%2f..%2fb/../ok": "",
		"https://localhost":                    "",
	} {
		_, err := try(w.root(), w.iam.CreateOpenIDConnectProvider, &iam.CreateOpenIDConnectProviderInput{Url: &url})
		if want == "" {
			w.must(err)
			continue
		}
		code, message, _ := strings.Cut(want, " ")
		checkError(t, url, err, code, message)
	}
	w.consistent(t)
}

func TestOIDCProviderLimits(t *testing.T) {
	w := newWorld(t)
	w.iam.limits.OIDCProvidersPerAccount = 2
	ids := make([]string, 101)
	for i := range ids {
		ids[i] = fmt.Sprintf("client-%d", i)
	}
	const many = "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100"
	create := func(in iam.CreateOpenIDConnectProviderInput) *iam.CreateOpenIDConnectProviderInput {
		in.Url = aws.String(githubURL)
		return &in
	}
	refused(w.root(), w.iam.CreateOpenIDConnectProvider, create(iam.CreateOpenIDConnectProviderInput{ClientIDList: ids}), "LimitExceeded", many)
	sums := slices.Repeat([]string{thumb}, 6)
	refused(w.root(), w.iam.CreateOpenIDConnectProvider, create(iam.CreateOpenIDConnectProviderInput{ThumbprintList: sums}), "InvalidInput", "Thumbprint list must contain fewer than 5 entries.")
	refused(w.root(), w.iam.CreateOpenIDConnectProvider, create(iam.CreateOpenIDConnectProviderInput{ThumbprintList: []string{strings.Repeat("z", 40)}}), "InvalidInput", "Thumbprint must be the SHA-1 sum of a certificate: 40 hexadecimal digits.")
	do(w.root(), w.iam.CreateOpenIDConnectProvider, create(iam.CreateOpenIDConnectProviderInput{ClientIDList: ids[:100], ThumbprintList: sums[:5]}))
	refused(w.root(), w.iam.AddClientIDToOpenIDConnectProvider, &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(githubARN), ClientID: &ids[100]}, "LimitExceeded", many)
	refused(w.root(), w.iam.UpdateOpenIDConnectProviderThumbprint, &iam.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: aws.String(githubARN), ThumbprintList: sums}, "InvalidInput", "Thumbprint list must contain fewer than 5 entries.")
	w.oidc("https://two.example.com")
	three := &iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://three.example.com")}
	refused(w.root(), w.iam.CreateOpenIDConnectProvider, three, "LimitExceeded", "Cannot exceed quota for OpenIdConnectProvidersPerAccount: 2")
	do(w.root(), w.iam.DeleteOpenIDConnectProvider, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(githubARN)})
	do(w.root(), w.iam.CreateOpenIDConnectProvider, three)
	w.consistent(t)
}

// What is no ARN of a provider is said to be none, by operations of both kinds.
func TestProviderARNs(t *testing.T) {
	w := newWorld(t)
	w.oidc(githubURL)
	for arn, want := range map[string]string{
		"arn-of-twenty-characters":                                    "ValidationError Invalid ARN:  Could not be parsed!",
		"arn:aws:iam::111122223333:saml-provider/x":                   "InvalidInput ARN arn:aws:iam::111122223333:saml-provider/x is not valid.",
		"arn:aws:iam::111122223333:oidc-provider/":                    "InvalidInput ARN arn:aws:iam::111122223333:oidc-provider/ is not valid.",
		"arn:aws:iam:us-east-1:111122223333:oidc-provider/x":          "InvalidInput ARN arn:aws:iam:us-east-1:111122223333:oidc-provider/x is not valid.",
		"arn:aws-cn:iam::111122223333:oidc-provider/" + githubURL[8:]: "NoSuchEntity OpenIDConnect Provider not found for arn arn:aws-cn:iam::111122223333:oidc-provider/" + githubURL[8:],
		strings.ToUpper(githubARN[:3]) + githubARN[3:]:                "ValidationError Invalid ARN:  Could not be parsed!",
	} {
		code, message, _ := strings.Cut(want, " ")
		refused(w.root(), w.iam.GetOpenIDConnectProvider, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn}, code, message)
		if code != "NoSuchEntity" {
			refused(w.root(), w.iam.DeleteOpenIDConnectProvider, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn}, code, message)
		}
	}
	odd := "arn:aws:iam::111122223333:oidc-provider/x"
	refused(w.root(), w.iam.GetSAMLProvider, &iam.GetSAMLProviderInput{SAMLProviderArn: &odd}, "InvalidInput", "ARN "+odd+" is not valid.")
}

func TestOIDCProviderTags(t *testing.T) {
	w := newWorld(t)
	w.oidc(githubURL)
	admin := w.user("admin")
	tagIt := func(key, value string) *iam.TagOpenIDConnectProviderInput {
		return &iam.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(githubARN), Tags: []types.Tag{tag(key, value)}}
	}
	w.may("admin", allowIf("iam:*OpenIDConnectProvider*", githubARN, `{"StringEqualsIfExists":{"aws:RequestTag/owner":"alice","aws:ResourceTag/owner":"alice"}}`))
	denied(admin, w.iam.TagOpenIDConnectProvider, tagIt("owner", "bob"))
	do(admin, w.iam.TagOpenIDConnectProvider, tagIt("owner", "alice"))
	do(w.root(), w.iam.TagOpenIDConnectProvider, tagIt("Owner", "x")) // keys differ by case: two tags
	do(w.root(), w.iam.TagOpenIDConnectProvider, tagIt("a", ""))
	var seen []string
	sizes := pages(func(marker *string) (int, bool, *string) {
		out := do(admin, w.iam.ListOpenIDConnectProviderTags, &iam.ListOpenIDConnectProviderTagsInput{OpenIDConnectProviderArn: aws.String(githubARN), Marker: marker, MaxItems: aws.Int32(2)})
		seen = append(seen, names(out.Tags, func(t types.Tag) *string { return t.Key })...)
		return len(out.Tags), out.IsTruncated, out.Marker
	})
	equal(t, fmt.Sprint("pages of ", sizes), seen, []string{"Owner", "a", "owner"})
	do(admin, w.iam.UntagOpenIDConnectProvider, &iam.UntagOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(githubARN), TagKeys: []string{"a", "none"}})
	if got := w.oidcProvider(githubARN).Tags; len(got) != 2 {
		t.Errorf("tags %s", asJSON(got))
	}
	do(w.root(), w.iam.TagOpenIDConnectProvider, tagIt("owner", "bob"))
	denied(admin, w.iam.GetOpenIDConnectProvider, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(githubARN)})
	refused(w.root(), w.iam.TagOpenIDConnectProvider, tagIt("aws:x", "y"), "InvalidInput", "Tag keys and values cannot begin with aws:")

	create := &iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://new.example.com"), Tags: []types.Tag{tag("k", "v")}}
	w.may("admin", allow("iam:CreateOpenIDConnectProvider", "*"))
	denied(admin, w.iam.CreateOpenIDConnectProvider, create) // needs iam:TagOpenIDConnectProvider too
	w.may("admin", allowIf("iam:*OpenIDConnectProvider", "arn:aws:iam::111122223333:oidc-provider/new.example.com", `{"StringEquals":{"aws:RequestTag/k":"v"}}`))
	do(admin, w.iam.CreateOpenIDConnectProvider, create)
}

// Nobody may do anything by default, whether what is named exists or not; and a right
// on one provider is none on another.
func TestProviderOperationsAreDeniedByDefault(t *testing.T) {
	w := newWorld(t)
	w.oidc("https://thing")
	w.saml("thing")
	mallory := w.user("mallory")
	for _, op := range w.iam.providerOperations() {
		for _, name := range []string{"thing", "none"} {
			in := op.NewInput()
			fillProvider(in, name)
			_, err := mallory.perform(op, in)
			want := "iam:" + op.Name + " on resource: arn:aws:iam::111122223333:"
			if codeOf(err) != "AccessDenied" || !strings.Contains(err.Error(), want) {
				t.Errorf("%s of %s: %v", op.Name, name, err)
			}
		}
	}
	w.may("mallory", allow("iam:*", "arn:aws:iam::111122223333:oidc-provider/none"), allow("iam:*", "arn:aws:iam::111122223333:saml-provider/none"))
	for _, op := range w.iam.providerOperations() {
		in := op.NewInput()
		fillProvider(in, "thing")
		if _, err := mallory.perform(op, in); codeOf(err) != "AccessDenied" {
			t.Errorf("%s of another: %v", op.Name, err)
		}
	}
	w.consistent(t)
}

// fillProvider names a provider in an input.
func fillProvider(in any, name string) {
	v := reflect.ValueOf(in).Elem()
	for field, value := range map[string]string{
		"Url": "https://" + name, "Name": name, "ClientID": "id",
		"OpenIDConnectProviderArn": "arn:aws:iam::111122223333:oidc-provider/" + name,
		"SAMLProviderArn":          "arn:aws:iam::111122223333:saml-provider/" + name,
	} {
		if f := v.FieldByName(field); f.IsValid() {
			f.Set(reflect.ValueOf(&value))
		}
	}
}

// T330: with these three actions someone makes whom the account believes. Without the
// grant they are refused; with it they work as on AWS, and no further than the boundary.
func TestT330_OnlyOIDCProviders(t *testing.T) {
	w := newWorld(t)
	eve := w.user("eve")
	w.oidc(githubURL)
	create := &iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://evil.example.com")}
	add := &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(githubARN), ClientID: aws.String("evil")}
	pin := &iam.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: aws.String(githubARN), ThumbprintList: []string{thumb}}
	denied(eve, w.iam.CreateOpenIDConnectProvider, create)
	denied(eve, w.iam.AddClientIDToOpenIDConnectProvider, add)
	denied(eve, w.iam.UpdateOpenIDConnectProviderThumbprint, pin)
	w.may("eve", allow("iam:*OpenIDConnectProvider*", "*"))
	w.policy("bound", allow("iam:Get*", "*"))
	do(w.root(), w.iam.PutUserPermissionsBoundary, &iam.PutUserPermissionsBoundaryInput{UserName: aws.String("eve"), PermissionsBoundary: aws.String("arn:aws:iam::111122223333:policy/bound")})
	denied(eve, w.iam.CreateOpenIDConnectProvider, create)
	denied(eve, w.iam.AddClientIDToOpenIDConnectProvider, add)
	denied(eve, w.iam.UpdateOpenIDConnectProviderThumbprint, pin)
	do(w.root(), w.iam.DeleteUserPermissionsBoundary, &iam.DeleteUserPermissionsBoundaryInput{UserName: aws.String("eve")})
	do(eve, w.iam.CreateOpenIDConnectProvider, create)
	do(eve, w.iam.AddClientIDToOpenIDConnectProvider, add)
	do(eve, w.iam.UpdateOpenIDConnectProviderThumbprint, pin)
	w.consistent(t)
}

func TestT300_ProvidersOfAnotherAccount(t *testing.T) {
	w := newWorld(t)
	oidc, saml := w.oidc(githubURL), w.saml("corp")
	eve := w.rootOf(theirs)
	for _, op := range w.iam.providerOperations() {
		in := op.NewInput()
		fillProvider(in, "corp")
		v := reflect.ValueOf(in).Elem()
		for field, arn := range map[string]string{"OpenIDConnectProviderArn": oidc, "SAMLProviderArn": saml} {
			if f := v.FieldByName(field); f.IsValid() {
				f.Set(reflect.ValueOf(&arn))
				if _, err := eve.perform(op, in); codeOf(err) != "AccessDenied" {
					t.Errorf("%s: %v", op.Name, err)
				}
			}
		}
	}
	// The same URL and name are free in every account.
	do(eve, w.iam.CreateOpenIDConnectProvider, &iam.CreateOpenIDConnectProviderInput{Url: aws.String(githubURL)})
	w.consistent(t)
	if n := len(do(eve, w.iam.ListSAMLProviders, &iam.ListSAMLProvidersInput{}).SAMLProviderList); n != 0 {
		t.Errorf("%d providers of another account are listed", n)
	}
}
