package survey_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/lanyardtest"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/sigv4"
	"github.com/lanyard-iam/lanyard/survey"
)

// world is an account with alice, who has a key.
type world struct {
	*testing.T
	l   *lanyardtest.Lanyard
	iam *iam.Client
	s   *survey.Surveyor
	key *types.AccessKey
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, l: lanyardtest.New(t)}
	w.iam = iam.NewFromConfig(w.l.Config())
	w.s = &survey.Surveyor{IAM: w.iam, CloudTrail: survey.Trail{LookupEvents: cloudtrail.NewFromConfig(w.l.Config()).LookupEvents}, Account: w.l.Account, Partition: "aws"}
	w.must(w.iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("alice"), Path: aws.String("/people/")}))
	made, err := w.iam.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String("alice")})
	w.must(made, err)
	w.key = made.AccessKey
	return w
}

func (w *world) must(_ any, err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) as(id, secret, token *string) aws.Config {
	config := w.l.Config()
	config.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: *id, SecretAccessKey: *secret, SessionToken: aws.ToString(token)}, nil
	})
	return config
}

// device gives alice a device, and returns a code that is still good.
func (w *world) device() (serial *string, code string) {
	made, err := w.iam.CreateVirtualMFADevice(w.Context(), &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("alice")})
	w.must(made, err)
	serial = made.VirtualMFADevice.SerialNumber
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(string(made.VirtualMFADevice.Base32StringSeed))
	w.must(seed, err)
	now := mfa.StepAt(time.Now())
	at := func(steps int64) *string { return aws.String(mfa.Code(seed, now+steps)) }
	w.must(w.iam.EnableMFADevice(w.Context(), &iam.EnableMFADeviceInput{UserName: aws.String("alice"), SerialNumber: serial, AuthenticationCode1: at(-1), AuthenticationCode2: at(0)}))
	return serial, *at(1)
}

func (w *world) states(name, subject string) string {
	w.Helper()
	c, err := w.s.Checklist(w.Context(), name, subject)
	w.must(c, err)
	text := ""
	for _, s := range c.Steps {
		text += map[advisor.StepState]string{advisor.Done: "d", advisor.NotYet: "n", advisor.NotApplicable: "-"}[s.State]
	}
	return text
}

// metadata is of an identity provider with a certificate that ends.
func metadata(t *testing.T, ends time.Time) string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: ends.AddDate(-3, 0, 0), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com">
  <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
    <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.com/sso"/>
  </md:IDPSSODescriptor>
</md:EntityDescriptor>`+strings.Repeat(" ", 1000), base64.StdEncoding.EncodeToString(der))
}

func byKey(id string) []cttypes.LookupAttribute {
	return []cttypes.LookupAttribute{{AttributeKey: cttypes.LookupAttributeKeyAccessKeyId, AttributeValue: &id}}
}

// TestAPersonsChecklist: it is collected by her own requests, too, if she may make them.
func TestAPersonsChecklist(t *testing.T) {
	w := newWorld(t)
	if got := w.states(advisor.FirstCredentials, "ALICE"); got != "nnnn" {
		t.Errorf("at first: %s", got)
	}
	serial, code := w.device()
	session, err := sts.NewFromConfig(w.as(w.key.AccessKeyId, w.key.SecretAccessKey, nil)).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{SerialNumber: serial, TokenCode: &code})
	w.must(session, err)
	if got := w.states(advisor.FirstCredentials, "alice"); got != "ddnd" {
		t.Errorf("with a session: %s", got)
	}
	config := w.as(session.Credentials.AccessKeyId, session.Credentials.SecretAccessKey, session.Credentials.SessionToken)
	w.must(sts.NewFromConfig(config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))
	if got := w.states(advisor.FirstCredentials, "alice"); got != "dddd" {
		t.Errorf("used: %s", got)
	}

	hers := &survey.Surveyor{IAM: iam.NewFromConfig(config), CloudTrail: survey.Trail{LookupEvents: cloudtrail.NewFromConfig(config).LookupEvents}, Account: w.l.Account, Partition: "aws"}
	_, err = hers.Checklist(t.Context(), advisor.FirstCredentials, "alice")
	if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "AccessDenied" {
		t.Errorf("she may look without being allowed: %v", err)
	}
	w.must(w.iam.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: aws.String("alice"), PolicyName: aws.String("look"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:Get*","iam:List*"],"Resource":"arn:aws:iam::*:user/people/alice"},{"Effect":"Allow","Action":["cloudtrail:LookupEvents","iam:GetAccessKeyLastUsed"],"Resource":"*"}]}`)}))
	if c, err := hers.Checklist(t.Context(), advisor.FirstCredentials, "alice"); err != nil || c.Done != 4 {
		t.Errorf("by herself: %+v, %v", c, err)
	}
}

