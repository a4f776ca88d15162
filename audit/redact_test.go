package audit_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/lanyard-iam/lanyard/audit"
)

// operations yields every operation of the SDK's clients, with its input and output.
func operations() iter.Seq2[string, [2]reflect.Type] {
	return func(yield func(string, [2]reflect.Type) bool) {
		for _, client := range []any{(*iam.Client)(nil), (*sts.Client)(nil), (*cloudtrail.Client)(nil)} {
			t := reflect.TypeOf(client)
			for m := range t.Methods() {
				if m.Type.NumIn() != 4 || m.Type.In(1) != reflect.TypeFor[context.Context]() || m.Type.NumOut() != 2 {
					continue
				}
				if !yield(m.Name, [2]reflect.Type{m.Type.In(2).Elem(), m.Type.Out(0).Elem()}) {
					return
				}
			}
		}
	}
}

// fill sets everything that v holds. Members whose name secretName matches get a canary,
// a new one each; all others a name. It returns the canaries.
func fill(v reflect.Value, member, path string, canaries map[string]string, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), member, path, canaries, depth)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(at))
			return
		}
		if depth > 6 {
			return
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() && f.Name != "ResultMetadata" {
				fill(v.Field(i), f.Name, path+"."+f.Name, canaries, depth+1)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(value(member, path, canaries)))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), member, path, canaries, depth)
	case reflect.Map:
		elem := reflect.New(v.Type().Elem()).Elem()
		fill(elem, member, path, canaries, depth)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key").Convert(v.Type().Key()), elem)
	case reflect.String:
		v.SetString(value(member, path, canaries))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(1.5)
	}
}

func value(member, path string, canaries map[string]string) string {
	if !secretName.MatchString(member) || slices.Contains(openSecrets, member) {
		return "name"
	}
	canary := fmt.Sprintf("CANARY%08d", len(canaries))
	canaries[canary] = path
	return canary
}

// secretName is what sounds like a secret. A member that a later SDK adds under such a
// name fails the test below until someone has decided.
var secretName = regexp.MustCompile(`(?i)password|secret|token|private|seed|qrcode|code[12]?$|assertion|credentialdata`)

// openSecrets sound like it and are none: names, versions, error codes, cursors.
var openSecrets = []string{
	"AssertionEncryptionMode", "GlobalEndpointTokenVersion", "RemovePrivateKey", "SubjectFromWebIdentityToken",
	"LatestIngestionErrorCode", "ErrorCode", "Code", "NextToken",
}

// T369: nothing secret is ever recorded, whatever operation of AWS's API it is sent to or
// comes from. The models' own marks are not used here: the table must know them all.
func TestT369_CanariesOfEveryOperation(t *testing.T) {
	redactor := audit.NewRedactor(nil)
	planted, count := 0, 0
	for name, types := range operations() {
		count++
		in, out := reflect.New(types[0]), reflect.New(types[1])
		canaries := make(map[string]string)
		fill(in.Elem(), "", name+".in", canaries, 0)
		fill(out.Elem(), "", name+".out", canaries, 0)
		planted += len(canaries)

		e := event(alice, "iam", name, false)
		e.SetRequest(in.Interface(), redactor)
		e.SetResponse(out.Interface(), redactor)
		stored := e.AppendRecord(nil)
		checkRecord(t, stored)
		for canary, path := range canaries {
			if bytes.Contains(stored, []byte(canary)) {
				t.Errorf("%s is recorded", path)
			}
		}
		if bytes.Contains(stored, []byte("CANARY")) || bytes.Contains(stored, []byte("Q0FOQVJZ")) { // the latter in base64
			t.Errorf("%s: a canary escaped: %.500s", name, stored)
		}
	}
	if count < 200 || planted < 40 {
		t.Errorf("only %d canaries in %d operations: the test does not look where it should", planted, count)
	}
}

