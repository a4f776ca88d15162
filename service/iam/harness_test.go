package iam

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/password"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

const (
	ours   arn.AccountID = "111122223333"
	theirs arn.AccountID = "444455556666"
)

// tester is what the harness needs of *testing.T, and of *rapid.T.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// world is IAM with two accounts over a memory store. People act in it through the
// same steps as in the pipeline (Before, checks, handler, one transaction), with
// the real policy engine.
type world struct {
	t     tester
	db    store.Store
	ring  *keyring.Ring
	iam   *Service
	ops   map[string]service.Operation
	authz *authz.Authorizer
	now   time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t}
	seal, err := keyring.GenerateSealKey(rand.Reader)
	w.must(err)
	w.ring, err = keyring.New(seal, rand.Reader, w.now)
	w.must(err)
	managed, err := awsmanaged.Load()
	w.must(err)
	w.authz = authz.New(managed)
	w.iam, err = New(Config{
		Ring:      w.ring,
		Markers:   service.NewMarkers([]byte("a key of thirty-two bytes, really")),
		Passwords: password.NewHasher(password.Cost{Memory: 16, Time: 1, Threads: 1}, 2),
		Managed:   managed,
		Authz:     w.authz,
		JobKey:    []byte("another key"),
		Actions: func(namespace string) (names []string) {
			if namespace == "iam" {
				names = slices.Sorted(maps.Keys(w.ops))
			}
			return names
		},
	})
	w.must(err)
	w.ops = make(map[string]service.Operation)
	for _, op := range w.iam.Operations().Operations {
		w.ops[op.Name] = op
	}
	w.empty(t)
	t.Cleanup(func() { w.db.Close() })
	return w
}

// empty begins anew, with two accounts and nobody in them.
func (w *world) empty(t tester) {
	t.Helper()
	if w.db != nil {
		w.db.Close()
	}
	w.t, w.db, w.now = t, memory.New(), time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)
	for _, id := range []arn.AccountID{ours, theirs} {
		w.edit(func(tx store.Tx) error {
			return identity.Accounts.Put(tx, &identity.Account{ID: id, Created: second(w.now)}, string(id))
		})
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v", err)
	}
}

func (w *world) edit(fn func(store.Tx) error) {
	w.t.Helper()
	w.must(w.db.Update(context.Background(), fn))
}

func (w *world) view(fn func(store.Reader) error) {
	w.t.Helper()
	w.must(w.db.View(context.Background(), fn))
}

// later lets time pass.
func (w *world) later(d time.Duration) { w.now = w.now.Add(d) }

// actor is someone who calls.
type actor struct {
	w *world
	p *authn.Principal
}

// root is the root user of our account; rootOf that of another.
func (w *world) root() actor { return w.rootOf(ours) }

func (w *world) rootOf(account arn.AccountID) actor {
	root := arn.Scope{Partition: "aws", Account: account}.Root()
	return actor{w, &authn.Principal{Kind: authn.Root, Account: account, ID: string(account), ARN: root, PrincipalARN: root, UserID: string(account)}}
}

// as is a user of our account, with a long-term key.
func (w *world) as(name string) actor {
	w.t.Helper()
	var u *identity.User
	w.view(func(r store.Reader) (err error) {
		u, err = identity.FindUser(r, ours, name)
		return err
	})
	return actor{w, &authn.Principal{Kind: authn.User, Account: ours, ID: u.ID, Name: u.Name, Path: u.Path, ARN: u.ARN("aws"), PrincipalARN: u.ARN("aws"), UserID: u.ID, AccessKeyID: "AKIAEXAMPLE"}}
}

// inSession is the same person with credentials of GetSessionToken.
func (a actor) inSession() actor {
	p := *a.p
	p.Session = &session.Session{Kind: session.User, Account: p.Account, PrincipalID: p.ID}
	p.MFAKnown, p.MFA, p.MFATime = true, true, a.w.now
	return actor{a.w, &p}
}

// asRole is a session of a role that may do everything.
func (w *world) asRole() actor {
	w.t.Helper()
	const id = "AROAEXAMPLE0000000000"
	scope := arn.Scope{Partition: "aws", Account: ours}
	w.edit(func(tx store.Tx) error {
		if err := identity.Entities.Put(tx, &identity.Entity{Account: ours, Type: identity.TypeRole, Name: "admins"}, id); err != nil {
			return err
		}
		role := &identity.Role{Account: ours, ID: id, Name: "admins", Path: "/", Created: w.now, Inline: []identity.InlinePolicy{{Name: "all", Document: allow("*", "*")}}}
		return identity.Roles.Put(tx, role, string(ours), "admins")
	})
	return actor{w, &authn.Principal{
		Kind: authn.AssumedRole, Account: ours, ID: id, Name: "admins", Path: "/",
		ARN: scope.AssumedRole("admins", "s"), PrincipalARN: scope.Role("/", "admins"), UserID: id + ":s",
		Session: &session.Session{Kind: session.Role, Account: ours, PrincipalID: id, Name: "s"},
	}}
}

