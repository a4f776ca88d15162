package sts

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// Limits of the session policies of one session (STS API, Policy and PolicyArns).
const (
	maxSessionPolicyText = 2048 // characters of the inline policy and the ARNs together
	maxSessionPolicyARNs = 10
)

// sessionPolicies checks the form of the session policies in a request and
// returns the ARNs of the managed ones.
func sessionPolicies(inline *string, managed []types.PolicyDescriptorType) ([]string, error) {
	if len(managed) > maxSessionPolicyARNs {
		return nil, service.Invalid("1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to %d", maxSessionPolicyARNs)
	}
	size := utf8.RuneCountInString(aws.ToString(inline))
	var arns []string
	for _, m := range managed {
		name := aws.ToString(m.Arn)
		if _, err := parsePolicyARN(name); err != nil {
			return nil, err
		}
		arns = append(arns, name)
		size += utf8.RuneCountInString(name)
	}
	if size > maxSessionPolicyText {
		return nil, service.Invalid("1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length less than or equal to %d", maxSessionPolicyText)
	}
	if inline != nil {
		if _, err := policy.Parse(*inline, policy.SessionPolicy); err != nil {
			return nil, malformedPolicy(err)
		}
	}
	return arns, nil
}

func parsePolicyARN(name string) (arn.ARN, error) {
	a, err := arn.Parse(name)
	if err != nil {
		return a, service.Invalid("%s is invalid", name)
	}
	if kind, _, short := a.Split(); a.Service != "iam" || kind != "policy" || short == "" {
		return a, service.Invalid("%s is invalid", name)
	}
	return a, nil
}

// mustExist checks that managed session policies exist, as AWS managed policies
// or in the account of the session: one of another account could be changed there.
func (s *Service) mustExist(c *service.Call, account arn.AccountID, policyARNs []string) error {
	for _, name := range policyARNs {
		if _, err := identity.FindManaged(c.Reader, s.config.Managed, name); err == nil {
			continue
		} else if !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("read session policy %s: %w", name, err)
		}
		a, err := parsePolicyARN(name)
		if err != nil {
			return err
		}
		_, _, short := a.Split()
		p, err := identity.Policies.Get(c.Reader, string(account), identity.Fold(short))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("read session policy %s: %w", name, err)
		}
		if err != nil || p.ARN(c.Scope.Partition) != name {
			return service.Invalid("Policy %s does not exist or is not attachable.", name)
		}
	}
	return nil
}

// packedSize is PackedPolicySize, which is given only when policies or tags were
// passed, and must not exceed 100 percent.
func packedSize(sn *session.Session, passed bool) (*int32, error) {
	percent := sn.PackedPercent()
	if percent > 100 {
		return nil, packedPolicyTooLarge(percent)
	}
	if !passed {
		return nil, nil
	}
	return aws.Int32(int32(percent)), nil
}