// What the models mark as sensitive, as of 2026 (botocore 1.43.11).
var marked = []string{
	"ChangePassword.NewPassword", "ChangePassword.OldPassword", "CreateAccessKey.AccessKey.SecretAccessKey", "CreateLoginProfile.Password",
	"CreateSAMLProvider.AddPrivateKey", "CreateServiceSpecificCredential.ServiceSpecificCredential.ServiceCredentialSecret",
	"CreateServiceSpecificCredential.ServiceSpecificCredential.ServicePassword", "CreateVirtualMFADevice.VirtualMFADevice.Base32StringSeed",
	"CreateVirtualMFADevice.VirtualMFADevice.QRCodePNG", "ListVirtualMFADevices.VirtualMFADevices.Base32StringSeed",
	"ListVirtualMFADevices.VirtualMFADevices.QRCodePNG", "ResetServiceSpecificCredential.ServiceSpecificCredential.ServiceCredentialSecret",
	"ResetServiceSpecificCredential.ServiceSpecificCredential.ServicePassword", "UpdateLoginProfile.Password", "UpdateSAMLProvider.AddPrivateKey",
	"UploadServerCertificate.PrivateKey", "AssumeRole.Credentials.SecretAccessKey", "AssumeRoleWithSAML.SAMLAssertion",
	"AssumeRoleWithSAML.Credentials.SecretAccessKey", "AssumeRoleWithWebIdentity.WebIdentityToken", "AssumeRoleWithWebIdentity.Credentials.SecretAccessKey",
	"AssumeRoot.Credentials.SecretAccessKey", "GetDelegatedAccessToken.TradeInToken", "GetDelegatedAccessToken.Credentials.SecretAccessKey",
	"GetFederationToken.Credentials.SecretAccessKey", "GetSessionToken.Credentials.SecretAccessKey", "GetWebIdentityToken.WebIdentityToken",
}

// The canaries must lie wherever the models mark a member, or the test above proves little.
func TestT369_CanariesCoverTheModels(t *testing.T) {
	seen := make(map[string]bool)
	for name, types := range operations() {
		canaries := make(map[string]string)
		for _, typ := range types {
			fill(reflect.New(typ).Elem(), "", name, canaries, 0)
		}
		for _, path := range canaries {
			seen[path] = true
		}
	}
	for _, path := range marked {
		if !seen[path] {
			t.Errorf("no canary at %s", path)
		}
	}
}

func TestSensitiveMembersOfTheModelsAreDropped(t *testing.T) {
	redactor := audit.NewRedactor(func(operation string) (input, output []string) {
		if operation != "CreateRole" {
			t.Errorf("asked for %s", operation)
		}
		return []string{"Description", "Tags.*.Value"}, []string{"Role.RoleId"}
	})
	record := func() string {
		e := event(alice, "iam", "CreateRole", false)
		in, out := new(iam.CreateRoleInput), new(iam.CreateRoleOutput)
		fill(reflect.ValueOf(in).Elem(), "", "", nil, 0)
		fill(reflect.ValueOf(out).Elem(), "", "", nil, 0)
		e.SetRequest(in, redactor)
		e.SetResponse(out, redactor)
		return string(e.AppendRecord(nil))
	}()
	request, response, _ := strings.Cut(record, `"responseElements"`)
	for _, gone := range []string{`"description"`, `"value"`} {
		if strings.Contains(request, gone) {
			t.Errorf("request has %s: %s", gone, request)
		}
		if !strings.Contains(response, gone) {
			t.Errorf("response lacks %s: %s", gone, response)
		}
	}
	if strings.Contains(response, `"roleId"`) {
		t.Errorf("response has roleId: %s", response)
	}
}

