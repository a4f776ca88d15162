package sts_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/constraint"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/service/sts"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

// The accounts of all stories.
const (
	ours   = arn.AccountID("111111111111")
	theirs = arn.AccountID("222222222222")
)

const allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// world is an installation with a clock that stands still until it is moved. Its
// requests take the way of package endpoint: what kind of credentials may call,
// limits of parameters, and then, inside the transaction, the real policy engine.
type world struct {
	t        testing.TB
	now      time.Time
	rand     *rand.ChaCha8 // what people and keys are made of
	random   io.Reader     // what requests draw from
	store    *memory.Store
	ring     *keyring.Ring
	sessions *session.Codec
	mfa      *authn.MFA
	authz    *authz.Authorizer
	messages *authz.Messages
	limits   *constraint.Table
	ops      map[string]service.Operation
	// event is the audit record of the latest request.
	event *audit.Event
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, now: time.Date(2026, 7, 1, 12, 0, 10, 0, time.UTC), rand: rand.NewChaCha8([32]byte{1}), store: memory.New(), ops: map[string]service.Operation{}}
	w.random = w.rand
	t.Cleanup(func() { w.store.Close() })
	seal, err := keyring.GenerateSealKey(w.rand)
	w.must(err)
	w.ring, err = keyring.New(seal, w.rand, w.now)
	w.must(err)
	managed, err := awsmanaged.Load()
	w.must(err)
	w.limits, err = constraint.New("sts")
	w.must(err)
	w.sessions = session.NewCodec(w.ring)
	w.mfa = &authn.MFA{Ring: w.ring}
	w.authz = authz.New(managed)
	w.messages = &authz.Messages{Ring: w.ring}
	s := sts.New(sts.Config{Sessions: w.sessions, MFA: w.mfa, Trust: w.authz.TrustPolicy, Managed: managed, Decode: w.messages.Open})
	for _, op := range s.Operations().Operations {
		w.ops[op.Name] = op
	}
	for _, a := range []arn.AccountID{ours, theirs} {
		w.update(func(tx store.Tx) error {
			return identity.Accounts.Put(tx, &identity.Account{ID: a, Created: w.now}, string(a))
		})
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) update(fn func(store.Tx) error) {
	w.t.Helper()
	w.must(w.store.Update(w.t.Context(), fn))
}

func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

// ---- people and roles

// user makes an IAM user with inline policies and returns who signs with the
// user's access key.
func (w *world) user(account arn.AccountID, name string, policies ...string) *authn.Principal {
	w.t.Helper()
	id, err := arn.NewUniqueID(arn.PrefixUser, w.rand)
	w.must(err)
	key, err := arn.NewAccessKeyID(arn.PrefixAccessKey, account, w.rand)
	w.must(err)
	u := &identity.User{Account: account, ID: id, Name: name, Path: "/", Created: w.now, AccessKeys: []string{key}, Inline: inline(policies)}
	w.update(func(tx store.Tx) error {
		return errors.Join(
			identity.Users.Put(tx, u, string(account), identity.Fold(name)),
			identity.Entities.Put(tx, &identity.Entity{Account: account, Type: identity.TypeUser, Name: identity.Fold(name)}, id),
			identity.AccessKeys.Put(tx, &identity.AccessKey{ID: key, Account: account, UserID: id, UserName: identity.Fold(name)}, key))
	})
	return &authn.Principal{Kind: authn.User, Account: account, ID: id, Name: name, Path: "/", ARN: u.ARN("aws"), PrincipalARN: u.ARN("aws"), UserID: id, AccessKeyID: key}
}

// accessKey records an access key of any form.
func (w *world) accessKey(id string, account arn.AccountID) {
	w.update(func(tx store.Tx) error {
		return identity.AccessKeys.Put(tx, &identity.AccessKey{ID: id, Account: account}, id)
	})
}

func inline(documents []string) (policies []identity.InlinePolicy) {
	for i, d := range documents {
		policies = append(policies, identity.InlinePolicy{Name: fmt.Sprint("p", i), Document: d})
	}
	return policies
}

