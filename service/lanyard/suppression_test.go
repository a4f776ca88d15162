package lanyard_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/lanyardtest"
	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/sigv4"
	"github.com/lanyard-iam/lanyard/survey"
)

// administrator is whose key a test server has.
const administrator = "administrator"

// clientFor calls our own service with credentials.
func clientFor(l *lanyardtest.Lanyard, id, secret string) *lanyard.Client {
	config := l.Config()
	return &lanyard.Client{
		URL: l.URL, Region: config.Region, HTTP: config.HTTPClient, Now: l.Now,
		Credentials: sigv4.Credentials{AccessKeyID: id, SecretAccessKey: secret},
	}
}

// newUser makes a user with a key and a policy that allows actions.
func newUser(t *testing.T, l *lanyardtest.Lanyard, name string, actions ...string) *lanyard.Client {
	t.Helper()
	client := iam.NewFromConfig(l.Config())
	if _, err := client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name}); err != nil {
		t.Fatal(err)
	}
	if len(actions) > 0 {
		document := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["%s"],"Resource":"*"}}`, strings.Join(actions, `","`))
		if _, err := client.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("p"), PolicyDocument: &document}); err != nil {
			t.Fatal(err)
		}
	}
	key, err := client.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return clientFor(l, *key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey)
}

func code(err error) string {
	var refused smithy.APIError
	if errors.As(err, &refused) {
		return refused.ErrorCode() + ": " + refused.ErrorMessage()
	}
	return fmt.Sprint(err)
}

// TestSuppressionsHaveBounds: of reason, time and what they are about; what is wrong
// changes nothing.
func TestSuppressionsHaveBounds(t *testing.T) {
	l := lanyardtest.New(t)
	c, now := clientFor(l, l.AccessKeyID, l.SecretAccessKey), l.Now().UTC()
	root := "arn:aws:iam::" + l.Account + ":root"
	good := lanyard.PutSuppressionInput{FindingId: aws.String("ROOT-01"), Arn: &root, Reason: aws.String(" because "), Until: aws.Time(now.Add(time.Hour))}
	put := func(in lanyard.PutSuppressionInput) error {
		_, err := lanyard.Call[lanyard.PutSuppressionOutput](t.Context(), c, &in)
		return err
	}
	for want, change := range map[string]func(*lanyard.PutSuppressionInput){
		"no finding's id":           func(r *lanyard.PutSuppressionInput) { r.FindingId = aws.String("ROOT-99") },
		"regular expression":        func(r *lanyard.PutSuppressionInput) { r.FindingId = aws.String("root") },
		"is no ARN of":              func(r *lanyard.PutSuppressionInput) { r.Arn = aws.String("arn:aws:s3:::a-bucket-of-mine") },
		"less than or equal to 204": func(r *lanyard.PutSuppressionInput) { r.Arn = aws.String(root + strings.Repeat("x", 3000)) },
		"is not of account":         func(r *lanyard.PutSuppressionInput) { r.Arn = aws.String("arn:aws:iam::999999999999:root") },
		"Say why":                   func(r *lanyard.PutSuppressionInput) { r.Reason = aws.String(" ") },
		"on one line":               func(r *lanyard.PutSuppressionInput) { r.Reason = aws.String("a\nb") },
		"at most 500 characters":    func(r *lanyard.PutSuppressionInput) { r.Reason = aws.String(strings.Repeat("ü", 501)) },
		"to be in the future":       func(r *lanyard.PutSuppressionInput) { r.Until = &now },
		"to be within a year":       func(r *lanyard.PutSuppressionInput) { r.Until = aws.Time(now.AddDate(2, 0, 0)) },
	} {
		in := good
		change(&in)
		if err := put(in); err == nil || !strings.Contains(code(err), want) {
			t.Errorf("%s: %v", want, code(err))
		}
	}
	list := func() []string {
		all, err := survey.Suppressions(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, s := range all {
			ids = append(ids, s.ID+" "+s.Reason+" "+s.By)
		}
		return ids
	}
	if got := list(); got != nil {
		t.Errorf("there are suppressions of what was refused: %v", got)
	}
	if err := put(good); err != nil {
		t.Fatal(err)
	}
	if got := list(); len(got) != 1 || got[0] != "ROOT-01 because "+administrator {
		t.Errorf("%v", got)
	}

	// Put again it is changed; ended it is told of; ended long ago it is forgotten.
	again := good
	again.Reason = aws.String("still")
	if err := put(again); err != nil || len(list()) != 1 || !strings.Contains(list()[0], "still") {
		t.Errorf("changed: %v, %v", err, list())
	}
	l.Advance(80 * 24 * time.Hour)
	other := good
	other.FindingId, other.Until = aws.String("ROOT-02"), aws.Time(l.Now().Add(time.Hour))
	if err := put(other); err != nil || len(list()) != 2 {
		t.Errorf("%v, %v", err, list())
	}
	l.Advance(20 * 24 * time.Hour)
	other.Until = aws.Time(l.Now().Add(time.Hour))
	if err := put(other); err != nil || len(list()) != 1 || !strings.HasPrefix(list()[0], "ROOT-02") {
		t.Errorf("ended long ago: %v, %v", err, list())
	}

	remove := func() error {
		_, err := lanyard.Call[lanyard.DeleteSuppressionOutput](t.Context(), c, &lanyard.DeleteSuppressionInput{FindingId: other.FindingId, Arn: &root})
		return err
	}
	if err := remove(); err != nil || list() != nil {
		t.Errorf("%v, %v", err, list())
	}
	if err := remove(); !strings.HasPrefix(code(err), "ResourceNotFoundException: ROOT-02 of arn:") {
		t.Errorf("taken back twice: %s", code(err))
	}
}

// TestSuppressionsArePermissions: who may not is refused by the name of the action.
func TestSuppressionsArePermissions(t *testing.T) {
	l := lanyardtest.New(t)
	root := "arn:aws:iam::" + l.Account + ":root"
	until := l.Now().Add(time.Hour)
	calls := map[string]func(context.Context, *lanyard.Client) error{
		"lanyard:ListSuppressions": func(ctx context.Context, c *lanyard.Client) error {
			_, err := lanyard.Call[lanyard.ListSuppressionsOutput](ctx, c, &lanyard.ListSuppressionsInput{})
			return err
		},
		"lanyard:PutSuppression": func(ctx context.Context, c *lanyard.Client) error {
			_, err := lanyard.Call[lanyard.PutSuppressionOutput](ctx, c, &lanyard.PutSuppressionInput{FindingId: aws.String("ROOT-01"), Arn: &root, Reason: aws.String("x"), Until: &until})
			return err
		},
		"lanyard:DeleteSuppression": func(ctx context.Context, c *lanyard.Client) error {
			_, err := lanyard.Call[lanyard.DeleteSuppressionOutput](ctx, c, &lanyard.DeleteSuppressionInput{FindingId: aws.String("ROOT-01"), Arn: &root})
			if strings.HasPrefix(code(err), "ResourceNotFoundException") {
				return nil // it was asked for
			}
			return err
		},
		"iam:GetCredentialReport": func(ctx context.Context, c *lanyard.Client) error {
			_, err := lanyard.Call[lanyard.GetFreshCredentialReportOutput](ctx, c, &lanyard.GetFreshCredentialReportInput{})
			return err
		},
	}
	nobody := newUser(t, l, "nobody")
	for action, call := range calls {
		if err := call(t.Context(), nobody); !strings.HasPrefix(code(err), "AccessDeniedException: ") || !strings.Contains(code(err), action) {
			t.Errorf("%s: %v", action, code(err))
		}
		if err := call(t.Context(), newUser(t, l, strings.ReplaceAll(action, ":", "-"), action)); err != nil {
			t.Errorf("%s: %v", action, code(err))
		}
	}
}

// TestSuppressionsArePaged: each of many comes once.
func TestSuppressionsArePaged(t *testing.T) {
	l := lanyardtest.New(t)
	c := clientFor(l, l.AccessKeyID, l.SecretAccessKey)
	until := l.Now().Add(time.Hour)
	for i := range 230 {
		entity := fmt.Sprintf("arn:aws:iam::%s:user/u%d", l.Account, i)
		if _, err := lanyard.Call[lanyard.PutSuppressionOutput](t.Context(), c, &lanyard.PutSuppressionInput{FindingId: aws.String("KEY-01"), Arn: &entity, Reason: aws.String("x"), Until: &until}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := survey.Suppressions(t.Context(), c)
	seen := map[string]bool{}
	for _, s := range all {
		seen[s.ARN] = true
	}
	if err != nil || len(all) != 230 || len(seen) != 230 {
		t.Errorf("%d, %d different: %v", len(all), len(seen), err)
	}
	out, err := lanyard.Call[lanyard.ListSuppressionsOutput](t.Context(), c, &lanyard.ListSuppressionsInput{MaxItems: aws.Int32(7)})
	if err != nil || len(out.Suppressions) != 7 || out.Marker == nil {
		t.Errorf("a page of 7: %+v, %v", out, err)
	}
}

// TestTheFreshReport is of this moment, in pieces that join to one without gap.
func TestTheFreshReport(t *testing.T) {
	l := lanyardtest.New(t)
	c := clientFor(l, l.AccessKeyID, l.SecretAccessKey)
	client := iam.NewFromConfig(l.Config())
	for i := range 5 {
		if _, err := client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String(fmt.Sprintf("user%d", i))}); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := lanyard.Call[lanyard.GetFreshCredentialReportOutput](t.Context(), c, &lanyard.GetFreshCredentialReportInput{})
	if err != nil || whole.Marker != nil || !strings.Contains(*whole.Content, "\nuser4,") || whole.GeneratedTime.Sub(l.Now()).Abs() > time.Minute {
		t.Fatalf("%+v %v", whole, err)
	}
	heading, _, _ := strings.Cut(*whole.Content, "\n")
	joined, pages := heading+"\n", 0
	for in := (&lanyard.GetFreshCredentialReportInput{MaxItems: aws.Int32(2)}); ; pages++ {
		out, err := lanyard.Call[lanyard.GetFreshCredentialReportOutput](t.Context(), c, in)
		if err != nil {
			t.Fatal(err)
		}
		first, rest, _ := strings.Cut(*out.Content, "\n")
		if first != heading {
			t.Errorf("a piece without heading: %q", first)
		}
		joined += rest
		if in.Marker = out.Marker; in.Marker == nil {
			break
		}
	}
	// The key that asks is used between the two.
	used := func(text string) string {
		lines := strings.Split(text, "\n")
		for i, line := range lines {
			if strings.HasPrefix(line, administrator+",") {
				lines[i] = administrator
			}
		}
		return strings.Join(lines, "\n")
	}
	if used(joined) != used(*whole.Content) || pages < 2 {
		t.Errorf("%d pages:\n%s\nnot\n%s", pages, joined, *whole.Content)
	}
}

// TestTheClientsClockMayBeWrong: it learns the server's from a refusal, as the SDKs do.
func TestTheClientsClockMayBeWrong(t *testing.T) {
	l := lanyardtest.New(t)
	c := clientFor(l, l.AccessKeyID, l.SecretAccessKey)
	c.Now = func() time.Time { return l.Now().Add(-3 * time.Hour) }
	if _, err := lanyard.Call[lanyard.ListStatesOutput](t.Context(), c, &lanyard.ListStatesInput{}); err != nil {
		t.Errorf("%v", code(err))
	}
	c.Credentials.SecretAccessKey = "wrong"
	if _, err := lanyard.Call[lanyard.ListStatesOutput](t.Context(), c, &lanyard.ListStatesInput{}); err == nil {
		t.Error("a wrong secret was taken")
	}
}
