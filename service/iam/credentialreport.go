package iam

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// CredentialReportLifetime is how long a credential report is the newest that one
// can have. After it a report has expired; GetCredentialReport of our own service still
// has it.
const CredentialReportLifetime = 4 * time.Hour

// GenerateCredentialReport makes a credential report of the account, unless there is
// a young one. The report is made by prepareCredentialReport, from a snapshot; here it
// is stored.
func (s *Service) GenerateCredentialReport(c *service.Call, _ *iam.GenerateCredentialReportInput) (*iam.GenerateCredentialReportOutput, error) {
	kept, err := identity.CredentialReportsIn(c.Reader, c.Scope.Account)
	if err != nil {
		return nil, err
	}
	last := kept.Newest()
	if last != nil && !expired(c, last) {
		return &iam.GenerateCredentialReportOutput{State: types.ReportStateTypeComplete}, nil
	}
	made, ok := c.Kept().(*identity.CredentialReportWriter)
	if !ok {
		return &iam.GenerateCredentialReportOutput{State: types.ReportStateTypeInprogress}, nil
	}
	description := "No report exists. Starting a new report generation task"
	if last != nil {
		description = "The last report has expired. Starting a new report generation task"
	}
	made.Append(c.Tx, c.Scope.Account)
	after := *kept
	after.Add(&made.CredentialReport)
	return &iam.GenerateCredentialReportOutput{State: types.ReportStateTypeStarted, Description: &description},
		identity.CredentialReportsOf.Put(c.Tx, &after, c.Account())
}

// GetCredentialReport returns the credential report of the account.
func (s *Service) GetCredentialReport(c *service.Call, _ *iam.GetCredentialReportInput) (*iam.GetCredentialReportOutput, error) {
	kept, err := identity.CredentialReportsIn(c.Reader, c.Scope.Account)
	if err != nil {
		return nil, err
	}
	report := kept.Newest()
	switch {
	case report != nil && !expired(c, report):
	case s.reporting.has(c.Account()):
		return nil, &types.CredentialReportNotReadyException{Message: aws.String("The credential report is still being generated.")}
	case report != nil:
		return nil, &types.CredentialReportExpiredException{Message: aws.String("The credential report has expired. Generate a new one.")}
	default:
		return nil, noReport()
	}
	content := bytes.NewBuffer(make([]byte, 0, report.Bytes))
	err = report.WriteText(c.Reader, c.Scope.Account, content)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noReport()
	}
	if err != nil {
		return nil, err
	}
	return &iam.GetCredentialReportOutput{
		Content:       content.Bytes(),
		GeneratedTime: shown(report.Generated),
		ReportFormat:  types.ReportFormatTypeTextCsv,
	}, nil
}

func noReport() error {
	return &types.CredentialReportNotPresentException{Message: aws.String("No credential report exists. Generate one first.")}
}

// expired tells whether a report is too old. One from the future, which a clock that
// was set back leaves, is too.
func expired(c *service.Call, r *identity.CredentialReport) bool {
	return c.Now.Sub(r.Generated).Abs() >= CredentialReportLifetime
}

// reporting is whose credential reports are being made at this moment. At most one is
// written at a time: it takes the time of a processor, and as long as it takes the
// snapshot that it is made of is kept.
type reporting struct {
	mu       sync.Mutex
	accounts map[string]bool
	turn     chan struct{}
}

func newReporting() *reporting {
	return &reporting{accounts: make(map[string]bool), turn: make(chan struct{}, 1)}
}

func (r *reporting) has(account string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.accounts[account]
}

// begin is false if a report of the account is being made already.
func (r *reporting) begin(account string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.accounts[account] {
		return false
	}
	r.accounts[account] = true
	return true
}

func (r *reporting) end(account string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.accounts, account)
}