func (w *world) deleteUser(p *authn.Principal) {
	w.update(func(tx store.Tx) error {
		identity.Users.Delete(tx, string(p.Account), identity.Fold(p.Name))
		identity.Entities.Delete(tx, p.ID)
		return nil
	})
}

// root is who signs as the root user with a long-term key.
func (w *world) root(account arn.AccountID) *authn.Principal {
	name := arn.Scope{Partition: "aws", Account: account}.Root()
	return &authn.Principal{Kind: authn.Root, Account: account, ID: string(account), ARN: name, PrincipalARN: name, UserID: string(account), AccessKeyID: "AKIAROOTROOTROOTROOT"}
}

// role makes a role and returns its ARN.
func (w *world) role(account arn.AccountID, name, trust string, change ...func(*identity.Role)) string {
	w.t.Helper()
	if _, err := policy.Parse(trust, policy.TrustPolicy); err != nil {
		w.t.Fatalf("trust policy of %s: %v", name, err)
	}
	id, err := arn.NewUniqueID(arn.PrefixRole, w.rand)
	w.must(err)
	r := &identity.Role{Account: account, ID: id, Name: name, Path: "/", Created: w.now, MaxSessionDuration: 3600, TrustPolicy: trust}
	for _, c := range change {
		c(r)
	}
	w.update(func(tx store.Tx) error {
		return errors.Join(
			identity.Roles.Put(tx, r, string(account), identity.Fold(name)),
			identity.Entities.Put(tx, &identity.Entity{Account: account, Type: identity.TypeRole, Name: identity.Fold(name)}, id))
	})
	return r.ARN("aws")
}

func (w *world) deleteRole(account arn.AccountID, name string) {
	w.update(func(tx store.Tx) error {
		r, err := identity.FindRole(tx, account, name)
		if err != nil {
			return err
		}
		identity.Entities.Delete(tx, r.ID)
		identity.Roles.Delete(tx, string(account), identity.Fold(name))
		return nil
	})
}

// maxSession, withTags and may change a role that is made.
func maxSession(d time.Duration) func(*identity.Role) {
	return func(r *identity.Role) { r.MaxSessionDuration = int32(d / time.Second) }
}

func roleTags(tags ...identity.Tag) func(*identity.Role) {
	return func(r *identity.Role) { r.Tags = tags }
}

func may(policies ...string) func(*identity.Role) {
	return func(r *identity.Role) { r.Inline = inline(policies) }
}

// trusts is a trust policy that lets principals take a role with all that belongs
// to it, under conditions given as JSON.
func trusts(principals string, conditions ...string) string {
	return trustsFor(`["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`, principals, conditions...)
}

func trustsFor(actions, principals string, conditions ...string) string {
	condition := ""
	if len(conditions) > 0 {
		condition = `,"Condition":{` + strings.Join(conditions, ",") + `}`
	}
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":%s%s}]}`, principals, actions, condition)
}

// ---- phones

// device is a virtual MFA device in someone's hand.
type device struct {
	w      *world
	serial string
	seed   []byte
}

func (w *world) phone(owner *authn.Principal, name string) *device {
	w.t.Helper()
	seed, err := mfa.GenerateSeed(w.rand)
	w.must(err)
	account := string(owner.Account)
	sealed, err := w.ring.Seal(keyring.MFASeeds, string(identity.MFADevices.Key(account, "/"+name)), seed)
	w.must(err)
	d := &identity.MFADevice{Account: owner.Account, Name: name, Path: "/", Seed: sealed, Owner: owner.ID, Created: w.now, Enabled: w.now}
	w.update(func(tx store.Tx) error { return identity.MFADevices.Put(tx, d, account, "/"+name) })
	return &device{w: w, serial: d.Serial("aws"), seed: seed}
}

// code is what the phone shows, offset steps from now.
func (p *device) code(offset int64) *string {
	return aws.String(mfa.Code(p.seed, mfa.StepAt(p.w.now)+offset))
}

