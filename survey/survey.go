// Package survey reads an account through the API and makes the advisor's facts of it.
//
// It owns which calls are made, how many at a time and how many at most. What the facts
// mean is package advisor's. It works with AWS as well: only the source of the
// credential report and the suppressions are this installation's.
package survey

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/internal/paging"
	"github.com/lanyard-iam/lanyard/internal/samlx"
)

// The bounds of a survey.
const (
	// atOnce is how many requests are under way, if nobody says otherwise.
	atOnce = 8
	// maxKeysTraced is how many keys are looked up in the trail: those used last.
	maxKeysTraced = 200
	// maxCalls is how many calls of one key are compared, and rootUses how many of root are
	// shown: at least.
	maxCalls = 200
	rootUses = 50
	// maxReportBytes bounds a credential report.
	maxReportBytes = 64 << 20
)

// Trail is what is asked of CloudTrail. It is the one operation and not the client, for the
// reason that package internal/paging tells.
type Trail struct {
	LookupEvents func(context.Context, *cloudtrail.LookupEventsInput, ...func(*cloudtrail.Options)) (*cloudtrail.LookupEventsOutput, error)
}

// Surveyor reads an account.
type Surveyor struct {
	IAM        *iam.Client
	CloudTrail Trail
	Account    string
	Partition  string
	// Report returns a credential report and its moment, and the present moment. Where
	// it is nil, the API's is taken, which can be four hours old.
	Report func(context.Context) (csv string, made, now time.Time, err error)
	// Now is the server's time, where it is not that of the host.
	Now func(context.Context) (time.Time, error)
	// More adds what the API has no operation for: the e-mail address of root, whether
	// the account's sign-in rules require MFA. Where it is nil they are not known.
	More func(context.Context, *advisor.Facts) error
	// Credentials returns the access keys of all users at once, by user name, and their MFA
	// devices if asked. Where it is nil, or the caller may not, each user is asked for.
	Credentials func(ctx context.Context, devices bool) (map[string]*Held, error)
	// Suppressions returns the accepted findings; nil where there are none to be had, and
	// Without says why.
	Suppressions func(context.Context) ([]advisor.Suppression, error)
	Without      string
	// AtOnce is how many requests are under way; zero: as many as are good for a client
	// of its own.
	AtOnce int
	// Partial goes on without what the caller may not read, with a note: for people who
	// look. Who decides by the outcome wants all of it, or an error.
	Partial bool
}

// Read reads the account, page by page: what findings are made of.
func (s *Surveyor) Read(ctx context.Context) (*advisor.Facts, error) { return s.read(ctx, false) }

// ReadAll reads the ids of all access keys and all MFA devices, too, which a plan shows:
// two more requests for each user who has any.
func (s *Surveyor) ReadAll(ctx context.Context) (*advisor.Facts, error) { return s.read(ctx, true) }