// prepareCredentialReport makes the report, if one is due and nobody else makes it.
func (s *Service) prepareCredentialReport(c *service.Call, _ *iam.GenerateCredentialReportInput) error {
	kept, err := identity.CredentialReportsIn(c.Reader, c.Scope.Account)
	if err != nil {
		return err
	}
	if last := kept.Newest(); last != nil && !expired(c, last) || !s.reporting.begin(c.Account()) {
		return nil
	}
	defer s.reporting.end(c.Account())
	select {
	case s.reporting.turn <- struct{}{}:
		defer func() { <-s.reporting.turn }()
	case <-c.Context.Done():
		return service.Throttled(c.Context.Err())
	}
	made, err := makeReport(c)
	if err != nil {
		return fmt.Errorf("credential report of account %s: %w", c.Account(), err)
	}
	c.Keep(made)
	return nil
}

func makeReport(c *service.Call) (*identity.CredentialReportWriter, error) {
	w := identity.NewCredentialReport(c.RequestID, second(c.Now))
	row := &credentialRow{c: c}
	if _, err := row.all(w, "", math.MaxInt); err != nil {
		return nil, err
	}
	w.Users, w.WithoutMFA, w.OldKeys = row.users, row.withoutMFA, row.oldKeys
	return w, w.Close()
}

// credentialColumns are the columns of the report (IAM User Guide, "Getting credential
// reports for your AWS account").
var credentialColumns = []string{
	"user", "arn", "user_creation_time",
	"password_enabled", "password_last_used", "password_last_changed", "password_next_rotation",
	"mfa_active",
	"access_key_1_active", "access_key_1_last_rotated", "access_key_1_last_used_date", "access_key_1_last_used_region", "access_key_1_last_used_service",
	"access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date", "access_key_2_last_used_region", "access_key_2_last_used_service",
	"cert_1_active", "cert_1_last_rotated",
	"cert_2_active", "cert_2_last_rotated",
	"additional_credentials_info",
}

// What a report says where there is nothing to say.
const (
	notApplicable = "N/A"
	notSupported  = "not_supported"
	noInformation = "no_information"
)

// reportedEach is how many keys and certificates of a user have columns. Only where
// the quotas were raised can there be more.
const reportedEach = 2

// WriteCredentialReport writes a piece of a report of this moment, which is not kept: the
// heading, root if after is "", and at most limit users behind that cursor. It returns the
// cursor of the next piece, or "".
func (s *Service) WriteCredentialReport(c *service.Call, w io.Writer, after string, limit int) (next string, err error) {
	return (&credentialRow{c: c}).all(w, after, limit)
}

// all writes the report: the root user, then the users by name.
func (r *credentialRow) all(w io.Writer, after string, limit int) (next string, err error) {
	c := r.c
	account, err := identity.Accounts.Get(c.Reader, c.Account())
	if err != nil {
		return "", err
	}
	if r.rules, err = passwordPolicyOf(c); err != nil {
		return "", err
	}
	lines := csv.NewWriter(w)
	if err := lines.Write(credentialColumns); err != nil {
		return "", err
	}
	if after == "" {
		if err := lines.Write(r.root(account)); err != nil {
			return "", err
		}
	}
	var (
		failed  error
		last    store.Key
		written int
	)
	err = identity.Users.Scan(c.Reader, after, func(key store.Key, u *identity.User) bool {
		if written == limit {
			next = identity.Users.Cursor(last, c.Account())
			return false
		}
		last = key
		written++
		var fields []string
		if fields, failed = r.user(u); failed == nil {
			failed = lines.Write(fields)
		}
		return failed == nil
	}, c.Account())
	if err := cmp.Or(failed, err); err != nil {
		return "", err
	}
	lines.Flush()
	return next, lines.Error()
}

// oldKey is the age from which active access keys are counted.
const oldKey = 90 * 24 * time.Hour

// credentialRow makes the lines of a report, in one slice, and counts.
type credentialRow struct {
	c      *service.Call
	rules  *identity.PasswordPolicy // nil if the account has none
	fields []string

	users, withoutMFA, oldKeys int // see identity.CredentialReport
}

