package wire_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/mfa"
)

// badCode is AWS's sentence for a wrong MFA code.
const badCode = "MultiFactorAuthentication failed with invalid MFA one time pass code."

// T261, T262, T266: a code is good once, near its time, and not again when the
// clock goes back or the server starts anew.
func TestT261_T262_T266_Codes(t *testing.T) {
	w := newWorld(t)
	user, key := w.caller()
	d := w.newDevice().enable(user)
	session := func(code string) *reply {
		return w.sts(key, "GetSessionToken", "SerialNumber", d.serial, "TokenCode", code)
	}
	code := d.code()
	w.ok(session(code))
	for range 2 {
		if r := w.refused(session(code), "AccessDenied"); r.message() != badCode {
			t.Errorf("T261: %s", r.message())
		}
	}
	// An AssumeRole with the same code is the same code again.
	role := w.role()
	w.ok(w.iam(w.admin, "PutUserPolicy", "UserName", user, "PolicyName", "p", "PolicyDocument", allow("sts:AssumeRole")))
	assume := func(code string) *reply {
		return w.sts(key, "AssumeRole", "RoleArn", roleARN(role), "RoleSessionName", "wire", "SerialNumber", d.serial, "TokenCode", code)
	}
	w.refused(assume(code), "AccessDenied")
	w.ok(assume(d.code()))
	// T266: the clock steps back.
	used := d.code()
	w.ok(session(used))
	w.lanyard.Advance(-5 * time.Minute)
	w.refused(session(used), "AccessDenied")
	w.lanyard.Advance(5 * time.Minute)
	// T262: two steps away. The failures so far are few enough to be let in.
	w.lanyard.Advance(10 * time.Minute)
	w.admin = w.owner(ours, false)
	now := mfa.StepAt(w.lanyard.Now())
	w.refused(session(mfa.Code(d.seed, now+3)), "AccessDenied")
	w.refused(session(mfa.Code(d.seed, now-3)), "AccessDenied")
	w.ok(session(mfa.Code(d.seed, now)))
	// Forms that are no code.
	for _, odd := range []string{"12345", "1234567", " 12345", "12345a", "１２３４５６"} {
		if r := session(odd); r.status < 400 || r.status >= 500 {
			t.Errorf("T261: %q: %d %s", odd, r.status, r.body)
		}
	}
}

// T263, T539, T574: guesses are counted per person, wherever and however many at
// a time they are made; a success meanwhile is possible for nobody.
func TestT263_T539_T574_Guesses(t *testing.T) {
	w := newWorld(t)
	user, key := w.caller(allow("*"))
	d := w.newDevice().enable(user)
	wrong := d.wrong()
	var counted atomic.Int64
	var guessing sync.WaitGroup
	for i := range 20 {
		guessing.Go(func() {
			var r *reply
			if i%2 == 0 {
				r = w.sts(key, "GetSessionToken", "SerialNumber", d.serial, "TokenCode", wrong)
			} else {
				r = w.iam(key, "ResyncMFADevice", "UserName", user, "SerialNumber", d.serial, "AuthenticationCode1", wrong, "AuthenticationCode2", wrong)
			}
			if r.status == http.StatusOK {
				t.Errorf("T263: a wrong code was accepted")
			}
			if !strings.Contains(r.message(), "too many") {
				counted.Add(1)
			}
		})
	}
	guessing.Wait()
	if n := counted.Load(); n == 0 || n > 6 {
		t.Errorf("T263: %d guesses were looked at, want at most five and one", n)
	}
	r := w.refused(w.sts(key, "GetSessionToken", "SerialNumber", d.serial, "TokenCode", d.code()), "AccessDenied")
	if !strings.Contains(r.message(), "too many") {
		t.Errorf("T263: %s", r.message())
	}
	// The twin: another person, and the same one when the time is over.
	other, otherKey := w.caller()
	od := w.newDevice().enable(other)
	w.ok(w.sts(otherKey, "GetSessionToken", "SerialNumber", od.serial, "TokenCode", od.code()))
	w.lanyard.Advance(30 * time.Minute)
	w.ok(w.sts(key, "GetSessionToken", "SerialNumber", d.serial, "TokenCode", d.code()))
}

