package protocol_test

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cloudtrailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/protocol"
)

// withStatus is an error that brings its HTTP status along.
type withStatus struct{ smithy.GenericAPIError }

func (withStatus) HTTPStatusCode() int { return 418 }

func TestErrorOf(t *testing.T) {
	modelled := func(code string) (int, bool) {
		status, ok := map[string]int{"NoSuchEntity": 404, "ServiceFailure": 500, "ReportInProgress": 404}[code]
		return status, ok
	}
	internal := protocol.ErrorBody{Code: "InternalFailure", Status: 500, Fault: protocol.Receiver, Exception: "InternalFailure",
		Message: "The request processing has failed because of an unknown error, exception or failure."}
	for _, test := range []struct {
		err  error
		want protocol.ErrorBody
	}{
		{&iamtypes.NoSuchEntityException{Message: aws.String("m")}, protocol.ErrorBody{Code: "NoSuchEntity", Message: "m", Status: 404, Exception: "NoSuchEntityException"}},
		{fmt.Errorf("get user: %w", &iamtypes.NoSuchEntityException{}), protocol.ErrorBody{Code: "NoSuchEntity", Status: 404, Exception: "NoSuchEntityException"}},
		{&iamtypes.CredentialReportNotReadyException{}, protocol.ErrorBody{Code: "ReportInProgress", Status: 404, Exception: "CredentialReportNotReadyException"}},
		{&iamtypes.ServiceFailureException{}, protocol.ErrorBody{Code: "ServiceFailure", Status: 500, Fault: protocol.Receiver, Exception: "ServiceFailureException"}},
		{&ststypes.IDPCommunicationErrorException{}, protocol.ErrorBody{Code: "IDPCommunicationError", Status: 400, Exception: "IDPCommunicationErrorException"}},
		{&cloudtrailtypes.TrailNotFoundException{}, protocol.ErrorBody{Code: "TrailNotFoundException", Status: 400, Exception: "TrailNotFoundException"}},
		{&smithy.GenericAPIError{Code: "AccessDenied", Message: "m"}, protocol.ErrorBody{Code: "AccessDenied", Message: "m", Status: 403, Exception: "AccessDenied"}},
		{&smithy.GenericAPIError{Code: "AccessDeniedException"}, protocol.ErrorBody{Code: "AccessDeniedException", Status: 400, Exception: "AccessDeniedException"}},
		{&smithy.GenericAPIError{Code: "ServiceUnavailable", Fault: smithy.FaultServer}, protocol.ErrorBody{Code: "ServiceUnavailable", Status: 503, Fault: protocol.Receiver, Exception: "ServiceUnavailable"}},
		{&smithy.GenericAPIError{Code: "Odd", Fault: smithy.FaultServer}, protocol.ErrorBody{Code: "Odd", Status: 500, Fault: protocol.Receiver, Exception: "Odd"}},
		{&withStatus{smithy.GenericAPIError{Code: "Teapot"}}, protocol.ErrorBody{Code: "Teapot", Status: 418, Exception: "Teapot"}},
		{errors.New("open /var/lib/secret: no space left"), internal},
		{&smithy.GenericAPIError{Message: "no code"}, internal},
		{nil, internal},
	} {
		if got := protocol.ErrorOf(test.err, modelled); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%v: got %+v, want %+v", test.err, got, test.want)
		}
	}
}

func TestAppendError(t *testing.T) {
	body := protocol.ErrorBody{Code: "NoSuchEntity", Message: "The user with name <b>&\"x\" cannot be found.", Status: 404}
	golden(t, "error-sender.xml", protocol.Query.AppendError(nil, protocol.Namespace("iam", "2010-05-08"), body, requestID))
	golden(t, "error-receiver.xml", protocol.Query.AppendError(nil, protocol.Namespace("sts", "2011-06-15"), protocol.ErrorOf(nil, nil), requestID))
	golden(t, "error.json", protocol.JSON11.AppendError(nil, "", body, requestID))
}

func TestHeaders(t *testing.T) {
	for _, test := range []struct {
		speaks            protocol.Protocol
		name, contentType string
	}{
		{protocol.Query, "awsQuery", "text/xml"},
		{protocol.JSON11, "awsJson1_1", "application/x-amz-json-1.1"},
	} {
		h := http.Header{}
		test.speaks.SetHeader(h, requestID)
		if h.Get("Content-Type") != test.contentType || h.Get("x-amzn-RequestId") != requestID || len(h) != 2 {
			t.Errorf("%v: %v", test.speaks, h)
		}
		if test.speaks.String() != test.name {
			t.Errorf("%v is called %s", test.name, test.speaks)
		}
	}
}

func TestCheckHeader(t *testing.T) {
	for contentType, want := range map[string]protocol.Protocol{
		"application/x-www-form-urlencoded":                protocol.Query,
		"application/x-www-form-urlencoded; charset=utf-8": protocol.Query,
		"Application/X-WWW-Form-Urlencoded ;x":             protocol.Query,
		"application/x-amz-json-1.1":                       protocol.JSON11,
		"application/x-amz-json-1.0":                       0,
		"application/json":                                 0,
		"text/xml":                                         0,
		"":                                                 0,
	} {
		for _, p := range []protocol.Protocol{protocol.Query, protocol.JSON11} {
			h := http.Header{"Content-Type": {contentType}}
			if err := p.CheckHeader(h); (err == nil) != (p == want) {
				t.Errorf("%v, %q: %v", p, contentType, err)
			}
		}
	}
	for _, h := range []http.Header{{}, {"Content-Type": {"application/x-amz-json-1.1", "application/x-amz-json-1.1"}}} {
		if err := protocol.JSON11.CheckHeader(h); code(err) != "UnsupportedMediaType" {
			t.Errorf("%v: %v", h, err)
		}
	}
}

// T403: nothing is ever inflated.
func TestT403_NoContentEncoding(t *testing.T) {
	for _, encoding := range []string{"gzip", "deflate", "br", "zstd", "identity", ""} {
		h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Content-Encoding": {encoding}}
		err := protocol.Query.CheckHeader(h)
		if body := protocol.ErrorOf(err, nil); body.Code != "UnsupportedMediaType" || body.Status != 415 || body.Fault != protocol.Sender {
			t.Errorf("%q: %+v", encoding, body)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for _, test := range []struct {
		target, prefix, operation string
		ok                        bool
	}{
		{"CloudTrail_20131101.LookupEvents", "CloudTrail_20131101", "LookupEvents", true},
		{"com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents", "CloudTrail_20131101", "LookupEvents", true},
		{"LookupEvents", "", "", false},
		{"CloudTrail_20131101.", "CloudTrail_20131101", "", false},
		{".LookupEvents", "", "LookupEvents", false},
		{"CloudTrail_20131101.Lookup\nEvents", "CloudTrail_20131101", "Lookup\nEvents", false},
		{"", "", "", false},
	} {
		prefix, operation, ok := protocol.ParseTarget(test.target)
		if prefix != test.prefix || operation != test.operation || ok != test.ok {
			t.Errorf("%q: %q %q %v", test.target, prefix, operation, ok)
		}
	}
}
