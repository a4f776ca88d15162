package audit_test

//lint:file-ignore SA1019 PackedPolicySize is what every client but the newest SDK reads.

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
)

var update = flag.Bool("update", false, "rewrite golden files")

const account = "123456789012"

var at = time.Date(2024, 8, 1, 13, 33, 28, 700_000_000, time.UTC)

func p[T any](v T) *T { return &v }

// The callers of the examples.
var (
	alice = audit.UserIdentity{
		Type: "IAMUser", PrincipalID: "AIDAEXAMPLE4ALICE0001", ARN: "arn:aws:iam::123456789012:user/alice",
		AccountID: account, AccessKeyID: "AKIAEXAMPLEALICE0001", UserName: "alice",
	}
	aliceWithMFA = audit.UserIdentity{
		Type: "IAMUser", PrincipalID: alice.PrincipalID, ARN: alice.ARN, AccountID: account, AccessKeyID: "ASIAEXAMPLEALICE0002", UserName: "alice",
		Session: &audit.SessionContext{Attributes: audit.SessionAttributes{CreationDate: "2024-08-01T13:00:00Z", MFAAuthenticated: "true"}},
	}
	deployer = audit.UserIdentity{
		Type: "AssumedRole", PrincipalID: "AROAEXAMPLE4DEPLOY001:ci", ARN: "arn:aws:sts::123456789012:assumed-role/deploy/ci",
		AccountID: account, AccessKeyID: "ASIAEXAMPLEDEPLOY001",
		Session: &audit.SessionContext{
			Issuer: &audit.SessionIssuer{
				Type: "Role", PrincipalID: "AROAEXAMPLE4DEPLOY001", ARN: "arn:aws:iam::123456789012:role/deploy", AccountID: account, UserName: "deploy",
			},
			WebIdentity:    new(struct{}),
			Attributes:     audit.SessionAttributes{CreationDate: "2024-08-01T13:00:00Z", MFAAuthenticated: "true"},
			SourceIdentity: "alice",
		},
	}
	bob = audit.UserIdentity{
		Type: "FederatedUser", PrincipalID: "123456789012:bob", ARN: "arn:aws:sts::123456789012:federated-user/bob",
		AccountID: account, AccessKeyID: "ASIAEXAMPLEBOB000001",
		Session: &audit.SessionContext{
			Issuer: &audit.SessionIssuer{
				Type: "IAMUser", PrincipalID: alice.PrincipalID, ARN: alice.ARN, AccountID: account, UserName: "alice",
			},
			WebIdentity: new(struct{}),
			Attributes:  audit.SessionAttributes{CreationDate: "2024-08-01T13:00:00Z", MFAAuthenticated: "false"},
		},
	}
	root = audit.UserIdentity{
		Type: "Root", PrincipalID: account, ARN: "arn:aws:iam::123456789012:root", AccountID: account, AccessKeyID: "ASIAEXAMPLEROOT00001",
		Session: &audit.SessionContext{Attributes: audit.SessionAttributes{CreationDate: "2024-08-01T13:00:00Z", MFAAuthenticated: "false"}},
	}
)

// event is a call as the pipeline opens it.
func event(who audit.UserIdentity, service, name string, readOnly bool) *audit.Event {
	return &audit.Event{
		ID:        "6e5ed1ff-6b1e-4c1d-8b19-1d9e0a6e7f01",
		RequestID: "0c1f4e4e-7a0a-4b0e-9d3b-8a3c6f3a2b02",
		Time:      at,
		Source:    service + ".amazonaws.com",
		Name:      name,
		Region:    "us-east-1",
		SourceIP:  "192.0.2.10",
		UserAgent: "aws-cli/2.31.0 md/awscrt#0.27.6 ua/2.1 os/linux#6.1",
		Identity:  who,
		ReadOnly:  readOnly,
		Account:   account,
		TLS:       &audit.TLSDetails{Version: "TLSv1.3", CipherSuite: "TLS_AES_128_GCM_SHA256", HostHeader: "iam.example.org"},
	}
}