// TestAKeysChecklist: of a deleted key, whose owner only the trail knows; of one whose
// owner is gone; of one that never was.
func TestAKeysChecklist(t *testing.T) {
	w := newWorld(t)
	alice := aws.String("alice")
	id := *w.key.AccessKeyId
	made, err := w.iam.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: alice})
	w.must(made, err)
	w.must(sts.NewFromConfig(w.as(made.AccessKey.AccessKeyId, made.AccessKey.SecretAccessKey, nil)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))
	deadline := time.Now().Add(10 * time.Second)
	for w.states(advisor.RotateKey, id) != "dddnn" { // the use of a key is written a moment later
		if time.Now().After(deadline) {
			t.Fatalf("in rotation: %s", w.states(advisor.RotateKey, id))
		}
		time.Sleep(50 * time.Millisecond)
	}
	w.must(w.iam.DeleteAccessKey(t.Context(), &iam.DeleteAccessKeyInput{UserName: alice, AccessKeyId: &id}))
	if got := w.states(advisor.RotateKey, id); got != "ddddd" {
		t.Errorf("deleted: %s", got)
	}
	if got := w.states(advisor.KeyLeaked, id); got != "dnnndd" {
		t.Errorf("deleted, leaked: %s", got)
	}
	// The collector's own searches are nobody's look at what the key did.
	w.must(w.s.CloudTrail.LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{LookupAttributes: byKey(id)}))
	if got := w.states(advisor.KeyLeaked, id); got != "dnnddd" {
		t.Errorf("looked at: %s", got)
	}
	w.must(w.iam.DeleteAccessKey(t.Context(), &iam.DeleteAccessKeyInput{UserName: alice, AccessKeyId: made.AccessKey.AccessKeyId}))
	w.must(w.iam.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: alice}))
	if got := w.states(advisor.KeyLeaked, id); got != "dn-d-d" {
		t.Errorf("its user is gone: %s", got)
	}
	if _, err := w.s.Checklist(t.Context(), advisor.RotateKey, "AKIAIOSFODNN7EXAMPLE"); !errors.Is(err, advisor.ErrUnknownKey) {
		t.Errorf("a key that never was: %v", err)
	}
	if _, err := w.s.Checklist(t.Context(), "nonsense", ""); err == nil {
		t.Error("nonsense is a checklist")
	}
}

