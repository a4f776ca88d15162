package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/server"
)

// workers is how many entities are changed at a time. Their transactions share commits.
const workers = 8

// Importer makes the entities of a file in an account.
type Importer struct {
	Client    *iam.Client
	Account   arn.AccountID
	Partition arn.Partition
	// Accounts are all accounts of the installation; nil if they are not known, and
	// then every account that a trust policy names is supposed to exist.
	Accounts []arn.AccountID
	// KeepAccount leaves the account of the file in policy documents.
	KeepAccount bool
	// DryRun finds out and changes nothing.
	DryRun bool
	// PutManaged loads an AWS managed policy of the file; nil leaves them where they are.
	PutManaged func(context.Context, server.ManagedPolicy) (server.ManagedPolicyReply, error)

	file    *File
	state   *state
	rewrite rewriter
	report  Report
	// present are the entities that there are, or will be, with their ARNs; leftOut
	// those of the file that there will not be, and why.
	present map[key]string
	leftOut map[key]string
	// denying are policies and groups that deny something.
	denying map[key]bool
	count   [kinds]int
	// managed is why an AWS managed policy cannot be attached, if it cannot.
	managed map[string]string
}

// key is a kind and a folded name; of AWS managed policies, their path and name.
type key struct {
	kind kind
	name string
}

// step is one change.
type step struct {
	text string
	do   func(context.Context) error
}

// work is what has to be done for one entity: what adds, then what removes. If a quota
// leaves no room for both, what removes goes first.
type work struct {
	out         *Entity
	add, remove []step
}

func (w *work) adds(do func(context.Context) error, format string, args ...any) {
	w.add = append(w.add, step{fmt.Sprintf(format, args...), do})
}

func (w *work) removes(do func(context.Context) error, format string, args ...any) {
	w.remove = append(w.remove, step{fmt.Sprintf(format, args...), do})
}

// Run imports a file. It begins with what others refer to. An error means that it
// stopped; what was done stays, and another run goes on from there. A change that the
// service refused is in the report.
func (im *Importer) Run(ctx context.Context, file *File) (*Report, error) {
	im.file = file
	im.rewrite = rewriter{from: file.account, to: im.Account, keep: im.KeepAccount, partition: im.Partition}
	im.report = Report{Source: file.account, Account: im.Account, DryRun: im.DryRun, Entities: []Entity{}}
	im.present, im.leftOut, im.denying, im.managed = map[key]string{}, map[key]string{}, map[key]bool{}, map[string]string{}
	var err error
	if im.state, err = load(ctx, im.Client); err != nil {
		return &im.report, err
	}
	for k, have := range im.state.of {
		im.count[k] = len(have)
		for name, h := range have {
			im.present[key{kind(k), name}] = h.arn
		}
	}
	for _, at := range file.places[policies] {
		im.denying[key{policies, identity.Fold(at.name)}] = at.denies
	}
	for _, at := range file.places[awsPolicies] {
		im.denying[awsKey(at.arn)] = at.denies
	}
	im.report.Entities = make([]Entity, 0, len(file.places[users])+len(file.places[groups])+len(file.places[roles])+len(file.places[policies])+len(file.places[awsPolicies]))
	if im.PutManaged != nil {
		if err := im.putManaged(ctx); err != nil {
			return &im.report, err
		}
	}
	for _, phase := range []struct {
		kind kind
		plan func(context.Context, *entity, *Entity) (*work, error)
	}{{policies, im.policy}, {groups, im.group}, {users, im.user}, {roles, im.role}} {
		begin := len(im.report.Entities)
		if err := im.phase(ctx, phase.kind, phase.plan); err != nil {
			return &im.report, err
		}
		if phase.kind == roles {
			if err := im.trusts(ctx, im.report.Entities[begin:]); err != nil {
				return &im.report, err
			}
		}
	}
	return &im.report, nil
}

// phase plans the entities of a kind one after the other, and makes the changes
// together.
func (im *Importer) phase(ctx context.Context, k kind, plan func(context.Context, *entity, *Entity) (*work, error)) error {
	p := im.pool(ctx)
	for _, at := range im.file.places[k] {
		if p.ctx.Err() != nil {
			break
		}
		im.report.Entities = append(im.report.Entities, Entity{Type: k.String(), Name: at.name, Result: Unchanged, kind: k})
		out := &im.report.Entities[len(im.report.Entities)-1]
		e, err := im.file.read(k, at)
		if err != nil {
			p.stop(err)
			break
		}
		w, err := plan(p.ctx, e, out)
		if err != nil {
			p.stop(fmt.Errorf("%s %s: %w", k, at.name, err))
			break
		}
		if out.Result == LeftOut {
			im.leftOut[key{k, identity.Fold(at.name)}] = out.Reason
			continue
		}
		im.present[key{k, identity.Fold(at.name)}] = im.rewrite.name(at.arn)
		p.run(w)
	}
	err := p.wait()
	for i := range im.report.Entities {
		if e := &im.report.Entities[i]; e.kind == k && e.Result == Failed {
			name := key{k, identity.Fold(e.Name)}
			im.leftOut[name] = e.Reason
			if im.state.of[k][name.name] == nil {
				delete(im.present, name)
			}
		}
	}
	return err
}

