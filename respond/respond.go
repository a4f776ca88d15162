// Package respond owns what is done when a long-term access key leaked: the steps that
// stop it, in the order that leaves the safer state behind an interruption, and the
// report of what it did.
//
// It is a client: deactivating, quarantining and replacing are ordinary requests of the
// API, authorized and on the trail like any other. What AWS has no operation for, the end
// of the sessions that the key minted and the reading of the whole trail, is asked of a
// [Server]: with the credentials of a person it is the account's ([API]), for the owner of
// the host the local socket, which knows all accounts.
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
	"github.com/lanyard-iam/lanyard/internal/paging"
)

// Quarantine is the AWS managed policy that denies what thieves of keys do first: to make
// themselves at home, and to spend money.
const Quarantine = "AWSCompromisedKeyQuarantineV3"

// Server is what AWS's API has no operation for.
// They are functions and no interface for the reason that package internal/paging tells.
type Server struct {
	// Revoke ends the sessions that a key minted before now. It returns the moment before
	// which they were issued.
	Revoke func(ctx context.Context, id string) (before time.Time, err error)
	// Calls yields what a key and its sessions did.
	Calls func(ctx context.Context, id string, yield func(*audit.KeyCall)) (*audit.KeyTrail, error)
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
	Pending State = "to do" // only of Look
)

// Step is one thing that was done.
type Step struct {
	Name   string `json:"step"` // deactivate, revoke, quarantine or replace
	State  State  `json:"state"`
	Detail string `json:"detail"`
	// Err is why a step failed.
	Err error `json:"-"`
}

// Run takes the steps and reads the trail. A step that fails does not keep the others
// from being taken; the report says so, and Err. The error is of an interruption, or of
// a trail that cannot be read; the report is of what was done until then.
func (r *Responder) Run(ctx context.Context) (*Report, error) {
	report := newReport(r.Key, r.Leaked, r.KeepReads)
	for _, step := range []func(context.Context) Step{r.Deactivate, r.Revoke, r.Quarantine} {
		report.Steps = append(report.Steps, step(ctx))
		if err := ctx.Err(); err != nil {
			return report, err
		}
	}
	if err := r.read(ctx, report); err != nil {
		return report, err
	}
	report.Steps = append(report.Steps, r.Replace(ctx, report))
	return report, ctx.Err()
}

// Report reads the trail and changes nothing. Its steps are what Look finds.
func (r *Responder) Report(ctx context.Context) (*Report, error) {
	report := newReport(r.Key, r.Leaked, r.KeepReads)
	report.Steps = r.Look(ctx)
	return report, r.read(ctx, report)
}

func (r *Responder) read(ctx context.Context, report *Report) error {
	trail, err := r.Server.Calls(ctx, r.Key.ID, report.add)
	if err != nil {
		return fmt.Errorf("what the key did: %w", err)
	}
	report.finish(trail)
	return nil
}

// Look tells how far the response has come: it is seen from the key and its user, and not
// kept anywhere.
func (r *Responder) Look(ctx context.Context) []Step {
	deactivate := Step{Name: "deactivate", State: Already, Detail: "the key is inactive"}
	switch {
	case !r.Key.Exists:
		deactivate.Detail = "the key was deleted"
	case r.Key.Active:
		deactivate = Step{Name: "deactivate", State: Pending, Detail: "the key works"}
	}
	revoke := Step{Name: "revoke", State: Pending, Detail: "sessions that it minted go on"}
	if !r.Key.Revoked.IsZero() {
		revoke = Step{Name: "revoke", State: Already, Detail: "its sessions that began before " + instant(r.Key.Revoked) + " are over"}
		if r.Key.Active {
			revoke.State = Pending
		}
	}
	quarantine := Step{Name: "quarantine", State: Skipped, Detail: ownerUnknown}
	if r.Key.Exists {
		switch on, err := r.quarantined(ctx); {
		case err != nil:
			quarantine = failed(quarantine.Name, err)
		case on:
			quarantine = Step{Name: quarantine.Name, State: Already, Detail: Quarantine + " is on the user"}
		default:
			quarantine = Step{Name: quarantine.Name, State: Pending, Detail: Quarantine + " is not on the user"}
		}
	}
	return []Step{deactivate, revoke, quarantine}
}

