package constraint_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/constraint"
)

func table(t testing.TB, service string) *constraint.Table {
	t.Helper()
	table, err := constraint.New(service)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// failed puts the sentence around a value and a constraint.
func failed(value, path, must string) string {
	return "Value " + value + "at '" + path + "' failed to satisfy constraint: Member must " + must
}

func text(s string) *string { return &s }

func times(s string, n int) *string { return text(strings.Repeat(s, n)) }

func TestValidate(t *testing.T) {
	const (
		name    = `satisfy regular expression pattern: [\w+=,.@-]+`
		role    = "arn:aws:iam::123456789012:role/r"
		pattern = "satisfy regular expression pattern: "
	)
	tags := func(n int) (tags []ststypes.Tag) {
		for range n {
			tags = append(tags, ststypes.Tag{Key: text("k"), Value: text("")})
		}
		return tags
	}
	for _, test := range []struct {
		service, operation string
		in                 any
		want               []string // violations; none for a valid input
	}{
		// required
		{"iam", "CreateUser", &iam.CreateUserInput{}, []string{failed("", "userName", "not be null")}},
		{"sts", "AssumeRole", &sts.AssumeRoleInput{}, []string{failed("null ", "roleArn", "not be null"), failed("null ", "roleSessionName", "not be null")}},
		{"iam", "TagUser", &iam.TagUserInput{UserName: text("u")}, []string{failed("", "tags", "not be null")}},
		{"iam", "TagUser", &iam.TagUserInput{UserName: text("u"), Tags: []iamtypes.Tag{{Value: text("v")}}}, []string{failed("", "tags.1.member.key", "not be null")}},
		{"iam", "UpdateAccessKey", &iam.UpdateAccessKeyInput{AccessKeyId: text("AKIAIOSFODNN7EXAMPLE")}, []string{failed("", "status", "not be null")}},
		{"iam", "GetUser", &iam.GetUserInput{}, nil},

		// lengths, in code points
		{"iam", "CreateUser", &iam.CreateUserInput{UserName: times("u", 64)}, nil},
		{"iam", "CreateUser", &iam.CreateUserInput{UserName: times("u", 65)}, []string{failed("", "userName", "have length less than or equal to 64")}},
		{"iam", "GetUser", &iam.GetUserInput{UserName: times("u", 128)}, nil},
		{"iam", "CreateUser", &iam.CreateUserInput{UserName: text("")}, []string{failed("", "userName", name), failed("", "userName", "have length greater than or equal to 1")}},
		{"iam", "TagUser", &iam.TagUserInput{UserName: text("u"), Tags: []iamtypes.Tag{{Key: times("𐐀", 128), Value: times("世", 256)}}}, nil},
		{"iam", "TagUser", &iam.TagUserInput{UserName: text("u"), Tags: []iamtypes.Tag{{Key: text("k"), Value: text("")}, {Key: times("k", 129), Value: times("世", 257)}}},
			[]string{failed("", "tags.2.member.key", "have length less than or equal to 128"), failed("", "tags.2.member.value", "have length less than or equal to 256")}},
		{"sts", "AssumeRole", &sts.AssumeRoleInput{RoleArn: text("arn:aws:iam::123456"), RoleSessionName: text("s1")}, []string{failed("'arn:aws:iam::123456' ", "roleArn", "have length greater than or equal to 20")}},
		{"sts", "GetFederationToken", &sts.GetFederationTokenInput{Name: text("vault-token-xxxxxxx-1455248919-4059")}, []string{failed("'vault-token-xxxxxxx-1455248919-4059' ", "name", "have length less than or equal to 32")}},

		// patterns
		{"sts", "AssumeRole", &sts.AssumeRoleInput{RoleArn: text(role), RoleSessionName: text("Session1:2")}, []string{failed("'Session1:2' ", "roleSessionName", pattern+`[\w+=,.@-]*`)}},
		{"iam", "CreateUser", &iam.CreateUserInput{UserName: text("a\nb")}, []string{failed("", "userName", name)}},
		{"iam", "CreateUser", &iam.CreateUserInput{UserName: text("b\n")}, []string{failed("", "userName", name)}},
		{"iam", "CreateUser", &iam.CreateUserInput{UserName: text("é")}, []string{failed("", "userName", name)}},
		{"iam", "CreateUser", &iam.CreateUserInput{UserName: text("u"), Path: text("/")}, nil},
		{"iam", "CreateUser", &iam.CreateUserInput{UserName: text("u"), Path: text("/a/b/")}, nil},
		{"iam", "CreateUser", &iam.CreateUserInput{UserName: text("u"), Path: text("/a")}, []string{failed("", "path", pattern+`(\u002F)|(\u002F[\u0021-\u007E]+\u002F)`)}},
		{"iam", "UpdateServiceSpecificCredential", &iam.UpdateServiceSpecificCredentialInput{ServiceSpecificCredentialId: text("not-a-word-000000000"), Status: "Active"},
			[]string{failed("", "serviceSpecificCredentialId", pattern+`[\w]+`)}},
		{"iam", "CreateAccountAlias", &iam.CreateAccountAliasInput{AccountAlias: text("my-company")}, nil},
		{"iam", "CreateAccountAlias", &iam.CreateAccountAliasInput{AccountAlias: text("my--company")}, []string{failed("", "accountAlias", pattern+`^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`)}},

		// T056: names that could break out of a document are refused by pattern.
		{"sts", "AssumeRole", &sts.AssumeRoleInput{RoleArn: text(role), RoleSessionName: text("]]>")}, []string{failed("']]>' ", "roleSessionName", pattern+`[\w+=,.@-]*`)}},
		{"sts", "AssumeRole", &sts.AssumeRoleInput{RoleArn: text(role), RoleSessionName: text("s1"), SourceIdentity: text("a\x00b")}, []string{failed("'a\x00b' ", "sourceIdentity", pattern+`[\w+=,.@-]*`)}},
		{"sts", "AssumeRole", &sts.AssumeRoleInput{RoleArn: text(role), RoleSessionName: text("s1"), Tags: []ststypes.Tag{{Key: text("<k>"), Value: text("\n")}}},
			[]string{failed("'<k>' ", "tags.1.member.key", pattern+`[\p{L}\p{Z}\p{N}_.:/=+\-@]+`), failed("'\n' ", "tags.1.member.value", pattern+`[\p{L}\p{Z}\p{N}_.:/=+\-@]*`)}},

		// enumerations
		{"iam", "UpdateAccessKey", &iam.UpdateAccessKeyInput{AccessKeyId: text("AKIAIOSFODNN7EXAMPLE"), Status: "Invalid"}, []string{failed("", "status", "satisfy enum value set")}},
		{"cloudtrail", "LookupEvents", &cloudtrail.LookupEventsInput{EventCategory: "x"}, []string{failed("'x' ", "eventCategory", "satisfy enum value set: [insight]")}},

		// ranges
		{"sts", "AssumeRole", &sts.AssumeRoleInput{RoleArn: text(role), RoleSessionName: text("s1"), DurationSeconds: aws.Int32(899)}, []string{failed("'899' ", "durationSeconds", "have value greater than or equal to 900")}},
		{"sts", "AssumeRole", &sts.AssumeRoleInput{RoleArn: text(role), RoleSessionName: text("s1"), DurationSeconds: aws.Int32(43201)}, []string{failed("'43201' ", "durationSeconds", "have value less than or equal to 43200")}},
		{"iam", "ListUsers", &iam.ListUsersInput{MaxItems: aws.Int32(0)}, []string{failed("", "maxItems", "have value greater than or equal to 1")}},
		{"cloudtrail", "LookupEvents", &cloudtrail.LookupEventsInput{MaxResults: aws.Int32(51)}, []string{failed("'51' ", "maxResults", "have value less than or equal to 50")}},

		// sizes
		{"sts", "AssumeRole", &sts.AssumeRoleInput{RoleArn: text(role), RoleSessionName: text("s1"), Tags: tags(50)}, nil},
		{"sts", "AssumeRole", &sts.AssumeRoleInput{RoleArn: text(role), RoleSessionName: text("s1"), Tags: tags(51)}, []string{failed("", "tags", "have length less than or equal to 50")}},
		{"sts", "GetWebIdentityToken", &sts.GetWebIdentityTokenInput{Audience: []string{}, SigningAlgorithm: text("RS256")}, []string{failed("", "audience", "have length greater than or equal to 1")}},

		// elements that are not structures
		{"sts", "AssumeRole", &sts.AssumeRoleInput{RoleArn: text(role), RoleSessionName: text("s1"), TransitiveTagKeys: []string{"ok", "<", ""}},
			[]string{failed("'[ok, <, ]' ", "transitiveTagKeys", `satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+]`)}},
		{"iam", "UntagUser", &iam.UntagUserInput{UserName: text("u"), TagKeys: []string{"<"}},
			[]string{failed("", "tagKeys", `satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+]`)}},
		{"sts", "AssumeRole", &sts.AssumeRoleInput{RoleArn: text(role), RoleSessionName: text("s1"), PolicyArns: []ststypes.PolicyDescriptorType{{Arn: text(role)}, {Arn: text("short")}}},
			[]string{failed("'short' ", "policyArns.2.member.arn", "have length greater than or equal to 20")}},

		// what the models lack
		{"iam", "CreateVirtualMFADevice", &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: times("d", 226)}, nil},
		{"iam", "CreateVirtualMFADevice", &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: times("d", 227)}, []string{failed("", "virtualMFADeviceName", "have length less than or equal to 226")}},
		{"sts", "AssumeRole", &sts.AssumeRoleInput{RoleArn: text(role), RoleSessionName: text("s1"), ExternalId: times("x", 1224)}, nil},
		{"sts", "AssumeRole", &sts.AssumeRoleInput{RoleArn: text(role), RoleSessionName: text("s1"), ExternalId: text("x")}, []string{failed("'x' ", "externalId", "have length greater than or equal to 2")}},

		// secrets are not repeated
		{"sts", "GetSessionToken", &sts.GetSessionTokenInput{TokenCode: text("12345")}, []string{failed("", "tokenCode", "have length greater than or equal to 6")}},
		{"sts", "AssumeRoleWithWebIdentity", &sts.AssumeRoleWithWebIdentityInput{RoleArn: text(role), RoleSessionName: text("s1"), WebIdentityToken: text("e.y")}, []string{failed("", "webIdentityToken", "have length greater than or equal to 4")}},
		{"iam", "ChangePassword", &iam.ChangePasswordInput{OldPassword: text("correct"), NewPassword: times("世", 129)},
			[]string{failed("", "newPassword", pattern+`[\u0009\u000A\u000D\u0020-\u00FF]+`), failed("", "newPassword", "have length less than or equal to 128")}},

		// awsJson: lower-case members, nested lists and maps
		{"cloudtrail", "LookupEvents", &cloudtrail.LookupEventsInput{}, nil},
		{"cloudtrail", "StartQuery", &cloudtrail.StartQueryInput{QueryParameters: []string{""}}, []string{failed("'[]' ", "queryParameters", "satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: .*]")}},
		{"cloudtrail", "ListInsightsData", &cloudtrail.ListInsightsDataInput{InsightSource: text("arn:aws:cloudtrail:us-east-1:123456789012:trail/t"), DataType: "InsightsEvents", Dimensions: map[string]string{"Bad": "v"}},
			[]string{"Value at 'dimensions' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy enum value set: [EventId, EventName, EventSource]]"}},
	} {
		err := table(t, test.service).Validate(test.operation, test.in)
		if len(test.want) == 0 {
			if err != nil {
				t.Errorf("%s: %v", test.operation, err)
			}
			continue
		}
		v, ok := errors.AsType[*constraint.Violations](err)
		if !ok {
			t.Errorf("%s: got %v, want %q", test.operation, err, test.want)
			continue
		}
		want := "1 validation error detected: "
		if n := len(test.want); n > 1 {
			want = string(rune('0'+n)) + " validation errors detected: "
		}
		if want += strings.Join(test.want, "; "); v.ErrorMessage() != want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.operation, v.ErrorMessage(), want)
		}
	}
}

