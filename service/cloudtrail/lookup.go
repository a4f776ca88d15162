package cloudtrail

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/service"
)

// syncPatience is how long LookupEvents waits for the records that are in the queue. A
// commit takes milliseconds; if the disk is slow, or full, what is durable is the answer.
const syncPatience = 2 * time.Second

// LookupEvents returns the account's events, newest first. Unlike AWS's it sees what
// happened a moment ago, and the events of all regions: an installation has one trail.
func (s *Service) LookupEvents(c *service.Call, in *cloudtrail.LookupEventsInput) (*cloudtrail.LookupEventsOutput, error) {
	if in.EventCategory == types.EventCategoryInsight {
		return &cloudtrail.LookupEventsOutput{Events: []types.Event{}}, nil // no insights are computed
	}
	q := audit.Query{
		Account: c.Scope.Account,
		Start:   aws.ToTime(in.StartTime),
		End:     aws.ToTime(in.EndTime),
		Limit:   int(aws.ToInt32(in.MaxResults)),
		Token:   aws.ToString(in.NextToken),
		Now:     c.Now,
	}
	if len(in.LookupAttributes) > 0 {
		q.Attribute = audit.Attribute(in.LookupAttributes[0].AttributeKey)
		q.Value = aws.ToString(in.LookupAttributes[0].AttributeValue)
	}
	page, err := s.trail.Lookup(c.Reader, q)
	if errors.Is(err, audit.ErrToken) {
		return nil, invalidNextToken()
	} else if err != nil {
		return nil, err
	}
	out := &cloudtrail.LookupEventsOutput{Events: make([]types.Event, len(page.Entries))}
	for i := range page.Entries {
		out.Events[i] = event(&page.Entries[i])
	}
	if page.Next != "" {
		out.NextToken = &page.Next
	}
	return out, nil
}

// sync waits until what the caller did before is in the trail, so that a script that
// creates a user sees itself do so.
func (s *Service) sync(*service.Call, *cloudtrail.LookupEventsInput) error {
	ctx, cancel := context.WithTimeout(context.Background(), syncPatience)
	defer cancel()
	// An error means that records wait. They are not lost, and AWS too delivers them
	// with a delay: the lookup goes on without.
	_ = s.trail.Sync(ctx)
	return nil
}

// validateLookup refuses what the API refuses, with its own exceptions where other
// services have one ValidationException.
func validateLookup(in *cloudtrail.LookupEventsInput) error {
	if n := in.MaxResults; n != nil && (*n < 1 || *n > audit.MaxPage) {
		return invalidMaxResults()
	}
	if in.EventCategory != "" && in.EventCategory != types.EventCategoryInsight {
		return invalidCategory()
	}
	if in.StartTime != nil && in.EndTime != nil && in.EndTime.Before(*in.StartTime) {
		return invalidTimeRange()
	}
	if len(in.LookupAttributes) > 1 {
		return invalidAttributes("Only one lookup attribute can be specified.")
	}
	for _, a := range in.LookupAttributes {
		if err := validateAttribute(a.AttributeKey, aws.ToString(a.AttributeValue)); err != nil {
			return err
		}
	}
	return nil
}

// maxValue bounds an attribute's value, of which some characters count twice.
const maxValue = 2000

func validateAttribute(key types.LookupAttributeKey, value string) error {
	switch audit.Attribute(key) {
	case audit.EventID, audit.EventName, audit.Username, audit.ResourceType, audit.ResourceName, audit.EventSource, audit.AccessKeyID:
	case audit.ReadOnly:
		if value != "true" && value != "false" {
			return invalidAttributes("The value of ReadOnly is true or false.")
		}
	default:
		return invalidAttributes("The attribute key is unknown.")
	}
	length := 0
	for _, r := range value {
		length++
		switch r {
		case '_', ' ', ',', '\n':
			length++
		}
	}
	if length < 1 || length > maxValue {
		return invalidAttributes("The attribute value has 1 to 2000 characters.")
	}
	return nil
}

// event is an entry of the trail in the form of the API.
func event(e *audit.Entry) types.Event {
	out := types.Event{
		EventId:         &e.ID,
		EventName:       &e.Name,
		ReadOnly:        aws.String(strconv.FormatBool(e.ReadOnly)),
		EventTime:       &e.Time,
		EventSource:     &e.Source,
		Resources:       make([]types.Resource, len(e.References)),
		CloudTrailEvent: &e.Record,
	}
	if e.AccessKeyID != "" {
		out.AccessKeyId = &e.AccessKeyID
	}
	if e.Username != "" {
		out.Username = &e.Username
	}
	for i, r := range e.References {
		out.Resources[i] = types.Resource{ResourceType: aws.String(r.Type), ResourceName: aws.String(r.Name)}
	}
	return out
}