// allow is a policy document that allows an action.
func allow(action, resource string) string { return statement("Allow", action, resource, "") }

// allowIf allows it under a condition.
func allowIf(action, resource, condition string) string {
	return statement("Allow", action, resource, condition)
}

func statement(effect, action, resource, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":%q,"Action":%q,"Resource":%q%s}]}`, effect, action, resource, condition)
}

// may replaces a user's inline policies.
func (w *world) may(name string, documents ...string) {
	w.t.Helper()
	w.edit(func(tx store.Tx) error {
		return identity.Users.Edit(tx, func(u *identity.User) error {
			u.Inline = nil
			for i, d := range documents {
				u.Inline = append(u.Inline, identity.InlinePolicy{Name: fmt.Sprintf("p%d", i), Document: d})
			}
			return nil
		}, string(ours), identity.Fold(name))
	})
}

// try runs an operation as the pipeline does. handle serves to name the operation
// and the type of its output.
//
// What is written is written twice: a first run is rolled back, since a transaction
// may have to repeat its closure.
func try[I, O any](a actor, handle func(*service.Call, *I) (*O, error), in *I) (*O, error) {
	a.w.t.Helper()
	name := strings.TrimSuffix(reflect.TypeFor[I]().Name(), "Input")
	op, ok := a.w.ops[name]
	if !ok {
		a.w.t.Fatalf("there is no operation %s", name)
	}
	out, err := a.perform(op, in)
	if err != nil {
		return nil, err
	}
	return out.(*O), nil
}

var errAgain = errors.New("run it again")

func (a actor) perform(op service.Operation, in any) (out any, refusal error) {
	w, ctx := a.w, context.Background()
	c := &service.Call{
		Context:   ctx,
		Update:    func(fn func(store.Tx) error) error { return w.db.Update(ctx, fn) },
		Now:       w.now,
		Rand:      rand.Reader,
		Principal: a.p,
		Scope:     arn.Scope{Partition: "aws", Account: a.p.Account},
		Region:    "us-east-1",
		RequestID: "7a62c49f-347e-4fc4-9331-6e8eexample",
		Event:     &audit.Event{},
	}
	if op.Prepare != nil {
		err := w.db.View(ctx, func(r store.Reader) error {
			c.Reader = r
			if err := a.authorize(c, op, in); err != nil {
				return err
			}
			return op.Prepare(c, in)
		})
		if err != nil {
			return nil, err
		}
	}
	run := func() (any, error) {
		if err := a.authorize(c, op, in); err != nil {
			return nil, err
		}
		return op.Handle(c, in)
	}
	if op.Access(in) != service.Write {
		err := w.db.View(ctx, func(r store.Reader) (err error) {
			c.Reader, c.Tx = r, nil
			out, err = run()
			return err
		})
		return out, err
	}
	for _, again := range []error{errAgain, nil} {
		err := w.db.Update(ctx, func(tx store.Tx) error {
			c.Reader, c.Tx = tx, tx
			out, refusal = run()
			if refusal != nil && !service.IsCommitted(refusal) {
				return refusal
			}
			return again
		})
		if err != nil && again == nil {
			return nil, err
		}
	}
	return out, refusal
}

// authorize asks the operation's questions.
func (a actor) authorize(c *service.Call, op service.Operation, in any) error {
	if op.Checks == nil {
		a.w.t.Fatalf("%s is open to everybody", op.Name)
	}
	checks, err := op.Checks(c, in)
	if err != nil {
		return err
	}
	if len(checks) == 0 {
		a.w.t.Fatalf("%s asked no question", op.Name)
	}
	env := &authz.Environment{Now: c.Now, Partition: "aws", Region: c.Region}
	for _, check := range checks {
		if check.Action == "" {
			check.Action = "iam:" + op.Name
		}
		result, err := a.w.authz.Decide(c.Reader, c.Principal, &check, env)
		if err != nil {
			return err
		}
		if !result.Allowed {
			return service.Denied(result.Message)
		}
	}
	return nil
}

