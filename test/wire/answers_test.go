package wire_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/lanyard-iam/lanyard/lanyardtest"
)

// Answers are written into memory that is used again and again. Whoever asks at the same
// time, for much or little, in vain, or goes away in the middle: nobody gets a byte of an
// answer to somebody else.
func TestAnswersAreTheCallersOwn(t *testing.T) {
	t.Parallel()
	l := lanyardtest.New(t)
	admin := iam.NewFromConfig(l.Config())
	const callers = 12
	// Each may read the one user whose names, tags and policies are full of its own mark.
	type caller struct {
		mark string
		iam  *iam.Client
		sts  *sts.Client
	}
	everyone := make([]caller, callers)
	for i := range everyone {
		c := caller{mark: fmt.Sprintf("mark%02d", i)}
		if _, err := admin.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &c.mark, Tags: tagged(strings.Repeat(c.mark, 30*(i%3)+1))}); err != nil {
			t.Fatal(err)
		}
		document := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Sid":%q,"Effect":"Allow","Action":"iam:*","Resource":["arn:aws:iam::%s:user/%s"%s]}]}`,
			c.mark, l.Account, c.mark, strings.Repeat(fmt.Sprintf(`,"arn:aws:iam::%s:user/%s"`, l.Account, c.mark), 5*(i%6)))
		if _, err := admin.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: &c.mark, PolicyName: &c.mark, PolicyDocument: &document}); err != nil {
			t.Fatal(err)
		}
		key, err := admin.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &c.mark})
		if err != nil {
			t.Fatal(err)
		}
		config := l.ConfigFor(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, "")
		c.iam, c.sts = iam.NewFromConfig(config), sts.NewFromConfig(config)
		everyone[i] = c
	}
	for i, err := range atOnce(callers, func(i int) error {
		c := everyone[i]
		own := func(what string, text ...string) error {
			for _, s := range text {
				if rest := strings.ReplaceAll(s, c.mark, ""); strings.Contains(rest, "mark") || rest == s {
					return fmt.Errorf("%s got %s: %q", c.mark, what, s)
				}
			}
			return nil
		}
		for n := range 40 {
			u, err := c.iam.GetUser(t.Context(), &iam.GetUserInput{})
			if err != nil {
				return err
			}
			p, err := c.iam.GetUserPolicy(t.Context(), &iam.GetUserPolicyInput{UserName: &c.mark, PolicyName: &c.mark})
			if err != nil {
				return err
			}
			who, err := c.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
			if err != nil {
				return err
			}
			_, err = c.iam.ListUsers(t.Context(), &iam.ListUsersInput{})
			refusal, ok := errors.AsType[smithy.APIError](err)
			if !ok || refusal.ErrorCode() != "AccessDenied" {
				return fmt.Errorf("a list that is not allowed: %w", err)
			}
			if err := errors.Join(own("a user", *u.User.UserName, *u.User.Arn, *u.User.Tags[0].Value), own("a policy", *p.PolicyName, *p.PolicyDocument), own("an identity", *who.Arn), own("a refusal", refusal.ErrorMessage())); err != nil {
				return err
			}
			if n%4 == 0 { // goes away, sooner or later
				ctx, leave := context.WithTimeout(t.Context(), time.Duration(n)*50*time.Microsecond)
				_, _ = c.iam.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: &c.mark, PolicyName: &c.mark})
				leave()
			}
		}
		return nil
	}) {
		if err != nil {
			t.Errorf("caller %d: %v", i, err)
		}
	}
}

// tagged are tags with a long text, in pieces that no six letters are cut by.
func tagged(text string) (tags []types.Tag) {
	for i := 0; len(text) > 0; i++ {
		n := min(len(text), 252)
		tags = append(tags, types.Tag{Key: aws.String(fmt.Sprint("k", i)), Value: aws.String(text[:n])})
		text = text[n:]
	}
	return tags
}