// The answers of issue reports and recordings, word for word.
func TestRecordedAnswers(t *testing.T) {
	for _, test := range []struct {
		service, operation string
		in                 any
		want               string
	}{
		{"iam", "UpdateServiceSpecificCredential", &iam.UpdateServiceSpecificCredentialInput{ServiceSpecificCredentialId: times("ACCA", 5), Status: "Invalid"},
			"ValidationError: 1 validation error detected: Value at 'status' failed to satisfy constraint: Member must satisfy enum value set"},
		{"iam", "DeleteServiceSpecificCredential", &iam.DeleteServiceSpecificCredentialInput{ServiceSpecificCredentialId: times("-", 20)},
			`ValidationError: 1 validation error detected: Value at 'serviceSpecificCredentialId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w]+`},
		{"iam", "CreateRole", &iam.CreateRoleInput{RoleName: times("r", 65), AssumeRolePolicyDocument: text("{}")},
			"ValidationError: 1 validation error detected: Value at 'roleName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		{"sts", "AssumeRole", &sts.AssumeRoleInput{RoleArn: text("arn:aws:iam::123456789012:role/r"), RoleSessionName: text("Session1:2")},
			`ValidationError: 1 validation error detected: Value 'Session1:2' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		{"sts", "AssumeRole", &sts.AssumeRoleInput{RoleArn: text(""), RoleSessionName: text("s1")},
			`ValidationError: 2 validation errors detected: Value '' at 'roleArn' failed to satisfy constraint: Member must satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+; Value '' at 'roleArn' failed to satisfy constraint: Member must have length greater than or equal to 20`},
		{"cloudtrail", "LookupEvents", &cloudtrail.LookupEventsInput{MaxResults: aws.Int32(51)},
			"ValidationException: 1 validation error detected: Value '51' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 50"},
	} {
		err := table(t, test.service).Validate(test.operation, test.in)
		if err == nil || err.Error() != test.want {
			t.Errorf("got %v\nwant %s", err, test.want)
		}
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorFault() != smithy.FaultClient {
			t.Errorf("%v is not the client's fault", err)
		}
	}
}

// No message may grow without bound, whatever the request.
func TestMessagesAreBounded(t *testing.T) {
	tags := make([]iamtypes.Tag, 50)
	for i := range tags {
		tags[i] = iamtypes.Tag{Key: times("<", 1<<12), Value: times("<", 1<<12)}
	}
	for service, test := range map[string]struct {
		operation string
		in        any
	}{
		"iam":        {"TagUser", &iam.TagUserInput{UserName: text("u"), Tags: tags}},
		"sts":        {"AssumeRole", &sts.AssumeRoleInput{RoleArn: times("\x00世", 1<<19), RoleSessionName: times("<", 1<<20), TransitiveTagKeys: []string{strings.Repeat("<", 1<<20)}}},
		"cloudtrail": {"AddTags", &cloudtrail.AddTagsInput{ResourceId: times("\x00", 1<<20)}},
	} {
		v, ok := errors.AsType[*constraint.Violations](table(t, service).Validate(test.operation, test.in))
		if !ok || len(v.List) > 100 || len(v.ErrorMessage()) > 1<<15 {
			t.Errorf("%s: %d violations in %d bytes", service, len(v.List), len(v.ErrorMessage()))
		}
	}
}

func TestValidateRefusesWhatIsNotItsInput(t *testing.T) {
	iamTable := table(t, "iam")
	var nilInput *iam.GetUserInput
	for _, test := range []struct {
		operation string
		in        any
	}{
		{"NoSuchOperation", &iam.GetUserInput{}},
		{"GetUser", nil},
		{"GetUser", nilInput},
		{"GetUser", iam.GetUserInput{}},
		{"GetUser", &iam.CreateUserInput{}},
		{"GetUser", text("x")},
	} {
		err := iamTable.Validate(test.operation, test.in)
		if _, clients := errors.AsType[smithy.APIError](err); err == nil || clients {
			t.Errorf("%s, %T: %v", test.operation, test.in, err)
		}
	}
	// A wrong type does not spoil what is remembered of the right one.
	if err := iamTable.Validate("GetUser", &iam.GetUserInput{}); err != nil {
		t.Error(err)
	}
}

// Every operation of the tables fits the SDK's input, and its zero input lacks
// exactly the required members.
func TestEveryOperationFitsTheSDK(t *testing.T) {
	for service, client := range map[string]reflect.Type{
		"iam":        reflect.TypeFor[*iam.Client](),
		"sts":        reflect.TypeFor[*sts.Client](),
		"cloudtrail": reflect.TypeFor[*cloudtrail.Client](),
	} {
		table, count := table(t, service), 0
		for operation := range table.Operations() {
			count++
			method, ok := client.MethodByName(operation)
			if !ok {
				t.Errorf("%s: the client has no %s", service, operation)
				continue
			}
			in := reflect.New(method.Type.In(2).Elem())
			err := table.Validate(operation, in.Interface())
			if err == nil {
				continue
			}
			v, ok := errors.AsType[*constraint.Violations](err)
			if !ok {
				t.Errorf("%s: %v", service, err)
				continue
			}
			for _, violation := range v.List {
				if violation.Constraint != "Member must not be null" {
					t.Errorf("%s: %v", operation, violation)
				}
			}
		}
		if want := map[string]int{"iam": 180, "sts": 11, "cloudtrail": 60}[service]; count != want {
			t.Errorf("%s: %d operations, want %d", service, count, want)
		}
	}
}

func FuzzValidate(f *testing.F) {
	f.Add("arn:aws:iam::123456789012:role/r", "alice", "k", int32(900))
	f.Add("", "Session1:2", "<\x00\xff世", int32(-1))
	tables, err := constraint.Load()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a, b, c string, n int32) {
		for _, in := range []struct {
			service, operation string
			in                 any
		}{
			{"sts", "AssumeRole", &sts.AssumeRoleInput{RoleArn: &a, RoleSessionName: &b, Policy: &c, DurationSeconds: &n, TransitiveTagKeys: []string{a, c}, Tags: []ststypes.Tag{{Key: &b, Value: &c}}}},
			{"iam", "CreateUser", &iam.CreateUserInput{UserName: &a, Path: &b, Tags: []iamtypes.Tag{{Key: &c}}}},
			{"iam", "CreateAccountAlias", &iam.CreateAccountAliasInput{AccountAlias: &a}},
			{"iam", "UpdateAccessKey", &iam.UpdateAccessKeyInput{AccessKeyId: &a, Status: iamtypes.StatusType(b)}},
			{"cloudtrail", "StartQuery", &cloudtrail.StartQueryInput{QueryStatement: &a, DeliveryS3Uri: &b, QueryParameters: []string{a, b, c}}},
		} {
			err := tables[in.service].Validate(in.operation, in.in)
			if err == nil {
				continue
			}
			if v, ok := errors.AsType[*constraint.Violations](err); !ok || len(v.List) == 0 || v.ErrorMessage() == "" {
				t.Fatal(err)
			}
		}
	})
}

func BenchmarkValidateCreateUser(b *testing.B) {
	table := table(b, "iam")
	in := &iam.CreateUserInput{UserName: text("alice@example.com"), Path: text("/engineering/"), Tags: []iamtypes.Tag{{Key: text("project"), Value: text("lanyard")}}}
	b.ReportAllocs()
	for b.Loop() {
		if err := table.Validate("CreateUser", in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidateAssumeRole(b *testing.B) {
	table := table(b, "sts")
	in := &sts.AssumeRoleInput{
		RoleArn: text("arn:aws:iam::123456789012:role/team/deploy"), RoleSessionName: text("alice"), ExternalId: text("unique-id-1234"),
		DurationSeconds: aws.Int32(3600), SerialNumber: text("arn:aws:iam::123456789012:mfa/alice"), TokenCode: text("123456"),
		PolicyArns: []ststypes.PolicyDescriptorType{{Arn: text("arn:aws:iam::aws:policy/ReadOnlyAccess")}},
		Tags:       []ststypes.Tag{{Key: text("project"), Value: text("lanyard")}},
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := table.Validate("AssumeRole", in); err != nil {
			b.Fatal(err)
		}
	}
}