// T264, T265, T267: devices are enabled by two consecutive codes of their own
// seed, and count only for whom they belong to.
func TestT264_T265_T267_Devices(t *testing.T) {
	w := newWorld(t)
	user, key := w.caller()
	other, otherKey := w.caller()
	d, foreign := w.newDevice(), w.newDevice()
	one, two := d.pair()
	enable := func(serial, one, two string) *reply {
		return w.iam(w.admin, "EnableMFADevice", "UserName", user, "SerialNumber", serial, "AuthenticationCode1", one, "AuthenticationCode2", two)
	}
	for what, r := range map[string]*reply{
		"the same code twice":    enable(d.serial, one, one),
		"not consecutive":        enable(d.serial, one, mfa.Code(d.seed, d.last+2)),
		"in the wrong order":     enable(d.serial, two, one),
		"of another device":      enable(foreign.serial, one, two),
		"of a device that isn't": enable(d.serial+"x", one, two),
	} {
		if code := r.code(); code != "InvalidAuthenticationCode" && code != "NoSuchEntity" {
			t.Errorf("T264: %s: %d %s", what, r.status, r.body)
		}
	}
	w.lanyard.Advance(30 * time.Minute) // the refusals above are forgotten
	d.enable(user)
	foreign.enable(other)
	// T264: the seed is shown once.
	for _, r := range []*reply{w.iam(w.admin, "ListVirtualMFADevices"), w.iam(w.admin, "ListMFADevices", "UserName", user)} {
		if w.ok(r).field("Base32StringSeed") != "" || r.field("QRCodePNG") != "" {
			t.Errorf("T264: the seed is shown again: %s", r.body)
		}
	}
	// T267: another one's device, and a claim to have used one.
	w.refused(w.sts(otherKey, "GetSessionToken", "SerialNumber", d.serial, "TokenCode", d.code()), "AccessDenied")
	needsMFA := document(map[string]any{"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*", "Condition": map[string]any{"Bool": map[string]any{"aws:MultiFactorAuthPresent": "true"}}})
	w.ok(w.iam(w.admin, "PutUserPolicy", "UserName", user, "PolicyName", "p", "PolicyDocument", needsMFA))
	m := w.form(versionIAM, "ListUsers")
	m.add("X-Amz-Meta-MultiFactorAuthPresent", "true")
	m.add("aws-MultiFactorAuthPresent", "true")
	m.sign(signature{by: key, at: w.now(), service: "iam"})
	w.refused(w.send(m), "AccessDenied")
	w.refused(w.iam(w.ok(w.sts(key, "GetSessionToken")).credentials(), "ListUsers"), badKey)
	strong := w.ok(w.sts(key, "GetSessionToken", "SerialNumber", d.serial, "TokenCode", d.code())).credentials()
	w.ok(w.iam(strong, "ListUsers"))
	// T265: without permission nobody takes the device away, not even its owner.
	w.refused(w.iam(key, "DeactivateMFADevice", "UserName", user, "SerialNumber", d.serial), "AccessDenied")
	w.ok(w.iam(w.admin, "DeactivateMFADevice", "UserName", user, "SerialNumber", d.serial))
}

