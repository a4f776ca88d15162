package survey_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/lanyardtest"
	"github.com/lanyard-iam/lanyard/server"
	"github.com/lanyard-iam/lanyard/survey"
)

// TestTheFactsAreTheAccount: what the API tells is in the facts, with ids and use of
// each key, also of one that has no column in the credential report.
func TestTheFactsAreTheAccount(t *testing.T) {
	l := lanyardtest.New(t, func(c *server.Config) { c.Quotas = []string{"AccessKeysPerUser=3"} })
	ctx, client := t.Context(), iam.NewFromConfig(l.Config())
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	alice := aws.String("alice")
	must(client.CreateUser(ctx, &iam.CreateUserInput{UserName: alice, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("blue")}}}))
	must(client.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: alice, Password: aws.String("Correct-Horse-7")}))
	must(client.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("team")}))
	must(client.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: aws.String("team"), UserName: alice}))
	must(client.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: alice, PolicyArn: aws.String("arn:aws:iam::aws:policy/IAMReadOnlyAccess")}))
	var last *types.AccessKey
	for range 3 {
		made, err := client.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: alice})
		must(nil, err)
		last = made.AccessKey
	}
	must(client.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: alice, AccessKeyId: last.AccessKeyId, Status: types.StatusTypeInactive}))

	s := &survey.Surveyor{IAM: client, CloudTrail: survey.Trail{LookupEvents: cloudtrail.NewFromConfig(l.Config()).LookupEvents}, Account: l.Account, Partition: "aws"}
	f, err := s.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var u *advisor.User
	for i := range f.Users {
		if f.Users[i].Name == "alice" {
			u = &f.Users[i]
		}
	}
	if u == nil || u.Password == nil || u.MFA || u.Tags["team"] != "blue" || len(u.Groups) != 1 || len(u.Attached) != 1 {
		t.Fatalf("%+v", u)
	}
	if len(u.Keys) != 3 || !u.Keys[0].Active || u.Keys[2].Active || u.Keys[2].ID != *last.AccessKeyId {
		t.Errorf("keys %+v", u.Keys)
	}
	if f.Root.ARN != "arn:aws:iam::"+l.Account+":root" || f.Root.MFA || f.Policies["arn:aws:iam::aws:policy/IAMReadOnlyAccess"].Document == "" {
		t.Errorf("root %+v", f.Root)
	}
	if len(f.Notes) != 1 {
		t.Errorf("it is not said that suppressions are unknown: %v", f.Notes)
	}
}

// TestOthersCalledRootHideNothing: role sessions, such as those of the host's root, have the
// user name root in the trail as the root user has; root's calls are found behind theirs.
func TestOthersCalledRootHideNothing(t *testing.T) {
	l := lanyardtest.New(t)
	others := func(n int) (events []cttypes.Event) {
		for range n {
			events = append(events, cttypes.Event{EventName: aws.String("ListUsers"), EventTime: aws.Time(l.Now()), CloudTrailEvent: aws.String(`{"userIdentity":{"type":"AssumedRole"}}`)})
		}
		return events
	}
	root := cttypes.Event{EventName: aws.String("CreateUser"), EventTime: aws.Time(l.Now()), CloudTrailEvent: aws.String(`{"userIdentity":{"type":"Root"}}`)}
	for name, c := range map[string]struct {
		before, uses, asked int
		note                bool
	}{
		"first":  {0, 1, 1, false},
		"behind": {7, 1, 8, false},
		"far":    {1000, 0, 40, true},
	} {
		asked := 0
		s := &survey.Surveyor{IAM: iam.NewFromConfig(l.Config()), Account: l.Account, Partition: "aws", CloudTrail: survey.Trail{
			LookupEvents: func(_ context.Context, in *cloudtrail.LookupEventsInput, _ ...func(*cloudtrail.Options)) (*cloudtrail.LookupEventsOutput, error) {
				asked++
				if asked <= c.before {
					return &cloudtrail.LookupEventsOutput{Events: others(50), NextToken: aws.String(strconv.Itoa(asked))}, nil
				}
				return &cloudtrail.LookupEventsOutput{Events: append(others(3), root)}, nil
			},
		}}
		f, err := s.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if noted := strings.Contains(strings.Join(f.Notes, "\n"), "uses of root"); len(f.Root.Uses) != c.uses || asked != c.asked || noted != c.note {
			t.Errorf("%s: %d uses of root after %d pages, notes %v", name, len(f.Root.Uses), asked, f.Notes)
		}
	}
}

// TestAReportThatIsNone: what another server calls a credential report is refused, not
// guessed at.
func TestAReportThatIsNone(t *testing.T) {
	l := lanyardtest.New(t)
	for text, want := range map[string]string{
		"":                            "EOF",
		"user,arn\nalice,x\n":         "there is no column",
		strings.Repeat("x", 64<<20+1): "it has more than",
		"user,arn\n\"alice":           "there is no column",
	} {
		s := &survey.Surveyor{IAM: iam.NewFromConfig(l.Config()), CloudTrail: survey.Trail{LookupEvents: cloudtrail.NewFromConfig(l.Config()).LookupEvents}, Account: l.Account, Partition: "aws"}
		s.Report = func(context.Context) (string, time.Time, time.Time, error) { return text, time.Now(), time.Now(), nil }
		if _, err := s.Read(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, not %s", text, err, want)
		}
	}
}

// A page of a long trail may be empty and have a next one.
func TestRootIsFoundBehindAnEmptyPage(t *testing.T) {
	l := lanyardtest.New(t)
	empty := 0
	s := &survey.Surveyor{IAM: iam.NewFromConfig(l.Config()), Account: l.Account, Partition: "aws"}
	s.CloudTrail.LookupEvents = func(_ context.Context, in *cloudtrail.LookupEventsInput, _ ...func(*cloudtrail.Options)) (*cloudtrail.LookupEventsOutput, error) {
		out := &cloudtrail.LookupEventsOutput{}
		if *in.LookupAttributes[0].AttributeValue != "root" {
			return out, nil
		}
		if in.NextToken == nil {
			empty++
			out.NextToken = aws.String("next")
			return out, nil
		}
		out.Events = []cttypes.Event{{EventName: aws.String("CreateUser"), EventTime: aws.Time(time.Now()), CloudTrailEvent: aws.String(`{"userIdentity":{"type":"Root"}}`)}}
		return out, nil
	}
	f, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if empty != 1 || len(f.Root.Uses) != 1 {
		t.Errorf("%d empty pages, uses of root: %v", empty, f.Root.Uses)
	}
}
