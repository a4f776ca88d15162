package lanyard

import (
	"bytes"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/service"
)

// reportPage is how many users are on a page of a credential report at most: their names
// and ARNs at their longest stay within what a client reads.
const reportPage = 250

// GetFreshCredentialReportInput goes through the pages.
type GetFreshCredentialReportInput struct {
	Marker   *string
	MaxItems *int32
}

// GetFreshCredentialReportOutput is a piece of a credential report: CSV, each piece with
// the heading, the first with the root user. Without a marker it was the last.
type GetFreshCredentialReportOutput struct {
	Content       *string
	GeneratedTime *time.Time
	Marker        *string
}

// GetFreshCredentialReport returns a credential report of this moment. That of
// iam:GetCredentialReport is up to four hours old, so that what was just put right would
// still be found wrong.
func (s *Service) GetFreshCredentialReport(c *service.Call, in *GetFreshCredentialReportInput) (*GetFreshCredentialReportOutput, error) {
	limit := reportPage
	if in.MaxItems != nil {
		limit = min(limit, int(*in.MaxItems))
	}
	var text bytes.Buffer
	next, err := s.config.CredentialReport(c, &text, aws.ToString(in.Marker), limit)
	if err != nil {
		return nil, err
	}
	out := &GetFreshCredentialReportOutput{Content: aws.String(text.String()), GeneratedTime: &c.Now}
	if next != "" {
		out.Marker = &next
	}
	return out, nil
}
