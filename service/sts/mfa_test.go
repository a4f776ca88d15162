package sts_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/service"
)

const (
	wrongCode   = "MultiFactorAuthentication failed with invalid MFA one time pass code."
	wrongSerial = "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user."
	bothNeeded  = "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
)

// probes allow an action for each state in which the MFA keys can be.
const probes = `{"Version":"2012-10-17","Statement":[
	{"Effect":"Allow","Action":"mfa:True","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}},
	{"Effect":"Allow","Action":"mfa:False","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}}},
	{"Effect":"Allow","Action":"mfa:Absent","Resource":"*","Condition":{"Null":{"aws:MultiFactorAuthPresent":"true"}}},
	{"Effect":"Allow","Action":"mfa:Age","Resource":"*","Condition":{"Null":{"aws:MultiFactorAuthAge":"false"}}},
	{"Effect":"Allow","Action":"mfa:Fresh","Resource":"*","Condition":{"NumericLessThan":{"aws:MultiFactorAuthAge":"300"}}},
	{"Effect":"Allow","Action":"sts:*","Resource":"*"}]}`

func (w *world) mfaKeys(p *authn.Principal) string {
	state := "?"
	for _, s := range []string{"True", "False", "Absent"} {
		if w.allows(p, "mfa:"+s, "*") {
			state = strings.ToLower(s)
		}
	}
	switch {
	case w.allows(p, "mfa:Fresh", "*"):
		return state + ", fresh"
	case w.allows(p, "mfa:Age", "*"):
		return state + ", old"
	}
	return state
}

// The table "MFA keys per credential kind": what policies see of MFA in requests
// that are signed with each kind of credentials.
func TestMFAKeysPerCredentialKind(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice", probes)
	phone := w.phone(alice, "phone")
	role := w.role(ours, "worker", trusts(string(ours)), may(probes))
	next := w.role(ours, "next", trusts(string(ours)), may(probes))

	plain, err := w.sessionToken(alice, nil, nil)
	w.must(err)
	withoutMFA := w.with(plain.Credentials)
	withMFA := w.withMFA(alice, phone)
	vouched, err := w.federated(alice, &awssts.GetFederationTokenInput{Name: aws.String("bob"), Policy: aws.String(probes)})
	w.must(err)

	roleByKey := w.assumed(alice, role)
	w.pass(30 * time.Second)
	roleByKeyAndCode := w.assumed(alice, role, code(phone))
	w.pass(30 * time.Second)
	roleByPlainSessionAndCode := w.assumed(withoutMFA, role, code(phone))

	for _, c := range []struct {
		credentials string
		p           *authn.Principal
		now, later  string // later is ten minutes later
	}{
		{"access key of a user", alice, "absent", "absent"},
		{"GetSessionToken without MFA", withoutMFA, "false", "false"},
		{"GetSessionToken with MFA", withMFA, "true, fresh", "true, old"},
		{"AssumeRole by access key", roleByKey, "false", "false"},
		{"AssumeRole by access key and code", roleByKeyAndCode, "false", "false"},
		{"AssumeRole by session without MFA", w.assumed(withoutMFA, role), "false", "false"},
		{"AssumeRole by session without MFA, and code", roleByPlainSessionAndCode, "false", "false"},
		{"AssumeRole by session with MFA", w.assumed(withMFA, role), "true, fresh", "true, old"},
		{"chained from a role session with MFA", w.assumed(w.assumed(withMFA, role), next), "true, fresh", "true, old"},
		{"chained from a role session without", w.assumed(roleByKeyAndCode, next), "false", "false"},
		{"GetFederationToken", w.with(vouched.Credentials), "absent", "absent"},
	} {
		if got := w.mfaKeys(c.p); got != c.now {
			t.Errorf("%s: %s, want %s", c.credentials, got, c.now)
		}
		w.pass(10 * time.Minute)
		if got := w.mfaKeys(c.p); got != c.later {
			t.Errorf("%s, ten minutes later: %s, want %s", c.credentials, got, c.later)
		}
		w.now = w.now.Add(-10 * time.Minute)
	}

	root := w.root(ours)
	rootPhone := w.phone(root, "root-account-mfa-device")
	if p := w.withMFA(root, rootPhone); !p.MFA || p.Kind != authn.Root {
		t.Errorf("root's session with MFA is %+v", p)
	}
}

// code adds a phone's code to an AssumeRole request.
func code(p *device) func(*awssts.AssumeRoleInput) {
	return func(in *awssts.AssumeRoleInput) { in.SerialNumber, in.TokenCode = &p.serial, p.code(0) }
}