// trusts gives roles their trust policies, once all roles are there and have all else.
func (im *Importer) trusts(ctx context.Context, outs []Entity) error {
	p := im.pool(ctx)
	for i, at := range im.file.places[roles] {
		out := &outs[i]
		if p.ctx.Err() != nil {
			break
		}
		if out.Result == LeftOut || out.Result == Failed {
			continue
		}
		e, err := im.file.read(roles, at)
		if err != nil {
			p.stop(err)
			break
		}
		text, n := im.rewrite.document(e.trust)
		im.report.Rewritten += n
		document, missing, err := im.trust(text)
		out.LeftOut = append(out.LeftOut, missing...)
		if err == nil {
			err = fits(document, im.state.quota("AssumeRolePolicySizeQuota"))
		}
		if err != nil {
			document = nobody
			out.omit("trust policy", "nobody can assume it: %v", err)
		}
		have := im.state.of[roles][identity.Fold(e.name)]
		if have != nil && have.trust == digestOf(document) {
			continue
		}
		if have == nil && document == nobody {
			continue
		}
		w := &work{out: out}
		w.adds(func(ctx context.Context) error {
			_, err := im.Client.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &e.name, PolicyDocument: &document})
			return err
		}, "trust policy")
		p.run(w)
	}
	return p.wait()
}

// pool makes changes, several at a time.
type pool struct {
	im     *Importer
	ctx    context.Context
	cancel context.CancelFunc
	queue  chan *work
	wg     sync.WaitGroup
	mu     sync.Mutex
	err    error
}

func (im *Importer) pool(ctx context.Context) *pool {
	p := &pool{im: im, queue: make(chan *work)}
	p.ctx, p.cancel = context.WithCancel(ctx)
	for range workers {
		p.wg.Go(func() {
			for w := range p.queue {
				if err := im.apply(p.ctx, w); err != nil {
					p.stop(fmt.Errorf("%s %s: %w", w.out.Type, w.out.Name, err))
				}
			}
		})
	}
	return p
}

func (p *pool) stop(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	p.cancel()
}

func (p *pool) run(w *work) {
	if len(w.add)+len(w.remove) > 0 {
		p.queue <- w
	}
}

func (p *pool) wait() error {
	close(p.queue)
	p.wg.Wait()
	p.cancel()
	return p.err
}

// apply makes the changes for one entity. It fails if there is no sense in going on.
func (im *Importer) apply(ctx context.Context, w *work) error {
	if ctx.Err() != nil {
		w.out.Result, w.out.Reason = Failed, "the import stopped before"
		return ctx.Err()
	}
	if w.out.Result != Created {
		w.out.Result = Updated
	}
	if im.DryRun {
		for _, s := range slices.Concat(w.add, w.remove) {
			w.out.Changes = append(w.out.Changes, s.text)
		}
		return nil
	}
	todo, later := w.add, w.remove
	for len(todo) > 0 || len(later) > 0 {
		if len(todo) == 0 {
			todo, later = later, nil
		}
		err := todo[0].do(ctx)
		if code(err) == "LimitExceeded" && len(later) > 0 {
			todo, later = slices.Concat(later, todo), nil
			continue
		}
		if err != nil {
			w.out.Result, w.out.failed = Failed, err
			w.out.Reason = todo[0].text + ": " + said(err)
			if fatal(err) {
				return err
			}
			return nil
		}
		w.out.Changes = append(w.out.Changes, todo[0].text)
		todo = todo[1:]
	}
	return nil
}

// code is the code of an error of the service.
func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// said is what the service said, without what the SDK adds.
func said(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode() + ": " + e.ErrorMessage()
	}
	return err.Error()
}

// fatal tells whether the next change would meet with the same error.
func fatal(err error) bool {
	switch code(err) {
	case "", "AccessDenied", "InvalidClientTokenId", "ExpiredToken", "SignatureDoesNotMatch", "ServiceUnavailable":
		return true
	}
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return r.HTTPStatusCode() >= http.StatusInternalServerError
	}
	return false
}