// ReadPolicies reads who and what there is with their policies, and nothing of credentials.
func (s *Surveyor) ReadPolicies(ctx context.Context) (*advisor.Facts, error) {
	f := &advisor.Facts{Now: time.Now().UTC(), Account: s.Account, Partition: s.Partition, Policies: map[string]advisor.Policy{}}
	if s.Now != nil {
		var err error
		if f.Now, err = s.Now(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.details(ctx, f); err != nil {
		return nil, fmt.Errorf("read the account: %w", err)
	}
	return f, nil
}

func (s *Surveyor) read(ctx context.Context, all bool) (*advisor.Facts, error) {
	f := &advisor.Facts{Account: s.Account, Partition: s.Partition, Policies: map[string]advisor.Policy{}, Calls: map[string][]advisor.Call{}}
	report, err := s.report(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("read the credential report: %w", err)
	}
	if err := s.details(ctx, f); err != nil {
		return nil, fmt.Errorf("read the account: %w", err)
	}
	merge(f, report)
	held, err := s.held(ctx, f, all)
	if err != nil {
		return nil, fmt.Errorf("read the access keys: %w", err)
	}
	for _, part := range []struct {
		what    string
		read    func() error
		without string
	}{
		{"the identity providers", func() error { return s.providers(ctx, f) }, "identity providers"},
		{"the password policy", func() error { return s.passwordPolicy(ctx, f) }, "the password policy"},
		{"the access keys", func() error { return s.keys(ctx, f, held, all) }, "the access keys' ids, and with them their use"},
		{"the MFA devices", func() error {
			if !all {
				return nil
			}
			return s.devices(ctx, f, held)
		}, "which MFA devices there are"},
		{"the trail", func() error { return s.trail(ctx, f) }, "the trail: uses of root, and keys that are shared"},
		{"the sign-in rules", func() error {
			if s.More == nil {
				return nil
			}
			return s.More(ctx, f)
		}, "the sign-in rules"},
		{"the suppressions", func() (err error) {
			if s.Suppressions == nil {
				f.Notes = append(f.Notes, cmp.Or(s.Without, "suppressions are not known"))
				return nil
			}
			f.Suppressions, err = s.Suppressions(ctx)
			return err
		}, "suppressions"},
	} {
		if err := part.read(); err != nil {
			if refused, ok := errors.AsType[smithy.APIError](err); s.Partial && ok && strings.HasPrefix(refused.ErrorCode(), "AccessDenied") {
				f.Notes = append(f.Notes, "not looked at, since you may not read it: "+part.without)
				continue
			}
			return nil, fmt.Errorf("read %s: %w", part.what, err)
		}
	}
	return f, nil
}

// Held are the credentials of a user that have an id.
type Held struct {
	Keys    []advisor.Key // without their use
	Devices []advisor.Device
}

// held asks for the credentials of all users at once; nil: each is to be asked for. A server
// of before has no such operation, and to be allowed it about everybody is more than about
// those whom it takes.
func (s *Surveyor) held(ctx context.Context, f *advisor.Facts, all bool) (map[string]*Held, error) {
	if s.Credentials == nil || !slices.ContainsFunc(f.Users, func(u advisor.User) bool { return idsMatter(&u, f, all) || all && u.MFA }) {
		return nil, nil
	}
	held, err := s.Credentials(ctx, all)
	if refused, ok := errors.AsType[smithy.APIError](err); ok && (strings.HasPrefix(refused.ErrorCode(), "AccessDenied") || refused.ErrorCode() == "UnknownOperationException") {
		return nil, nil
	}
	return held, err
}

// idsMatter tells whether the ids of a user's keys are asked for: a finding can be about
// one, or all are wanted.
func idsMatter(u *advisor.User, f *advisor.Facts, all bool) bool {
	return all && len(u.Keys) > 0 || u.KeyIDsMatter(f.Now)
}

// row is what a credential report has of a user.
type row struct {
	password *advisor.Password
	mfa      bool
	signing  int // active signing certificates
	keys     []advisor.Key
	more     bool // keys that have no columns
}

// report reads the credential report: users by name.
func (s *Surveyor) report(ctx context.Context, f *advisor.Facts) (map[string]*row, error) {
	var text string
	var err error
	if s.Report != nil {
		text, f.Reported, f.Now, err = s.Report(ctx)
	} else {
		f.Now = time.Now().UTC()
		text, f.Reported, err = s.apiReport(ctx)
	}
	if err != nil {
		return nil, err
	}
	if len(text) > maxReportBytes {
		return nil, fmt.Errorf("it has more than %d bytes", maxReportBytes)
	}
	return parseReport(text, f)
}

// apiReport has the API make a report, and waits for it.
func (s *Surveyor) apiReport(ctx context.Context) (string, time.Time, error) {
	for {
		made, err := s.IAM.GenerateCredentialReport(ctx, &iam.GenerateCredentialReportInput{})
		if err != nil {
			return "", time.Time{}, err
		}
		if made.State == types.ReportStateTypeComplete {
			break
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return "", time.Time{}, ctx.Err()
		}
	}
	out, err := s.IAM.GetCredentialReport(ctx, &iam.GetCredentialReportInput{})
	if err != nil {
		return "", time.Time{}, err
	}
	return string(out.Content), aws.ToTime(out.GeneratedTime), nil
}

const rootRow = "<root_account>"

// parseReport reads the CSV of a credential report. Columns are found by their names.
func parseReport(text string, f *advisor.Facts) (map[string]*row, error) {
	lines := csv.NewReader(strings.NewReader(text))
	lines.ReuseRecord = true
	head, err := lines.Read()
	if err != nil {
		return nil, err
	}
	column := map[string]int{}
	for i, name := range head {
		column[strings.Clone(name)] = i
	}
	for _, name := range []string{"user", "arn", "password_enabled", "password_last_used", "password_last_changed", "mfa_active",
		"access_key_1_active", "access_key_1_last_rotated", "access_key_1_last_used_date", "access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date",
		"cert_1_active", "cert_2_active"} {
		if _, ok := column[name]; !ok {
			return nil, fmt.Errorf("there is no column %s", name)
		}
	}
	users := map[string]*row{}
	for {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return users, nil
		}
		if err != nil {
			return nil, err
		}
		at := func(name string) time.Time {
			t, _ := time.Parse(time.RFC3339, fields[column[name]]) // or N/A, no_information
			return t
		}
		is := func(name string) bool { return fields[column[name]] == "true" }
		name := strings.Clone(fields[column["user"]])
		u := &row{mfa: is("mfa_active")}
		if is("password_enabled") {
			u.password = &advisor.Password{Changed: at("password_last_changed"), Used: at("password_last_used")}
		}
		for _, key := range []string{"access_key_1_", "access_key_2_"} {
			if made := at(key + "last_rotated"); !made.IsZero() {
				u.keys = append(u.keys, advisor.Key{Active: is(key + "active"), Created: made, Used: at(key + "last_used_date")})
			}
		}
		for _, certificate := range []string{"cert_1_active", "cert_2_active"} {
			if is(certificate) {
				u.signing++
			}
		}
		if name == rootRow {
			// The report does not support to say whether root has a password; one that
			// was used is there.
			if used := at("password_last_used"); u.password == nil && !used.IsZero() {
				u.password = &advisor.Password{Used: used}
			}
			f.Root = advisor.Root{ARN: strings.Clone(fields[column["arn"]]), MFA: u.mfa, Password: u.password, Keys: u.keys}
			continue
		}
		if i, ok := column["additional_credentials_info"]; ok {
			u.more = strings.Contains(fields[i], "access key")
		}
		users[name] = u
	}
}

// details reads who and what there is, with the policies.
func (s *Surveyor) details(ctx context.Context, f *advisor.Facts) error {
	pages := paging.Of(s.IAM.GetAccountAuthorizationDetails, &iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(1000)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, u := range page.UserDetailList {
			f.Users = append(f.Users, advisor.User{
				Name: *u.UserName, ARN: *u.Arn, ID: *u.UserId, Path: aws.ToString(u.Path), Created: aws.ToTime(u.CreateDate), Groups: u.GroupList, Tags: tags(u.Tags),
				Permissions: permissions(u.AttachedManagedPolicies, u.UserPolicyList, u.PermissionsBoundary),
			})
		}
		for _, g := range page.GroupDetailList {
			f.Groups = append(f.Groups, advisor.Group{Name: *g.GroupName, ARN: *g.Arn, Permissions: permissions(g.AttachedManagedPolicies, g.GroupPolicyList, nil)})
		}
		for _, r := range page.RoleDetailList {
			role := advisor.Role{
				Name: *r.RoleName, ARN: *r.Arn, ID: *r.RoleId, Path: *r.Path, Created: aws.ToTime(r.CreateDate), Trust: document(r.AssumeRolePolicyDocument), Tags: tags(r.Tags),
				Permissions: permissions(r.AttachedManagedPolicies, r.RolePolicyList, r.PermissionsBoundary),
			}
			if r.RoleLastUsed != nil {
				role.Used = aws.ToTime(r.RoleLastUsed.LastUsedDate)
			}
			f.Roles = append(f.Roles, role)
		}
		for _, p := range page.Policies {
			for _, v := range p.PolicyVersionList {
				if v.IsDefaultVersion {
					f.Policies[*p.Arn] = advisor.Policy{Name: *p.PolicyName, Document: document(v.Document)}
				}
			}
		}
	}
	return nil
}

// document is a policy document, which the API escapes. One that cannot be unescaped
// stays as it is; the advisor notes that it cannot be read.
func document(text *string) string {
	decoded, err := url.PathUnescape(aws.ToString(text))
	if err != nil {
		return aws.ToString(text)
	}
	return decoded
}

func permissions(attached []types.AttachedPolicy, inline []types.PolicyDetail, boundary *types.AttachedPermissionsBoundary) advisor.Permissions {
	var p advisor.Permissions
	for _, a := range attached {
		p.Attached = append(p.Attached, *a.PolicyArn)
	}
	for _, d := range inline {
		p.Inline = append(p.Inline, advisor.Inline{Name: *d.PolicyName, Document: document(d.PolicyDocument)})
	}
	if boundary != nil {
		p.Boundary = aws.ToString(boundary.PermissionsBoundaryArn)
	}
	return p
}

func tags(list []types.Tag) map[string]string {
	if len(list) == 0 {
		return nil
	}
	m := make(map[string]string, len(list))
	for _, t := range list {
		m[*t.Key] = aws.ToString(t.Value)
	}
	return m
}

// providers reads the identity providers. One that is deleted meanwhile is left out.
func (s *Surveyor) providers(ctx context.Context, f *advisor.Facts) error {
	oidc, err := s.IAM.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{})
	if err != nil {
		return err
	}
	for _, p := range oidc.OpenIDConnectProviderList {
		out, err := s.IAM.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: p.Arn})
		if noSuch(err) {
			continue
		}
		if err != nil {
			return err
		}
		f.Providers = append(f.Providers, advisor.Provider{ARN: *p.Arn, Created: aws.ToTime(out.CreateDate), Audiences: out.ClientIDList})
	}
	saml, err := s.IAM.ListSAMLProviders(ctx, &iam.ListSAMLProvidersInput{})
	if err != nil {
		return err
	}
	for _, p := range saml.SAMLProviderList {
		out, err := s.IAM.GetSAMLProvider(ctx, &iam.GetSAMLProviderInput{SAMLProviderArn: p.Arn})
		if noSuch(err) {
			continue
		}
		if err != nil {
			return err
		}
		f.Providers = append(f.Providers, advisor.Provider{ARN: *p.Arn, Created: aws.ToTime(out.CreateDate), Expires: ends(aws.ToString(out.SAMLMetadataDocument), aws.ToTime(out.ValidUntil))})
	}
	slices.SortFunc(f.Providers, func(a, b advisor.Provider) int { return strings.Compare(a.ARN, b.ARN) })
	return nil
}

