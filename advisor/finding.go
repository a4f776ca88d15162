package advisor

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Severity says how bad a finding is.
type Severity uint8

// The severities.
const (
	Low Severity = iota + 1
	Medium
	High
)

func (s Severity) String() string {
	switch s {
	case High:
		return "high"
	case Medium:
		return "medium"
	case Low:
		return "low"
	}
	return fmt.Sprintf("Severity(%d)", s)
}

// MarshalText writes high, medium or low.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *Severity) UnmarshalText(b []byte) error {
	for _, known := range []Severity{Low, Medium, High} {
		if string(b) == known.String() {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("%q is no severity: say high, medium or low", b)
}

// Rule is one kind of finding. Its id is stable: scripts and suppressions name it.
type Rule struct {
	ID       string
	Severity Severity
	Title    string
	Why      string // one sentence
	find     func(*review, *Rule)
}

// Rules are all kinds of finding.
func Rules() []Rule {
	return []Rule{
		{"ROOT-01", High, "The root user has no MFA", "Root may do everything and no policy restrains it: whoever has its password has the account.", rootWithoutMFA},
		{"ROOT-02", Medium, "The root user was used lately", "What root does is not limited by any policy and is nobody's by name; a role can do all but a few things.", rootUsed},
		{"ROOT-03", High, "The root user has an access key", "It may do everything, no policy restrains it, it never ends, and no code is asked for.", rootKey},
		{"ADMIN-01", High, "An administrator has no MFA", "One stolen password or key is enough to take over the account.", administratorWithoutMFA},
		{"MFA-01", High, "A user with a password has no MFA", "A password alone can be guessed, phished or found in another site's leak.", passwordWithoutMFA},
		{"TRUST-01", High, "Anyone can assume a role", "The trust policy lets in every AWS account, also those of strangers.", trustsAnyone},
		{"TRUST-02", Medium, "A role trusts a whole foreign account", "Everybody whom that account lets may come in, and a service that acts for many can be tricked into it (the confused deputy).", trustsForeignAccount},
		{"TRUST-03", High, "Anyone at an identity provider can assume a role", "The trust policy asks for no subject: every repository, pipeline and account that the provider vouches for comes in.", trustsAnySubject},
		{"KEY-01", Medium, "An access key is older than 90 days", "The longer a key lives, the more copies of it there are that nobody knows of.", keyTooOld},
		{"KEY-02", Medium, "An access key was not used for 90 days", "A key that nobody misses is one whose theft nobody notices.", keyUnused},
		{"KEY-03", Medium, "An access key is used from two places at a time", "Two people who share a key cannot be told apart in the trail, or the key was stolen.", keyShared},
		{"KEY-04", Low, "A user has two active access keys", "A second key is for the days of a rotation; one that stays is a second secret to lose.", twoKeys},
		{"KEY-05", Low, "An inactive access key was left", "One call makes it work again, wherever its secret is by now.", keyInactive},
		{"PASS-01", Medium, "A password was not used for 90 days", "A way in that nobody uses is watched by nobody.", passwordUnused},
		{"POLICY-01", Medium, "A person has a policy that allows everything", "Every mistake and every stolen session of theirs can do everything, all day, also when they only read.", allowsEverything},
		{"POLICY-02", Low, "A policy allows all of a service everywhere", "Nobody needs every action on every resource: what is not needed helps only who comes in by mistake or by force.", allowsService},
	}
}

// RuleOf finds a rule by its id.
func RuleOf(id string) (Rule, bool) {
	for _, r := range Rules() {
		if r.ID == id {
			return r, true
		}
	}
	return Rule{}, false
}

// Evidence is a value that was seen. Times are RFC 3339 in UTC.
type Evidence struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Finding is something that should be changed.
type Finding struct {
	ID       string     `json:"id"` // the rule's
	Severity Severity   `json:"severity"`
	Title    string     `json:"title"`
	ARN      string     `json:"arn"`
	Key      string     `json:"accessKeyId,omitempty"`
	Evidence []Evidence `json:"evidence"`
	Why      string     `json:"why"`
	// Fix are commands for a shell, one an entry, to be run in order. They have no
	// comments, which zsh does not know at its prompt.
	Fix []string `json:"fix"`
	// Ref is of this very finding: it is the same in each report for as long as the
	// finding is there, and of letters that can stand in a URL's fragment.
	Ref string `json:"ref"`
	// Page is where it is fixed in the console.
	Page string `json:"page"`
	// Suppression is who accepted the finding. Of one that is shown again it is the
	// suppression that has ended.
	Suppression *Suppression `json:"suppression,omitempty"`
}

// Report is what Review found.
type Report struct {
	Account          string    `json:"account"`
	At               time.Time `json:"at"`
	CredentialReport time.Time `json:"credentialReportAt"`
	Score            int       `json:"score"`
	High             int       `json:"high"`
	Medium           int       `json:"medium"`
	Low              int       `json:"low"`
	Findings         []Finding `json:"findings"`
	Suppressed       []Finding `json:"suppressed"`
	Notes            []string  `json:"notes,omitempty"`
}

// review is a review under way.
type review struct {
	*judge
	found []Finding
}

// Review applies all rules. The findings are ordered by severity, id, ARN and key.
func Review(f *Facts) *Report { return NewStudy(f).Report() }

func (j *judge) review() *Report {
	f := j.Facts
	r := &review{judge: j}
	rules := Rules()
	for i := range rules {
		rules[i].find(r, &rules[i])
	}
	slices.SortStableFunc(r.found, inOrder)
	report := &Report{
		Account: f.Account, At: f.Now.UTC(), CredentialReport: f.Reported.UTC(), Notes: slices.Concat(f.Notes, r.notes()),
	}
	report.settle(r.found, f.Suppressions, f.Now)
	return report
}

// With is the report with other suppressions, as of now: what was found stays as it is.
func (r *Report) With(suppressions []Suppression, now time.Time) *Report {
	if len(suppressions) == 0 && len(r.Suppressed) == 0 && !r.ended() {
		return r
	}
	found := slices.Concat(r.Findings, r.Suppressed)
	slices.SortStableFunc(found, inOrder)
	other := *r
	other.settle(found, suppressions, now)
	return &other
}

// ended tells whether an open finding has a suppression that has ended.
func (r *Report) ended() bool {
	for i := range r.Findings {
		if r.Findings[i].Suppression != nil {
			return true
		}
	}
	return false
}

func inOrder(a, b Finding) int {
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), strings.Compare(a.ID, b.ID), strings.Compare(a.ARN, b.ARN), strings.Compare(a.Key, b.Key))
}

