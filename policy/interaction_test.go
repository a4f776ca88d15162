package policy

import "testing"

// TestResourcePolicyInteraction is the table of resource-policy principals: who
// asks, whom the resource's policy names, and whether the request still passes
// when the identity policies, the boundary or the session policy do not allow
// it. "-" means that the layer is not there.
func TestResourcePolicyInteraction(t *testing.T) {
	root := &Caller{Type: Root, Account: "111122223333", ARN: "arn:aws:iam::111122223333:root", ID: "111122223333"}
	const (
		account    = `{"AWS":"111122223333"}`
		rootARN    = `{"AWS":"arn:aws:iam::111122223333:root"}`
		everyone   = `"*"`
		userARN    = `{"AWS":"arn:aws:iam::111122223333:user/alice"}`
		userID     = `{"AWS":"AIDAJQABLZS4A3QDU576Q"}`
		roleARN    = `{"AWS":"arn:aws:iam::111122223333:role/path/R"}`
		roleID     = `{"AWS":"AROAJQABLZS4A3QDU576Q"}`
		sessionARN = `{"AWS":"arn:aws:sts::111122223333:assumed-role/R/s"}`
		fedARN     = `{"AWS":"arn:aws:sts::111122223333:federated-user/fred"}`
		someoneARN = `{"AWS":"arn:aws:iam::111122223333:user/bob"}`
	)
	for _, c := range []struct {
		title    string
		caller   *Caller
		names    string
		identity string // "allow" or "silent"
		boundary string // "allow", "silent" or "-"
		session  string
		want     string // "allow", or the layer that denies
	}{
		{"a user by ARN", alice, userARN, "silent", "silent", "-", "allow"},
		{"a user by unique id", alice, userID, "silent", "silent", "-", "allow"},
		{"a user by *", alice, everyone, "silent", "silent", "-", "allow"},
		{"a user by account", alice, account, "silent", "-", "-", "identity-based policy"},
		{"a user by account and identity", alice, account, "allow", "-", "-", "allow"},
		{"a user by account, boundary silent", alice, rootARN, "allow", "silent", "-", "permissions boundary"},
		{"another user", alice, someoneARN, "silent", "-", "-", "identity-based policy"},

		{"a role by ARN", roleSession, roleARN, "silent", "-", "-", "allow"},
		{"a role by unique id", roleSession, roleID, "silent", "-", "-", "allow"},
		{"a role by ARN, boundary silent", roleSession, roleARN, "silent", "silent", "-", "permissions boundary"},
		{"a role by ARN, boundary allows", roleSession, roleARN, "silent", "allow", "-", "allow"},
		{"a role by ARN, session silent", roleSession, roleARN, "silent", "-", "silent", "session policy"},
		{"a role by ARN, both allow", roleSession, roleARN, "silent", "allow", "allow", "allow"},
		{"a session by ARN", roleSession, sessionARN, "silent", "silent", "silent", "allow"},
		{"a role by *", roleSession, everyone, "silent", "silent", "silent", "allow"},
		{"a role by account", roleSession, account, "silent", "-", "-", "identity-based policy"},
		{"a role by account, session silent", roleSession, account, "allow", "allow", "silent", "session policy"},
		{"a role by account, all allow", roleSession, account, "allow", "allow", "allow", "allow"},

		{"a federated user by the user", federated, userARN, "silent", "-", "allow", "allow"},
		{"a federated user by the user, session silent", federated, userARN, "silent", "-", "silent", "session policy"},
		{"a federated user by the user, no session policy", federated, userARN, "allow", "-", "-", "session policy"},
		{"a federated user by the user, boundary silent", federated, userARN, "silent", "silent", "allow", "permissions boundary"},
		{"a federated user by ARN", federated, fedARN, "silent", "silent", "silent", "allow"},
		{"a federated user by ARN, no session policy", federated, fedARN, "silent", "-", "-", "allow"},
		{"a federated user by account", federated, account, "allow", "-", "silent", "session policy"},
		{"a federated user by account, both allow", federated, account, "allow", "-", "allow", "allow"},
		{"a federated user by account, identity silent", federated, account, "silent", "-", "allow", "identity-based policy"},

		{"root by account", root, account, "silent", "silent", "-", "allow"},
		{"root, named by nobody", root, someoneARN, "silent", "silent", "-", "allow"},
	} {
		says := func(kind Kind, answer string) *Set {
			switch answer {
			case "allow":
				return setOf(t, kind, "", kindNames[kind], `{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`)
			case "silent":
				return NewSet(nil)
			}
			return nil
		}
		w := newWorld(t, c.caller)
		w.in = Inputs{
			Identity: says(InlinePolicy, c.identity), Boundary: says(ManagedPolicy, c.boundary), Session: says(SessionPolicy, c.session),
			Resource: setOf(t, ResourcePolicy, "", "bucket", `{"Effect":"Allow","Principal":`+c.names+`,"Action":"s3:GetObject","Resource":"*"}`),
		}
		d := w.decide("s3:GetObject", "arn:aws:s3:::b/k")
		got := "allow"
		if !d.Allowed {
			got = d.Layer.String()
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.title, got, c.want)
		}
		// An explicit deny wins over every one of these.
		w.in.Boundary = setOf(t, ManagedPolicy, "", "deny", `{"Effect":"Deny","Action":"*","Resource":"*"}`)
		if d := w.decide("s3:GetObject", "arn:aws:s3:::b/k"); d.Effect != ExplicitDeny && c.caller.Type != Root {
			t.Errorf("%s, with an explicit deny: %s", c.title, describe(d))
		}
	}
}

