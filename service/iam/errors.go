package iam

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/store"
)

// The errors of the IAM API (models: "errors"), each with AWS's sentence. Codes
// that the model lacks, such as ValidationError, are package service's.

func noSuchEntity(format string, args ...any) error {
	return &types.NoSuchEntityException{Message: sentence(format, args)}
}

func alreadyExists(format string, args ...any) error {
	return &types.EntityAlreadyExistsException{Message: sentence(format, args)}
}

func limitExceeded(format string, args ...any) error {
	return &types.LimitExceededException{Message: sentence(format, args)}
}

func deleteConflict(format string, args ...any) error {
	return &types.DeleteConflictException{Message: sentence(format, args)}
}

func invalidInput(format string, args ...any) error {
	return &types.InvalidInputException{Message: sentence(format, args)}
}

func temporarilyUnmodifiable(format string, args ...any) error {
	return &types.EntityTemporarilyUnmodifiableException{Message: sentence(format, args)}
}

func malformedCertificate(message string) error {
	return &types.MalformedCertificateException{Message: &message}
}

func passwordPolicyViolation(message string) error {
	return &types.PasswordPolicyViolationException{Message: &message}
}

func invalidUserType(message string) error {
	return &types.InvalidUserTypeException{Message: &message}
}

func invalidAuthenticationCode(message string) error {
	return &types.InvalidAuthenticationCodeException{Message: &message}
}

func sentence(format string, args []any) *string {
	s := fmt.Sprintf(format, args...)
	return &s
}

// orNoSuchEntity turns "not found" from the store into AWS's error and leaves
// other errors alone.
func orNoSuchEntity(err error, format string, args ...any) error {
	if errors.Is(err, store.ErrNotFound) {
		return noSuchEntity(format, args...)
	}
	return err
}
