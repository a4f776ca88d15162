package iam

import (
	"errors"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/policy"
)

// encodeDocument is a policy document as IAM returns it: percent-encoded as RFC
// 3986 has it, in which a space is %20 and never a plus sign.
func encodeDocument(text string) *string {
	return aws.String(strings.ReplaceAll(url.QueryEscape(text), "+", "%20"))
}

// parseDocument checks a document by the rules of its kind. What is stored is the
// text as it was sent.
func parseDocument(text string, kind policy.Kind) (*policy.Document, error) {
	doc, err := policy.Parse(text, kind)
	if syntax, ok := errors.AsType[*policy.SyntaxError](err); ok {
		return nil, &types.MalformedPolicyDocumentException{Message: aws.String(syntax.Message)}
	}
	if err != nil {
		return nil, err
	}
	return doc, nil
}
