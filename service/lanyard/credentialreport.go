package lanyard

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// reportPage is how many users are on a page of a credential report at most: their names
// and ARNs at their longest stay within what a client reads.
const reportPage = 250

// GetFreshCredentialReportInput goes through the pages.
type GetFreshCredentialReportInput struct {
	Marker   *string
	MaxItems *int32
}

// GetFreshCredentialReportOutput is a piece of a credential report: CSV, each piece with
// the heading, the first with the root user. Without a marker it was the last.
type GetFreshCredentialReportOutput struct {
	Content       *string
	GeneratedTime *time.Time
	Marker        *string
}

// GetFreshCredentialReport returns a credential report of this moment. That of
// iam:GetCredentialReport is up to four hours old, so that what was just put right would
// still be found wrong.
func (s *Service) GetFreshCredentialReport(c *service.Call, in *GetFreshCredentialReportInput) (*GetFreshCredentialReportOutput, error) {
	limit := reportPage
	if in.MaxItems != nil {
		limit = min(limit, int(*in.MaxItems))
	}
	var text bytes.Buffer
	next, err := s.config.CredentialReport(c, &text, aws.ToString(in.Marker), limit)
	if err != nil {
		return nil, err
	}
	out := &GetFreshCredentialReportOutput{Content: aws.String(text.String()), GeneratedTime: &c.Now}
	if next != "" {
		out.Marker = &next
	}
	return out, nil
}

// AWS's GetCredentialReport has the newest report, for four hours. The operations below have
// those of earlier days, too, and ask for the same permission.

// CredentialReport is a report that is kept.
type CredentialReport struct {
	Id            *string // its time: 20261127T081500Z
	GeneratedTime *time.Time
	Users         *int32
	// WithoutMFA counts users with a console password and no MFA device, OldKeys the active
	// access keys of more than 90 days.
	WithoutMFA, OldKeys *int32
	Bytes               *int64
}

// ListCredentialReportsInput is empty.
type ListCredentialReportsInput struct{}

// ListCredentialReportsOutput are all reports that are kept, the newest first.
type ListCredentialReportsOutput struct{ Reports []CredentialReport }

// ListCredentialReports lists what GenerateCredentialReport made: of each day the last, of
// these the newest twelve.
func (s *Service) ListCredentialReports(c *service.Call, _ *ListCredentialReportsInput) (*ListCredentialReportsOutput, error) {
	kept, err := identity.CredentialReportsIn(c.Reader, c.Scope.Account)
	if err != nil {
		return nil, err
	}
	out := &ListCredentialReportsOutput{Reports: []CredentialReport{}}
	for i := range kept.Reports {
		out.Reports = append(out.Reports, reportOf(&kept.Reports[i]))
	}
	slices.SortStableFunc(out.Reports, func(a, b CredentialReport) int { return b.GeneratedTime.Compare(*a.GeneratedTime) })
	return out, nil
}

func reportOf(r *identity.CredentialReport) CredentialReport {
	number := func(n int) *int32 { return aws.Int32(int32(min(n, math.MaxInt32))) }
	return CredentialReport{
		Id: aws.String(reportID(r)), GeneratedTime: &r.Generated, Users: number(r.Users), WithoutMFA: number(r.WithoutMFA), OldKeys: number(r.OldKeys),
		Bytes: aws.Int64(int64(r.Bytes)),
	}
}

func reportID(r *identity.CredentialReport) string {
	return r.Generated.UTC().Format("20060102T150405Z")
}

// keptReport finds a report of the account.
func keptReport(c *service.Call, id string) (*identity.CredentialReport, error) {
	kept, err := identity.CredentialReportsIn(c.Reader, c.Scope.Account)
	if err != nil {
		return nil, err
	}
	for i := range kept.Reports {
		if reportID(&kept.Reports[i]) == id {
			return &kept.Reports[i], nil
		}
	}
	return nil, noReport(id)
}

func noReport(id string) error {
	return notFound("No credential report %s is kept. ListCredentialReports has those that are.", id)
}