// TestReadAllHasWhatAPlanShows: ids of young keys, devices, providers and their ends.
func TestReadAllHasWhatAPlanShows(t *testing.T) {
	w := newWorld(t)
	serial, _ := w.device()
	until := time.Now().AddDate(2, 0, 0).UTC().Truncate(time.Second)
	w.must(w.iam.CreateSAMLProvider(t.Context(), &iam.CreateSAMLProviderInput{Name: aws.String("staff"), SAMLMetadataDocument: aws.String(metadata(t, until))}))
	w.must(w.iam.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://token.example.com"), ClientIDList: []string{"here"}, ThumbprintList: []string{"6938fd4d98bab03faadb97b34396831e3780aea1"},
	}))
	w.must(w.iam.UpdateAccountPasswordPolicy(t.Context(), &iam.UpdateAccountPasswordPolicyInput{MinimumPasswordLength: aws.Int32(12), PasswordReusePrevention: aws.Int32(3), MaxPasswordAge: aws.Int32(90)}))
	required := true
	w.s.More = func(_ context.Context, f *advisor.Facts) error {
		f.Root.Email, f.MFARequired = "root@example.com", &required
		return nil
	}
	f, err := w.s.ReadAll(t.Context())
	w.must(f, err)
	if f.Root.Email != "root@example.com" || f.MFARequired == nil {
		t.Errorf("%+v", f.Root)
	}
	w.s.More = func(context.Context, *advisor.Facts) error { return errors.New("refused") }
	if _, err := w.s.ReadAll(t.Context()); err == nil || err.Error() != "read the sign-in rules: refused" {
		t.Errorf("%v", err)
	}
	u := f.Users[slices.IndexFunc(f.Users, func(u advisor.User) bool { return u.Name == "alice" })]
	if u.Path != "/people/" || len(u.Keys) != 1 || u.Keys[0].ID != *w.key.AccessKeyId || len(u.Devices) != 1 || u.Devices[0].Serial != *serial || u.Devices[0].Enabled.IsZero() {
		t.Errorf("%+v", u)
	}
	if len(f.Providers) != 2 || f.Providers[0].Audiences[0] != "here" || !f.Providers[0].Expires.IsZero() || !f.Providers[1].SAML() ||
		!f.Providers[1].Expires.Equal(until) {
		t.Errorf("%+v", f.Providers)
	}
	if p := f.PasswordPolicy; p == nil || *p != (advisor.PasswordPolicy{MinimumLength: 12, MaxAge: 90, Reuse: 3}) {
		t.Errorf("%+v", p)
	}
}

// TestCredentialsAtOnce: the facts are the same whether each user is asked for, or all at
// once; also where the caller may not ask for all at once.
func TestCredentialsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.device()
	for _, name := range []string{"Bob", "carl", "dora"} {
		w.must(w.iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name}))
		if name == "dora" {
			continue
		}
		made, err := w.iam.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &name})
		w.must(made, err)
		if name == "Bob" {
			w.must(w.iam.UpdateAccessKey(t.Context(), &iam.UpdateAccessKeyInput{UserName: &name, AccessKeyId: made.AccessKey.AccessKeyId, Status: types.StatusTypeInactive}))
			w.must(w.iam.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &name}))
		}
	}
	config := w.l.Config()
	own := &lanyard.Client{URL: w.l.URL, Region: config.Region, HTTP: config.HTTPClient, Now: w.l.Now, Credentials: sigv4.Credentials{AccessKeyID: w.l.AccessKeyID, SecretAccessKey: w.l.SecretAccessKey}}
	w.s.Ours(own)
	atOnce := w.s.Credentials
	asked := 0
	w.s.Credentials = func(ctx context.Context, devices bool) (map[string]*survey.Held, error) {
		asked++
		return atOnce(ctx, devices)
	}
	read := func() []advisor.User {
		t.Helper()
		facts, err := w.s.ReadAll(t.Context())
		w.must(facts, err)
		for i := range facts.Users {
			for j := range facts.Users[i].Keys { // their use is written a moment later
				facts.Users[i].Keys[j].Used = time.Time{}
			}
		}
		return facts.Users
	}
	once := read()
	if asked != 1 {
		t.Errorf("it was asked %d times for all at once", asked)
	}
	w.s.Credentials = func(context.Context, bool) (map[string]*survey.Held, error) {
		return nil, &smithy.GenericAPIError{Code: "AccessDeniedException"}
	}
	if got := read(); !reflect.DeepEqual(got, once) {
		t.Errorf("each:\n%+v\nat once:\n%+v", got, once)
	}
	w.s.Credentials = func(context.Context, bool) (map[string]*survey.Held, error) {
		return nil, &smithy.GenericAPIError{Code: "UnknownOperationException"} // of a server of before
	}
	if got := read(); !reflect.DeepEqual(got, once) {
		t.Errorf("each:\n%+v\nat once:\n%+v", got, once)
	}
}