// ends is when a SAML provider's assertions can no longer be verified: its metadata
// ends, or the last certificate in it. Metadata that cannot be read has its own end.
func ends(document string, until time.Time) time.Time {
	metadata, err := samlx.ParseMetadata(document)
	if err != nil {
		return until
	}
	var last time.Time
	for _, idp := range metadata.IDPs {
		for _, certificate := range idp.Signing {
			if certificate.NotAfter.After(last) {
				last = certificate.NotAfter
			}
		}
	}
	if !last.IsZero() && (until.IsZero() || last.Before(until)) {
		return last.UTC()
	}
	return until
}

func (s *Surveyor) passwordPolicy(ctx context.Context, f *advisor.Facts) error {
	out, err := s.IAM.GetAccountPasswordPolicy(ctx, &iam.GetAccountPasswordPolicyInput{})
	if noSuch(err) {
		return nil
	}
	if err != nil {
		return err
	}
	p := out.PasswordPolicy
	f.PasswordPolicy = &advisor.PasswordPolicy{
		MinimumLength: int(aws.ToInt32(p.MinimumPasswordLength)), MaxAge: int(aws.ToInt32(p.MaxPasswordAge)), Reuse: int(aws.ToInt32(p.PasswordReusePrevention)),
	}
	return nil
}

