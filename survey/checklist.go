package survey

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/internal/paging"
)

const (
	// maxPages bounds the search of the trail for one query, in pages of 50 events.
	maxPages = 40
	// maxRounds bounds how often the answers raise further questions.
	maxRounds = 5
)

// Checklist says how far a checklist is that is about subject: nothing, a user name or
// the id of an access key. What it looks up are requests like any others, of whoever
// asks: somebody who may not read the trail is refused.
func (s *Surveyor) Checklist(ctx context.Context, name, subject string) (*advisor.Checklist, error) {
	info, ok := advisor.ChecklistNamed(name)
	if !ok {
		return nil, fmt.Errorf("there is no checklist %q", name)
	}
	p := &advisor.Progress{Events: map[advisor.Query][]advisor.Event{}}
	var f *advisor.Facts
	var err error
	switch info.Subject {
	case advisor.AboutAccount:
		f, err = s.Read(ctx)
	case advisor.AboutPerson:
		p.User = subject
		f, err = s.one(ctx, p)
	case advisor.AboutKey:
		p.Key = subject
		if err = s.owner(ctx, p); err == nil {
			f, err = s.one(ctx, p)
		}
	}
	if err != nil {
		return nil, err
	}
	return s.marked(ctx, name, advisor.NewStudy(f), p)
}

// ChecklistOf is a checklist about the account, of facts that were read before.
func (s *Surveyor) ChecklistOf(ctx context.Context, name string, study *advisor.Study) (*advisor.Checklist, error) {
	return s.marked(ctx, name, study, &advisor.Progress{Events: map[advisor.Query][]advisor.Event{}})
}

func (s *Surveyor) marked(ctx context.Context, name string, study *advisor.Study, p *advisor.Progress) (*advisor.Checklist, error) {
	for range maxRounds {
		wanted := study.Wanted(name, p)
		if len(wanted) == 0 {
			break
		}
		if err := s.answer(ctx, p, wanted); err != nil {
			return nil, fmt.Errorf("read the trail: %w", err)
		}
	}
	return study.Checklist(name, p)
}

// owner finds whose key it is, or was.
func (s *Surveyor) owner(ctx context.Context, p *advisor.Progress) error {
	used, err := s.IAM.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &p.Key})
	if err == nil {
		p.User = aws.ToString(used.UserName)
		return nil
	}
	if !noSuch(err) {
		return err
	}
	for _, q := range advisor.Wanted(advisor.RotateKey, &advisor.Facts{}, p) {
		if q.Value == p.Key {
			if err := s.answer(ctx, p, []advisor.Query{q}); err != nil {
				return fmt.Errorf("read the trail: %w", err)
			}
		}
	}
	p.User = p.Owner()
	return nil
}

// one reads facts of one user, by their own requests: a person may read those of
// themselves. Somebody who is no more is left out.
func (s *Surveyor) one(ctx context.Context, p *advisor.Progress) (*advisor.Facts, error) {
	f := &advisor.Facts{Now: time.Now().UTC(), Account: s.Account, Partition: s.Partition, Policies: map[string]advisor.Policy{}}
	if s.Now != nil {
		now, err := s.Now(ctx)
		if err != nil {
			return nil, err
		}
		f.Now = now
	}
	if p.User == "" {
		return f, nil
	}
	out, err := s.IAM.GetUser(ctx, &iam.GetUserInput{UserName: &p.User})
	if noSuch(err) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	f.Users = []advisor.User{{Name: *out.User.UserName, ARN: *out.User.Arn, ID: *out.User.UserId, Path: aws.ToString(out.User.Path), Created: aws.ToTime(out.User.CreateDate), Tags: tags(out.User.Tags)}}
	u := &f.Users[0]
	p.User = u.Name // in its own case
	if err := s.keysOf(ctx, u); err != nil {
		return nil, fmt.Errorf("read the access keys: %w", err)
	}
	if err := s.devicesOf(ctx, u); err != nil {
		return nil, fmt.Errorf("read the MFA devices: %w", err)
	}
	u.MFA = len(u.Devices) > 0
	attached := paging.Of(s.IAM.ListAttachedUserPolicies, &iam.ListAttachedUserPoliciesInput{UserName: &u.Name})
	for p.Key != "" && attached.HasMorePages() {
		page, err := attached.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the user's policies: %w", err)
		}
		for _, a := range page.AttachedPolicies {
			u.Attached = append(u.Attached, *a.PolicyArn)
		}
	}
	return f, nil
}

// answer asks the trail.
func (s *Surveyor) answer(ctx context.Context, p *advisor.Progress, wanted []advisor.Query) error {
	answers := make([][]advisor.Event, len(wanted))
	numbers := make([]int, len(wanted))
	for i := range numbers {
		numbers[i] = i
	}
	err := each(ctx, s, numbers, func(ctx context.Context, i int) (err error) {
		answers[i], err = s.lookUp(ctx, &wanted[i])
		return err
	})
	for i, q := range wanted {
		p.Events[q] = answers[i]
	}
	return err
}

func (s *Surveyor) lookUp(ctx context.Context, q *advisor.Query) ([]advisor.Event, error) {
	found := []advisor.Event{}
	size := int32(50)
	if q.Enough > 0 && q.Events == "" && q.Mentions == "" {
		size = int32(min(q.Enough, 50))
	}
	pages := paging.Of(s.CloudTrail.LookupEvents, &cloudtrail.LookupEventsInput{
		LookupAttributes: []cttypes.LookupAttribute{{AttributeKey: cttypes.LookupAttributeKey(q.Attribute), AttributeValue: &q.Value}}, MaxResults: &size,
	})
	for n := 0; n < maxPages && pages.HasMorePages(); n++ {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			if !q.Matches(aws.ToString(e.EventName), aws.ToString(e.CloudTrailEvent)) {
				continue
			}
			if event, ok := eventOf(e); ok {
				found = append(found, event)
			}
			if q.Enough > 0 && len(found) >= q.Enough {
				return found, nil
			}
		}
	}
	slices.SortStableFunc(found, func(a, b advisor.Event) int { return b.At.Compare(a.At) })
	return found, nil
}

// eventOf reads CloudTrail's record.
func eventOf(e cttypes.Event) (advisor.Event, bool) {
	var r struct {
		EventName, EventSource, RequestID, ErrorCode string
		UserIdentity                                 struct {
			Type, UserName, AccessKeyID, PrincipalID, InvokedBy string
			SessionContext                                      struct {
				Attributes struct{ MFAAuthenticated string }
			}
		}
		RequestParameters, ResponseElements map[string]any
	}
	if err := json.Unmarshal([]byte(aws.ToString(e.CloudTrailEvent)), &r); err != nil {
		return advisor.Event{}, false
	}
	return advisor.Event{
		ID: aws.ToString(e.EventId), RequestID: r.RequestID, At: aws.ToTime(e.EventTime), Name: r.EventName, Source: r.EventSource, User: aws.ToString(e.Username), Type: r.UserIdentity.Type,
		Key: r.UserIdentity.AccessKeyID, MFA: r.UserIdentity.SessionContext.Attributes.MFAAuthenticated == "true", Error: r.ErrorCode,
		Request: r.RequestParameters, Response: r.ResponseElements,
	}, true
}