func TestGoldenRecords(t *testing.T) {
	redactor := audit.NewRedactor(nil)
	for name, e := range map[string]func() *audit.Event{
		"user-creates-user": func() *audit.Event {
			e := event(alice, "iam", "CreateUser", false)
			tags := []iamtypes.Tag{{Key: p("team"), Value: p("blue")}}
			e.SetRequest(&iam.CreateUserInput{UserName: p("carol"), Tags: tags}, redactor)
			e.SetResponse(&iam.CreateUserOutput{User: &iamtypes.User{
				UserName: p("carol"), Arn: p("arn:aws:iam::123456789012:user/carol"), UserId: p("AIDAEXAMPLE4CAROL0001"),
				Path: p("/"), CreateDate: p(at), Tags: tags,
			}}, redactor)
			return e
		},
		"access-key-without-its-secret": func() *audit.Event {
			e := event(alice, "iam", "CreateAccessKey", false)
			e.SetRequest(&iam.CreateAccessKeyInput{UserName: p("carol")}, redactor)
			e.SetResponse(&iam.CreateAccessKeyOutput{AccessKey: &iamtypes.AccessKey{
				AccessKeyId: p("AKIAEXAMPLECAROL0001"), SecretAccessKey: p("secret"), Status: iamtypes.StatusTypeActive,
				UserName: p("carol"), CreateDate: p(at),
			}}, redactor)
			return e
		},
		"login-profile-without-its-password": func() *audit.Event {
			e := event(root, "iam", "CreateLoginProfile", false)
			e.SetRequest(&iam.CreateLoginProfileInput{UserName: p("carol"), Password: p("secret"), PasswordResetRequired: true}, redactor)
			e.SetResponse(&iam.CreateLoginProfileOutput{LoginProfile: &iamtypes.LoginProfile{
				UserName: p("carol"), CreateDate: p(at), PasswordResetRequired: true,
			}}, redactor)
			return e
		},
		"change-password": func() *audit.Event {
			e := event(alice, "iam", "ChangePassword", false)
			e.SetRequest(&iam.ChangePasswordInput{OldPassword: p("secret"), NewPassword: p("secret")}, redactor)
			e.SetResponse(&iam.ChangePasswordOutput{}, redactor)
			e.SetError(&iamtypes.PasswordPolicyViolationException{}, "PasswordPolicyViolation", "Password should have a minimum length of 14")
			return e
		},
		"mfa-device-without-its-seed": func() *audit.Event {
			e := event(aliceWithMFA, "iam", "CreateVirtualMFADevice", false)
			e.SetRequest(&iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: p("phone")}, redactor)
			e.SetResponse(&iam.CreateVirtualMFADeviceOutput{VirtualMFADevice: &iamtypes.VirtualMFADevice{
				SerialNumber: p("arn:aws:iam::123456789012:mfa/phone"), Base32StringSeed: []byte("secret"), QRCodePNG: []byte("secret"),
			}}, redactor)
			return e
		},
		"enable-mfa-device": func() *audit.Event {
			e := event(aliceWithMFA, "iam", "EnableMFADevice", false)
			e.SetRequest(&iam.EnableMFADeviceInput{
				UserName: p("alice"), SerialNumber: p("arn:aws:iam::123456789012:mfa/phone"),
				AuthenticationCode1: p("123456"), AuthenticationCode2: p("654321"),
			}, redactor)
			e.SetResponse(&iam.EnableMFADeviceOutput{}, redactor)
			return e
		},
		"role-with-policy-documents": func() *audit.Event {
			document := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
			e := event(deployer, "iam", "CreateRole", false)
			e.SetRequest(&iam.CreateRoleInput{
				RoleName: p("app"), Path: p("/team/"), AssumeRolePolicyDocument: &document, MaxSessionDuration: p(int32(7200)),
				PermissionsBoundary: p("arn:aws:iam::123456789012:policy/limit"),
			}, redactor)
			e.SetResponse(&iam.CreateRoleOutput{Role: &iamtypes.Role{
				Path: p("/team/"), RoleName: p("app"), RoleId: p("AROAEXAMPLE4APP000001"), Arn: p("arn:aws:iam::123456789012:role/team/app"),
				CreateDate: p(at), AssumeRolePolicyDocument: p("%7B%22Version%22%3A%222012-10-17%22%7D"), MaxSessionDuration: p(int32(7200)),
				PermissionsBoundary: &iamtypes.AttachedPermissionsBoundary{
					PermissionsBoundaryType: iamtypes.PermissionsBoundaryAttachmentTypePolicy, PermissionsBoundaryArn: p("arn:aws:iam::123456789012:policy/limit"),
				},
			}}, redactor)
			return e
		},
		"read-has-no-response": func() *audit.Event {
			e := event(deployer, "iam", "GetUser", true)
			e.SetRequest(&iam.GetUserInput{UserName: p("alice")}, redactor)
			e.SetResponse(&iam.GetUserOutput{User: &iamtypes.User{UserName: p("alice")}}, redactor)
			return e
		},
		"caller-identity": func() *audit.Event {
			e := event(bob, "sts", "GetCallerIdentity", true)
			e.SetRequest(&sts.GetCallerIdentityInput{}, redactor)
			e.SetResponse(&sts.GetCallerIdentityOutput{Account: p(account)}, redactor)
			return e
		},
		"assume-role": func() *audit.Event {
			e := event(alice, "sts", "AssumeRole", true)
			e.Region = "eu-west-1"
			e.SharedID = "ad3b6a5a-1f9c-4d77-a5a3-0d4b5b6f7c03"
			e.Resources = []audit.Resource{{ARN: "arn:aws:iam::210987654321:role/deploy", AccountID: "210987654321", Type: "AWS::IAM::Role"}}
			e.SetRequest(&sts.AssumeRoleInput{
				RoleArn: p("arn:aws:iam::210987654321:role/deploy"), RoleSessionName: p("ci"), DurationSeconds: p(int32(900)), ExternalId: p("partner-7"),
				SerialNumber: p("arn:aws:iam::123456789012:mfa/phone"), TokenCode: p("123456"),
				Tags: []ststypes.Tag{{Key: p("team"), Value: p("blue")}}, TransitiveTagKeys: []string{"team"},
			}, redactor)
			e.SetResponse(&sts.AssumeRoleOutput{
				Credentials: &ststypes.Credentials{
					AccessKeyId: p("ASIAEXAMPLEDEPLOY001"), SecretAccessKey: p("secret"), SessionToken: p("secret"),
					Expiration: p(time.Date(2024, 7, 30, 21, 46, 15, 0, time.UTC)),
				},
				AssumedRoleUser:  &ststypes.AssumedRoleUser{AssumedRoleId: p("AROAEXAMPLE4DEPLOY001:ci"), Arn: p("arn:aws:sts::210987654321:assumed-role/deploy/ci")},
				PackedPolicySize: p(int32(2)),
			}, redactor)
			return e
		},
		"denied": func() *audit.Event {
			e := event(alice, "sts", "AssumeRole", true)
			e.SetRequest(&sts.AssumeRoleInput{RoleArn: p("arn:aws:iam::123456789012:role/admin")}, redactor)
			e.SetError(&smithy.GenericAPIError{Code: "AccessDenied"}, "AccessDenied",
				"User: arn:aws:iam::123456789012:user/alice is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/admin")
			return e
		},
		"failed": func() *audit.Event {
			e := event(alice, "iam", "DeleteUser", false)
			e.SetRequest(&iam.DeleteUserInput{UserName: p("nobody")}, redactor)
			e.SetError(&iamtypes.NoSuchEntityException{}, "NoSuchEntity", "The user with name nobody cannot be found.")
			return e
		},
		"without-tls": func() *audit.Event {
			e := event(alice, "iam", "ListUsers", true)
			e.TLS = nil
			e.SetRequest(&iam.ListUsersInput{MaxItems: p(int32(100)), PathPrefix: p("/team/")}, redactor)
			return e
		},
		"additional-data": func() *audit.Event {
			e := event(alice, "iam", "DeleteUser", false)
			e.Additional = json.RawMessage("{\n\t\"note\": \"a\u202eb\"\n}")
			return e
		},
		"console-sign-in": func() *audit.Event {
			e := event(audit.UserIdentity{Type: "IAMUser", PrincipalID: alice.PrincipalID, ARN: alice.ARN, AccountID: account, UserName: "alice"}, "signin", "ConsoleLogin", false)
			e.Type, e.RequestID = "AwsConsoleSignIn", ""
			e.SetResponse(map[string]string{"ConsoleLogin": "Success"}, redactor)
			e.Additional = json.RawMessage(`{"LoginTo":"https://console.example.org/","MobileVersion":"No","MFAUsed":"Yes","MFAIdentifier":"arn:aws:iam::123456789012:mfa/phone"}`)
			return e
		},
	} {
		t.Run(name, func(t *testing.T) {
			record := e().AppendRecord(nil)
			var indented bytes.Buffer
			if err := json.Indent(&indented, record, "", "  "); err != nil {
				t.Fatalf("the record is no JSON: %v\n%s", err, record)
			}
			indented.WriteByte('\n')
			file := filepath.Join("testdata", "record", name+".json")
			if *update {
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, indented.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(indented.Bytes(), want) {
				t.Errorf("record differs from %s:\n%s", file, indented.Bytes())
			}
			if strings.Contains(string(record), "secret") {
				t.Errorf("the record holds a secret:\n%s", record)
			}
		})
	}
}