// The same table for the evaluation of AssumeRole itself.
func TestMFAKeysWhileARoleIsAssumed(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice")
	phone := w.phone(alice, "phone")
	roles := map[string]string{
		"true":   w.role(ours, "wants-true", trusts(alice.ARN, `"Bool":{"aws:MultiFactorAuthPresent":"true"},"NumericLessThan":{"aws:MultiFactorAuthAge":"3600"}`)),
		"false":  w.role(ours, "wants-false", trusts(alice.ARN, `"Bool":{"aws:MultiFactorAuthPresent":"false"}`)),
		"absent": w.role(ours, "wants-absent", trusts(alice.ARN, `"Null":{"aws:MultiFactorAuthPresent":"true","aws:MultiFactorAuthAge":"true"}`)),
	}
	plain, err := w.sessionToken(alice, nil, nil)
	w.must(err)
	withMFA := w.withMFA(alice, phone)
	for _, c := range []struct {
		how  string
		p    *authn.Principal
		code bool
		want string
	}{
		{"access key", alice, false, "absent"},
		{"access key and code", alice, true, "true"},
		{"session without MFA", w.with(plain.Credentials), false, "false"},
		{"session without MFA, and code", w.with(plain.Credentials), true, "true"},
		{"session with MFA", withMFA, false, "true"},
	} {
		for want, role := range roles {
			w.pass(30 * time.Second)
			var changes []func(*awssts.AssumeRoleInput)
			if c.code {
				changes = append(changes, code(phone))
			}
			if _, err := w.assume(c.p, role, changes...); (err == nil) != (want == c.want) {
				t.Errorf("%s: role that wants %s: %v", c.how, want, err)
			}
		}
	}
}

func TestT261_AnMFACodeWorksOnce(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice", allowAll)
	phone := w.phone(alice, "phone")
	role := w.role(ours, "r", trusts(string(ours)))
	closed := w.role(ours, "closed", trusts(string(theirs)))

	_, err := w.sessionToken(alice, &phone.serial, phone.code(0))
	w.must(err)
	_, err = w.sessionToken(alice, &phone.serial, phone.code(0))
	w.refused("the same code again", err, "AccessDenied", wrongCode)
	_, err = w.assume(alice, role, code(phone))
	w.refused("the same code for AssumeRole", err, "AccessDenied", wrongCode)
	for _, spelling := range []string{" " + *phone.code(1), *phone.code(1) + " ", "0" + *phone.code(1)} {
		if _, err = w.sessionToken(alice, &phone.serial, &spelling); err == nil {
			t.Errorf("code spelled %q", spelling)
		}
	}

	// Used up even where what it was used for is denied, or fails.
	w.pass(time.Minute)
	w.notAssumed("a role that does not trust us", alice, closed, code(phone))
	_, err = w.sessionToken(alice, &phone.serial, phone.code(0))
	w.refused("a code that was used for a denied request", err, "AccessDenied", wrongCode)
	w.pass(time.Minute)
	_, err = w.assume(alice, role, code(phone), seconds(3601))
	w.refused("too long a session", err, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	_, err = w.sessionToken(alice, &phone.serial, phone.code(0))
	w.refused("a code that was used for a failed request", err, "AccessDenied", wrongCode)

	// A request that is refused before the code is looked at does not use it.
	w.pass(30 * time.Minute)
	_, err = w.assume(alice, role, code(phone), func(in *awssts.AssumeRoleInput) { in.Policy = aws.String("{") })
	if err == nil || service.IsCommitted(err) {
		t.Errorf("a bad policy: %v", err)
	}
	_, err = w.sessionToken(alice, &phone.serial, phone.code(0))
	w.must(err)
}

func seconds(n int32) func(*awssts.AssumeRoleInput) {
	return func(in *awssts.AssumeRoleInput) { in.DurationSeconds = &n }
}

func TestT262_T573_CodesOfOtherSteps(t *testing.T) {
	for offset, want := range map[int64]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
		w := newWorld(t)
		alice := w.user(ours, "alice")
		phone := w.phone(alice, "phone")
		if _, err := w.sessionToken(alice, &phone.serial, phone.code(offset)); (err == nil) != want {
			t.Errorf("code of %+d steps: %v", offset, err)
		}
	}
}

