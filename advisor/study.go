package advisor

import "time"

// Study is an account about which several things are asked: findings, a plan, a checklist.
// What they have in common is found out once. The facts must not change. It is not safe
// for concurrent use; what it returns is, and is read only.
type Study struct {
	*judge
	report *Report
	plan   *Plan
}

// NewStudy studies an account.
func NewStudy(f *Facts) *Study { return &Study{judge: newJudge(f)} }

// Report is the review of the account: see [Review].
func (s *Study) Report() *Report {
	if s.report == nil {
		s.report = s.review()
	}
	return s.report
}

// Plan is the access plan: see [MakePlan].
func (s *Study) Plan(review time.Time) *Plan {
	if s.plan == nil {
		s.plan = s.makePlan(time.Time{})
	}
	if review.IsZero() {
		return s.plan
	}
	return s.plan.On(review)
}
