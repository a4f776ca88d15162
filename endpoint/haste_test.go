package endpoint

import (
	"net/netip"
	"testing"

	"github.com/lanyard-iam/lanyard/authz"
)

func TestOnlyTheGoSDKOnTheSameHostWaits(t *testing.T) {
	const goSDK = "aws-sdk-go-v2/1.47.7 ua/2.1 os/linux lang/go#1.26 api/iam#1.64.8"
	for _, test := range []struct {
		userAgent, source string
		answer            int
		waits             bool
	}{
		{goSDK, "127.0.0.1", 40_000, true},
		{"APN/1.0 HashiCorp/1.0 Terraform/1.11.4 terraform-provider-aws/5.100.0 " + goSDK, "::1", 40_000, true},
		{goSDK, "127.0.0.1", 2_000, false}, // read together with the header
		{goSDK, "192.0.2.1", 40_000, false},
		{"aws-cli/2.9.19 Python/3.11", "127.0.0.1", 40_000, false},
		{"", "127.0.0.1", 40_000, false},
	} {
		x := &exchange{env: authz.Environment{SourceIP: netip.MustParseAddr(test.source), UserAgent: test.userAgent}}
		if got := tooFast(x, test.answer); got != test.waits {
			t.Errorf("%d bytes to %q from %s: waits %v, want %v", test.answer, test.userAgent, test.source, got, test.waits)
		}
	}
}
