package sts

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/service"
)

func invalidParameterValue(message string) error {
	return &service.Error{Code: "InvalidParameterValue", Status: http.StatusBadRequest, Message: message}
}

func malformedPolicy(err error) error {
	return &types.MalformedPolicyDocumentException{Message: aws.String(err.Error())}
}

func packedPolicyTooLarge(percent int) error {
	return &types.PackedPolicyTooLargeException{
		Message: aws.String(fmt.Sprintf("Packed policy consumes %d%% of allotted space, please use smaller policy.", percent)),
	}
}

// refusedCode turns what became of an MFA code into the answer. A failure that
// was counted is kept.
func refusedCode(err error) error {
	refusal, ok := errors.AsType[*authn.MFAError](err)
	if !ok {
		return err
	}
	denied := service.Denied(refusal.Message)
	if refusal.Counted {
		return service.Commit(denied)
	}
	return denied
}

// keepCode lets a refusal that comes after an MFA code was accepted keep the fact
// that the code is used up.
func keepCode(code *string, err error) error {
	if err == nil || code == nil || service.IsCommitted(err) {
		return err
	}
	return service.Commit(err)
}
