package authz_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// keys are the condition keys of a request; the values of one key are joined by
// commas.
type keys map[string]string

// with adds keys; without takes some away.
func (k keys) with(more keys) keys {
	all := maps.Clone(k)
	maps.Copy(all, more)
	return all
}

func (w *world) context(p *authn.Principal, check authz.Check) keys {
	w.Helper()
	seen := keys{}
	for _, k := range w.trace(p, check).Context {
		if _, twice := seen[k.Key]; twice {
			w.Errorf("key %s is there twice", k.Key)
		}
		seen[k.Key] = strings.Join(k.Values, ",")
	}
	return seen
}

func compareKeys(t *testing.T, name string, got, want keys) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(got.with(want))) {
		g, there := got[key]
		switch v, wanted := want[key]; {
		case !there:
			t.Errorf("%s: %s is absent, want %q", name, key, v)
		case !wanted:
			t.Errorf("%s: %s = %q, want it absent", name, key, g)
		case g != v:
			t.Errorf("%s: %s = %q, want %q", name, key, g, v)
		}
	}
}

// TestConditionKeys holds every key of every kind of principal against the tables of
// the IAM User Guide: "AWS global condition context keys", "Principal key values",
// and what is known of the MFA keys for each kind of credentials. A key that the
// table lacks must be absent.
func TestConditionKeys(t *testing.T) {
	w := newWorld(t)
	w.update(func(tx store.Tx) error { return identity.Accounts.Put(tx, &identity.Account{ID: home}, string(home)) })
	user := w.user("alice", func(u *identity.User) {
		u.Path, u.Tags = "/div/", []identity.Tag{{Key: "team", Value: "blue"}, {Key: "empty"}}
	})
	role := w.role("app", func(r *identity.Role) {
		r.Path, r.Tags = "/div/", []identity.Tag{{Key: "team", Value: "red"}, {Key: "Stage", Value: "prod"}}
	})
	mfa := func(s *session.Session) { s.MFAKnown, s.MFA, s.MFATime = true, true, noon.Add(-5*time.Minute) }
	withMFA := func(s session.Session) session.Session { mfa(&s); return s }

	always := keys{
		"aws:CurrentTime":     "2026-11-22T12:00:00Z",
		"aws:EpochTime":       "1795348800",
		"aws:SecureTransport": "true",
		"aws:UserAgent":       "aws-cli/2.31.0",
		"aws:RequestedRegion": "eu-central-1",
		"aws:SourceIp":        "198.51.100.7",
		"aws:ViaAWSService":   "false",
	}
	signed := always.with(keys{
		"aws:ResourceAccount":       "111122223333",
		"aws:PrincipalAccount":      "111122223333",
		"aws:PrincipalIsAWSService": "false",
	})
	temporary := keys{"aws:TokenIssueTime": "2026-11-22T11:59:00Z"}
	noMFA := keys{"aws:MultiFactorAuthPresent": "false"}
	yesMFA := keys{"aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "300"}

	aliceKeys := signed.with(keys{
		"aws:PrincipalArn":       "arn:aws:iam::111122223333:user/div/alice",
		"aws:PrincipalType":      "User",
		"aws:userid":             user.ID,
		"aws:username":           "alice",
		"aws:PrincipalTag/team":  "blue",
		"aws:PrincipalTag/empty": "",
	})
	rootKeys := signed.with(keys{
		"aws:PrincipalArn":  "arn:aws:iam::111122223333:root",
		"aws:PrincipalType": "Account",
		"aws:userid":        "111122223333",
	})
	roleKeys := signed.with(temporary).with(keys{
		"aws:PrincipalArn":       "arn:aws:iam::111122223333:role/div/app",
		"aws:PrincipalType":      "AssumedRole",
		"aws:userid":             role.ID + ":ci",
		"aws:PrincipalTag/team":  "red",
		"aws:PrincipalTag/Stage": "prod",
	})
	bobKeys := signed.with(temporary).with(keys{
		"aws:PrincipalArn":       "arn:aws:sts::111122223333:federated-user/bob",
		"aws:PrincipalType":      "FederatedUser",
		"aws:userid":             "111122223333:bob",
		"aws:PrincipalTag/team":  "blue",
		"aws:PrincipalTag/empty": "",
	})

	alice := as(user)
	alice.Tags = user.Tags
	for _, tt := range []struct {
		name string
		p    *authn.Principal
		want keys
	}{
		{"user, long-term key", alice, aliceKeys},
		{"user, GetSessionToken without MFA", w.session(session.Session{Kind: session.User, PrincipalID: user.ID, MFAKnown: true}),
			aliceKeys.with(temporary).with(noMFA)},
		{"user, GetSessionToken with MFA", w.session(withMFA(session.Session{Kind: session.User, PrincipalID: user.ID})),
			aliceKeys.with(temporary).with(yesMFA)},
		{"root, long-term key", root(home), rootKeys},
		{"root, GetSessionToken", w.session(session.Session{Kind: session.Root, PrincipalID: string(home), MFAKnown: true}),
			rootKeys.with(temporary).with(noMFA)},
		{"role session", w.roleSession(role, nil), roleKeys.with(noMFA)},
		{"role session made with an MFA session", w.roleSession(role, mfa), roleKeys.with(yesMFA)},
		{"role session of web identity or SAML", w.roleSession(role, func(s *session.Session) { s.MFAKnown = false }), roleKeys},
		{"role session with tags and source identity", w.roleSession(role, func(s *session.Session) {
			s.Tags = []identity.Tag{{Key: "TEAM", Value: "green"}, {Key: "cost", Value: "42"}}
			s.SourceIdentity = "alice"
		}), roleKeys.with(noMFA).with(keys{
			"aws:PrincipalTag/team": "green", // overridden, whatever the case
			"aws:PrincipalTag/cost": "42",
			"aws:SourceIdentity":    "alice",
		})},
		{"federated user", w.federated(user, nil), bobKeys},
		{"federated user with a tag", w.federated(user, func(s *session.Session) { s.Tags = []identity.Tag{{Key: "team", Value: "green"}} }),
			bobKeys.with(keys{"aws:PrincipalTag/team": "green"})},
		{"service", &authn.Principal{Kind: authn.Service, Account: home, Name: "backup.amazonaws.com"}, always.with(keys{
			"aws:ResourceAccount":           "111122223333",
			"aws:PrincipalIsAWSService":     "true",
			"aws:PrincipalServiceName":      "backup.amazonaws.com",
			"aws:PrincipalServiceNamesList": "backup.amazonaws.com",
		})},
		{"anonymous", &authn.Principal{Kind: authn.Anonymous}, always.with(keys{
			"aws:PrincipalAccount": "anonymous",
			"aws:PrincipalType":    "Anonymous",
			"aws:userid":           "anonymous",
		})},
	} {
		compareKeys(t, tt.name, w.context(tt.p, authz.Check{Action: "s3:GetObject"}), tt.want)
	}
}

// TestRequestKeys: what the environment and the check bring.
func TestRequestKeys(t *testing.T) {
	w := newWorld(t)
	alice := as(w.user("alice", nil))
	plain := w.context(alice, authz.Check{Action: "iam:TagUser"})

	w.env.Referer, w.env.Secure = "https://console.example/", false
	check := authz.On("arn:aws:iam::444455556666:user/bob").
		WithAction("iam:TagUser").
		With("iam:PermissionsBoundary", "arn:aws:iam::aws:policy/ReadOnlyAccess").
		WithResourceTags([]identity.Tag{{Key: "owner", Value: "carol"}}).
		WithRequestTags([]identity.Tag{{Key: "team", Value: "blue"}, {Key: "cost", Value: ""}})
	check.Account = foreign
	// The account of the resource is named; its tags are hidden from the caller's
	// explanation, so they are seen at home.
	if got := w.context(alice, check)["aws:ResourceAccount"]; got != "444455556666" {
		t.Errorf("aws:ResourceAccount of a foreign resource is %q", got)
	}
	check.Account = home
	compareKeys(t, "tags and more", w.context(alice, check), plain.with(keys{
		"aws:referer":             "https://console.example/",
		"aws:SecureTransport":     "false",
		"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess",
		"aws:ResourceTag/owner":   "carol",
		"iam:ResourceTag/owner":   "carol",
		"aws:RequestTag/team":     "blue",
		"aws:RequestTag/cost":     "",
		"aws:TagKeys":             "team,cost",
	}))

	w.env.Referer, w.env.Secure = "", true
	compareKeys(t, "no request tags: aws:TagKeys is absent", w.context(alice, authz.Check{Action: "iam:TagUser"}.WithRequestTags(nil)), plain)
}

// TestGlobalKeysCannotBeOverridden: a check's own keys do not speak for the caller or
// the connection, in whatever case they are written; only the MFA keys of an
// AssumeRole call that carries a code do.
func TestGlobalKeysCannotBeOverridden(t *testing.T) {
	w := newWorld(t)
	role := w.role("app", nil)
	p := w.roleSession(role, func(s *session.Session) {
		s.Tags, s.SourceIdentity = []identity.Tag{{Key: "team", Value: "red"}}, "alice"
	})
	plain := w.context(p, authz.Check{Action: "s3:GetObject"})
	for key := range plain {
		if strings.HasPrefix(key, "aws:MultiFactorAuth") {
			continue
		}
		for _, spelled := range []string{key, strings.ToUpper(key)} {
			got := w.context(p, authz.Check{Action: "s3:GetObject"}.With(spelled, "forged").WithList(spelled, []string{"forged"}))
			for k, v := range got {
				if strings.EqualFold(k, key) && v != plain[key] {
					t.Errorf("%s: the check made it %q, want %q", k, v, plain[key])
				}
			}
		}
	}

	coded := authz.Check{Action: "sts:AssumeRole"}.With("aws:MultiFactorAuthPresent", "true").With("aws:MultiFactorAuthAge", "0")
	compareKeys(t, "AssumeRole with a code", w.context(p, coded), plain.with(keys{
		"aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "0",
	}))
}

// TestChecksShareNothing: With and its kin leave the check they start from alone.
func TestChecksShareNothing(t *testing.T) {
	base := authz.On("*").With("a:x", "1")
	one, two := base.With("a:y", "2"), base.With("a:y", "3")
	if len(base.Keys) != 1 || one.Keys[1].Value != "2" || two.Keys[1].Value != "3" {
		t.Errorf("base %v, one %v, two %v", base.Keys, one.Keys, two.Keys)
	}
}