// The fields that AWS's own records of 2024 always have (fact book, "Record fields"
// and "Observed details").
func TestEveryRecordHasTheFieldsOfAWS(t *testing.T) {
	var record map[string]any
	if err := json.Unmarshal(event(alice, "iam", "DeleteUser", false).AppendRecord(nil), &record); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{
		"eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent",
		"requestParameters", "responseElements", "requestID", "eventID", "readOnly", "eventType", "managementEvent",
		"recipientAccountId", "eventCategory", "tlsDetails",
	} {
		if _, ok := record[field]; !ok {
			t.Errorf("no %s", field)
		}
	}
}

func TestErrorCode(t *testing.T) {
	for _, c := range []struct {
		source string
		err    error
		wire   string
		want   string
	}{
		{"iam", &iamtypes.EntityTemporarilyUnmodifiableException{}, "EntityTemporarilyUnmodifiable", "EntityTemporarilyUnmodifiableException"},
		{"iam", &iamtypes.NoSuchEntityException{}, "NoSuchEntity", "NoSuchEntityException"},
		{"iam", fmt.Errorf("wrapped: %w", &iamtypes.DeleteConflictException{}), "DeleteConflict", "DeleteConflictException"},
		{"iam", &iamtypes.PasswordPolicyViolationException{}, "PasswordPolicyViolation", "PasswordPolicyViolation"},
		{"iam", &smithy.GenericAPIError{Code: "ValidationError"}, "ValidationError", "ValidationError"},
		{"iam", errors.New("disk on fire"), "InternalFailure", "InternalFailure"},
		{"sts", &ststypes.MalformedPolicyDocumentException{}, "MalformedPolicyDocument", "MalformedPolicyDocument"},
		{"cloudtrail", &smithy.GenericAPIError{Code: "AccessDenied"}, "AccessDeniedException", "AccessDeniedException"},
	} {
		e := event(alice, c.source, "X", false)
		if e.SetError(c.err, c.wire, "why"); e.ErrorCode != c.want || e.ErrorMessage != "why" {
			t.Errorf("%s: %T is recorded as %s, want %s", c.source, c.err, e.ErrorCode, c.want)
		}
	}
}

