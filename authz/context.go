package authz

import (
	"strconv"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/policy"
)

// fill sets the condition keys of a request: first those that the check brings,
// then the global ones, which nothing may override, except that a check states
// the MFA keys of an AssumeRole call that carries a code (policy-language facts,
// "MFA keys per credential kind").
//
// Source: IAM User Guide, "AWS global condition context keys".
func fill(c *policy.Context, p *authn.Principal, tags []principalTag, check *Check, owner arn.AccountID, env *Environment) {
	c.Reset()
	mfaStated := false
	for i := range check.Keys {
		k := &check.Keys[i]
		if k.Name == "aws:MultiFactorAuthPresent" {
			mfaStated = true
		}
		if k.Multi {
			c.SetStrings(k.Name, k.List)
		} else {
			c.SetString(k.Name, k.Value)
		}
	}
	if !mfaStated && p.MFAKnown {
		c.SetBool("aws:MultiFactorAuthPresent", p.MFA)
		if p.MFA {
			c.SetInt("aws:MultiFactorAuthAge", int64(env.Now.Sub(p.MFATime).Seconds()))
		}
	}

	fillTime(c, env.Now)
	c.SetBool("aws:SecureTransport", env.Secure)
	c.SetString("aws:UserAgent", env.UserAgent)
	c.SetString("aws:RequestedRegion", env.Region)
	if env.SourceIP.IsValid() {
		c.SetIP("aws:SourceIp", env.SourceIP)
	}
	if env.Referer != "" {
		c.SetString("aws:referer", env.Referer)
	}
	c.SetBool("aws:ViaAWSService", false)
	if owner != "" {
		c.SetString("aws:ResourceAccount", string(owner))
	}
	fillPrincipal(c, p, tags)
}

func fillTime(c *policy.Context, now time.Time) {
	c.SetTime("aws:CurrentTime", now)
	c.SetInt("aws:EpochTime", now.Unix())
}

// fillPrincipal sets what is known of the caller. See "Principal-derived values"
// in the IAM User Guide's page on policy variables.
func fillPrincipal(c *policy.Context, p *authn.Principal, tags []principalTag) {
	if p.Kind == authn.Anonymous {
		c.SetString("aws:PrincipalAccount", "anonymous")
		c.SetString("aws:PrincipalType", "Anonymous")
		c.SetString("aws:userid", "anonymous")
		return
	}
	c.SetBool("aws:PrincipalIsAWSService", p.Kind == authn.Service)
	if p.Kind != authn.Service { // which has neither account nor id
		c.SetString("aws:PrincipalArn", p.PrincipalARN)
		c.SetString("aws:PrincipalAccount", string(p.Account))
		if p.UserID != "" { // a simulated caller may be known by name alone
			c.SetString("aws:userid", p.UserID)
		}
	}
	switch p.Kind {
	case authn.Root:
		c.SetString("aws:PrincipalType", "Account")
	case authn.User:
		c.SetString("aws:PrincipalType", "User")
		c.SetString("aws:username", p.Name)
	case authn.AssumedRole:
		c.SetString("aws:PrincipalType", "AssumedRole")
	case authn.FederatedUser:
		c.SetString("aws:PrincipalType", "FederatedUser")
	case authn.Service:
		c.SetString("aws:PrincipalServiceName", p.Name)
		c.SetStrings("aws:PrincipalServiceNamesList", []string{p.Name})
	}
	for _, t := range tags {
		c.SetString(t.key, t.value)
	}
	if s := p.Session; s != nil {
		for _, t := range s.Tags { // session tags override those of the role or user
			c.SetString("aws:PrincipalTag/"+t.Key, t.Value)
		}
		c.SetTime("aws:TokenIssueTime", s.Issued)
		if s.SignIn != "" {
			c.SetString("aws:SignInSessionArn", s.SignIn)
		}
		if s.SourceIdentity != "" {
			c.SetString("aws:SourceIdentity", s.SourceIdentity)
		}
	}
}

// Seconds writes a whole number for a condition key.
func Seconds(n int64) string { return strconv.FormatInt(n, 10) }
