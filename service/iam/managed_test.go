package iam

import (
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// Whatever a client sends as the ARN of a policy: the policy that is found has
// exactly this ARN, so that a condition on iam:PolicyARN judges the policy meant.
func FuzzPolicyARN(f *testing.F) {
	for _, seed := range []string{
		readOnly, serviceLinked, "arn:aws:iam::111122223333:policy/x/Own", "arn:aws:iam::111122223333:policy/x/own",
		"arn:aws:iam::111122223333:policy/x//Own", "arn:aws-cn:iam::111122223333:policy/x/Own", "arn:aws:iam::111122223333:policy/",
		"arn:aws:iam::444455556666:policy/x/Own", "arn:aws:iam:::policy/x/Own", "policy/x/Own", "arn:aws:iam::aws:policy", "arn:::::", "",
	} {
		f.Add(seed)
	}
	w := newWorld(f)
	do(w.root(), w.iam.CreatePolicy, &iam.CreatePolicyInput{PolicyName: aws.String("Own"), Path: aws.String("/x/"), PolicyDocument: aws.String(allow("s3:*", "*"))})
	f.Fuzz(func(t *testing.T, policyARN string) {
		w.t = t
		out, err := try(w.root(), w.iam.GetPolicy, &iam.GetPolicyInput{PolicyArn: &policyARN})
		switch code := codeOf(err); {
		case err == nil && *out.Policy.Arn != policyARN:
			t.Errorf("%q finds %s", policyARN, *out.Policy.Arn)
		case err != nil && code != "NoSuchEntity" && code != "InvalidInput" && code != "ValidationError" && code != "AccessDenied":
			t.Errorf("%q: %v", policyARN, err)
		}
	})
}

func FuzzVersionID(f *testing.F) {
	for _, seed := range []string{"v1", "v10", "v01", "v0", "v-1", "v+1", "1", "v", "V1", "v1.2", "v9223372036854775808"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if n, ok := versionNumber(id); ok && versionID(n) != id {
			t.Errorf("%q is read as %s", id, versionID(n))
		}
	})
}

// Every document comes back from its encoding, which is that of RFC 3986: nothing
// but unreserved characters and escapes.
func FuzzEncodeDocument(f *testing.F) {
	for _, seed := range []string{"", "{}", allow("s3:*", "*"), "a b+c%20~", "\r\n\t\u00e9\u00ff\x00\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, document string) {
		encoded := *encodeDocument(document)
		if back, err := url.PathUnescape(encoded); err != nil || back != document {
			t.Errorf("%q is encoded as %q", document, encoded)
		}
		if back, err := url.QueryUnescape(encoded); err != nil || back != document {
			t.Errorf("%q is encoded as %q, which forms read otherwise", document, encoded)
		}
		if i := strings.IndexFunc(encoded, func(r rune) bool {
			return !(r == '%' || r == '-' || r == '.' || r == '_' || r == '~' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z')
		}); i >= 0 {
			t.Errorf("%q is encoded as %q", document, encoded)
		}
	})
}

// A policy's names in another partition: the record is one, the ARNs are the caller's.
func TestInPartition(t *testing.T) {
	if got := inPartition("arn:aws:iam::111122223333:policy/x/Own", "aws-us-gov"); got != "arn:aws-us-gov:iam::111122223333:policy/x/Own" {
		t.Errorf("in aws-us-gov: %s", got)
	}
	if got := policyPathOf("arn:aws:iam::111122223333:policy/x/y/Own"); got != "/x/y/" {
		t.Errorf("path %s", got)
	}
	if got := policyNameOf("arn:aws:iam::111122223333:policy/Own"); got != "Own" {
		t.Errorf("name %s", got)
	}
	if got := policyPathOf("arn:aws:iam::111122223333:policy/Own"); got != "/" {
		t.Errorf("path %s", got)
	}
}