func TestT281_ExternalID(t *testing.T) {
	w := newWorld(t)
	role := w.name("role")
	trust := document(map[string]any{"Effect": "Allow", "Principal": map[string]any{"AWS": string(ours)}, "Action": "sts:AssumeRole", "Condition": map[string]any{"StringEquals": map[string]any{"sts:ExternalId": "Four-711"}}})
	w.ok(w.iam(w.admin, "CreateRole", "RoleName", role, "AssumeRolePolicyDocument", trust))
	_, key := w.caller(allow("sts:AssumeRole"))
	assume := func(role string, more ...string) *reply {
		return w.sts(key, "AssumeRole", append([]string{"RoleArn", roleARN(role), "RoleSessionName", "wire"}, more...)...)
	}
	w.ok(assume(role, "ExternalId", "Four-711"))
	without := w.refused(assume(role), "AccessDenied")
	wrong := w.refused(assume(role, "ExternalId", "Four-712"), "AccessDenied")
	w.refused(assume(role, "ExternalId", "four-711"), "AccessDenied")
	absent := w.refused(assume("absent"), "AccessDenied")
	if text := strings.ReplaceAll(absent.message(), "absent", role); without.message() != wrong.message() || text != wrong.message() {
		t.Errorf("T281: the reasons are told apart:\n%s\n%s\n%s", without.message(), wrong.message(), text)
	}
	for _, odd := range []string{"x", strings.Repeat("a", 1225), "a b"} {
		w.refused(assume(role, "ExternalId", odd), "ValidationError")
	}
}

func TestT283_T284_T285_Parameters(t *testing.T) {
	w := newWorld(t)
	role := w.role(allow("sts:AssumeRole"))
	assume := func(by credentials, more ...string) *reply {
		return w.sts(by, "AssumeRole", append([]string{"RoleArn", roleARN(role), "RoleSessionName", "wire"}, more...)...)
	}
	_, key := w.caller(allow("sts:AssumeRole"))
	for _, seconds := range []string{"899", "43201", "3601", "-1", "0", "1e3", "x"} {
		if r := assume(key, "DurationSeconds", seconds); r.status != http.StatusBadRequest {
			t.Errorf("T284: %s: %d %s", seconds, r.status, r.body)
		}
	}
	w.ok(assume(key, "DurationSeconds", "900"))
	w.ok(assume(key, "DurationSeconds", "3600"))
	w.ok(w.iam(w.admin, "UpdateRole", "RoleName", role, "MaxSessionDuration", "43200"))
	session := w.ok(assume(key, "DurationSeconds", "43200")).credentials()
	// T283: by chaining, an hour at most, whatever the role says.
	w.refused(assume(session, "DurationSeconds", "3601"), "ValidationError")
	w.ok(assume(session, "DurationSeconds", "3600"))
	for _, name := range []string{"x", strings.Repeat("a", 65), "a b", "a\nb", "é"} {
		r := w.sts(key, "AssumeRole", "RoleArn", roleARN(role), "RoleSessionName", name)
		w.refused(r, "ValidationError")
	}
	w.ok(w.sts(key, "AssumeRole", "RoleArn", roleARN(role), "RoleSessionName", strings.Repeat("a", 64)))
}

// T286, T287: what was stated about a session stays through a chain.
func TestT286_T287_Chains(t *testing.T) {
	w := newWorld(t)
	first, second := w.role(allow("sts:*")), w.role()
	session := w.assume(first, "SourceIdentity", "alice", "Tags.member.1.Key", "team", "Tags.member.1.Value", "red", "TransitiveTagKeys.member.1", "team")
	chain := func(more ...string) *reply {
		return w.sts(session, "AssumeRole", append([]string{"RoleArn", roleARN(second), "RoleSessionName", "wire"}, more...)...)
	}
	w.ok(chain())
	w.ok(chain("SourceIdentity", "alice"))
	if r := chain("SourceIdentity", "mallory"); r.status == http.StatusOK {
		t.Error("T286: the source identity was changed")
	}
	if r := chain("Tags.member.1.Key", "team", "Tags.member.1.Value", "blue"); r.status == http.StatusOK {
		t.Error("T287: a transitive tag was changed")
	}
	w.ok(chain("Tags.member.1.Key", "other", "Tags.member.1.Value", "blue"))
	var many []string
	for i := range 51 {
		many = append(many, fmt.Sprintf("Tags.member.%d.Key", i+1), fmt.Sprint("k", i), fmt.Sprintf("Tags.member.%d.Value", i+1), "v")
	}
	if r := chain(many...); r.status != http.StatusBadRequest {
		t.Errorf("T287: 51 tags: %d %s", r.status, r.body)
	}
	if r := chain("Tags.member.1.Key", "a", "Tags.member.1.Value", "1", "Tags.member.2.Key", "A", "Tags.member.2.Value", "2"); r.status != http.StatusBadRequest {
		t.Errorf("T287: case twins: %d %s", r.status, r.body)
	}
	// The record of the chained call names who it was at first.
	r := w.ok(chain())
	if rec := w.record(r); !strings.Contains(rec.raw, `"sourceIdentity":"alice"`) {
		t.Errorf("T286: the record does not name the source identity: %s", rec.raw)
	}
}

