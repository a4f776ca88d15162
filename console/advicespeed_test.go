package console

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	iamservice "github.com/lanyard-iam/lanyard/service/iam"
)

// crowd makes n users: half with a key, a tenth with a password, in a hundred groups.
func (w *world) crowd(n int) {
	w.t.Helper()
	ctx, client := context.Background(), w.api().IAM
	for i := range 100 {
		_, err := client.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String(fmt.Sprint("group-", i))})
		w.must(err)
		_, err = client.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: aws.String(fmt.Sprint("group-", i)), PolicyArn: aws.String("arn:aws:iam::aws:policy/IAMReadOnlyAccess")})
		w.must(err)
	}
	for i := range n {
		name := fmt.Sprintf("person-%05d", i)
		_, err := client.CreateUser(ctx, &iam.CreateUserInput{UserName: &name})
		w.must(err)
		_, err = client.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: &name, GroupName: aws.String(fmt.Sprint("group-", i%100))})
		w.must(err)
		if i%2 == 0 {
			_, err = client.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name})
			w.must(err)
		}
		if i%10 == 0 {
			_, err = client.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: &name, Password: aws.String("Correct-Horse-7")})
			w.must(err)
		}
	}
}

// TestAdvicePageTimes opens the pages of an account with 10,000 users, whose look is made
// behind them, and tells how long the server took: 20 ms at the 95th percentile are
// promised on an idle machine. It runs where LANYARD_PAGE_TIMES is set.
func TestAdvicePageTimes(t *testing.T) {
	if os.Getenv("LANYARD_PAGE_TIMES") == "" {
		t.Skip("LANYARD_PAGE_TIMES is not set")
	}
	limits := iamservice.DefaultLimits()
	limits.UsersPerAccount = 20_000
	w := newLimitedWorld(t, limits)
	w.signInRoot()
	w.crowd(10_000)
	w.later(100 * day) // the keys are old by now
	w.signInRoot()
	raw := func(path string) string {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Host = w.console.config.URL.Host
		r.AddCookie(w.cookies[SessionCookie])
		out := httptest.NewRecorder()
		w.console.ServeHTTP(out, r)
		if out.Code != http.StatusOK {
			t.Fatalf("%s: %d", path, out.Code)
		}
		return out.Body.String()
	}
	first := func(path string) {
		began := time.Now()
		for strings.Contains(raw(path), `hx-trigger="every 1s"`) && time.Since(began) < 5*time.Minute {
			time.Sleep(50 * time.Millisecond)
		}
		t.Logf("%-60s the look took %v", path, time.Since(began).Round(time.Millisecond))
	}
	paths := []string{"/", "/findings", "/findings?filter=person-00042", "/findings?page=9", "/access-plan", "/checklists", "/checklists/secure-account", "/credential-advisor?who=workload&where=container"}
	for _, path := range paths {
		first(path)
	}
	times := func(when string) {
		for _, path := range paths {
			var took []time.Duration
			size := 0
			for range 100 {
				began := time.Now()
				size = len(raw(path))
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			t.Logf("%-60s %s: p50 %v, p95 %v, %d KB", path, when, took[50].Round(10*time.Microsecond), took[95].Round(10*time.Microsecond), size>>10)
		}
	}
	for range 2 { // what the looks themselves did in a second is no news in the next
		w.later(2 * time.Second)
		for _, path := range paths {
			first(path)
		}
	}
	times("settled")
	_, err := w.api().IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("one-more")})
	w.must(err)
	times("while it is read anew")
}