// TestRoleTrust is the table of who may assume a role.
func TestRoleTrust(t *testing.T) {
	const role = "arn:aws:iam::111122223333:role/R"
	assume := `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"` + role + `"}`
	bob := &Caller{Type: User, Account: "444455556666", ARN: "arn:aws:iam::444455556666:user/bob", ID: "AIDABBBBBBBBBBBBBBBBB"}
	for _, c := range []struct {
		title    string
		caller   *Caller
		trusts   string
		identity string
		want     string
	}{
		{"same account, named", alice, `{"AWS":"arn:aws:iam::111122223333:user/alice"}`, ``, "allow"},
		{"same account, account named, no permission", alice, `{"AWS":"111122223333"}`, ``, "identity-based policy"},
		{"same account, account named, permission", alice, `{"AWS":"111122223333"}`, assume, "allow"},
		{"same account, not named, permission", alice, `{"AWS":"444455556666"}`, assume, "role trust policy"},
		{"a role's session, its role named", roleSession, `{"AWS":"arn:aws:iam::111122223333:role/path/R"}`, ``, "allow"},
		{"a role assumes itself without being trusted", roleSession, `{"AWS":"444455556666"}`, assume, "role trust policy"},
		{"across accounts, account named, no permission", bob, `{"AWS":"444455556666"}`, ``, "identity-based policy"},
		{"across accounts, user named, no permission", bob, `{"AWS":"arn:aws:iam::444455556666:user/bob"}`, ``, "identity-based policy"},
		{"across accounts, permission, not trusted", bob, `{"AWS":"111122223333"}`, assume, "role trust policy"},
		{"across accounts, both", bob, `{"AWS":"444455556666"}`, assume, "allow"},
		{"a service", &Caller{Type: Service, Service: "ec2.amazonaws.com"}, `{"Service":"ec2.amazonaws.com"}`, ``, "allow"},
		{"another service", &Caller{Type: Service, Service: "ec2.amazonaws.com"}, `{"Service":"lambda.amazonaws.com"}`, ``, "role trust policy"},
		{"a web identity", &Caller{Type: WebIdentity, Federated: "accounts.google.com"}, `{"Federated":"accounts.google.com"}`, ``, "allow"},
		{"a web identity of another issuer", &Caller{Type: WebIdentity, Federated: "www.amazon.com"}, `{"Federated":"accounts.google.com"}`, ``, "role trust policy"},
		{"a web identity is not everyone", &Caller{Type: WebIdentity, Federated: "accounts.google.com"}, `"*"`, ``, "role trust policy"},
		{"SAML", &Caller{Type: SAML, Federated: "arn:aws:iam::111122223333:saml-provider/p"}, `{"Federated":"arn:aws:iam::111122223333:saml-provider/p"}`, ``, "allow"},
		{"a caller of no type", &Caller{Account: "111122223333"}, `"*"`, assume, "role trust policy"},
	} {
		w := newWorld(t, c.caller)
		w.account = "111122223333"
		if c.identity != "" {
			w.grants(c.identity)
		}
		w.in.ResourceIsTrust = true
		w.in.Resource = setOf(t, TrustPolicy, "", "", `{"Effect":"Allow","Principal":`+c.trusts+`,"Action":"sts:AssumeRole"}`)
		d := w.decide("sts:AssumeRole", role)
		got := "allow"
		if !d.Allowed {
			got = d.Layer.String()
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.title, got, c.want)
		}
		w.in.Resource = nil
		if w.deny("sts:AssumeRole", role); !t.Failed() && w.decide("sts:AssumeRole", role).Effect != ImplicitDeny {
			t.Errorf("%s: no trust policy, and no implicit deny", c.title)
		}
	}
}
