package lanyard

import (
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// The bounds of suppressions. What never ends is no exception but a rule.
const (
	maxReason       = 500 // characters
	maxSuppressed   = 366 * 24 * time.Hour
	maxSuppressions = 10_000
	// endedSuppressions is for how long one that has ended is kept, to tell of it.
	endedSuppressions = 90 * 24 * time.Hour
	// suppressionsPage is how many are on a page at most.
	suppressionsPage = 100
)

// Suppression is somebody's decision to live with a finding of the advisor for a time.
type Suppression struct {
	FindingId *string
	Arn       *string
	Reason    *string
	By        *string
	Created   *time.Time
	Until     *time.Time // the moment from which the finding is shown again
}

// A finding is named by the id of its rule and the ARN of what it is about.
type (
	// ListSuppressionsInput goes through the pages.
	ListSuppressionsInput struct {
		Marker   *string
		MaxItems *int32
	}
	// ListSuppressionsOutput are the suppressions by finding and ARN, those that have ended
	// lately too. Without a marker it was the last page.
	ListSuppressionsOutput struct {
		Suppressions []Suppression
		Marker       *string
	}
	// PutSuppressionInput accepts a finding for a time.
	PutSuppressionInput struct {
		FindingId, Arn, Reason *string
		Until                  *time.Time
	}
	// PutSuppressionOutput is what is kept.
	PutSuppressionOutput struct{ Suppression *Suppression }
	// DeleteSuppressionInput accepts a finding no longer.
	DeleteSuppressionInput struct{ FindingId, Arn *string }
	// DeleteSuppressionOutput is what is taken back.
	DeleteSuppressionOutput struct{ Suppression *Suppression }
)

// ListSuppressions lists the findings that somebody accepted.
func (s *Service) ListSuppressions(c *service.Call, in *ListSuppressionsInput) (*ListSuppressionsOutput, error) {
	limit := suppressionsPage
	if in.MaxItems != nil {
		limit = min(limit, int(*in.MaxItems))
	}
	after := ""
	if in.Marker != nil {
		after = *in.Marker
	}
	out := &ListSuppressionsOutput{Suppressions: []Suppression{}}
	var last string
	err := identity.Suppressions.Scan(c.Reader, after, func(key store.Key, v *identity.Suppression) bool {
		if len(out.Suppressions) == limit {
			out.Marker = &last
			return false
		}
		out.Suppressions = append(out.Suppressions, suppressionOf(v))
		last = identity.Suppressions.Cursor(key, c.Account())
		return true
	}, c.Account())
	return out, err
}

// PutSuppression accepts a finding for a time. Whether there is such a finding now is not
// asked: one may be accepted before it is due.
func (s *Service) PutSuppression(c *service.Call, in *PutSuppressionInput) (*PutSuppressionOutput, error) {
	if err := checkFinding(c, *in.FindingId, *in.Arn); err != nil {
		return nil, err
	}
	reason := strings.TrimSpace(*in.Reason)
	switch {
	case reason == "" || utf8.RuneCountInString(reason) > maxReason || strings.ContainsFunc(reason, func(r rune) bool { return !unicode.IsPrint(r) }):
		return nil, service.Invalid("Say why it is accepted, on one line of at most %d characters.", maxReason)
	case !in.Until.After(c.Now):
		return nil, service.Invalid("The end of a suppression is to be in the future.")
	case in.Until.Sub(c.Now) > maxSuppressed:
		return nil, service.Invalid("The end of a suppression is to be within a year. It can be suppressed again then.")
	}
	if err := s.sweepSuppressions(c, *in.FindingId, *in.Arn); err != nil {
		return nil, err
	}
	record := &identity.Suppression{
		ID: *in.FindingId, ARN: *in.Arn, Reason: reason, By: who(c.Principal), At: c.Now.UTC().Truncate(time.Second), Until: in.Until.UTC(),
	}
	c.Event.Resources = []audit.Resource{{ARN: record.ARN, AccountID: c.Scope.Account}}
	kept := suppressionOf(record)
	return &PutSuppressionOutput{Suppression: &kept}, identity.Suppressions.Put(c.Tx, record, c.Account(), record.ID, record.ARN)
}

// sweepSuppressions forgets those that ended long ago, and sees that there is room for one.
func (s *Service) sweepSuppressions(c *service.Call, id, entity string) error {
	var old []*identity.Suppression
	n := 0
	err := identity.Suppressions.Scan(c.Reader, "", func(_ store.Key, v *identity.Suppression) bool {
		if n++; c.Now.Sub(v.Until) > endedSuppressions {
			old = append(old, v)
		}
		return true
	}, c.Account())
	if err != nil {
		return err
	}
	for _, v := range old {
		identity.Suppressions.Delete(c.Tx, c.Account(), v.ID, v.ARN)
	}
	if n-len(old) >= maxSuppressions && !identity.Suppressions.Has(c.Reader, c.Account(), id, entity) {
		return limitExceeded("An account has at most %d suppressions. Delete one first.", maxSuppressions)
	}
	return nil
}

// DeleteSuppression accepts a finding no longer.
func (s *Service) DeleteSuppression(c *service.Call, in *DeleteSuppressionInput) (*DeleteSuppressionOutput, error) {
	if err := checkFinding(c, *in.FindingId, *in.Arn); err != nil {
		return nil, err
	}
	record, err := identity.Suppressions.Get(c.Reader, c.Account(), *in.FindingId, *in.Arn)
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound("%s of %s is not suppressed.", *in.FindingId, *in.Arn)
	}
	if err != nil {
		return nil, err
	}
	identity.Suppressions.Delete(c.Tx, c.Account(), record.ID, record.ARN)
	c.Event.Resources = []audit.Resource{{ARN: record.ARN, AccountID: c.Scope.Account}}
	kept := suppressionOf(record)
	return &DeleteSuppressionOutput{Suppression: &kept}, nil
}

// checkFinding refuses what is no finding of the account.
func checkFinding(c *service.Call, id, entity string) error {
	if _, ok := advisor.RuleOf(id); !ok {
		return service.Invalid("%s is no finding's id.", id)
	}
	a, err := arn.Parse(entity)
	if err != nil || a.Service != "iam" {
		return service.Invalid("%s is no ARN of a user, group, role, policy or root.", entity)
	}
	if a.Account != c.Account() {
		return service.Invalid("%s is not of account %s.", entity, c.Account())
	}
	return nil
}

// who is the caller's name, for people who read what was decided.
func who(p *authn.Principal) string {
	switch p.Kind {
	case authn.Root:
		return "root"
	case authn.AssumedRole:
		return p.Name + "/" + p.Session.Name
	default:
		return p.Name
	}
}

func suppressionOf(v *identity.Suppression) Suppression {
	return Suppression{FindingId: &v.ID, Arn: &v.ARN, Reason: &v.Reason, By: &v.By, Created: &v.At, Until: &v.Until}
}