const ownerUnknown = "the key was deleted, and whose it was is not on record with it"

// Deactivate stops the key itself.
func (r *Responder) Deactivate(ctx context.Context) Step {
	const name = "deactivate"
	switch {
	case !r.Key.Exists:
		return Step{Name: name, State: Already, Detail: "the key was deleted"}
	case !r.Key.Active:
		return Step{Name: name, State: Already, Detail: "the key is inactive"}
	}
	_, err := r.IAM.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{
		UserName: &r.Key.UserName, AccessKeyId: &r.Key.ID, Status: types.StatusTypeInactive,
	})
	if err != nil {
		return failed(name, err)
	}
	return Step{Name: name, State: Done, Detail: "the key is inactive"}
}

// Revoke ends the sessions in any case: some may have begun since the last time.
func (r *Responder) Revoke(ctx context.Context) Step {
	const name = "revoke"
	before, err := r.Server.Revoke(ctx, r.Key.ID)
	if err != nil {
		return failed(name, err)
	}
	step := Step{Name: name, State: Done, Detail: "its sessions that began before " + instant(before) + " are over"}
	if !r.Key.Revoked.IsZero() && !r.Key.Active {
		step.State = Already
	}
	return step
}

// Quarantine puts the quarantine policy on the user.
func (r *Responder) Quarantine(ctx context.Context) Step {
	const name = "quarantine"
	switch {
	case r.NoQuarantine:
		return Step{Name: name, State: Skipped, Detail: "the user's policies are as they were (--no-quarantine)"}
	case !r.Key.Exists:
		return Step{Name: name, State: Skipped, Detail: ownerUnknown}
	}
	policy := r.policy()
	detach := "; when all is well again: aws iam detach-user-policy --user-name " + quote(r.Key.UserName) + " --policy-arn " + policy
	switch on, err := r.quarantined(ctx); {
	case err != nil:
		return failed(name, err)
	case on:
		return Step{Name: name, State: Already, Detail: Quarantine + " is on the user" + detach}
	}
	if _, err := r.IAM.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: &r.Key.UserName, PolicyArn: &policy}); err != nil {
		return failed(name, err)
	}
	return Step{Name: name, State: Done, Detail: Quarantine + " is on the user, for all of the user's credentials" + detach}
}

func (r *Responder) policy() string {
	return "arn:" + string(r.Partition) + ":iam::aws:policy/" + Quarantine
}

func (r *Responder) quarantined(ctx context.Context) (bool, error) {
	pages := paging.Of(r.IAM.ListAttachedUserPolicies, &iam.ListAttachedUserPoliciesInput{UserName: &r.Key.UserName})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(page.AttachedPolicies, func(p types.AttachedPolicy) bool { return aws.ToString(p.PolicyArn) == r.policy() }) {
			return true, nil
		}
	}
	return false, nil
}

// Replace makes another key, last of all: it is of no use to the user before, and the
// report tells whether the key that the user has already is the thief's.
func (r *Responder) Replace(ctx context.Context, report *Report) Step {
	const name = "replace"
	switch {
	case r.OpenVault == nil:
		return Step{Name: name, State: Skipped, Detail: "not asked for (--replace)"}
	case !r.Key.Exists:
		return Step{Name: name, State: Failed, Detail: "the key was deleted: make one with aws iam create-access-key"}
	}
	for _, other := range r.Key.Others {
		if report.madeKey(other.ID) {
			return Step{Name: name, State: Failed, Detail: "the user's other key " + other.ID + " was made by the leaked one: first lanyard respond key " + other.ID}
		}
		if other.Active {
			return Step{Name: name, State: Already, Detail: "the user has the key " + other.ID + ", active, of " + instant(other.Created)}
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
	return Step{Name: name, State: Done, Detail: "the new key is " + id + "; its secret is " + where}
}

func failed(name string, err error) Step { return Step{Name: name, State: Failed, Detail: words(err)} }

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
