// Package sdk_test tells the main story with the AWS SDK for Go: its own waiters
// and paginators, and retries off, so that an answer that a client would repeat
// is seen. The server runs in the test's process; what goes over the wire is what
// any program sends.
package sdk_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/lanyardtest"
	"github.com/lanyard-iam/lanyard/mfa"
)

// must is for what has to succeed.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// refused checks that err is an answer of the service with a code, and returns
// its message.
func refused(t *testing.T, err error, code string) string {
	t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != code {
		t.Fatalf("%v; want %s", err, code)
	}
	return api.ErrorMessage()
}

// story is a server and those who ask it.
type story struct {
	*lanyardtest.Lanyard
	t *testing.T
}

func (s story) config(c *ststypes.Credentials) aws.Config {
	return s.ConfigFor(*c.AccessKeyId, *c.SecretAccessKey, aws.ToString(c.SessionToken))
}

func (s story) code(seed []byte, steps int64) *string {
	return aws.String(mfa.Code(seed, mfa.StepAt(s.Now())+steps))
}

// device makes and enables a virtual MFA device for a user and returns its serial
// number and seed.
func (s story) device(admin *iam.Client, user string) (serial *string, seed []byte) {
	s.t.Helper()
	ctx := s.t.Context()
	out := must(admin.CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: &user}))(s.t)
	if !bytes.HasPrefix(out.VirtualMFADevice.QRCodePNG, []byte("\x89PNG")) {
		s.t.Error("the QR code is no PNG")
	}
	seed = must(base32.StdEncoding.DecodeString(string(out.VirtualMFADevice.Base32StringSeed)))(s.t)
	serial = out.VirtualMFADevice.SerialNumber
	must(admin.EnableMFADevice(ctx, &iam.EnableMFADeviceInput{
		UserName: &user, SerialNumber: serial, AuthenticationCode1: s.code(seed, -1), AuthenticationCode2: s.code(seed, 0),
	}))(s.t)
	return serial, seed
}

const withMFA = `{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": ["iam:List*", "sts:AssumeRole"], "Resource": "*"},
    {"Effect": "Deny", "NotAction": "sts:*", "Resource": "*",
     "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}}
  ]
}`

const trustAlice = `{
  "Version": "2012-10-17",
  "Statement": {
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::111122223333:user/alice"},
    "Action": "sts:AssumeRole",
    "Condition": {"StringEquals": {"sts:ExternalId": "4711"}, "Bool": {"aws:MultiFactorAuthPresent": "true"}}
  }
}`