// do runs an operation that has to succeed.
func do[I, O any](a actor, handle func(*service.Call, *I) (*O, error), in *I) *O {
	a.w.t.Helper()
	out, err := try(a, handle, in)
	if err != nil {
		a.w.t.Fatalf("%s: %v", reflect.TypeFor[I]().Name(), err)
	}
	return out
}

// refused runs an operation that has to fail with this code and message.
func refused[I, O any](a actor, handle func(*service.Call, *I) (*O, error), in *I, code, message string) {
	a.w.t.Helper()
	_, err := try(a, handle, in)
	checkError(a.w.t, reflect.TypeFor[I]().Name(), err, code, message)
}

// denied runs an operation that the caller may not do.
func denied[I, O any](a actor, handle func(*service.Call, *I) (*O, error), in *I) {
	a.w.t.Helper()
	if _, err := try(a, handle, in); codeOf(err) != "AccessDenied" {
		a.w.t.Errorf("%s: %v, want AccessDenied", reflect.TypeFor[I]().Name(), err)
	}
}

func checkError(t tester, what string, err error, code, message string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	switch {
	case err == nil:
		t.Errorf("%s succeeded, want %s", what, code)
	case !ok:
		t.Errorf("%s: %v, want %s", what, err, code)
	case e.ErrorCode() != code || e.ErrorMessage() != message:
		t.Errorf("%s:\n got %s: %s\nwant %s: %s", what, e.ErrorCode(), e.ErrorMessage(), code, message)
	}
}

