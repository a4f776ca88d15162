// Package respond owns what is done when a long-term access key leaked: the steps that
// stop it, in the order that leaves the safer state behind an interruption, and the
// report of what it did.
//
// It is a client: deactivating, quarantining and replacing are ordinary requests of the
// API, authorized and on the trail like any other. What AWS has no operation for goes
// over the owner's local socket: the end of the sessions that the key minted, and the
// reading of the whole trail.
package respond

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/session"
)

// Quarantine is the AWS managed policy that denies what thieves of keys do first: to make
// themselves at home, and to spend money.
const Quarantine = "AWSCompromisedKeyQuarantineV3"

// Server is what is asked of the server over its owner's socket.
type Server interface {
	// Revoke ends the sessions that a key minted before now.
	Revoke(ctx context.Context, id string) (session.Subject, error)
	// Calls yields what a key and its sessions did.
	Calls(ctx context.Context, id string, yield func(*audit.KeyCall)) (*audit.KeyTrail, error)
}

// Vault keeps the secret of a replacement, which can be had once. It is opened before
// the key is made, so that no key comes into being whose secret has no place.
type Vault interface {
	Keep(user, id, secret string) (where string, err error)
	Discard()
}

// Responder responds to one leaked key.
type Responder struct {
	Key       *identity.KeyState
	Server    Server
	IAM       *iam.Client
	Partition arn.Partition
	// Leaked is since when the key is thought to be in other hands: what is first seen
	// after it is new.
	Leaked time.Time
	// NoQuarantine leaves the user's policies alone.
	NoQuarantine bool
	// OpenVault, if set, asks for a replacement.
	OpenVault func(user string) (Vault, error)
	// KeepReads keeps each call that changed nothing in the report, not only their sum.
	KeepReads bool
}

// State is how a step ended.
type State string

// How a step ended.
const (
	Done    State = "done"
	Already State = "already" // there was nothing left to do
	Skipped State = "skipped"
	Failed  State = "failed"
)

// Step is one thing that was done.
type Step struct {
	Name   string `json:"step"` // deactivate, revoke, quarantine or replace
	State  State  `json:"state"`
	Detail string `json:"detail"`
}

// Run takes the steps and reads the trail. A step that fails does not keep the others
// from being taken; the report says so, and Err. The error is of an interruption, or of
// a trail that cannot be read; the report is of what was done until then.
func (r *Responder) Run(ctx context.Context) (*Report, error) {
	report := newReport(r.Key, r.Leaked, r.KeepReads)
	for _, step := range []func(context.Context) Step{r.deactivate, r.revoke, r.quarantine} {
		report.Steps = append(report.Steps, step(ctx))
		if err := ctx.Err(); err != nil {
			return report, err
		}
	}
	trail, err := r.Server.Calls(ctx, r.Key.ID, report.add)
	if err != nil {
		return report, fmt.Errorf("what the key did: %w", err)
	}
	report.finish(trail)
	report.Steps = append(report.Steps, r.replace(ctx, report))
	return report, ctx.Err()
}

func (r *Responder) deactivate(ctx context.Context) Step {
	const name = "deactivate"
	switch {
	case !r.Key.Exists:
		return Step{name, Already, "the key was deleted"}
	case !r.Key.Active:
		return Step{name, Already, "the key is inactive"}
	}
	_, err := r.IAM.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{
		UserName: &r.Key.UserName, AccessKeyId: &r.Key.ID, Status: types.StatusTypeInactive,
	})
	if err != nil {
		return failed(name, err)
	}
	return Step{name, Done, "the key is inactive"}
}

// revoke ends the sessions in any case: some may have begun since the last time.
func (r *Responder) revoke(ctx context.Context) Step {
	const name = "revoke"
	revoked, err := r.Server.Revoke(ctx, r.Key.ID)
	if err != nil {
		return failed(name, err)
	}
	step := Step{name, Done, "its sessions that began before " + instant(revoked.Before) + " are over"}
	if !r.Key.Revoked.IsZero() && !r.Key.Active {
		step.State = Already
	}
	return step
}