// hostile is text that tries to end the record, to change what a reader sees of it,
// or to fill the disk.
var hostile = []string{
	"a\nb\r\n{\"eventVersion\":\"1.08\"}",
	`","errorCode":"None","x":"`,
	"\x1b[2J\x1b[31mred\x07",
	"\u202egnp.exe\u2066\u200f\ufeff",
	"\xff\xfe\xc3(\xed\xa0\x80",
	"\u2028\u2029\u0085\u009b",
	"</script><script>alert(1)</script>",
	"\x00\x7f",
	"🔑é漢\U000e0041",
	strings.Repeat("A", 1<<20),
	strings.Repeat("é", 1<<19),
	strings.Repeat("\x80", 1<<20),
}

// checkRecord holds for every record, whatever went in.
func checkRecord(t interface {
	Helper()
	Fatalf(string, ...any)
}, record []byte) {
	t.Helper()
	if !json.Valid(record) {
		t.Fatalf("no JSON: %.300q", record)
	}
	if len(record) > 256<<10 {
		t.Fatalf("%d bytes", len(record))
	}
	for i, r := range string(record) {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			t.Fatalf("%U at byte %d: %.300q", r, i, record)
		}
	}
	if bytes.ContainsAny(record, "<>&") {
		t.Fatalf("markup: %.300q", record)
	}
}