// codeOf is the code of an error, or "" for none.
func codeOf(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// user makes a user, as root.
func (w *world) user(name string) actor {
	w.t.Helper()
	do(w.root(), w.iam.CreateUser, &iam.CreateUserInput{UserName: &name})
	return w.as(name)
}

func (w *world) group(name string) {
	w.t.Helper()
	do(w.root(), w.iam.CreateGroup, &iam.CreateGroupInput{GroupName: &name})
}

// key makes an access key for a user, as root.
func (w *world) key(user string) (id string) {
	w.t.Helper()
	return *do(w.root(), w.iam.CreateAccessKey, &iam.CreateAccessKeyInput{UserName: &user}).AccessKey.AccessKeyId
}

// record reads a user's record.
func (w *world) record(name string) (u *identity.User) {
	w.t.Helper()
	w.view(func(r store.Reader) (err error) {
		u, err = identity.FindUser(r, ours, name)
		return err
	})
	return u
}

// consistent checks that all records and indexes agree.
func (w *world) consistent(t tester) {
	t.Helper()
	w.view(func(r store.Reader) error {
		for _, account := range []arn.AccountID{ours, theirs} {
			newInventory(t, r, account).check()
		}
		return nil
	})
}

// inventory is everything in an account, to be compared with the indexes.
type inventory struct {
	t       tester
	r       store.Reader
	account string
	want    map[string]string // what follows from the records
	have    map[string]string // what the indexes hold
}

func newInventory(t tester, r store.Reader, account arn.AccountID) *inventory {
	return &inventory{t, r, string(account), map[string]string{}, map[string]string{}}
}

func scan[T any](i *inventory, table store.Table[T], fn func(key store.Key, v *T), prefix ...string) {
	i.t.Helper()
	err := table.Scan(i.r, "", func(key store.Key, v *T) bool {
		fn(key, v)
		return true
	}, prefix...)
	if err != nil {
		i.t.Fatalf("%v", err)
	}
}

func (i *inventory) check() {
	i.t.Helper()
	n, used := identity.Counts{}, map[string]int{}
	entity := func(id string, kind identity.EntityType, name string) {
		i.want["entity "+id] = fmt.Sprint(kind, " ", identity.Fold(name))
	}
	uses := func(kind identity.EntityType, id, name string, attached []string, boundary string) {
		for _, p := range attached {
			i.want[fmt.Sprint("use ", p, " ", identity.AsPermissions, " ", kind, " ", id)] = ""
		}
		if boundary != "" {
			i.want[fmt.Sprint("use ", boundary, " ", identity.AsBoundary, " ", kind, " ", id)] = ""
		}
	}
	scan(i, identity.Users, func(key store.Key, u *identity.User) {
		n.Users++
		if key.Last() != identity.Fold(u.Name) {
			i.t.Errorf("user %s is under the key %q", u.Name, key.Parts())
		}
		entity(u.ID, identity.TypeUser, u.Name)
		uses(identity.TypeUser, u.ID, u.Name, u.Attached, u.Boundary)
		for _, g := range u.Groups {
			i.want["member "+g+" "+identity.Fold(u.Name)] = u.ID
		}
		for _, k := range u.AccessKeys {
			i.want["key "+k] = u.ID + " " + identity.Fold(u.Name)
		}
		for _, d := range u.MFA {
			i.want["device "+d.Serial] = fmt.Sprint(u.ID, d.Enabled)
			used[d.Serial]++
		}
	}, i.account)
	scan(i, identity.Groups, func(key store.Key, g *identity.Group) {
		n.Groups++
		if key.Last() != identity.Fold(g.Name) {
			i.t.Errorf("group %s is under the key %q", g.Name, key.Parts())
		}
		entity(g.ID, identity.TypeGroup, g.Name)
		uses(identity.TypeGroup, g.ID, g.Name, g.Attached, "")
	}, i.account)
	scan(i, identity.Roles, func(_ store.Key, r *identity.Role) {
		n.Roles++
		entity(r.ID, identity.TypeRole, r.Name)
		uses(identity.TypeRole, r.ID, r.Name, r.Attached, r.Boundary)
	}, i.account)
	scan(i, identity.Policies, func(_ store.Key, p *identity.Policy) {
		n.Policies++
		n.PolicyVersions += len(p.Versions)
		entity(p.ID, identity.TypePolicy, p.Name)
	}, i.account)
	scan(i, identity.InstanceProfiles, func(_ store.Key, p *identity.InstanceProfile) {
		n.InstanceProfiles++
		entity(p.ID, identity.TypeInstanceProfile, p.Name)
	}, i.account)
	scan(i, identity.OIDCProviders, func(key store.Key, p *identity.OIDCProvider) {
		n.OIDCProviders++
		if key.Last() != p.URL {
			i.t.Errorf("provider %s is under the key %q", p.URL, key.Parts())
		}
	}, i.account)
	scan(i, identity.SAMLProviders, func(key store.Key, p *identity.SAMLProvider) {
		n.SAMLProviders++
		if key.Last() != identity.Fold(p.Name) {
			i.t.Errorf("provider %s is under the key %q", p.Name, key.Parts())
		}
	}, i.account)
	scan(i, identity.ServerCertificates, func(key store.Key, s *identity.ServerCertificate) {
		n.ServerCertificates++
		if key.Last() != identity.Fold(s.Name) {
			i.t.Errorf("server certificate %s is under the key %q", s.Name, key.Parts())
		}
		entity(s.ID, identity.TypeServerCertificate, s.Name)
	}, i.account)
	held(i, identity.SigningCertificates, "signing certificate", func(c *identity.SigningCertificate) string { return c.ID })
	held(i, identity.SSHPublicKeys, "SSH public key", func(k *identity.SSHPublicKey) string { return k.ID })
	logins := map[string]bool{}
	held(i, identity.ServiceCredentials, "service-specific credential", func(c *identity.ServiceCredential) string {
		login := identity.Fold(c.Service + " " + c.Login)
		if logins[login] {
			i.t.Errorf("two credentials are %s", login)
		}
		logins[login] = true
		return c.ID
	})
	account, err := identity.Accounts.Get(i.r, i.account)
	if err != nil {
		i.t.Fatalf("%v", err)
	}
	for _, d := range account.RootMFA {
		i.want["device "+d.Serial] = fmt.Sprint(i.account, d.Enabled)
		used[d.Serial]++
	}
	if account.Alias != "" {
		i.want["alias "+account.Alias] = ""
	}

	scan(i, identity.Entities, func(key store.Key, e *identity.Entity) {
		if string(e.Account) == i.account {
			i.have["entity "+key.Last()] = fmt.Sprint(e.Type, " ", e.Name)
		}
	})
	scan(i, identity.Members, func(key store.Key, m *identity.Member) {
		i.have["member "+key.Parts()[1]+" "+key.Last()] = m.UserID
	}, i.account)
	scan(i, identity.Attachments, func(key store.Key, _ *identity.Attachment) {
		i.have["use "+strings.Join(key.Parts()[1:], " ")] = ""
	}, i.account)
	scan(i, identity.AccessKeys, func(key store.Key, k *identity.AccessKey) {
		if string(k.Account) == i.account {
			i.have["key "+key.Last()] = k.UserID + " " + k.UserName
		}
	})
	scan(i, identity.MFADevices, func(key store.Key, d *identity.MFADevice) {
		switch d.Kind() {
		case identity.VirtualDevice:
			n.MFADevices++
		case identity.HardwareToken:
			n.HardwareTokens++
		default:
			n.SecurityKeys++
			if d.Owner == "" {
				i.t.Errorf("security key %s belongs to nobody", d.Key())
			}
		}
		if d.WebAuthn != nil {
			i.want["passkey "+identity.PasskeyKey(d.WebAuthn.ID)] = d.Key()
		}
		if key.Last() != d.Key() {
			i.t.Errorf("device %s is under the key %q", d.Key(), key.Parts())
		}
		if d.Owner != "" {
			n.MFADevicesInUse++
			i.have["device "+key.Last()] = fmt.Sprint(d.Owner, d.Enabled)
		}
	}, i.account)
	scan(i, identity.Passkeys, func(key store.Key, p *identity.Passkey) {
		if string(p.Account) == i.account {
			i.have["passkey "+key.Last()] = p.Device
		}
	})
	scan(i, identity.Aliases, func(key store.Key, a *identity.Alias) {
		if string(a.Account) == i.account {
			i.have["alias "+key.Last()] = ""
		}
	})

	scan(i, identity.Activities, func(key store.Key, _ *identity.Activity) {
		if id := key.Parts()[0]; !identity.Entities.Has(i.r, id) {
			i.t.Errorf("the activity of %s is left over", id)
		}
	})

	scan(i, identity.PolicyTests, func(key store.Key, _ *identity.PolicyTestSet) {
		if !identity.Entities.Has(i.r, key.Last()) {
			i.t.Errorf("the tests of the policy %s are left over", key.Last())
		}
	}, i.account)

	for k, v := range i.want {
		if have, ok := i.have[k]; !ok || have != v {
			i.t.Errorf("%s should be %q, is %q", k, v, have)
		}
	}
	for k := range i.have {
		if _, ok := i.want[k]; !ok {
			i.t.Errorf("%s is left over", k)
		}
	}
	for serial, times := range used {
		if times > 1 {
			i.t.Errorf("device %s is used by %d people", serial, times)
		}
	}
	counts, err := identity.CountsOf.Get(i.r, i.account)
	if errors.Is(err, store.ErrNotFound) {
		counts, err = &identity.Counts{}, nil
	}
	if err != nil {
		i.t.Fatalf("%v", err)
	}
	if *counts != n {
		i.t.Errorf("counts are %+v, should be %+v", *counts, n)
	}
}

// held checks what hangs on users by unique id: that it is under its own key, and
// that there is the user.
func held[T any](i *inventory, table store.Table[T], what string, id func(*T) string) {
	i.t.Helper()
	scan(i, table, func(key store.Key, v *T) {
		if key.Last() != id(v) {
			i.t.Errorf("%s %s is under the key %q", what, id(v), key.Parts())
		}
		if u, err := identity.UserByID(i.r, key.Parts()[1]); err != nil || string(u.Account) != i.account {
			i.t.Errorf("%s %s belongs to nobody: %v", what, id(v), err)
		}
	}, i.account)
}

// asJSON is an output as a test prints it.
func asJSON(v any) string {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// pages walks through a list, a page at a time, and returns the sizes of the pages.
func pages(next func(marker *string) (items int, truncated bool, after *string)) (sizes []int) {
	var marker *string
	for {
		n, truncated, after := next(marker)
		sizes = append(sizes, n)
		if !truncated || len(sizes) > 100 {
			return sizes
		}
		marker = after
	}
}

// Every error that operations answer has a status that the protocol knows.
func TestErrorsAreOfAWSsKind(t *testing.T) {
	for _, err := range []error{
		noSuchEntity(""), alreadyExists(""), limitExceeded(""), deleteConflict(""), invalidInput(""),
		temporarilyUnmodifiable(""), malformedCertificate(""), passwordPolicyViolation(""), invalidUserType(""), invalidAuthenticationCode(""),
	} {
		e, ok := errors.AsType[smithy.APIError](err)
		if !ok || e.ErrorFault() != smithy.FaultClient {
			t.Errorf("%T is not an error of the caller", err)
		}
	}
	if e, ok := errors.AsType[*service.Error](mustNameUser()); !ok || e.Status != http.StatusBadRequest {
		t.Error("ValidationError has another status than 400")
	}
}

func names[T any](items []T, name func(T) *string) []string {
	out := make([]string, len(items))
	for i, item := range items {
		out[i] = aws.ToString(name(item))
	}
	return out
}

func equal(t tester, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s = %q, want %q", what, got, want)
	}
}
