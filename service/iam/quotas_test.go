package iam

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

func TestSetQuotas(t *testing.T) {
	names := map[string]bool{}
	l := DefaultLimits()
	for _, a := range l.adjustables() {
		if names[a.name] || *a.limit < 1 || *a.limit > a.most || a.most > math.MaxInt32 {
			t.Errorf("%s: %d of %d", a.name, *a.limit, a.most)
		}
		names[a.name] = true
		for _, wrong := range []int{0, -1, a.most + 1, math.MinInt} {
			before := *a.limit
			if err := l.Set(a.name, wrong); err == nil || *a.limit != before || !strings.Contains(err.Error(), a.name) {
				t.Errorf("%s can be %d: %v", a.name, wrong, err)
			}
		}
		for _, right := range []int{1, a.most} {
			if err := l.Set(a.name, right); err != nil || *a.limit != right {
				t.Errorf("%s cannot be %d: %v", a.name, right, err)
			}
		}
	}
	for _, unknown := range []string{"", "usersperaccount", "TagsPerResource"} {
		if err := l.Set(unknown, 1); err == nil || !strings.Contains(err.Error(), "UsersPerAccount, GroupsPerAccount, ") {
			t.Errorf("quota %q: %v", unknown, err)
		}
	}
}

// A quota that was set is the one that is enforced, named and shown.
func TestQuotasThatWereSet(t *testing.T) {
	w := newWorld(t)
	w.must(w.iam.limits.Set("UsersPerAccount", 3))
	w.must(w.iam.limits.Set("AccessKeysPerUser", 4))
	for i := range 3 {
		w.user(fmt.Sprint("user", i))
	}
	refused(w.root(), w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("user3")}, "LimitExceeded", "Cannot exceed quota for UsersPerAccount: 3")
	for range 4 {
		w.key("user0")
	}
	refused(w.root(), w.iam.CreateAccessKey, &iam.CreateAccessKeyInput{UserName: aws.String("user0")}, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 4")
	summary := do(w.root(), w.iam.GetAccountSummary, &iam.GetAccountSummaryInput{}).SummaryMap
	if summary["UsersQuota"] != 3 || summary["AccessKeysPerUserQuota"] != 4 {
		t.Errorf("summary %v", summary)
	}
}
