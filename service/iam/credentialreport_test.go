package iam

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/protocol"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

func (w *world) generate() types.ReportStateType {
	w.t.Helper()
	return do(w.root(), w.iam.GenerateCredentialReport, &iam.GenerateCredentialReportInput{}).State
}

// report reads the report as rows by user, each by column.
func (w *world) report() (order []string, rows map[string]map[string]string) {
	w.t.Helper()
	out := do(w.root(), w.iam.GetCredentialReport, &iam.GetCredentialReportInput{})
	if out.ReportFormat != types.ReportFormatTypeTextCsv {
		w.t.Errorf("format %s", out.ReportFormat)
	}
	lines, err := csv.NewReader(strings.NewReader(string(out.Content))).ReadAll()
	w.must(err)
	rows = make(map[string]map[string]string)
	for _, line := range lines[1:] {
		row := make(map[string]string)
		for i, column := range lines[0] {
			row[column] = line[i]
		}
		order, rows[line[0]] = append(order, line[0]), row
	}
	return order, rows
}

func TestCredentialReport(t *testing.T) {
	w := newWorld(t)
	get := &iam.GetCredentialReportInput{}
	refused(w.root(), w.iam.GetCredentialReport, get, "ReportNotPresent", "No credential report exists. Generate one first.")

	w.user("zoe")
	w.user("Bob,Jr=1") // the characters that names may have and CSV minds
	key, idle := w.key("zoe"), w.key("zoe")
	do(w.root(), w.iam.UpdateAccessKey, &iam.UpdateAccessKeyInput{UserName: aws.String("zoe"), AccessKeyId: &idle, Status: types.StatusTypeInactive})
	do(w.root(), w.iam.CreateLoginProfile, &iam.CreateLoginProfileInput{UserName: aws.String("zoe"), Password: aws.String("Correct-Horse-9")})
	do(w.root(), w.iam.UpdateAccountPasswordPolicy, &iam.UpdateAccountPasswordPolicyInput{MaxPasswordAge: aws.Int32(90)})
	w.edit(func(tx store.Tx) error {
		return identity.LastUses.Put(tx, &identity.LastUse{At: w.now.Add(-time.Hour), Service: "sts", Region: "eu-central-1"}, key)
	})
	w.edit(func(tx store.Tx) error {
		return identity.Users.Edit(tx, func(u *identity.User) error {
			u.MFA = []identity.EnabledDevice{{Serial: "/phone", Enabled: w.now}}
			return nil
		}, string(ours), "zoe")
	})

	first := do(w.root(), w.iam.GenerateCredentialReport, &iam.GenerateCredentialReportInput{})
	if first.State != types.ReportStateTypeStarted || *first.Description != "No report exists. Starting a new report generation task" {
		t.Errorf("first: %s", asJSON(first))
	}
	if again := do(w.root(), w.iam.GenerateCredentialReport, &iam.GenerateCredentialReportInput{}); again.State != types.ReportStateTypeComplete || again.Description != nil {
		t.Errorf("again: %s", asJSON(again))
	}
	order, rows := w.report()
	equal(t, "users", order, []string{"<root_account>", "Bob,Jr=1", "zoe"})
	for user, want := range map[string]string{
		"<root_account>": "arn:aws:iam::111122223333:root 2026-03-01T12:00:00+00:00 not_supported no_information not_supported not_supported false " +
			"false N/A N/A N/A N/A false N/A N/A N/A N/A false N/A false N/A N/A",
		"Bob,Jr=1": "arn:aws:iam::111122223333:user/Bob,Jr=1 2026-03-01T12:00:00+00:00 false N/A N/A N/A false " +
			"false N/A N/A N/A N/A false N/A N/A N/A N/A false N/A false N/A N/A",
		"zoe": "arn:aws:iam::111122223333:user/zoe 2026-03-01T12:00:00+00:00 true no_information 2026-03-01T12:00:00+00:00 2026-05-30T12:00:00+00:00 true " +
			"true 2026-03-01T12:00:00+00:00 2026-03-01T11:00:00+00:00 eu-central-1 sts false 2026-03-01T12:00:00+00:00 N/A N/A N/A false N/A false N/A N/A",
	} {
		var got []string
		for _, column := range credentialColumns[1:] {
			got = append(got, rows[user][column])
		}
		equal(t, user, got, strings.Split(want, " "))
	}

	// The report is as of its time, whatever happened since.
	w.user("late")
	do(w.root(), w.iam.DeleteAccessKey, &iam.DeleteAccessKeyInput{UserName: aws.String("zoe"), AccessKeyId: &key})
	w.later(CredentialReportLifetime - time.Minute)
	if state := w.generate(); state != types.ReportStateTypeComplete {
		t.Errorf("young: %s", state)
	}
	if order, rows := w.report(); len(order) != 3 || rows["zoe"]["access_key_1_active"] != "true" {
		t.Errorf("changed: %q", order)
	}
	w.later(time.Minute)
	refused(w.root(), w.iam.GetCredentialReport, get, "ReportExpired", "The credential report has expired. Generate a new one.")
	if state := w.generate(); state != types.ReportStateTypeStarted {
		t.Errorf("old: %s", state)
	}
	if order, rows := w.report(); len(order) != 4 || rows["zoe"]["access_key_1_active"] != "false" || rows["zoe"]["access_key_2_active"] != "false" {
		t.Errorf("anew: %q", order)
	}
	w.must(w.db.TrimLog(context.Background(), identity.CredentialReportStreams, w.now.Add(time.Hour)))
	refused(w.root(), w.iam.GetCredentialReport, get, "ReportNotPresent", "No credential report exists. Generate one first.")
}