func TestT368_HostileText(t *testing.T) {
	redactor := audit.NewRedactor(nil)
	for _, s := range hostile {
		e := event(alice, "iam", "CreateUser", false)
		e.UserAgent, e.ErrorMessage, e.RequestID, e.Name, e.SourceIP = s, s, s, s, s
		e.Identity.UserName = s
		e.Identity.Session = &audit.SessionContext{SourceIdentity: s}
		e.Resources = []audit.Resource{{ARN: s, Type: s}}
		e.TLS.HostHeader = s
		e.SetRequest(&iam.CreateUserInput{UserName: &s, Tags: []iamtypes.Tag{{Key: &s, Value: &s}}}, redactor)
		e.Additional, _ = json.Marshal(map[string]string{"k": s})
		record := e.AppendRecord(nil)
		checkRecord(t, record)

		var got struct{ UserAgent string }
		if err := json.Unmarshal(record, &got); err != nil {
			t.Fatal(err)
		}
		if len(s) <= 1024 {
			if want := strings.ToValidUTF8(s, "\ufffd"); utf8.ValidString(s) && got.UserAgent != want {
				t.Errorf("userAgent %q became %q", s, got.UserAgent)
			}
		} else if len(strings.ReplaceAll(got.UserAgent, "\ufffd", "x")) > 1024 || !strings.HasSuffix(got.UserAgent, "...[truncated]") {
			t.Errorf("userAgent of %d bytes became %d bytes: …%q", len(s), len(got.UserAgent), got.UserAgent[len(got.UserAgent)-30:])
		}
	}
}

func TestT368_OversizedBodies(t *testing.T) {
	redactor := audit.NewRedactor(nil)
	e := event(alice, "iam", "PutUserPolicy", false)
	e.SetRequest(&iam.PutUserPolicyInput{PolicyDocument: p(strings.Repeat("x", 200<<10))}, redactor)
	e.Additional = json.RawMessage(`"` + strings.Repeat("x", 30<<10) + `"`)
	record := e.AppendRecord(nil)
	checkRecord(t, record)
	for _, want := range []string{
		`"requestParameters":{"omitted":true,"originalSize":204821,"reason":"requestParameters too large"}`,
		`"additionalEventData":{"omitted":true,"originalSize":30722,"reason":"additionalEventData too large"}`,
	} {
		if !bytes.Contains(record, []byte(want)) {
			t.Errorf("record lacks %s: %.2000s", want, record)
		}
	}
}

// text draws any bytes.
func text() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 60), func(b []byte) string { return string(b) }),
		rapid.StringN(0, 40, -1),
		rapid.SampledFrom(hostile[:9]),
	)
}