// devices reads whose MFA devices there are.
func (s *Surveyor) devices(ctx context.Context, f *advisor.Facts, held map[string]*Held) error {
	if f.Root.MFA {
		pages := paging.Of(s.IAM.ListVirtualMFADevices, &iam.ListVirtualMFADevicesInput{AssignmentStatus: types.AssignmentStatusTypeAssigned, MaxItems: aws.Int32(1000)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			for _, d := range page.VirtualMFADevices {
				if d.User != nil && aws.ToString(d.User.Arn) == f.Root.ARN {
					f.Root.Devices = append(f.Root.Devices, advisor.Device{Serial: *d.SerialNumber, Enabled: aws.ToTime(d.EnableDate)})
				}
			}
		}
	}
	var users []*advisor.User
	for i := range f.Users {
		if f.Users[i].MFA {
			users = append(users, &f.Users[i])
		}
	}
	if held == nil {
		return each(ctx, s, users, s.devicesOf)
	}
	for _, u := range users {
		if h := held[u.Name]; h != nil {
			u.Devices = h.Devices
		}
	}
	return nil
}

func (s *Surveyor) devicesOf(ctx context.Context, u *advisor.User) error {
	pages := paging.Of(s.IAM.ListMFADevices, &iam.ListMFADevicesInput{UserName: &u.Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if noSuch(err) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, d := range page.MFADevices {
			u.Devices = append(u.Devices, advisor.Device{Serial: *d.SerialNumber, Enabled: aws.ToTime(d.EnableDate)})
		}
	}
	return nil
}

// merge puts the credentials of the report to the users. Who came or went between the
// two answers is without.
func merge(f *advisor.Facts, report map[string]*row) {
	for i := range f.Users {
		u := &f.Users[i]
		if r := report[u.Name]; r != nil {
			u.Password, u.MFA, u.Keys, u.Certificates = r.password, r.mfa, r.keys, r.signing
			if r.more { // they are found by their list
				u.Keys = append(u.Keys, advisor.Key{Active: true, Created: u.Created})
			}
		}
	}
}

// keys asks for the ids of keys that a finding can be about, or of all.
func (s *Surveyor) keys(ctx context.Context, f *advisor.Facts, held map[string]*Held, all bool) error {
	var users []*advisor.User
	for i := range f.Users {
		if idsMatter(&f.Users[i], f, all) {
			users = append(users, &f.Users[i])
		}
	}
	if held == nil {
		return each(ctx, s, users, s.keysOf)
	}
	for _, u := range users {
		known := u.Keys
		u.Keys = nil // those who have none any more have none
		if h := held[u.Name]; h != nil {
			if err := s.enter(ctx, u, &known, h.Keys); err != nil {
				return err
			}
		}
	}
	return nil
}

// keysOf lists the keys of a user, and asks for the last use of those that are not known.
func (s *Surveyor) keysOf(ctx context.Context, u *advisor.User) error {
	known := u.Keys
	u.Keys = nil
	pages := paging.Of(s.IAM.ListAccessKeys, &iam.ListAccessKeysInput{UserName: &u.Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if noSuch(err) {
			return nil
		}
		if err != nil {
			u.Keys = known // without their ids
			return err
		}
		var keys []advisor.Key
		for _, m := range page.AccessKeyMetadata {
			keys = append(keys, advisor.Key{ID: *m.AccessKeyId, Active: m.Status == types.StatusTypeActive, Created: aws.ToTime(m.CreateDate)})
		}
		if err := s.enter(ctx, u, &known, keys); err != nil {
			return err
		}
	}
	return nil
}

// enter gives a user keys with their use: that of known ones, which have no id, or what
// is asked for. What is used is taken from known.
func (s *Surveyor) enter(ctx context.Context, u *advisor.User, known *[]advisor.Key, keys []advisor.Key) error {
	for _, key := range keys {
		// A key is known by the moment when it was made; the list and the report
		// are in the same order.
		i := slices.IndexFunc(*known, func(k advisor.Key) bool { return k.Created.Equal(key.Created) })
		if i >= 0 && len(*known) <= 2 {
			key.Used = (*known)[i].Used
			*known = slices.Delete(slices.Clone(*known), i, i+1)
		} else {
			used, err := s.IAM.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &key.ID})
			if noSuch(err) {
				continue
			}
			if err != nil {
				return err
			}
			if used.AccessKeyLastUsed != nil {
				key.Used = aws.ToTime(used.AccessKeyLastUsed.LastUsedDate)
			}
		}
		u.Keys = append(u.Keys, key)
	}
	return nil
}

// trail reads root's calls, and those of the keys that were used last.
func (s *Surveyor) trail(ctx context.Context, f *advisor.Facts) error {
	// Others can be known as root, too, as is a session that root of the host begins with
	// lanyard env: their calls must not hide root's.
	uses, all, err := s.lookUpTo(ctx, rootUses, cttypes.LookupAttributeKeyUsername, "root", f.Now.Add(-advisor.RecentRoot),
		func(r *record) bool { return r.UserIdentity.Type == "Root" })
	if err != nil {
		return err
	}
	for _, u := range uses {
		f.Root.Uses = append(f.Root.Uses, advisor.Use{At: u.at, Event: u.name})
	}
	if !all {
		f.Notes = append(f.Notes, "uses of root were looked for among the newest calls alone of all who are called root")
		if p := f.Root.Password; len(uses) == 0 && p != nil && f.Now.Sub(p.Used) <= advisor.RecentRoot {
			f.Root.Uses = append(f.Root.Uses, advisor.Use{At: p.Used, Event: "ConsoleLogin"})
		}
	}
	var keys []advisor.Key
	for i := range f.Users {
		for _, k := range f.Users[i].Keys {
			if k.Active && k.ID != "" && f.Now.Sub(k.Used) <= advisor.RecentCalls {
				keys = append(keys, k)
			}
		}
	}
	slices.SortStableFunc(keys, func(a, b advisor.Key) int { return b.Used.Compare(a.Used) })
	if len(keys) > maxKeysTraced {
		f.Notes = append(f.Notes, fmt.Sprintf("the calls of %d access keys were compared, those used last, of %d in use", maxKeysTraced, len(keys)))
		keys = keys[:maxKeysTraced]
	}
	var mu sync.Mutex
	since := f.Now.Add(-advisor.RecentCalls)
	return each(ctx, s, keys, func(ctx context.Context, k advisor.Key) error {
		var calls []advisor.Call
		records, _, err := s.lookUpTo(ctx, maxCalls, cttypes.LookupAttributeKeyAccessKeyId, k.ID, since, nil)
		if err != nil {
			return err
		}
		for _, r := range records {
			calls = append(calls, advisor.Call{At: r.at, Address: r.SourceIPAddress, Agent: audit.Program(r.UserAgent)})
		}
		mu.Lock()
		defer mu.Unlock()
		f.Calls[k.ID] = calls
		return nil
	})
}

// lookUpTo finds the newest records with an attribute that are wanted, and some more. A page
// of a long trail may have few of them, or none, and be followed by others; all tells that
// none of those was left out for want of patience.
func (s *Surveyor) lookUpTo(ctx context.Context, most int, key cttypes.LookupAttributeKey, value string, since time.Time, wanted func(*record) bool) (found []record, all bool, err error) {
	pages := paging.Of(s.CloudTrail.LookupEvents, &cloudtrail.LookupEventsInput{
		LookupAttributes: []cttypes.LookupAttribute{{AttributeKey: key, AttributeValue: &value}}, StartTime: &since, MaxResults: aws.Int32(50),
	})
	for n := 0; len(found) < most && pages.HasMorePages(); n++ {
		if n == maxPages {
			return found, false, nil
		}
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, false, err
		}
		for _, e := range page.Events {
			r := record{at: aws.ToTime(e.EventTime), name: aws.ToString(e.EventName)}
			if json.Unmarshal([]byte(aws.ToString(e.CloudTrailEvent)), &r) == nil && (wanted == nil || wanted(&r)) {
				found = append(found, r)
			}
		}
	}
	return found, true, nil
}

// record is what is looked at of CloudTrail's record.
type record struct {
	at              time.Time
	name            string
	SourceIPAddress string `json:"sourceIPAddress"`
	UserAgent       string `json:"userAgent"`
	UserIdentity    struct {
		Type string `json:"type"`
	} `json:"userIdentity"`
}

// each calls f for all items, some at a time, until one fails.
func each[T any](ctx context.Context, s *Surveyor, items []T, f func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan T)
	var workers sync.WaitGroup
	for range min(cmp.Or(s.AtOnce, atOnce), len(items)) {
		workers.Go(func() {
			for item := range work {
				if err := f(ctx, item); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, item := range items {
		select {
		case work <- item:
		case <-ctx.Done():
		}
	}
	close(work)
	workers.Wait()
	return context.Cause(ctx)
}

// noSuch tells whether what was asked for is not there, any more perhaps. Not every
// operation declares the error, so that the code is looked at and not the type.
func noSuch(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && api.ErrorCode() == "NoSuchEntity"
}