func TestMainStory(t *testing.T) {
	s := story{lanyardtest.New(t), t}
	ctx := t.Context()
	admin := iam.NewFromConfig(s.Config())
	alice := aws.String("alice")

	// A user, a policy that asks for MFA, a device, a key.
	must(admin.CreateUser(ctx, &iam.CreateUserInput{UserName: alice}))(t)
	if err := iam.NewUserExistsWaiter(admin).Wait(ctx, &iam.GetUserInput{UserName: alice}, time.Minute); err != nil {
		t.Fatal(err)
	}
	created := must(admin.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("WithMFA"), PolicyDocument: aws.String(withMFA)}))(t).Policy
	if err := iam.NewPolicyExistsWaiter(admin).Wait(ctx, &iam.GetPolicyInput{PolicyArn: created.Arn}, time.Minute); err != nil {
		t.Fatal(err)
	}
	version := must(admin.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: created.Arn, VersionId: created.DefaultVersionId}))(t)
	if text := must(url.PathUnescape(*version.PolicyVersion.Document))(t); text != withMFA {
		t.Errorf("the policy came back as %s", text)
	}
	must(admin.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: alice, PolicyArn: created.Arn}))(t)
	serial, seed := s.device(admin, *alice)
	key := must(admin.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: alice}))(t).AccessKey
	byKey := s.ConfigFor(*key.AccessKeyId, *key.SecretAccessKey, "")

	// Denied by the key alone, let in with MFA, a code counts once.
	_, err := iam.NewFromConfig(byKey).ListUsers(ctx, nil)
	if text := refused(t, err, "AccessDenied"); !strings.Contains(text, "with an explicit deny in an identity-based policy") {
		t.Error(text)
	}
	s.Advance(30 * time.Second)
	ask := &sts.GetSessionTokenInput{SerialNumber: serial, TokenCode: s.code(seed, 0), DurationSeconds: aws.Int32(900)}
	session := must(sts.NewFromConfig(byKey).GetSessionToken(ctx, ask))(t).Credentials
	bySession := s.config(session)
	if users := must(iam.NewFromConfig(bySession).ListUsers(ctx, nil))(t).Users; len(users) != 2 { // the administrator, too
		t.Errorf("%d users", len(users))
	}
	_, err = sts.NewFromConfig(byKey).GetSessionToken(ctx, ask)
	refused(t, err, "AccessDenied")

	// A role that wants MFA and an external id.
	must(admin.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("auditor"), AssumeRolePolicyDocument: aws.String(trustAlice)}))(t)
	if err := iam.NewRoleExistsWaiter(admin).Wait(ctx, &iam.GetRoleInput{RoleName: aws.String("auditor")}, time.Minute); err != nil {
		t.Fatal(err)
	}
	assume := &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/auditor"), RoleSessionName: alice}
	_, err = sts.NewFromConfig(bySession).AssumeRole(ctx, assume)
	refused(t, err, "AccessDenied")
	assume.ExternalId = aws.String("4711")
	_, err = sts.NewFromConfig(byKey).AssumeRole(ctx, assume)
	refused(t, err, "AccessDenied")
	assumed := must(sts.NewFromConfig(bySession).AssumeRole(ctx, assume))(t)
	who := must(sts.NewFromConfig(s.config(assumed.Credentials)).GetCallerIdentity(ctx, nil))(t)
	if *who.Arn != "arn:aws:sts::111122223333:assumed-role/auditor/alice" {
		t.Error(*who.Arn)
	}

	// Sessions end by themselves, keys when they are turned off.
	s.Advance(15 * time.Minute)
	_, err = iam.NewFromConfig(bySession).ListUsers(ctx, nil)
	refused(t, err, "ExpiredToken")
	must(admin.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: alice, AccessKeyId: key.AccessKeyId, Status: types.StatusTypeInactive}))(t)
	_, err = sts.NewFromConfig(byKey).GetCallerIdentity(ctx, nil)
	refused(t, err, "InvalidClientTokenId")

	s.onRecord(key)
}

// onRecord checks that the trail has alice's denial and her session with MFA, page
// by page, and no secret.
func (s story) onRecord(key *types.AccessKey) {
	s.t.Helper()
	var denied, withMFA bool
	pages := cloudtrail.NewLookupEventsPaginator(cloudtrail.NewFromConfig(s.Config()), &cloudtrail.LookupEventsInput{
		MaxResults:       aws.Int32(2),
		LookupAttributes: []cttypes.LookupAttribute{{AttributeKey: cttypes.LookupAttributeKeyUsername, AttributeValue: aws.String("alice")}},
	})
	for pages.HasMorePages() {
		for _, event := range must(pages.NextPage(s.t.Context()))(s.t).Events {
			if strings.Contains(*event.CloudTrailEvent, *key.SecretAccessKey) {
				s.t.Errorf("a secret is on record: %s", *event.EventName)
			}
			var record struct {
				EventName, ErrorCode string
				UserIdentity         struct {
					SessionContext struct {
						Attributes struct{ MFAAuthenticated string }
					}
				}
			}
			if err := json.Unmarshal([]byte(*event.CloudTrailEvent), &record); err != nil {
				s.t.Fatal(err)
			}
			if record.EventName == "ListUsers" {
				denied = denied || record.ErrorCode == "AccessDenied"
				withMFA = withMFA || record.ErrorCode == "" && record.UserIdentity.SessionContext.Attributes.MFAAuthenticated == "true"
			}
		}
	}
	if !denied || !withMFA {
		s.t.Errorf("on record: the denial %v, the session with MFA %v", denied, withMFA)
	}
}