func TestCredentialReportIsOfOneAccount(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	do(w.root(), w.iam.GenerateCredentialReport, &iam.GenerateCredentialReportInput{})
	refused(w.rootOf(theirs), w.iam.GetCredentialReport, &iam.GetCredentialReportInput{}, "ReportNotPresent", "No credential report exists. Generate one first.")
	do(w.rootOf(theirs), w.iam.GenerateCredentialReport, &iam.GenerateCredentialReportInput{}) // at the same second
	theirText := do(w.rootOf(theirs), w.iam.GetCredentialReport, &iam.GetCredentialReportInput{}).Content
	if strings.Contains(string(theirText), "alice") || strings.Contains(string(theirText), string(ours)) {
		t.Errorf("their report:\n%s", theirText)
	}
	if order, _ := w.report(); len(order) != 2 {
		t.Errorf("our report: %q", order)
	}
	eve := w.user("eve")
	denied(eve, w.iam.GenerateCredentialReport, &iam.GenerateCredentialReportInput{})
	denied(eve, w.iam.GetCredentialReport, &iam.GetCredentialReportInput{})
	w.may("eve", allow("iam:GenerateCredentialReport", "*"), allow("iam:GetCredentialReport", "*"))
	do(w.as("eve"), w.iam.GenerateCredentialReport, &iam.GenerateCredentialReportInput{})
	do(w.as("eve"), w.iam.GetCredentialReport, &iam.GetCredentialReportInput{})
}

// Of each day the last report is kept, of those the newest twelve, with what the history shows
// of each. That AWS's operation has a report for four hours only does not change.
func TestKeptCredentialReports(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	w.key("alice")
	do(w.root(), w.iam.CreateLoginProfile, &iam.CreateLoginProfileInput{UserName: aws.String("alice"), Password: aws.String("Correct-Horse-9")})
	kept := func() (all *identity.CredentialReports) {
		w.view(func(r store.Reader) (err error) {
			all, err = identity.CredentialReportsIn(r, ours)
			return err
		})
		return all
	}
	w.generate() // 12:00
	morning := *kept().Newest()
	w.later(5 * time.Hour)
	w.user("bob")
	w.generate()
	all := kept()
	if len(all.Reports) != 1 || !all.Newest().Generated.After(morning.Generated) {
		t.Fatalf("one day: %+v", all)
	}
	if r := all.Newest(); r.Users != 2 || r.WithoutMFA != 1 || r.OldKeys != 0 {
		t.Errorf("%+v", r)
	}
	for range 14 {
		w.later(7 * 24 * time.Hour)
		w.generate()
	}
	all = kept()
	if len(all.Reports) != 12 || !all.Newest().Generated.Equal(second(w.now)) || !all.Oldest().Equal(second(w.now).Add(-11*7*24*time.Hour)) {
		t.Fatalf("%d, from %s to %s, now %s", len(all.Reports), all.Oldest(), all.Newest().Generated, w.now)
	}
	if all.Newest().OldKeys != 1 || all.Reports[11].OldKeys != 0 {
		t.Errorf("%+v", all)
	}
	w.must(w.db.TrimLog(context.Background(), identity.CredentialReportStream(ours), all.Oldest()))
	w.view(func(r store.Reader) error {
		for i := range all.Reports {
			var text strings.Builder
			w.must(all.Reports[i].WriteText(r, ours, &text))
			if n := strings.Count(text.String(), "\n"); n != 4 {
				t.Errorf("%d lines", n)
			}
		}
		if err := morning.WriteText(r, ours, io.Discard); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a report that is not kept: %v", err)
		}
		return nil
	})
	w.later(5 * time.Hour)
	refused(w.root(), w.iam.GetCredentialReport, &iam.GetCredentialReportInput{}, "ReportExpired", "The credential report has expired. Generate a new one.")
}

