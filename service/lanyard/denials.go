package lanyard

import (
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/service"
)

// ListDenialsInput asks for requests of the caller's account that lacked a permission,
// newest first: of one Username, if given, and between two times, as LookupEvents has them.
type ListDenialsInput struct {
	Username           *string
	StartTime, EndTime *time.Time
	MaxResults         *int32
	NextToken          *string
}

// ListDenialsOutput is a page of denials. One with few or none may have a NextToken.
type ListDenialsOutput struct {
	Denials   []Denial
	NextToken *string
}

// Denial is a request that was denied. Record is CloudTrail's record, JSON.
type Denial struct {
	RequestId   *string
	EventTime   *time.Time
	EventName   *string
	EventSource *string
	Username    *string
	Record      *string
}

// ListDenials is LookupEvents for what AWS has no attribute for, and asks for the same
// permission.
func (s *Service) ListDenials(c *service.Call, in *ListDenialsInput) (*ListDenialsOutput, error) {
	q := audit.Query{
		Account: c.Scope.Account,
		Denied:  true,
		Start:   aws.ToTime(in.StartTime),
		End:     aws.ToTime(in.EndTime),
		Limit:   int(aws.ToInt32(in.MaxResults)),
		Token:   aws.ToString(in.NextToken),
		Now:     c.Now,
	}
	if in.Username != nil {
		q.Attribute, q.Value = audit.Username, *in.Username
	}
	page, err := s.config.Trail.Lookup(c.Reader, q)
	if errors.Is(err, audit.ErrToken) {
		return nil, service.Invalid("The NextToken is not one that these parameters were given.")
	}
	if err != nil {
		return nil, err
	}
	out := &ListDenialsOutput{Denials: make([]Denial, len(page.Entries))}
	for i := range page.Entries {
		e := &page.Entries[i]
		out.Denials[i] = Denial{RequestId: &e.RequestID, EventTime: &e.Time, EventName: &e.Name, EventSource: &e.Source, Username: &e.Username, Record: &e.Record}
	}
	if page.Next != "" {
		out.NextToken = &page.Next
	}
	return out, nil
}