// T291, T292: a session policy is bounded in size and in what it gives.
func TestT291_T292_SessionPolicies(t *testing.T) {
	w := newWorld(t)
	user := w.user()
	role := w.role(allow("iam:*", "sts:*"))
	for what, more := range map[string][]string{
		"2,049 characters": {"Policy", allow(strings.Repeat("a", 2049))},
		"eleven ARNs": func() (p []string) {
			for i := range 11 {
				p = append(p, fmt.Sprintf("PolicyArns.member.%d.arn", i+1), readOnly)
			}
			return p
		}(),
		"no JSON":          {"Policy", "{"},
		"an absent policy": {"PolicyArns.member.1.arn", policyARN("absent")},
	} {
		if r := w.sts(w.admin, "AssumeRole", append([]string{"RoleArn", roleARN(role), "RoleSessionName", "wire"}, more...)...); r.status != http.StatusBadRequest {
			t.Errorf("T291: %s: %d %s", what, r.status, r.body)
		}
	}
	narrow := w.assume(role, "Policy", allow("iam:GetUser", "sts:AssumeRole"))
	w.ok(w.iam(narrow, "GetUser", "UserName", user))
	for _, r := range []*reply{
		w.iam(narrow, "CreateAccessKey", "UserName", user),
		w.iam(narrow, "PutRolePolicy", "RoleName", role, "PolicyName", "p", "PolicyDocument", allow("*")),
		w.iam(narrow, "CreateUser", "UserName", "mallory"),
	} {
		w.refused(r, "AccessDenied")
	}
	w.ok(w.iam(w.assume(role), "CreateAccessKey", "UserName", user))
}

