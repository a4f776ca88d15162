package console

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// unusedAfter is after how long without a call an action passes for unused.
const unusedAfter = 90 * day

// serviceUse is what the service last accessed details say of a policy.
type serviceUse struct {
	services []usedService
	account  time.Time // when the account began, and with it what is known; zero: not told
}

// usedService is a service that the policy allows. It has no actions where its requests are
// answered elsewhere, so that Lanyard does not see them.
type usedService struct {
	prefix  string
	actions []usedAction
}

// usedAction is an action with its last use by anybody who has the policy.
type usedAction struct {
	Name string // iam:CreateUser
	At   time.Time
	By   string // ARN
}

func (u *serviceUse) weigh() int {
	n := 0
	for i := range u.services {
		n += 1 + len(u.services[i].actions)
	}
	return n
}

// serviceUse reads what was used. Of a policy that thousands have, that takes longer than a
// page may.
func (p *looker) serviceUse(ctx context.Context, arn string) (*serviceUse, error) {
	use := &serviceUse{}
	return use, together(
		func() error {
			job, err := p.api.IAM.GenerateServiceLastAccessedDetails(ctx, accessedBy(arn))
			if err != nil {
				return err
			}
			in := &iam.GetServiceLastAccessedDetailsInput{JobId: job.JobId, MaxItems: aws.Int32(1000)}
			for {
				out, err := p.api.IAM.GetServiceLastAccessedDetails(ctx, in)
				if err != nil {
					return err
				}
				for i := range out.ServicesLastAccessed {
					found := &out.ServicesLastAccessed[i]
					s := usedService{prefix: *found.ServiceNamespace}
					for _, a := range found.TrackedActionsLastAccessed {
						s.actions = append(s.actions, usedAction{s.prefix + ":" + *a.ActionName, aws.ToTime(a.LastAccessedTime), aws.ToString(a.LastAccessedEntity)})
					}
					use.services = append(use.services, s)
				}
				if in.Marker = out.Marker; !out.IsTruncated {
					return nil
				}
			}
		},
		func() error {
			out, err := lanyard.Call[lanyard.GetFreshCredentialReportOutput](ctx, p.api.Lanyard, &lanyard.GetFreshCredentialReportInput{MaxItems: aws.Int32(1)})
			if refused(err) {
				return nil
			}
			if err != nil {
				return err
			}
			rows, err := csv.NewReader(strings.NewReader(aws.ToString(out.Content))).ReadAll()
			if err == nil && len(rows) > 1 && len(rows[1]) > 2 {
				use.account, err = time.Parse(time.RFC3339, rows[1][2]) // user_creation_time of root
			}
			return err
		},
	)
}

func accessedBy(arn string) *iam.GenerateServiceLastAccessedDetailsInput {
	return &iam.GenerateServiceLastAccessedDetailsInput{Arn: &arn, Granularity: types.AccessAdvisorUsageGranularityTypeActionLevel}
}

func accessedCLI(arn string) []Command {
	return []Command{
		CLI("aws", "iam", "generate-service-last-accessed-details", "--arn", arn, "--granularity", "ACTION_LEVEL"),
		{Line: "aws iam get-service-last-accessed-details --job-id JOB-ID"},
	}
}

// useView is which of the actions that a policy, a user or a role is allowed were used, and
// the policy without those that were not. Template "use" draws it.
type useView struct {
	Now    time.Time
	Look   lookLine
	Denied *Denied
	Policy bool // it is about a policy, and not about one user or role
	// Since is from when on calls count: unusedAfter ago, or when the account began, if that
	// is later (Young). Unsure tells that this was not told. Changed is when the document
	// changed last, if that is later.
	Since         time.Time
	Young, Unsure bool
	Changed       time.Time
	Rows          []usedAction // the latest first; those not used lately are Old
	Used          int          // lately
	Unused        int
	Never         []actionsOf // that nobody used, by service
	// Elsewhere are services of which no calls are seen, Services how many they are.
	Elsewhere []string
	Services  int
	PassRole  bool // it is allowed
	// Nobody tells that no user, group or role has it; Boundary that somebody is bounded by
	// it, whose calls are not told apart.
	Nobody, Boundary bool
	// Draft is the document without what was not used; empty if there is none. Nothing
	// tells that nothing would be left, Broad that * stays as it is.
	Draft   string
	Nothing bool
	Broad   bool
	Changes *Diff
}

type actionsOf struct {
	Service string
	Names   []string
}

// Old tells whether an action was not used lately, as of now.
func (a usedAction) Old(now time.Time) bool { return now.Sub(a.At) > unusedAfter }

// Who and Path are the last who used it.
func (a usedAction) Who() string  { return shortName(a.By) }
func (a usedAction) Path() string { return pathOf(a.By) }

// policyUse is the tab of used and unused actions.
func (v *Visit) policyUse(p *policyPage, got *types.Policy) (*useView, error) {
	if got == nil {
		return nil, nil // the page says what is missing
	}
	var text string
	shown, seen, err := v.accessed(p.ARN, func() (err error) {
		text, err = versionText(v.Request.Context(), v.API().IAM, p.ARN, *got.DefaultVersionId)
		return err
	})
	shown.Policy = true
	shown.Nobody, shown.Boundary = aws.ToInt32(got.AttachmentCount) == 0, aws.ToInt32(got.PermissionsBoundaryUsageCount) > 0
	if err != nil || seen == nil {
		return shown, err
	}
	if changed := aws.ToTime(got.UpdateDate); !p.AWS && changed.After(shown.Since) {
		shown.Changed = changed
	}
	return shown, shown.fill(text, seen)
}