// wrong is a code that the phone does not show now.
func (p *device) wrong() *string {
	for n := 0; ; n++ {
		code := fmt.Sprintf("%06d", n)
		if code != *p.code(-1) && code != *p.code(0) && code != *p.code(1) {
			return &code
		}
	}
}

// measured checks what an answer says about the size of its session token.
func (w *world) measured(cr *types.Credentials, size, utilization *int32) {
	w.t.Helper()
	n := len(*cr.SessionToken)
	if size == nil || int(*size) != n {
		w.t.Errorf("SessionTokenSize %d of a token of %d bytes", aws.ToInt32(size), n)
	}
	percent := n * 100 / 4096
	if n*100%4096 != 0 {
		percent++
	}
	if utilization == nil || int(*utilization) != min(percent, 100) {
		w.t.Errorf("SessionTokenUtilization %d of a token of %d bytes", aws.ToInt32(utilization), n)
	}
}

// ---- requests

// call is one request. A transaction's closure may run twice, so it always does:
// once for nothing, and then to be kept.
func (w *world) call(p *authn.Principal, name string, in any) (any, error) {
	w.t.Helper()
	op := w.ops[name]
	w.event = &audit.Event{ID: "event", Time: w.now, Account: p.Account}
	if err := authz.Permitted(p, "sts", name); err != nil {
		return nil, err
	}
	if err := w.limits.Validate(name, in); err != nil {
		return nil, err
	}
	c := &service.Call{
		Now:       w.now,
		Rand:      w.random,
		Principal: p,
		Scope:     arn.Scope{Partition: "aws", Account: p.Account},
		Region:    "us-east-1",
		RequestID: "request",
		Event:     w.event,
	}
	if op.Access(in) != service.Write {
		var out any
		err := w.store.View(w.t.Context(), func(r store.Reader) error {
			c.Reader = r
			var err error
			out, err = w.run(c, &op, in)
			return err
		})
		return out, err
	}
	again := errors.New("the engine runs the closure again")
	err := w.store.Update(w.t.Context(), func(tx store.Tx) error {
		c.Reader, c.Tx = tx, tx
		_, _ = w.run(c, &op, in)
		return again
	})
	if err != again {
		w.t.Fatalf("%s: %v", name, err)
	}
	*w.event = audit.Event{ID: "event", Time: w.now, Account: p.Account}
	var out any
	var refusal error
	err = w.store.Update(w.t.Context(), func(tx store.Tx) error {
		c.Reader, c.Tx = tx, tx
		out, refusal = w.run(c, &op, in)
		if refusal != nil && !service.IsCommitted(refusal) {
			return refusal
		}
		return nil
	})
	if refusal != nil {
		return nil, refusal
	}
	return out, err
}

func (w *world) run(c *service.Call, op *service.Operation, in any) (any, error) {
	c.Ask = func(check authz.Check) error {
		if check.Action == "" {
			check.Action = "sts:" + op.Name
		}
		result, err := w.authz.Decide(c.Reader, c.Principal, &check, &authz.Environment{
			Now: w.now, SourceIP: netip.MustParseAddr("192.0.2.1"), UserAgent: "test", Secure: true, Region: c.Region, Partition: c.Scope.Partition,
		})
		if err != nil {
			return err
		}
		if !result.Allowed {
			return service.Denied(result.Message)
		}
		return nil
	}
	if op.Checks != nil {
		checks, err := op.Checks(c, in)
		if err != nil {
			return nil, err
		}
		for _, check := range checks {
			if err := c.Ask(check); err != nil {
				return nil, err
			}
		}
	}
	return op.Handle(c, in)
}

// assume assumes a role; changes fill in the optional parameters.
func (w *world) assume(p *authn.Principal, role string, changes ...func(*awssts.AssumeRoleInput)) (*awssts.AssumeRoleOutput, error) {
	w.t.Helper()
	in := &awssts.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: aws.String("work")}
	for _, c := range changes {
		c(in)
	}
	out, err := w.call(p, "AssumeRole", in)
	if err != nil {
		return nil, err
	}
	return out.(*awssts.AssumeRoleOutput), nil
}