// GetCredentialReportInput names a report by its id, goes through its pages, and narrows it to
// users whose names contain Query.
type GetCredentialReportInput struct {
	Id       *string
	Query    *string
	Marker   *string
	MaxItems *int32
}

// GetCredentialReportOutput is a piece of the report: CSV, each piece with the heading, the
// first with the root user. Without a marker it was the last.
type GetCredentialReportOutput struct {
	Report  *CredentialReport
	Content *string
	Marker  *string
}

// reportPageBytes is how much of a report is in an answer at most, as JSON.
const reportPageBytes = 512 << 10

// GetCredentialReport returns a report that is kept, word for word as AWS's operation did when
// it was the newest. It is CSV for programs: as with AWS a name, which may begin with "=", "+",
// "-" or "@", stands in it as it is. Names have no parentheses, quotes, bars or spaces, so that
// a spreadsheet that takes one for a formula can do no more than point to another cell.
func (s *Service) GetCredentialReport(c *service.Call, in *GetCredentialReportInput) (*GetCredentialReportOutput, error) {
	report, err := keptReport(c, *in.Id)
	if err != nil {
		return nil, err
	}
	text, err := report.Text(c.Reader, c.Scope.Account)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noReport(*in.Id)
	}
	if err != nil {
		return nil, err
	}
	info := reportOf(report)
	out := &GetCredentialReportOutput{Report: &info}
	page, next, err := reportPageOf(text, report.Bytes, in)
	if err != nil {
		return nil, err
	}
	out.Content = &page
	if next > 0 {
		out.Marker = aws.String(strconv.Itoa(next))
	}
	return out, nil
}

// reportPageOf reads a page of a report's text, which has size bytes. A marker is the place of
// the first line of the next page in it; next is 0 at the end.
func reportPageOf(text io.Reader, size int, in *GetCredentialReportInput) (page string, next int, err error) {
	lines := bufio.NewReaderSize(text, 64<<10)
	head, err := lines.ReadString('\n')
	if err != nil {
		return "", 0, fmt.Errorf("the heading of a credential report: %w", err)
	}
	at := len(head)
	if in.Marker != nil {
		from, err := strconv.Atoi(*in.Marker)
		if err != nil || from <= at || from >= size {
			return "", 0, errMarker
		}
		if _, err := lines.Discard(from - at - 1); err != nil {
			return "", 0, fmt.Errorf("skip in a credential report: %w", err)
		}
		if before, err := lines.ReadByte(); err != nil || before != '\n' {
			return "", 0, errMarker
		}
		at = from
	}
	limit, query := math.MaxInt, strings.ToLower(aws.ToString(in.Query))
	if in.MaxItems != nil {
		limit = int(*in.MaxItems)
	}
	out := []byte(head)
	for rows, weight := 0, 0; at < size; {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return "", 0, fmt.Errorf("read a credential report: %w", err)
		}
		if query == "" || strings.Contains(strings.ToLower(advisor.ReportedUser(string(line))), query) {
			if rows == limit || weight+jsonBytes(line) > reportPageBytes {
				return string(out), at, nil
			}
			rows++
			weight += jsonBytes(line)
			out = append(out, line...)
		}
		at += len(line)
	}
	return string(out), 0, nil
}

var errMarker = service.Invalid("The marker is of no page of this report.")

