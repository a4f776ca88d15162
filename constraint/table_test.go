package constraint_test

import (
	"slices"
	"testing"

	"github.com/lanyard-iam/lanyard/constraint"
)

func TestSensitive(t *testing.T) {
	for _, test := range []struct {
		service, operation string
		input, output      []string
	}{
		{"iam", "ChangePassword", []string{"NewPassword", "OldPassword"}, nil},
		{"iam", "CreateAccessKey", nil, []string{"AccessKey.SecretAccessKey"}},
		{"iam", "EnableMFADevice", []string{"AuthenticationCode1", "AuthenticationCode2"}, nil},
		{"iam", "ListVirtualMFADevices", nil, []string{"VirtualMFADevices.*.Base32StringSeed", "VirtualMFADevices.*.QRCodePNG"}},
		{"sts", "AssumeRole", []string{"TokenCode"}, []string{"Credentials.SecretAccessKey"}},
		{"sts", "GetCallerIdentity", nil, nil},
		{"cloudtrail", "LookupEvents", nil, nil},
		{"iam", "NoSuchOperation", nil, nil},
	} {
		input, output := table(t, test.service).Sensitive(test.operation)
		if !slices.Equal(input, test.input) || !slices.Equal(output, test.output) {
			t.Errorf("%s: %q, %q", test.operation, input, output)
		}
	}
}

func TestStatus(t *testing.T) {
	for _, test := range []struct {
		service, code string
		status        int
	}{
		{"iam", "NoSuchEntity", 404},
		{"iam", "EntityAlreadyExists", 409},
		{"iam", "LimitExceeded", 409},
		{"iam", "DeleteConflict", 409},
		{"iam", "InvalidInput", 400},
		{"iam", "MalformedPolicyDocument", 400},
		{"iam", "ServiceFailure", 500},
		{"iam", "ConcurrentModification", 409},
		{"iam", "UnmodifiableEntity", 400},
		{"iam", "EntityTemporarilyUnmodifiable", 409},
		{"iam", "PolicyNotAttachable", 400},
		{"iam", "PasswordPolicyViolation", 400},
		{"iam", "ReportNotPresent", 410},
		{"iam", "ReportExpired", 410},
		{"iam", "ReportInProgress", 404},
		{"iam", "InvalidAuthenticationCode", 403},
		{"iam", "NotSupportedService", 404},
		{"iam", "PolicyEvaluation", 500},
		{"iam", "ReportGenerationLimitExceeded", 409},
		{"iam", "FeatureEnabled", 409},
		{"iam", "FeatureDisabled", 404},
		{"iam", "OrganizationNotFoundException", 0},
		{"sts", "PackedPolicyTooLarge", 400},
		{"sts", "RegionDisabledException", 403},
		{"sts", "IDPRejectedClaim", 403},
		{"sts", "SessionDurationEscalationException", 403},
		{"cloudtrail", "TrailNotFoundException", 0},
		{"iam", "NoSuchEntityException", 0}, // a shape's name, not a code
	} {
		if status, ok := table(t, test.service).Status(test.code); status != test.status || ok != (test.status != 0) {
			t.Errorf("%s %s: %d, %v, want %d", test.service, test.code, status, ok, test.status)
		}
	}
	if e, ok := table(t, "iam").Exception("CredentialReportNotReadyException"); !ok || e != (constraint.Exception{Name: "CredentialReportNotReadyException", Code: "ReportInProgress", Status: 404}) {
		t.Errorf("%+v, %v", e, ok)
	}
	if _, ok := table(t, "iam").Exception("NoSuchException"); ok {
		t.Error("an exception that there is not")
	}
}

func TestUnsigned(t *testing.T) {
	sts := table(t, "sts")
	var unsigned []string
	for operation := range sts.Operations() {
		if sts.Unsigned(operation) {
			unsigned = append(unsigned, operation)
		}
	}
	if want := []string{"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"}; !slices.Equal(unsigned, want) {
		t.Errorf("unsigned: %q", unsigned)
	}
	if sts.Unsigned("NoSuchOperation") {
		t.Error("an unknown operation needs no signature")
	}
}

func TestLoad(t *testing.T) {
	tables, err := constraint.Load()
	if err != nil {
		t.Fatal(err)
	}
	for service, version := range map[string]string{"iam": "2010-05-08", "sts": "2011-06-15", "cloudtrail": "2013-11-01"} {
		if table := tables[service]; table == nil || table.Service != service || table.Version != version {
			t.Errorf("%s: %+v", service, table)
		}
	}
	if _, err := constraint.New("s3"); err == nil {
		t.Error("s3 has no data")
	}
}

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := constraint.Load(); err != nil {
			b.Fatal(err)
		}
	}
}