// entityUse is the tab of a user or a role.
func (v *Visit) entityUse(arn string) (*useView, error) {
	shown, seen, err := v.accessed(arn)
	if err == nil && seen != nil {
		shown.list(seen, func(string) bool { return true })
	}
	return shown, err
}

// accessed looks at the use of a policy, user or role. There may be nothing to show yet, or
// ever: seen is nil then.
func (v *Visit) accessed(arn string, beside ...func() error) (shown *useView, seen *serviceUse, _ error) {
	shown = &useView{Now: v.Now, Look: lookLine{Path: v.Request.URL.RequestURI()}}
	err := together(append(beside, func() error {
		_, err := v.API().IAM.GenerateServiceLastAccessedDetails(v.Request.Context(), accessedBy(arn))
		return err
	})...)
	var last *view
	if err == nil {
		last, err = v.console.surveys.of(v.looker(), surveyKey{account: v.Person.Account, session: v.Person.looks(), what: forUse, subject: arn})
	}
	var ok bool
	if ok, shown.Denied, err = v.seen(&shown.Look, last, err); !ok {
		return shown, nil, err
	}
	shown.Since, shown.Unsure = v.Now.Add(-unusedAfter), last.use.account.IsZero()
	if last.use.account.After(shown.Since) {
		shown.Since, shown.Young = last.use.account, true
	}
	return shown, last.use, nil
}

// fill compares what the document allows with what was used.
func (u *useView) fill(text string, use *serviceUse) error {
	var compact bytes.Buffer // AWS shows its own with more white space than a policy may have
	if err := json.Compact(&compact, []byte(text)); err != nil {
		return err
	}
	doc, err := policy.Parse(compact.String(), policy.ManagedPolicy)
	if err != nil {
		return err
	}
	set := policy.NewSet([]policy.Attached{{Document: doc}})
	tracked := u.list(use, set.AllowsAction)
	u.PassRole = set.AllowsAction(passRole)
	if u.Unused == 0 || u.Nobody || u.Boundary {
		return nil
	}
	narrow, left := doc.ReplaceActions(func(action string) []string {
		u.Broad = u.Broad || action == "*"
		return narrowed(action, tracked, u.Now)
	})
	before, after := pretty(text), pretty(narrow)
	switch {
	case left == 0:
		u.Nothing = true
	case before != after && narrow != compact.String():
		diff := DiffOf("saved", "without what is unused", before, after)
		u.Draft, u.Changes = after, &diff
	}
	return nil
}

// list sorts the actions that are allowed by whether they were used. It returns those that
// are tracked, by service.
func (u *useView) list(use *serviceUse, may func(action string) bool) map[string][]usedAction {
	tracked := map[string][]usedAction{}
	for _, s := range use.services {
		if len(s.actions) == 0 {
			u.Elsewhere = append(u.Elsewhere, s.prefix)
			continue
		}
		allowed := slices.DeleteFunc(slices.Clone(s.actions), func(a usedAction) bool { return !may(a.Name) })
		tracked[s.prefix] = allowed
		never := actionsOf{Service: s.prefix}
		for _, a := range allowed {
			switch {
			case a.At.IsZero():
				_, name, _ := strings.Cut(a.Name, ":")
				never.Names = append(never.Names, name)
			default:
				u.Rows = append(u.Rows, a)
				if !a.Old(u.Now) {
					u.Used++
				}
			}
		}
		if u.Unused += len(never.Names); len(never.Names) > 0 {
			u.Never = append(u.Never, never)
		}
	}
	u.Unused += len(u.Rows) - u.Used
	slices.SortStableFunc(u.Rows, func(a, b usedAction) int { return b.At.Compare(a.At) })
	if u.Services = len(u.Elsewhere); u.Services > 20 {
		u.Elsewhere = u.Elsewhere[:20]
	}
	return tracked
}

// passRole is the one action of a tracked service that is not tracked: services that are
// elsewhere ask for it.
const passRole = "iam:PassRole"

// narrowed is what an action of a policy becomes: one that is unused goes, a pattern becomes
// the list of what it covers and was used. What is not tracked stays.
func narrowed(action string, tracked map[string][]usedAction, now time.Time) []string {
	prefix, _, ok := strings.Cut(strings.ToLower(action), ":")
	known := tracked[prefix]
	if !ok || known == nil {
		return []string{action}
	}
	covered := 0
	var used []string
	for _, a := range known {
		if !policy.Glob(strings.ToLower(action), strings.ToLower(a.Name)) {
			continue
		}
		if covered++; !a.At.IsZero() && !a.Old(now) {
			used = append(used, a.Name)
		}
	}
	if covered == len(used) { // of nothing that is tracked, too
		return []string{action}
	}
	if len(used) > 0 && policy.Glob(strings.ToLower(action), strings.ToLower(passRole)) {
		used = append(used, passRole)
	}
	return used
}