func TestPaginators(t *testing.T) {
	l := lanyardtest.New(t)
	ctx := t.Context()
	admin := iam.NewFromConfig(l.Config())
	for i := range 7 {
		must(admin.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String(fmt.Sprintf("g%d", i))}))(t)
	}
	var names []string
	pages := iam.NewListGroupsPaginator(admin, &iam.ListGroupsInput{MaxItems: aws.Int32(3)})
	for pages.HasMorePages() {
		for _, g := range must(pages.NextPage(ctx))(t).Groups {
			names = append(names, *g.GroupName)
		}
	}
	if got := strings.Join(names, " "); got != "g0 g1 g2 g3 g4 g5 g6" {
		t.Error(got)
	}
}

// The SDK knows the errors by their types.
func TestTypedErrors(t *testing.T) {
	l := lanyardtest.New(t)
	admin := iam.NewFromConfig(l.Config())
	_, err := admin.GetUser(t.Context(), &iam.GetUserInput{UserName: aws.String("nobody")})
	if _, ok := errors.AsType[*types.NoSuchEntityException](err); !ok {
		t.Errorf("%v is no NoSuchEntityException", err)
	}
	_, err = admin.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("p"), PolicyDocument: aws.String("{}")})
	if _, ok := errors.AsType[*types.MalformedPolicyDocumentException](err); !ok {
		t.Errorf("%v is no MalformedPolicyDocumentException", err)
	}
	_, err = sts.NewFromConfig(l.Config()).DecodeAuthorizationMessage(t.Context(), &sts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String("AAAA")})
	if _, ok := errors.AsType[*ststypes.InvalidAuthorizationMessageException](err); !ok {
		t.Errorf("%v is no InvalidAuthorizationMessageException", err)
	}
	_, err = sts.NewFromConfig(l.Config()).GetDelegatedAccessToken(t.Context(), &sts.GetDelegatedAccessTokenInput{TradeInToken: aws.String("token")})
	refused(t, err, "InvalidAction")
}

// Metadata come back as they were sent, whatever white space and letters are in them:
// Terraform compares them with the file that it has.
func TestSAMLMetadataByteForByte(t *testing.T) {
	s := story{lanyardtest.New(t), t}
	admin := iam.NewFromConfig(s.Config())
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1<<32, 0)}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))(t)
	document := "\ufeff<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!-- \r \t \u00fc\u2603\U0001f511 \"'&<> ]]> -->\n" +
		"<EntityDescriptor  xmlns='urn:oasis:names:tc:SAML:2.0:metadata'\r\n entityID=\"https://idp.example.com/?a=1&amp;b=&#xFC;\"><IDPSSODescriptor>" +
		"<KeyDescriptor><KeyInfo xmlns='http://www.w3.org/2000/09/xmldsig#'><X509Data><X509Certificate>\r\n" + base64.StdEncoding.EncodeToString(der) +
		"\r\n</X509Certificate></X509Data></KeyInfo></KeyDescriptor></IDPSSODescriptor>" + strings.Repeat("  \r\n", 200) + "</EntityDescriptor>\r\n \n"
	made := must(admin.CreateSAMLProvider(t.Context(), &iam.CreateSAMLProviderInput{Name: aws.String("corp"), SAMLMetadataDocument: &document}))(t)
	got := must(admin.GetSAMLProvider(t.Context(), &iam.GetSAMLProviderInput{SAMLProviderArn: made.SAMLProviderArn}))(t)
	if *got.SAMLMetadataDocument != document {
		t.Errorf("sent\n%q\ngot\n%q", document, *got.SAMLMetadataDocument)
	}
}
