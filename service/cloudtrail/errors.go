package cloudtrail

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
)

// The errors of LookupEvents. AWS publishes no texts for them but the descriptions in the
// API reference, which are these.

func invalidAttributes(reason string) error {
	return &types.InvalidLookupAttributesException{Message: aws.String("Occurs when a lookup attribute is specified that is not valid. " + reason)}
}

func invalidTimeRange() error {
	return &types.InvalidTimeRangeException{Message: aws.String("Occurs if the timestamp values are not valid. Either the start time occurs after the end time, or the time range is outside the range of possible values.")}
}

func invalidMaxResults() error {
	return &types.InvalidMaxResultsException{Message: aws.String("This exception is thrown if the limit specified is not valid.")}
}

func invalidNextToken() error {
	return &types.InvalidNextTokenException{Message: aws.String("A token that is not valid, or a token that was previously used in a request with different parameters. This exception is thrown if the token is not valid.")}
}

func invalidCategory() error {
	return &types.InvalidEventCategoryException{Message: aws.String("Occurs if an event category that is not valid is specified as a value of EventCategory.")}
}