// While someone makes the report, others are told so, and do not make it too.
func TestCredentialReportInProgress(t *testing.T) {
	w := newWorld(t)
	if !w.iam.reporting.begin(string(ours)) {
		t.Fatal("someone is at it")
	}
	if state := w.generate(); state != types.ReportStateTypeInprogress {
		t.Errorf("state %s", state)
	}
	refused(w.root(), w.iam.GetCredentialReport, &iam.GetCredentialReportInput{}, "ReportInProgress", "The credential report is still being generated.")
	w.iam.reporting.end(string(ours))
	if state := w.generate(); state != types.ReportStateTypeStarted {
		t.Errorf("state %s", state)
	}
}

// Keys beyond the two that have columns are not passed over in silence.
func TestCredentialReportWithMoreKeysThanColumns(t *testing.T) {
	w := newWorld(t)
	w.iam.limits.AccessKeysPerUser = 5
	w.user("alice")
	for range 4 {
		w.key("alice")
	}
	w.generate()
	if _, rows := w.report(); rows["alice"]["additional_credentials_info"] != "2 more access keys: ListAccessKeys" {
		t.Errorf("row %v", rows["alice"])
	}
}

// crowd puts users into the store, in steps, as many transactions would.
func (w *world) crowd(users int) {
	w.t.Helper()
	const step = 5000
	for from := 0; from < users; from += step {
		w.edit(func(tx store.Tx) error {
			for i := from; i < min(users, from+step); i++ {
				name := fmt.Sprintf("user%06d", i)
				u := &identity.User{Account: ours, ID: fmt.Sprintf("AIDA%017d", i), Name: name, Path: "/", Created: w.now, AccessKeys: []string{fmt.Sprintf("AKIA%016d", i)}}
				entity := &identity.Entity{Account: ours, Type: identity.TypeUser, Name: name}
				key := &identity.AccessKey{ID: u.AccessKeys[0], Account: ours, UserID: u.ID, UserName: name, Created: w.now}
				use := &identity.LastUse{At: w.now, Service: "sts", Region: "us-east-1"}
				for _, err := range []error{
					identity.Users.Put(tx, u, string(ours), name), identity.Entities.Put(tx, entity, u.ID),
					identity.AccessKeys.Put(tx, key, key.ID), identity.LastUses.Put(tx, use, key.ID),
				} {
					if err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
}

// The text of a report is never in memory as a whole while it is made, nor in the
// state when it is stored.
func TestLargeCredentialReport(t *testing.T) {
	w := newWorld(t)
	w.crowd(20_000)
	w.generate()
	w.view(func(r store.Reader) error {
		kept, err := identity.CredentialReportsIn(r, ours)
		w.must(err)
		report := kept.Newest()
		if report.Pieces < 2 || report.Bytes < 4<<20 {
			t.Errorf("not a large report: %+v", report)
		}
		sizes := 0
		w.must(r.ScanLog(identity.CredentialReportStream(ours), store.LogQuery{}, func(e store.LogEntry) bool {
			if len(e.Data) > 128<<10 {
				t.Errorf("a piece of %d bytes", len(e.Data))
			}
			sizes += len(e.Data)
			return true
		}))
		if sizes > report.Bytes/4 || sizes != report.Stored || report.Users != 20_000 {
			t.Errorf("%d bytes are kept of %+v", sizes, report)
		}
		return nil
	})
	order, _ := w.report()
	if len(order) != 20_001 || !slices.IsSorted(order[1:]) {
		t.Errorf("%d rows", len(order))
	}
}

func BenchmarkCredentialReport100000Users(b *testing.B) {
	w := newWorld(b)
	w.crowd(100_000)
	scope := arn.Scope{Partition: "aws", Account: ours}
	b.ReportAllocs()
	for b.Loop() {
		w.view(func(r store.Reader) error {
			c := &service.Call{Context: b.Context(), Now: w.now, RequestID: "id", Principal: w.root().p, Scope: scope, Reader: r}
			_, err := makeReport(c)
			return err
		})
	}
}

// The report read and written as an answer: what one caller costs.
func BenchmarkGetCredentialReport100000Users(b *testing.B) {
	w := newWorld(b)
	w.crowd(100_000)
	w.generate()
	b.ReportAllocs()
	for b.Loop() {
		out := do(w.root(), w.iam.GetCredentialReport, &iam.GetCredentialReportInput{})
		if _, err := protocol.AppendQueryResponse(nil, "ns", "GetCredentialReport", out, "id"); err != nil {
			b.Fatal(err)
		}
	}
}
