package endpoint_test

import (
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/lanyardtest"
	"github.com/lanyard-iam/lanyard/server"
	"github.com/lanyard-iam/lanyard/sigv4"
)

// T371: a stranger who floods the server with forged requests does not fill the trail: an id
// that only looks like one of the account's keys leaves no record, a real one a bounded number.
// The others are counted, and who signs is served and recorded.
func TestT371_FloodOfStrangers(t *testing.T) {
	const forged = 10_000
	l := lanyardtest.New(t, func(c *server.Config) { c.AdminListen = "127.0.0.1:0" })
	madeUp, err := arn.NewAccessKeyID(arn.PrefixAccessKey, arn.AccountID(l.Account), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	began := time.Now()
	var sent atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for n := sent.Add(1); n <= forged; n = sent.Add(1) {
				id := l.AccessKeyID
				if n%2 == 0 {
					id = madeUp
				}
				const form = "Action=ListUsers&Version=2010-05-08"
				r, err := http.NewRequest(http.MethodPost, l.URL+"/", strings.NewReader(form))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				signer := sigv4.Signer{Credentials: sigv4.Credentials{AccessKeyID: id, SecretAccessKey: "a guess"}, Region: "us-east-1", Service: "iam"}
				if err := signer.SignHeader(r, []byte(form), time.Now()); err != nil {
					t.Error(err)
					return
				}
				resp, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusForbidden {
					t.Errorf("forged request: %s", resp.Status)
					return
				}
			}
		})
	}
	all.Wait()
	if _, err := sts.NewFromConfig(l.Config()).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err != nil {
		t.Errorf("GetCallerIdentity after the flood: %v", err)
	}
	trail := cloudtrail.NewFromConfig(l.Config())
	find := func(key types.LookupAttributeKey, value string) (n int) {
		pages := cloudtrail.NewLookupEventsPaginator(trail, &cloudtrail.LookupEventsInput{
			LookupAttributes: []types.LookupAttribute{{AttributeKey: key, AttributeValue: aws.String(value)}},
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			n += len(page.Events)
		}
		return n
	}
	if n := find(types.LookupAttributeKeyAccessKeyId, madeUp); n != 0 {
		t.Errorf("%d records of a key that does not exist", n)
	}
	// The bucket holds 250 and gets one a second.
	if n, limit := find(types.LookupAttributeKeyEventName, "ListUsers"), 251+int(time.Since(began).Seconds()); n < 250 || n > limit {
		t.Errorf("%d records of forged requests, want 250 to %d", n, limit)
	}
	if n := find(types.LookupAttributeKeyEventName, "GetCallerIdentity"); n != 1 {
		t.Errorf("%d records of the believed request, want 1", n)
	}
	resp, err := http.Get(l.AdminURL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(metrics), `lanyard_unrecorded_attempts_total{reason="unknown_key"} 5000`) ||
		!strings.Contains(string(metrics), `lanyard_unrecorded_attempts_total{reason="source_limit"} 4`) {
		t.Errorf("metrics:\n%s", metrics)
	}
}
