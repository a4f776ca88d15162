package lanyard_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/lanyardtest"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// report makes a credential report and returns its id.
func report(t *testing.T, l *lanyardtest.Lanyard, own *lanyard.Client) string {
	t.Helper()
	if _, err := iam.NewFromConfig(l.Config()).GenerateCredentialReport(t.Context(), &iam.GenerateCredentialReportInput{}); err != nil {
		t.Fatal(err)
	}
	out, err := lanyard.Call[lanyard.ListCredentialReportsOutput](t.Context(), own, &lanyard.ListCredentialReportsInput{})
	if err != nil || len(out.Reports) == 0 {
		t.Fatal(err)
	}
	return *out.Reports[0].Id
}

func TestKeptCredentialReports(t *testing.T) {
	l := lanyardtest.New(t)
	client := iam.NewFromConfig(l.Config())
	own := newUser(t, l, "auditor", "iam:GetCredentialReport")
	if out, err := lanyard.Call[lanyard.ListCredentialReportsOutput](t.Context(), own, &lanyard.ListCredentialReportsInput{}); err != nil || out.Reports == nil || len(out.Reports) != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	make := func(name, path string) {
		t.Helper()
		if _, err := client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name, Path: &path}); err != nil {
			t.Fatal(err)
		}
	}
	make("bob", "/")
	make("Ann,1=2", "/hostile/\"<script>&,/")
	make("zed", "/")
	first := report(t, l, own)
	aws1, err := client.GetCredentialReport(t.Context(), &iam.GetCredentialReportInput{})
	if err != nil {
		t.Fatal(err)
	}
	l.Advance(24 * time.Hour)
	if _, err := client.CreateLoginProfile(t.Context(), &iam.CreateLoginProfileInput{UserName: aws.String("bob"), Password: aws.String("Correct-Horse-9")}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: aws.String("zed")}); err != nil {
		t.Fatal(err)
	}
	make("new", "/")
	second := report(t, l, own)

	list, err := lanyard.Call[lanyard.ListCredentialReportsOutput](t.Context(), own, &lanyard.ListCredentialReportsInput{})
	if err != nil || len(list.Reports) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if r := list.Reports[0]; *r.Id != second || *r.WithoutMFA != 1 || *list.Reports[1].WithoutMFA != 0 || *r.Users != *list.Reports[1].Users || *r.Id != r.GeneratedTime.UTC().Format("20060102T150405Z") {
		t.Errorf("%+v", list.Reports)
	}

	// The earlier one is what AWS's operation said, in one piece and in many.
	get := func(in *lanyard.GetCredentialReportInput) *lanyard.GetCredentialReportOutput {
		t.Helper()
		out, err := lanyard.Call[lanyard.GetCredentialReportOutput](t.Context(), own, in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := get(&lanyard.GetCredentialReportInput{Id: &first}); *out.Content != string(aws1.Content) || out.Marker != nil || *out.Report.Id != first || int(*out.Report.Bytes) != len(aws1.Content) {
		t.Errorf("%s\nwant %s", *out.Content, aws1.Content)
	}
	head, _, _ := strings.Cut(string(aws1.Content), "\n")
	pages, text := 0, head+"\n"
	for in := (&lanyard.GetCredentialReportInput{Id: &first, MaxItems: aws.Int32(2)}); ; pages++ {
		out := get(in)
		rest, ok := strings.CutPrefix(*out.Content, head+"\n")
		if n := strings.Count(rest, "\n"); !ok || n < 1 || n > 2 {
			t.Fatalf("page %d: %s", pages, *out.Content)
		}
		text += rest
		if in.Marker = out.Marker; in.Marker == nil {
			break
		}
	}
	if text != string(aws1.Content) || pages < 2 {
		t.Errorf("%d pages:\n%s\nwant %s", pages, text, aws1.Content)
	}
	if out := get(&lanyard.GetCredentialReportInput{Id: &first, Query: aws.String("N,1")}); strings.Count(*out.Content, "\n") != 2 || !strings.Contains(*out.Content, "\n\"Ann,1=2\",") {
		t.Errorf("%s", *out.Content)
	}
	if out := get(&lanyard.GetCredentialReportInput{Id: &first, Query: aws.String("nobody")}); *out.Content != head+"\n" || out.Marker != nil {
		t.Errorf("%s", *out.Content)
	}

	compare := func(in *lanyard.CompareCredentialReportsInput) *lanyard.CompareCredentialReportsOutput {
		t.Helper()
		out, err := lanyard.Call[lanyard.CompareCredentialReportsOutput](t.Context(), own, in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	told := func(out *lanyard.CompareCredentialReportsOutput) (words string) {
		for _, c := range out.Changes {
			words += *c.UserName + " " + *c.What + "\n"
			for _, l := range c.Lines {
				words += fmt.Sprint("  ", *l.Text, " ", *l.Opens, "\n")
			}
		}
		return words
	}
	out := compare(&lanyard.CompareCredentialReportsInput{From: &first, To: &second})
	if got, want := told(out), "bob changed\n  A console password was set. true\nnew added\nzed removed\n"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if *out.Added != 1 || *out.Removed != 1 || *out.Changed != 1 || *out.Recreated != 0 || *out.Opens != 1 || *out.From.Id != first || *out.To.Id != second || out.Marker != nil {
		t.Errorf("%+v", out)
	}
	for _, test := range []struct {
		in   lanyard.CompareCredentialReportsInput
		want string
	}{
		{lanyard.CompareCredentialReportsInput{What: aws.String("removed")}, "zed removed\n"},
		{lanyard.CompareCredentialReportsInput{What: aws.String("opens")}, "bob changed\n  A console password was set. true\n"},
		{lanyard.CompareCredentialReportsInput{Query: aws.String("NE")}, "new added\n"},
		{lanyard.CompareCredentialReportsInput{Query: aws.String("nobody")}, ""},
		{lanyard.CompareCredentialReportsInput{MaxItems: aws.Int32(1), Marker: aws.String("1")}, "new added\n"},
	} {
		test.in.From, test.in.To = &first, &second
		out := compare(&test.in)
		if got := told(out); got != test.want {
			t.Errorf("%s\nwant %s", got, test.want)
		}
		if *out.Added != 1 || *out.Removed != 1 || *out.Changed != 1 {
			t.Errorf("%+v", out)
		}
	}
	if out := compare(&lanyard.CompareCredentialReportsInput{From: &first, To: &second, MaxItems: aws.Int32(2)}); out.Marker == nil || *out.Marker != "2" || len(out.Changes) != 2 {
		t.Errorf("%+v", out)
	}
	if out := compare(&lanyard.CompareCredentialReportsInput{From: &second, To: &second}); len(out.Changes) != 0 {
		t.Errorf("%s", told(out))
	}

	for _, wrong := range []struct {
		in   any
		want string
	}{
		{&lanyard.GetCredentialReportInput{Id: aws.String("20010101T000000Z")}, "ResourceNotFoundException: No credential report 20010101T000000Z is kept. ListCredentialReports has those that are."},
		{&lanyard.GetCredentialReportInput{Id: &first, Marker: aws.String("1")}, "ValidationException: The marker is of no page of this report."},
		{&lanyard.GetCredentialReportInput{Id: &first, Marker: aws.String(fmt.Sprint(len(head) + 5))}, "ValidationException: The marker is of no page of this report."},
		{&lanyard.GetCredentialReportInput{Id: &first, Marker: aws.String("99999999999999999999")}, "ValidationException: The marker is of no page of this report."},
		{&lanyard.GetCredentialReportInput{Id: &first, Marker: aws.String("9999999")}, "ValidationException: The marker is of no page of this report."},
		{&lanyard.CompareCredentialReportsInput{From: &first, To: aws.String("20010101T000000Z")}, "ResourceNotFoundException: No credential report 20010101T000000Z is kept. ListCredentialReports has those that are."},
		{&lanyard.CompareCredentialReportsInput{From: &first, To: &second, Marker: aws.String("-1")}, "ValidationException: The marker is of no page of this report."},
		{&lanyard.CompareCredentialReportsInput{From: &first, To: &second, Marker: aws.String("4")}, "ValidationException: The marker is of no page of this report."},
	} {
		if _, err := lanyard.Call[struct{}](t.Context(), own, wrong.in); code(err) != wrong.want {
			t.Errorf("%+v: %s\nwant %s", wrong.in, code(err), wrong.want)
		}
	}
	if _, err := lanyard.Call[struct{}](t.Context(), own, &lanyard.GetCredentialReportInput{Id: aws.String("../../../etc")}); !strings.HasPrefix(code(err), "ValidationException: ") {
		t.Error(code(err))
	}

	nobody := newUser(t, l, "nobody")
	for _, in := range []any{&lanyard.ListCredentialReportsInput{}, &lanyard.GetCredentialReportInput{Id: &first}, &lanyard.CompareCredentialReportsInput{From: &first, To: &second}} {
		if _, err := lanyard.Call[struct{}](t.Context(), nobody, in); !strings.HasPrefix(code(err), "AccessDenied") || !strings.Contains(code(err), "iam:GetCredentialReport") {
			t.Errorf("%T: %s", in, code(err))
		}
	}
}