// Bodies that AWS leaves out although there is something to say, and the reverse.
func TestBodies(t *testing.T) {
	redactor := audit.NewRedactor(nil)
	for _, c := range []struct {
		name     string
		readOnly bool
		in, out  any
		want     string
	}{
		{"nothing set", false, &iam.ListUsersInput{}, &iam.CreateUserOutput{}, `null null`},
		{"nil", false, nil, (*iam.CreateUserOutput)(nil), `null null`},
		{"read", true, &iam.GetUserInput{UserName: p("a")}, &iam.GetAccountSummaryOutput{SummaryMap: map[string]int32{"Users": 1}}, `{"userName":"a"} null`},
		{"map in order", false, &iam.ListUsersInput{}, &iam.GetAccountSummaryOutput{SummaryMap: map[string]int32{"Users": 2, "Groups": 1}}, `null {"summaryMap":{"Groups":1,"Users":2}}`},
		{"empty list", false, &sts.AssumeRoleInput{TransitiveTagKeys: []string{}}, nil, `{"transitiveTagKeys":[]} null`},
		{"odd initialisms", false, &iam.DeleteSSHPublicKeyInput{SSHPublicKeyId: p("APKA1"), UserName: p("a")}, nil, `{"sSHPublicKeyId":"APKA1","userName":"a"} null`},
		{"false and 0 are values", false, &iam.ListPoliciesInput{MaxItems: p(int32(0))}, nil, `{"maxItems":0,"onlyAttached":false} null`},
		{"change of password", false, &iam.ChangePasswordInput{NewPassword: p("x")}, nil, `null null`},
		{"time of another service", false, &cloudtrail.LookupEventsInput{StartTime: &at}, nil, `{"startTime":"Aug 1, 2024, 1:33:28 PM"} null`},
	} {
		e := event(alice, "iam", "X", c.readOnly)
		e.SetRequest(c.in, redactor)
		e.SetResponse(c.out, redactor)
		record := string(e.AppendRecord(nil))
		_, record, _ = strings.Cut(record, `"requestParameters":`)
		request, record, _ := strings.Cut(record, `,"responseElements":`)
		response, _, _ := strings.Cut(record, `,"requestID"`)
		if got := request + " " + response; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// A type that contains itself, as models of other services have them.
type tree struct {
	Name     *string
	Children []tree
	Password *string
}

func TestRecursiveTypes(t *testing.T) {
	e := event(alice, "iam", "X", false)
	e.SetRequest(&tree{Name: p("a"), Children: []tree{{Name: p("b"), Password: p("secret")}}}, audit.NewRedactor(nil))
	if record := string(e.AppendRecord(nil)); !strings.Contains(record, `{"name":"a","children":[{"name":"b"}]}`) {
		t.Error(record)
	}
}

func TestRestartForgetsTheFirstRun(t *testing.T) {
	redactor := audit.NewRedactor(nil)
	fresh := event(alice, "iam", "CreateUser", false)
	e := event(alice, "iam", "CreateUser", false)
	e.SetRequest(&iam.CreateUserInput{UserName: p("a")}, redactor)
	e.SetResponse(&iam.CreateUserOutput{}, redactor)
	e.SharedID, e.ErrorCode, e.ErrorMessage = "x", "x", "x"
	e.Additional, e.Resources, e.Copies, e.Decision = []byte("{}"), []audit.Resource{{}}, []audit.Copy{{}}, &audit.Decision{}
	e.Restart()
	if !reflect.DeepEqual(e, fresh) {
		t.Errorf("after Restart: %+v", e)
	}
}

// A private key that was sent in the place of a public one is not recorded.
func TestMisplacedPrivateKeysAreHidden(t *testing.T) {
	redactor := audit.NewRedactor(nil)
	const secret = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU"
	for _, kind := range []string{"RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", ""} {
		key := "-----BEGIN " + kind + "PRIVATE KEY-----\n" + secret + "\n-----END " + kind + "PRIVATE KEY-----\n"
		for _, in := range []any{
			&iam.UploadServerCertificateInput{ServerCertificateName: &key, CertificateBody: &key, CertificateChain: &key, PrivateKey: &key},
			&iam.UploadSigningCertificateInput{CertificateBody: &key},
			&iam.UploadSSHPublicKeyInput{UserName: p("alice"), SSHPublicKeyBody: &key},
		} {
			e := event(alice, "iam", "Upload", false)
			e.SetRequest(in, redactor)
			record := string(e.AppendRecord(nil))
			if strings.Contains(record, secret) || !strings.Contains(record, "HIDDEN_DUE_TO_SECURITY_REASONS") {
				t.Errorf("%T: %s", in, record)
			}
		}
	}
}