func TestAnyBytesMakeAValidLine(t *testing.T) {
	redactor := audit.NewRedactor(nil)
	rapid.Check(t, func(t *rapid.T) {
		draw := func() string { return text().Draw(t, "text") }
		e := &audit.Event{
			ID: draw(), RequestID: draw(), Time: at, Source: draw(), Name: draw(), Type: draw(), Region: draw(), SourceIP: draw(), UserAgent: draw(),
			Account: arn.AccountID(draw()), SharedID: draw(), ErrorCode: draw(), ErrorMessage: draw(),
			Identity: audit.UserIdentity{
				Type: draw(), PrincipalID: draw(), ARN: draw(), AccountID: draw(), AccessKeyID: draw(), UserName: draw(), InvokedBy: draw(),
				Session: &audit.SessionContext{
					Issuer:         &audit.SessionIssuer{Type: draw(), PrincipalID: draw(), ARN: draw(), AccountID: draw(), UserName: draw()},
					Attributes:     audit.SessionAttributes{CreationDate: draw(), MFAAuthenticated: draw()},
					SourceIdentity: draw(),
				},
			},
			Additional: json.RawMessage(draw()),
			Resources:  []audit.Resource{{ARN: draw(), AccountID: arn.AccountID(draw()), Type: draw()}},
			TLS:        &audit.TLSDetails{Version: draw(), CipherSuite: draw(), HostHeader: draw()},
		}
		user := draw()
		e.SetRequest(&iam.CreateUserInput{UserName: &user, Tags: []iamtypes.Tag{{Key: &user}}}, redactor)
		e.SetResponse(map[string]string{draw(): draw()}, redactor)
		record := e.AppendRecord([]byte("x"))[1:]
		checkRecord(t, record)

		var back struct {
			EventName         string
			RequestParameters struct{ UserName string }
		}
		if err := json.Unmarshal(record, &back); err != nil {
			t.Fatal(err)
		}
		if utf8.ValidString(e.Name) && back.EventName != e.Name {
			t.Fatalf("eventName %q became %q", e.Name, back.EventName)
		}
		if utf8.ValidString(user) && back.RequestParameters.UserName != user {
			t.Fatalf("userName %q became %q", user, back.RequestParameters.UserName)
		}
	})
}

func FuzzRecord(f *testing.F) {
	for _, s := range hostile[:9] {
		f.Add(s, []byte(`{"a":"b"}`))
	}
	redactor := audit.NewRedactor(nil)
	f.Fuzz(func(t *testing.T, s string, additional []byte) {
		e := event(alice, "iam", "CreateUser", false)
		e.UserAgent, e.Additional = s, additional
		e.SetRequest(&iam.CreateUserInput{UserName: &s}, redactor)
		checkRecord(t, e.AppendRecord(nil))
	})
}

func BenchmarkAppendRecord(b *testing.B) {
	redactor := audit.NewRedactor(nil)
	in := &sts.AssumeRoleInput{RoleArn: p("arn:aws:iam::123456789012:role/deploy"), RoleSessionName: p("ci"), DurationSeconds: p(int32(900))}
	out := &sts.AssumeRoleOutput{
		Credentials:     &ststypes.Credentials{AccessKeyId: p("ASIAEXAMPLEDEPLOY001"), SecretAccessKey: p("secret"), SessionToken: p("secret"), Expiration: p(at)},
		AssumedRoleUser: &ststypes.AssumedRoleUser{AssumedRoleId: p("AROAEXAMPLE4DEPLOY001:ci"), Arn: p("arn:aws:sts::123456789012:assumed-role/deploy/ci")},
	}
	e := event(deployer, "sts", "AssumeRole", true)
	e.SetRequest(in, redactor)
	e.SetResponse(out, redactor)
	b.Run("record", func(b *testing.B) {
		b.ReportAllocs()
		var dst []byte
		for b.Loop() {
			dst = e.AppendRecord(dst[:0])
		}
		b.SetBytes(int64(len(dst)))
	})
	b.Run("bodies", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e.Restart()
			e.SetRequest(in, redactor)
			e.SetResponse(out, redactor)
		}
	})
}