// awsKey is the key of an AWS managed policy.
func awsKey(name string) key {
	a, err := arn.Parse(name)
	if err != nil {
		return key{}
	}
	return key{awsPolicies, a.Resource}
}

// putManaged loads the AWS managed policies of the file.
func (im *Importer) putManaged(ctx context.Context) error {
	for _, at := range im.file.places[awsPolicies] {
		e, err := im.file.read(awsPolicies, at)
		if err != nil {
			return err
		}
		im.report.Entities = append(im.report.Entities, Entity{Type: awsPolicies.String(), Name: e.name, Result: Unchanged, kind: awsPolicies})
		out := &im.report.Entities[len(im.report.Entities)-1]
		in := server.ManagedPolicy{Path: e.path, Name: e.name, ID: e.id, Description: e.description, Created: e.created, Updated: e.updated, DryRun: im.DryRun}
		for _, v := range e.versions {
			if v.inForce {
				in.Default = v.id
			}
			in.Versions = append(in.Versions, server.ManagedPolicyVersion{ID: v.id, Created: v.created, Document: v.document})
		}
		reply, err := im.PutManaged(ctx, in)
		if refusal, ok := errors.AsType[Refusal](err); ok {
			out.leaveOut("%s", refusal)
			continue
		}
		if err != nil {
			return fmt.Errorf("AWS managed policy %s: %w", e.name, err)
		}
		im.present[awsKey(at.arn)] = at.arn
		if out.Result = Result(reply.Result); out.Result != Unchanged {
			out.Changes = []string{"default version " + in.Default}
		}
		if reply.Omitted > 0 {
			out.omit(fmt.Sprintf("%d older versions", reply.Omitted), "five are kept")
		}
	}
	return nil
}

// Refusal is PutManaged's error for a policy that cannot be.
type Refusal string

func (r Refusal) Error() string { return string(r) }

// unavailable says why a managed policy cannot be attached here, or nothing; and whether
// it denies, as far as is known.
func (im *Importer) unavailable(ctx context.Context, name string) (why string, denies bool, err error) {
	a, err := arn.Parse(name)
	if err != nil {
		return "its ARN cannot be read", true, nil
	}
	if a.Account == "aws" {
		why, err := im.missingManaged(ctx, name)
		denies, known := im.denying[awsKey(name)]
		return why, denies || !known, err
	}
	if a.Account != string(im.Account) {
		return "it is a policy of account " + a.Account, true, nil
	}
	_, _, short := a.Split()
	at := key{policies, identity.Fold(short)}
	if _, out := im.leftOut[at]; out {
		return "it was left out", im.denying[at], nil
	}
	if im.present[at] != name {
		return "there is no such policy", true, nil
	}
	return "", im.denying[at], nil
}

// missingManaged says why an AWS managed policy cannot be attached.
func (im *Importer) missingManaged(ctx context.Context, name string) (string, error) {
	why, asked := im.managed[name]
	if asked {
		return why, nil
	}
	out, err := im.Client.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &name})
	switch _, will := im.present[awsKey(name)]; {
	case err == nil && !out.Policy.IsAttachable:
		why = "only service-linked roles have it"
	case err == nil, code(err) == "NoSuchEntity" && will && im.DryRun:
	case code(err) == "ValidationError", code(err) == "InvalidInput":
		why = "there can be no such policy"
	case code(err) == "NoSuchEntity":
		why = "the catalogue has no such AWS managed policy"
		if _, inFile := im.denying[awsKey(name)]; inFile && im.PutManaged == nil {
			why += "; --aws-managed takes it from the file"
		}
	default:
		return "", err
	}
	im.managed[name] = why
	if _, known := im.denying[awsKey(name)]; known || err != nil {
		return why, nil
	}
	version, err := im.Client.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &name, VersionId: out.Policy.DefaultVersionId})
	if err != nil {
		return "", err
	}
	document, err := url.PathUnescape(aws.ToString(version.PolicyVersion.Document))
	im.denying[awsKey(name)] = err != nil || denies(document)
	return why, nil
}

// sorted are the keys of a map in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// fits refuses a document that is longer than a quota.
func fits(document string, limit int) error {
	if n := size(document); n > limit {
		return fmt.Errorf("it has %d characters, the quota is %d", n, limit)
	}
	return nil
}

func ptr(s string) *string { return aws.String(s) }

// Refused tells whether an error is an answer of the service.
func Refused(err error) bool { return code(err) != "" }