func (r *Responder) quarantine(ctx context.Context) Step {
	const name = "quarantine"
	switch {
	case r.NoQuarantine:
		return Step{name, Skipped, "the user's policies are as they were (--no-quarantine)"}
	case !r.Key.Exists:
		return Step{name, Skipped, "the key was deleted, and whose it was is not on record with it"}
	}
	policy := "arn:" + string(r.Partition) + ":iam::aws:policy/" + Quarantine
	detach := "; when all is well again: aws iam detach-user-policy --user-name " + quote(r.Key.UserName) + " --policy-arn " + policy
	pages := iam.NewListAttachedUserPoliciesPaginator(r.IAM, &iam.ListAttachedUserPoliciesInput{UserName: &r.Key.UserName})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return failed(name, err)
		}
		if slices.ContainsFunc(page.AttachedPolicies, func(p types.AttachedPolicy) bool { return aws.ToString(p.PolicyArn) == policy }) {
			return Step{name, Already, Quarantine + " is on the user" + detach}
		}
	}
	if _, err := r.IAM.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: &r.Key.UserName, PolicyArn: &policy}); err != nil {
		return failed(name, err)
	}
	return Step{name, Done, Quarantine + " is on the user, for all of the user's credentials" + detach}
}

// replace makes another key, last of all: it is of no use to the user before, and the
// report tells whether the key that the user has already is the thief's.
func (r *Responder) replace(ctx context.Context, report *Report) Step {
	const name = "replace"
	switch {
	case r.OpenVault == nil:
		return Step{name, Skipped, "not asked for (--replace)"}
	case !r.Key.Exists:
		return Step{name, Failed, "the key was deleted: make one with aws iam create-access-key"}
	}
	for _, other := range r.Key.Others {
		if report.madeKey(other.ID) {
			return Step{name, Failed, "the user's other key " + other.ID + " was made by the leaked one: first lanyard respond key " + other.ID}
		}
		if other.Active {
			return Step{name, Already, "the user has the key " + other.ID + ", active, of " + instant(other.Created)}
		}
	}
	vault, err := r.OpenVault(r.Key.UserName)
	if err != nil {
		return failed(name, err)
	}
	out, err := r.IAM.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &r.Key.UserName})
	if err != nil {
		vault.Discard()
		step := failed(name, err)
		if limit := new(types.LimitExceededException); errors.As(err, &limit) {
			step.Detail += "; first aws iam delete-access-key --user-name " + quote(r.Key.UserName) + " --access-key-id " + r.Key.ID
		}
		return step
	}
	id := aws.ToString(out.AccessKey.AccessKeyId)
	where, err := vault.Keep(r.Key.UserName, id, aws.ToString(out.AccessKey.SecretAccessKey))
	if err != nil {
		step := failed(name, err)
		// Nobody has its secret, so nobody will use it.
		_, gone := r.IAM.DeleteAccessKey(context.WithoutCancel(ctx), &iam.DeleteAccessKeyInput{UserName: &r.Key.UserName, AccessKeyId: &id})
		if gone != nil {
			step.Detail += "; the key " + id + " was made, and could not be deleted again: " + words(gone)
		}
		return step
	}
	report.Replacement = id
	return Step{name, Done, "the new key is " + id + "; its secret is " + where}
}

func failed(name string, err error) Step { return Step{name, Failed, words(err)} }

// words is what the service said, without what the SDK says around it.
func words(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode() + ": " + api.ErrorMessage()
	}
	return err.Error()
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// quote makes one word of a shell out of a text.
func quote(s string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("+=,.@_-:/", c)
	}
	if s != "" && strings.IndexFunc(s, func(c rune) bool { return !plain(c) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