// jsonBytes is how long a text is as JSON at most.
func jsonBytes(text []byte) int {
	n := len(text) + 1
	for _, special := range []string{"<", ">", "&", `"`, `\`} {
		n += 5 * bytes.Count(text, []byte(special))
	}
	return n
}

// CompareCredentialReportsInput names two reports, of which From is the earlier one. The
// changes can be narrowed to users whose names contain Query, to one kind (added, removed,
// recreated, changed) or to those that open a way in (opens). LastUsed says that they are told
// with when something was last used.
type CompareCredentialReportsInput struct {
	From, To *string
	Query    *string
	What     *string
	LastUsed *bool
	Marker   *string
	MaxItems *int32
}

// CompareCredentialReportsOutput has a page of the changes, by name, and how many there are of
// each kind in all.
type CompareCredentialReportsOutput struct {
	From, To                                  *CredentialReport
	Added, Removed, Recreated, Changed, Opens *int32
	Changes                                   []CredentialChange
	Marker                                    *string
}

// CredentialChange is what became of a user.
type CredentialChange struct {
	UserName *string
	Arn      *string
	What     *string
	Lines    []CredentialChangeLine
}

// CredentialChangeLine is one thing that changed, in words. Opens tells that it opens a way in.
type CredentialChangeLine struct {
	Text  *string
	Opens *bool
}

// comparePage is how many changes are on a page at most.
const comparePage = 250

// CompareCredentialReports says what changed from one report to another.
func (s *Service) CompareCredentialReports(c *service.Call, in *CompareCredentialReportsInput) (*CompareCredentialReportsOutput, error) {
	// The texts of two reports are in memory for it: at most two comparisons are at the same time.
	select {
	case s.comparing <- struct{}{}:
		defer func() { <-s.comparing }()
	case <-c.Context.Done():
		return nil, service.Throttled(c.Context.Err())
	}
	out := &CompareCredentialReportsOutput{Changes: []CredentialChange{}}
	var texts [2]string
	for i, id := range []string{*in.From, *in.To} {
		report, err := keptReport(c, id)
		if err != nil {
			return nil, err
		}
		var text strings.Builder
		text.Grow(report.Bytes)
		err = report.WriteText(c.Reader, c.Scope.Account, &text)
		if errors.Is(err, store.ErrNotFound) {
			return nil, noReport(id)
		}
		if err != nil {
			return nil, err
		}
		info := reportOf(report)
		*[]**CredentialReport{&out.From, &out.To}[i] = &info
		texts[i] = text.String()
	}
	all, err := advisor.CompareReports(texts[0], texts[1], aws.ToBool(in.LastUsed))
	if err != nil {
		return nil, fmt.Errorf("compare credential reports %s and %s: %w", *in.From, *in.To, err)
	}
	return out, out.page(all, in)
}

// page counts the changes and takes a page of those that are asked for. A marker is how many
// there are before the page.
func (out *CompareCredentialReportsOutput) page(all []advisor.UserChange, in *CompareCredentialReportsInput) error {
	from, limit := 0, comparePage
	if in.Marker != nil {
		var err error
		if from, err = strconv.Atoi(*in.Marker); err != nil || from < 1 || from >= len(all) {
			return errMarker
		}
	}
	if in.MaxItems != nil {
		limit = min(limit, int(*in.MaxItems))
	}
	counts, n := map[string]int32{}, 0
	what, query := aws.ToString(in.What), strings.ToLower(aws.ToString(in.Query))
	for i := range all {
		change := &all[i]
		counts[change.What]++
		if change.Opens() {
			counts[opens]++
		}
		if what != "" && what != change.What && (what != opens || !change.Opens()) || !strings.Contains(strings.ToLower(change.User), query) {
			continue
		}
		switch n++; {
		case n <= from:
		case len(out.Changes) < limit:
			out.Changes = append(out.Changes, changeOf(change))
		case out.Marker == nil:
			out.Marker = aws.String(strconv.Itoa(n - 1))
		}
	}
	count := func(what string) *int32 { return aws.Int32(counts[what]) }
	out.Added, out.Removed, out.Recreated, out.Changed, out.Opens = count(advisor.UserAdded), count(advisor.UserRemoved), count(advisor.UserRecreated), count(advisor.UserChanged), count(opens)
	return nil
}

// opens is the kind of those changes that open a way in, whatever else they are.
const opens = "opens"

func changeOf(c *advisor.UserChange) CredentialChange {
	out := CredentialChange{UserName: &c.User, Arn: &c.ARN, What: &c.What, Lines: []CredentialChangeLine{}}
	for _, l := range c.Lines() {
		out.Lines = append(out.Lines, CredentialChangeLine{Text: &l.Text, Opens: &l.Opens})
	}
	return out
}