// T293, T294: revocation counts from the next request; a role that is made again
// is another one.
func TestT293_T294_Revocation(t *testing.T) {
	w := newWorld(t)
	role := w.role(allow("iam:ListUsers"))
	old := w.assume(role)
	w.ok(w.iam(old, "ListUsers"))
	w.lanyard.Advance(2 * time.Second)
	revoke := document(map[string]any{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": map[string]any{"DateLessThan": map[string]any{"aws:TokenIssueTime": w.lanyard.Now().UTC().Format(time.RFC3339)}}})
	w.ok(w.iam(w.admin, "PutRolePolicy", "RoleName", role, "PolicyName", "AWSRevokeOlderSessions", "PolicyDocument", revoke))
	w.refused(w.iam(old, "ListUsers"), "AccessDenied")
	w.lanyard.Advance(2 * time.Second)
	fresh := w.assume(role)
	w.ok(w.iam(fresh, "ListUsers"))
	// T294: a changed trust policy ends no session, deletion does.
	w.ok(w.iam(w.admin, "UpdateAssumeRolePolicy", "RoleName", role, "PolicyDocument", trusting(string(theirs))))
	w.ok(w.iam(fresh, "ListUsers"))
	for _, p := range []string{"AWSRevokeOlderSessions", "p0"} {
		w.ok(w.iam(w.admin, "DeleteRolePolicy", "RoleName", role, "PolicyName", p))
	}
	w.ok(w.iam(w.admin, "DeleteRole", "RoleName", role))
	w.refused(w.iam(fresh, "ListUsers"), badKey)
	w.ok(w.iam(w.admin, "CreateRole", "RoleName", role, "AssumeRolePolicyDocument", trusting(string(ours))))
	w.ok(w.iam(w.admin, "PutRolePolicy", "RoleName", role, "PolicyName", "p0", "PolicyDocument", allow("iam:ListUsers")))
	w.refused(w.iam(fresh, "ListUsers"), badKey)
	w.ok(w.iam(w.assume(role), "ListUsers"))
	// A user's session ends with the user.
	name, key := w.caller()
	session := w.ok(w.sts(key, "GetSessionToken")).credentials()
	w.ok(w.sts(session, "GetCallerIdentity"))
	w.ok(w.iam(w.admin, "DeleteAccessKey", "UserName", name, "AccessKeyId", key.id))
	w.ok(w.iam(w.admin, "DeleteUser", "UserName", name))
	w.refused(w.sts(session, "GetCallerIdentity"), badKey)
}

// T295, T297, T608: a token is one string and no other.
func TestT295_T297_T608_Tokens(t *testing.T) {
	w := newWorld(t)
	role := w.role()
	one, two := w.assume(role), w.assume(role)
	other := newWorld(t).admin // of another installation
	who := func(by credentials) *reply { return w.sts(by, "GetCallerIdentity") }
	w.ok(who(one))
	tokens := map[string]string{
		"cut by one":       one.token[:len(one.token)-1],
		"longer by one":    one.token + "A",
		"padded":           one.token + "=",
		"halves of two":    one.token[:len(one.token)/2] + two.token[len(two.token)/2:],
		"another's":        other.token,
		"empty":            "A",
		"large":            strings.Repeat("A", 20_000),
		"of another place": other.token[:len(one.token)/2] + one.token[len(one.token)/2:],
	}
	for i := 0; i < len(one.token); i += 7 {
		flipped := []byte(one.token)
		if flipped[i]++; flipped[i] == '[' || flipped[i] == '{' || flipped[i] == ':' {
			flipped[i] = 'a'
		}
		tokens[fmt.Sprint("changed at ", i)] = string(flipped)
	}
	for what, token := range tokens {
		if r := who(credentials{one.id, one.secret, token}); r.code() != badKey || r.status != forbidden {
			t.Errorf("T295: %s: %d %s", what, r.status, r.body)
		}
	}
	w.ok(who(two))
}

// T301, T302: what tells about keys and decisions tells it to its own account.
func TestT301_T302_Disclosure(t *testing.T) {
	w := newWorld(t)
	foreign := w.owner(theirs, false)
	_, nobody := w.caller()
	encoded := w.iam(nobody, "ListUsers").header.Get("X-Lanyard-Authorization-Message")
	w.ok(w.sts(w.admin, "DecodeAuthorizationMessage", "EncodedMessage", encoded))
	w.refused(w.sts(foreign, "DecodeAuthorizationMessage", "EncodedMessage", encoded), "InvalidAuthorizationMessageException")
	flipped := []byte(encoded)
	flipped[len(flipped)/2] ^= 1
	w.refused(w.sts(w.admin, "DecodeAuthorizationMessage", "EncodedMessage", string(flipped)), "InvalidAuthorizationMessageException")
	w.refused(w.sts(nobody, "DecodeAuthorizationMessage", "EncodedMessage", encoded), "AccessDenied")
	r := w.ok(w.sts(foreign, "GetAccessKeyInfo", "AccessKeyId", nobody.id))
	if r.field("Account") != string(ours) || strings.Contains(r.body, "user") {
		t.Errorf("T301: %s", r.body)
	}
}