func TestT263_T538_T539_WrongCodesAreCountedPerPerson(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice", allowAll)
	phone := w.phone(alice, "phone")
	other := w.phone(alice, "other")
	role := w.role(ours, "r", trusts(string(ours)))

	// Five guesses, however they are spread over devices, operations, sessions.
	plain, err := w.sessionToken(alice, nil, nil)
	w.must(err)
	guess := func(p *device) error {
		_, err := w.sessionToken(alice, &p.serial, p.wrong())
		return err
	}
	w.refused("1", guess(phone), "AccessDenied", wrongCode)
	w.refused("2", guess(other), "AccessDenied", wrongCode)
	for _, p := range []*authn.Principal{alice, w.with(plain.Credentials)} {
		_, err = w.assume(p, role, func(in *awssts.AssumeRoleInput) { in.SerialNumber, in.TokenCode = &phone.serial, phone.wrong() })
		w.refused("3 and 4", err, "AccessDenied", wrongCode)
	}
	w.refused("5", guess(phone), "AccessDenied", wrongCode)

	// From now on each one doubles the time in which nothing is looked at.
	for _, delay := range []time.Duration{5, 10, 20, 40} {
		until := w.now.Add(delay * time.Minute)
		tooMany := "MultiFactorAuthentication failed, too many invalid one time pass codes. Try again after " + until.Format(time.RFC3339) + "."
		_, err = w.sessionToken(alice, &phone.serial, phone.code(0))
		w.refused("the right code, too early", err, "AccessDenied", tooMany)
		_, err = w.sessionToken(alice, &other.serial, other.code(0))
		w.refused("of the other device", err, "AccessDenied", tooMany)
		w.pass(delay*time.Minute - time.Second)
		_, err = w.sessionToken(alice, &phone.serial, phone.code(0))
		w.refused("a second too early", err, "AccessDenied", tooMany)
		w.pass(time.Second)
		w.refused("a wrong one again", guess(phone), "AccessDenied", wrongCode)
	}

	// Nobody else is affected; and the right code ends it.
	bob := w.user(ours, "bob")
	bobs := w.phone(bob, "bobs")
	w.withMFA(bob, bobs)
	w.pass(80 * time.Minute)
	w.withMFA(alice, phone)
	for range 4 {
		w.pass(time.Minute)
		w.refused("new guesses", guess(phone), "AccessDenied", wrongCode)
	}
	w.withMFA(alice, phone)
}

func TestT266_T267_TheClockJumpsBack(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice")
	phone := w.phone(alice, "phone")
	w.pass(10 * time.Minute)
	used := phone.code(0)
	_, err := w.sessionToken(alice, &phone.serial, used)
	w.must(err)
	w.pass(-5 * time.Minute)
	for _, c := range []*string{used, phone.code(0)} {
		_, err := w.sessionToken(alice, &phone.serial, c)
		w.refused("a code of the past", err, "AccessDenied", wrongCode)
	}
}

func TestT267_OnlyOnesOwnDeviceCounts(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.user(ours, "alice", allowAll), w.user(ours, "bob")
	stranger := w.user(theirs, "alice")
	root := w.root(ours)
	alices, bobs := w.phone(alice, "alices"), w.phone(bob, "bobs")
	role := w.role(ours, "r", trusts(string(ours)), may(allowAll))
	session := w.assumed(alice, role)

	for _, c := range []struct {
		what string
		p    *authn.Principal
		ph   *device
	}{
		{"someone else's device", alice, bobs},
		{"a user's device, by root", root, alices},
		{"a device in another account", stranger, alices},
	} {
		_, err := w.sessionToken(c.p, &c.ph.serial, c.ph.code(0))
		w.refused(c.what, err, "AccessDenied", wrongSerial)
	}
	_, err := w.assume(session, role, code(alices))
	w.refused("a code by a role session", err, "AccessDenied", wrongSerial)
	for _, serial := range []string{"arn:aws:iam::111111111111:mfa/nosuch", "GAHT12345678", "arn:aws:iam::111111111111:user/alice", "arn:aws:iam::111111111111:mfa/", alices.serial + "/"} {
		_, err := w.sessionToken(alice, &serial, alices.code(0))
		w.refused(serial, err, "AccessDenied", wrongSerial)
	}

	_, err = w.sessionToken(alice, nil, alices.code(0))
	w.refused("code without serial number", err, "AccessDenied", bothNeeded)
	_, err = w.sessionToken(alice, &alices.serial, nil)
	w.refused("serial number without code", err, "AccessDenied", bothNeeded)
	_, err = w.assume(alice, role, func(in *awssts.AssumeRoleInput) { in.SerialNumber = &alices.serial })
	w.refused("the same for AssumeRole", err, "AccessDenied", bothNeeded)

	// None of that used the code up, or counted against anyone.
	w.withMFA(alice, alices)
	w.withMFA(bob, bobs)
}

func TestT268_AgeCountsFromTheCode(t *testing.T) {
	w := newWorld(t)
	limit := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"x:Y","Resource":"*","Condition":{"NumericLessThan":{"aws:MultiFactorAuthAge":"3600"}}}]}`
	alice := w.user(ours, "alice", limit, allowAllSTS)
	phone := w.phone(alice, "phone")
	role := w.role(ours, "r", trusts(string(ours)), may(limit))
	p := w.withMFA(alice, phone)
	w.pass(3599 * time.Second)
	session := w.assumed(p, role) // newer credentials, but no newer MFA
	for _, c := range []struct {
		at   string
		want bool
	}{{"3599 s", true}, {"3600 s", false}} {
		for _, p := range []*authn.Principal{p, session} {
			if got := w.allows(p, "x:Y", "*"); got != c.want {
				t.Errorf("%s at %s: %v", p.ARN, c.at, got)
			}
		}
		w.pass(time.Second)
	}
}

const allowAllSTS = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:*","Resource":"*"}]}`
