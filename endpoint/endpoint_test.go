package endpoint_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/lanyardtest"
	"github.com/lanyard-iam/lanyard/sigv4"
)

// call signs a query request as the administrator and returns status and body.
func call(t *testing.T, l *lanyardtest.Lanyard, service, region, form string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, l.URL+"/", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	signer := sigv4.Signer{
		Credentials: sigv4.Credentials{AccessKeyID: l.AccessKeyID, SecretAccessKey: l.SecretAccessKey},
		Region:      region,
		Service:     service,
	}
	if err := signer.SignHeader(req, []byte(form), time.Now()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body strings.Builder
	if err := resp.Write(&body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body.String()
}

// A caller who chose the partition would choose how ARNs are written, and a Deny
// on arn:aws:… would not match arn:aws-cn:….
func TestTheCallerDoesNotChooseThePartition(t *testing.T) {
	l := lanyardtest.New(t)
	const form = "Action=ListUsers&Version=2010-05-08"
	if status, body := call(t, l, "iam", "us-east-1", form); status != http.StatusOK {
		t.Fatalf("in the server's partition: %d %s", status, body)
	}
	if status, body := call(t, l, "iam", "eu-central-1", form); status != http.StatusOK {
		t.Fatalf("in another region of the partition: %d %s", status, body)
	}
	for _, region := range []string{"cn-north-1", "us-gov-west-1", "us-iso-east-1"} {
		status, body := call(t, l, "iam", region, form)
		if status != http.StatusForbidden || !strings.Contains(body, "Credential should be scoped to a valid region.") {
			t.Errorf("%s: %d %s", region, status, body)
		}
	}
}