// settle parts what was found into what is open and what somebody accepted, and counts.
func (r *Report) settle(found []Finding, suppressions []Suppression, now time.Time) {
	r.Findings, r.Suppressed = []Finding{}, []Finding{}
	r.High, r.Medium, r.Low = 0, 0, 0
	type named struct{ id, arn string }
	accepted := map[named]*Suppression{}
	for i := range suppressions {
		s := &suppressions[i]
		accepted[named{s.ID, s.ARN}] = s
	}
	for _, f := range found {
		f.Suppression = accepted[named{f.ID, f.ARN}]
		if s := f.Suppression; s != nil && now.Before(s.Until) {
			r.Suppressed = append(r.Suppressed, f)
			continue
		}
		r.Findings = append(r.Findings, f)
		switch f.Severity {
		case High:
			r.High++
		case Medium:
			r.Medium++
		case Low:
			r.Low++
		}
	}
	r.Score = score(r.Findings)
}

// score is from 0 to 100. Each kind of finding that is open takes its weight from 100
// (high 20, medium 7, low 2) for the first, and a tenth of it for each further one, up
// to twice the weight. People without MFA are one kind, administrators or not, so that
// the score does not fall when one of them is an administrator no longer. What is
// suppressed takes nothing.
func score(open []Finding) int {
	counts := map[string]int{}
	tenths := 1000
	weights := [...]int{Low: 2, Medium: 7, High: 20}
	for i := range open {
		weight, kind := weights[open[i].Severity], open[i].ID
		if kind == "ADMIN-01" {
			kind = "MFA-01"
		}
		switch n := counts[kind]; {
		case n == 0:
			tenths -= 10 * weight
		case n <= 10:
			tenths -= weight
		}
		counts[kind]++
	}
	return max(0, tenths/10)
}

// AtLeast counts the open findings at or above a severity.
func (r *Report) AtLeast(s Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity >= s {
			n++
		}
	}
	return n
}

// add enters a finding.
func (r *review) add(rule *Rule, arn string, key *Key, fix []string, evidence ...Evidence) {
	f := Finding{ID: rule.ID, Severity: rule.Severity, Title: rule.Title, Why: rule.Why, ARN: arn, Fix: fix, Evidence: evidence}
	f.Page = pageOf(arn)
	if key != nil && key.ID != "" {
		f.Key = key.ID
		f.Page = KeyPage(key.ID)
	}
	sum := sha256.Sum256([]byte(arn + "\x00" + f.Key))
	f.Ref = rule.ID + "-" + hex.EncodeToString(sum[:6])
	r.found = append(r.found, f)
}

// moment is a time as evidence.
func moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

// days is a length of time in whole days.
func days(d time.Duration) string { return counted(int(d/(24*time.Hour)), "day") }

// counted is a number of things.
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// quote makes one word of a shell command.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,.@:/-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// compact is a JSON value in one line.
func compact(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // of what was decoded from JSON
	}
	return string(text)
}