// assumed assumes a role, which must succeed, and returns who the session is.
func (w *world) assumed(p *authn.Principal, role string, changes ...func(*awssts.AssumeRoleInput)) *authn.Principal {
	w.t.Helper()
	out, err := w.assume(p, role, changes...)
	if err != nil {
		w.t.Fatalf("assume %s: %v", role, err)
	}
	return w.with(out.Credentials)
}

func (w *world) sessionToken(p *authn.Principal, serial, code *string) (*awssts.GetSessionTokenOutput, error) {
	w.t.Helper()
	out, err := w.call(p, "GetSessionToken", &awssts.GetSessionTokenInput{SerialNumber: serial, TokenCode: code})
	if err != nil {
		return nil, err
	}
	return out.(*awssts.GetSessionTokenOutput), nil
}

// withMFA is the person in a session with MFA.
func (w *world) withMFA(p *authn.Principal, phone *device) *authn.Principal {
	w.t.Helper()
	out, err := w.sessionToken(p, &phone.serial, phone.code(0))
	w.must(err)
	return w.with(out.Credentials)
}

func (w *world) federated(p *authn.Principal, in *awssts.GetFederationTokenInput) (*awssts.GetFederationTokenOutput, error) {
	w.t.Helper()
	out, err := w.call(p, "GetFederationToken", in)
	if err != nil {
		return nil, err
	}
	return out.(*awssts.GetFederationTokenOutput), nil
}

// with is who signs with credentials; they must be believed.
func (w *world) with(cr *types.Credentials) *authn.Principal {
	w.t.Helper()
	p, err := w.signIn(cr)
	w.must(err)
	return p
}

// errRevoked and errExpired are what signIn makes of such sessions.
var (
	errRevoked = errors.New("revoked")
	errExpired = errors.New("expired")
)

func (w *world) signIn(cr *types.Credentials) (p *authn.Principal, err error) {
	s, err := w.sessions.Open(*cr.AccessKeyId, *cr.SessionToken)
	if err != nil {
		return nil, err
	}
	if w.sessions.Secret(s) != *cr.SecretAccessKey {
		w.t.Error("the session has another secret than the one that was handed out")
	}
	if !w.now.Before(s.Expires) {
		return nil, errExpired
	}
	err = w.store.View(w.t.Context(), func(r store.Reader) error {
		revoked, err := session.Revoked(r, s)
		if err != nil {
			return err
		}
		if revoked {
			return errRevoked
		}
		p, err = authn.OfSession(r, s, "aws")
		return err
	})
	return p, err
}

// allows asks the policy engine whether a principal may do something.
func (w *world) allows(p *authn.Principal, action, resource string) bool {
	w.t.Helper()
	var allowed bool
	w.must(w.store.View(w.t.Context(), func(r store.Reader) error {
		check := authz.Check{Action: action, Resource: resource}
		result, err := w.authz.Decide(r, p, &check, &authz.Environment{Now: w.now, Region: "us-east-1", Partition: "aws"})
		allowed = result.Allowed
		return err
	}))
	return allowed
}

// refused checks code and message of a refusal.
func (w *world) refused(what string, err error, code, message string) {
	w.t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		w.t.Errorf("%s: %v, want %s", what, err, code)
		return
	}
	if got := strings.TrimSuffix(api.ErrorCode(), "Exception"); got != code && api.ErrorCode() != code {
		w.t.Errorf("%s: code %s (%s), want %s", what, api.ErrorCode(), api.ErrorMessage(), code)
	}
	if api.ErrorMessage() != message {
		w.t.Errorf("%s:\n got %s\nwant %s", what, api.ErrorMessage(), message)
	}
}

func (w *world) notAssumed(what string, p *authn.Principal, role string, changes ...func(*awssts.AssumeRoleInput)) {
	w.t.Helper()
	_, err := w.assume(p, role, changes...)
	w.refused(what, err, "AccessDenied", "User: "+p.ARN+" is not authorized to perform: sts:AssumeRole on resource: "+role)
}