func (r *credentialRow) root(a *identity.Account) []string {
	used := noInformation
	if !a.RootPasswordLastUsed.IsZero() {
		used = reportTime(a.RootPasswordLastUsed)
	}
	r.fields = append(r.fields[:0], "<root_account>", r.c.Scope.Root(), reportTime(a.Created),
		notSupported, used, notSupported, notSupported, strconv.FormatBool(len(a.RootMFA) > 0))
	for range reportedEach {
		r.noKey()
	}
	for range reportedEach {
		r.noCertificate()
	}
	return append(r.fields, notApplicable)
}

func (r *credentialRow) user(u *identity.User) ([]string, error) {
	r.users++
	if u.Login != nil && len(u.MFA) == 0 {
		r.withoutMFA++
	}
	r.fields = append(r.fields[:0], u.Name, u.ARN(r.c.Scope.Partition), reportTime(u.Created))
	r.password(u)
	r.fields = append(r.fields, strconv.FormatBool(len(u.MFA) > 0))
	for i := range reportedEach {
		if i >= len(u.AccessKeys) {
			r.noKey()
		} else if err := r.key(u.AccessKeys[i]); err != nil {
			return nil, fmt.Errorf("access key %s of user %s: %w", u.AccessKeys[i], u.Name, err)
		}
	}
	certificates, err := signingCertificatesOf(r.c, u.ID)
	if err != nil {
		return nil, err
	}
	for i := range reportedEach {
		if i >= len(certificates) {
			r.noCertificate()
		} else {
			r.fields = append(r.fields, strconv.FormatBool(!certificates[i].Inactive), reportTime(certificates[i].Uploaded))
		}
	}
	return append(r.fields, additional(len(u.AccessKeys), len(certificates))), nil
}

func (r *credentialRow) password(u *identity.User) {
	if u.Login == nil {
		r.fields = append(r.fields, "false", notApplicable, notApplicable, notApplicable)
		return
	}
	used, rotation := noInformation, notApplicable
	if !u.PasswordLastUsed.IsZero() {
		used = reportTime(u.PasswordLastUsed)
	}
	if r.rules != nil && r.rules.MaxAge > 0 {
		rotation = reportTime(u.Login.Changed.AddDate(0, 0, int(r.rules.MaxAge)))
	}
	r.fields = append(r.fields, "true", used, reportTime(u.Login.Changed), rotation)
}

func (r *credentialRow) key(id string) error {
	key, err := identity.AccessKeys.Get(r.c.Reader, id)
	if err != nil {
		return err
	}
	use, err := orZero(identity.LastUses.Get(r.c.Reader, id))
	if err != nil {
		return err
	}
	if !key.Inactive && r.c.Now.Sub(key.Created) > oldKey {
		r.oldKeys++
	}
	used := notApplicable
	if !use.At.IsZero() {
		used = reportTime(use.At)
	}
	r.fields = append(r.fields, strconv.FormatBool(!key.Inactive), reportTime(key.Created), used, *orNotApplicable(use.Region), *orNotApplicable(use.Service))
	return nil
}

func (r *credentialRow) noKey() {
	r.fields = append(r.fields, "false", notApplicable, notApplicable, notApplicable, notApplicable)
}

func (r *credentialRow) noCertificate() { r.fields = append(r.fields, "false", notApplicable) }

// additional tells of keys and certificates that have no columns.
func additional(keys, certificates int) string {
	var more []string
	if keys > reportedEach {
		more = append(more, fmt.Sprintf("%d more access keys: ListAccessKeys", keys-reportedEach))
	}
	if certificates > reportedEach {
		more = append(more, fmt.Sprintf("%d more signing certificates: ListSigningCertificates", certificates-reportedEach))
	}
	if more == nil {
		return notApplicable
	}
	return strings.Join(more, "; ")
}

func reportTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05+00:00") }
