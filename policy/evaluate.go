package policy

// Request is what is to be decided.
type Request struct {
	Caller *Caller
	// Action is the IAM action, such as iam:CreateUser; case does not matter.
	Action string
	// Resource is the ARN of what is acted upon, or "*" for actions that are not
	// about one resource. In the evaluation of a trust policy it is the role.
	Resource string
	// ResourceAccount is the account that owns the resource; empty means the
	// caller's.
	ResourceAccount string
	// Context holds the condition keys; nil is an empty context.
	Context *Context
}

// Inputs are all policies that bear on one request. nil means "not present":
// no boundary is set, no session policy was passed, the resource has no policy.
type Inputs struct {
	// Identity is the policies of the user and its groups, or of the role. For
	// root it is ignored: root's identity allows everything.
	Identity *Set
	// Boundary is the permissions boundary. Root has none.
	Boundary *Set
	// Session is the session policies, inline and managed together. A federated
	// user's session without any allows nothing by itself.
	Session *Set
	// Resource is the resource's policy; for sts:AssumeRole and its kin the
	// role's trust policy, and then ResourceIsTrust is set: a role is assumed
	// only if its trust policy allows it, in the same account, too.
	Resource        *Set
	ResourceIsTrust bool
	// SCPs are the service control policies of the caller's account, one Set for
	// each level from the organization's root down to the account itself. None
	// are given for the management account.
	SCPs []*Set
	// RCPs are the resource control policies of the resource's account, level by
	// level. Only their denies count, since RCPFullAWSAccess allows everything
	// and cannot be detached. None are given for the management account.
	RCPs []*Set
}

// Effect is the kind of a decision.
type Effect uint8

// The effects. An implicit deny is the absence of a statement that allows.
const (
	ImplicitDeny Effect = iota
	ExplicitDeny
	Allowed
)

func (e Effect) String() string { return name(effectNames, e) }

// MarshalText writes allowed, explicitDeny or implicitDeny, as the policy
// simulator's EvalDecision does.
func (e Effect) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (e *Effect) UnmarshalText(b []byte) error { return unmarshalName(effectNames, e, b) }

func effectNames() []string {
	return []string{ImplicitDeny: "implicitDeny", ExplicitDeny: "explicitDeny", Allowed: "allowed"}
}

// Layer is a kind of policy in the evaluation logic.
type Layer uint8

// The layers.
const (
	LayerIdentity Layer = iota + 1
	LayerBoundary
	LayerSession
	LayerSCP
	LayerRCP
	LayerResource
	LayerTrust
)

func (l Layer) String() string { return name(layerNames, l) }

// MarshalText writes the layer's name in AWS's denial messages.
func (l Layer) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (l *Layer) UnmarshalText(b []byte) error { return unmarshalName(layerNames, l, b) }

func layerNames() []string {
	return []string{
		LayerIdentity: "identity-based policy", LayerBoundary: "permissions boundary",
		LayerSession: "session policy", LayerSCP: "service control policy",
		LayerRCP: "resource control policy", LayerResource: "resource-based policy",
		LayerTrust: "role trust policy",
	}
}

// Decision is the answer to a Request. The zero value denies.
type Decision struct {
	Allowed bool
	Effect  Effect
	// Layer is the kind of policy that decided: of those that deny the first in
	// AWS's order, else the one that allowed.
	Layer Layer
	// Source is the policy of the deciding statement, Statement its place in the
	// document counted from 1, Sid its id if it has one. Source is nil and
	// Statement 0 for implicit denies, and where root was allowed by being root.
	Source    *Source
	Statement int
	Sid       string
}

// Evaluate decides a request. With a nil trace it allocates nothing; otherwise
// it fills the trace, too, with the same decision and all its reasons.
//
// Any matching Deny in any policy denies. Then every layer that applies must
// allow; a resource-based policy of the same account may stand in for the
// identity-based policies, and for boundary and session policies where it names
// the session itself. Across accounts both sides must allow on their own.
// (reference_policies_evaluation-logic.html; the table for resource-based
// policies is in its section on policies within one account.)
func Evaluate(req *Request, in *Inputs, trace *Trace) Decision {
	var buf [actionBuffer]byte
	q := newQuery(req, buf[:0])
	v := judge(&q, in)
	d := decide(req, in, &v)
	if trace != nil {
		trace.fill(req, in, &q, v, d)
	}
	return d
}

// verdicts is what each layer says on its own.
type verdicts struct {
	identity, boundary, session, resource verdict
	// scps and rcps are the first explicit deny of any level, and whether all
	// levels allow.
	scps, rcps levels
}

type levels struct {
	denies *Set // the level with the deny
	deny   int32
	allow  bool
}

// judge asks every layer that restrains the caller.
func judge(q *query, in *Inputs) verdicts {
	v := verdicts{
		resource: in.Resource.judge(q),
		session:  in.Session.judge(q),
		scps:     levels{allow: true},
		rcps:     levels{allow: true},
	}
	if q.caller.Type != Root {
		v.identity = in.Identity.judge(q)
		v.boundary = in.Boundary.judge(q)
	}
	if scpsApply(q.caller) {
		v.scps = judgeLevels(q, in.SCPs)
	}
	if rcpsApply(q.caller) {
		v.rcps = judgeLevels(q, in.RCPs)
	}
	return v
}

func judgeLevels(q *query, sets []*Set) levels {
	l := levels{allow: true}
	for _, set := range sets {
		v := set.judge(q)
		if v.deny != 0 && l.deny == 0 {
			l.denies, l.deny = set, v.deny
		}
		l.allow = l.allow && v.allow != 0
	}
	return l
}

// decide puts the verdicts together.
func decide(req *Request, in *Inputs, v *verdicts) Decision {
	caller := req.Caller
	resourceLayer := LayerResource
	if in.ResourceIsTrust {
		resourceLayer = LayerTrust
	}

	// Explicit denies, in the order in which AWS names them.
	switch {
	case v.scps.deny != 0:
		return v.scps.denies.decide(ExplicitDeny, LayerSCP, v.scps.deny)
	case v.rcps.deny != 0:
		return v.rcps.denies.decide(ExplicitDeny, LayerRCP, v.rcps.deny)
	case v.resource.deny != 0:
		return in.Resource.decide(ExplicitDeny, resourceLayer, v.resource.deny)
	case v.identity.deny != 0:
		return in.Identity.decide(ExplicitDeny, LayerIdentity, v.identity.deny)
	case v.boundary.deny != 0:
		return in.Boundary.decide(ExplicitDeny, LayerBoundary, v.boundary.deny)
	case v.session.deny != 0:
		return in.Session.decide(ExplicitDeny, LayerSession, v.session.deny)
	}

	if !hasAccount(caller) {
		if grantsOutsider(caller, v.resource.forms) {
			return in.Resource.decide(Allowed, resourceLayer, v.resource.allow)
		}
		return implicitDeny(resourceLayer)
	}
	sameAccount := req.ResourceAccount == "" || req.ResourceAccount == caller.Account
	granted := skipNothing // by the resource's policy
	if sameAccount {
		granted = directGrant(caller, v.resource.forms)
	}
	isRoot := caller.Type == Root
	switch {
	case !v.scps.allow:
		return implicitDeny(LayerSCP)
	case sameAccount && in.ResourceIsTrust && v.resource.forms == 0:
		return implicitDeny(LayerTrust)
	case granted < skipIdentity && !isRoot && v.identity.allow == 0:
		return implicitDeny(LayerIdentity)
	case granted < skipBoundary && !isRoot && in.Boundary != nil && v.boundary.allow == 0:
		return implicitDeny(LayerBoundary)
	case granted < skipAll && (in.Session != nil || caller.Type == FederatedUser) && v.session.allow == 0:
		return implicitDeny(LayerSession)
	case !sameAccount && v.resource.forms == 0:
		return implicitDeny(resourceLayer)
	case !sameAccount, in.ResourceIsTrust:
		return in.Resource.decide(Allowed, resourceLayer, v.resource.allow)
	case isRoot:
		return Decision{Allowed: true, Effect: Allowed, Layer: LayerIdentity}
	case v.identity.allow == 0: // the resource's policy stands in
		return in.Resource.decide(Allowed, resourceLayer, v.resource.allow)
	}
	return in.Identity.decide(Allowed, LayerIdentity, v.identity.allow)
}

func (s *Set) decide(effect Effect, layer Layer, ordinal int32) Decision {
	a, i := s.statement(ordinal)
	return Decision{
		Allowed: effect == Allowed, Effect: effect, Layer: layer,
		Source: &a.Source, Statement: i + 1, Sid: a.Document.sid(i),
	}
}

func implicitDeny(layer Layer) Decision { return Decision{Effect: ImplicitDeny, Layer: layer} }

// hasAccount reports whether the caller belongs to an account, whose policies
// then have a say. The others are allowed by the resource's policy alone.
func hasAccount(c *Caller) bool {
	switch c.Type {
	case Root, User, AssumedRole, FederatedUser:
		return true
	}
	return false
}

// scpsApply reports whether service control policies restrain the caller.
func scpsApply(c *Caller) bool { return hasAccount(c) && !c.ServiceLinked }

// rcpsApply reports whether resource control policies restrain the caller.
func rcpsApply(c *Caller) bool { return !c.ServiceLinked }

// grantsOutsider reports whether a resource's policy lets in a caller without an
// account. Holders of a foreign token must be named by their provider: a trust
// policy for "*" is about principals of AWS, not about everyone with a token.
func grantsOutsider(c *Caller, forms grantForm) bool {
	switch c.Type {
	case WebIdentity, SAML:
		return forms&byFederated != 0
	case Service, Anonymous:
		return forms != 0
	}
	return false
}

// skip says which implicit denies a resource-based policy of the same account
// overrules, each including the ones before.
type skip uint8

const (
	skipNothing  skip = iota
	skipIdentity      // identity-based policies
	skipBoundary      // and the permissions boundary
	skipAll           // and session policies
)

// directGrant is the table of resource-policy principals in
// reference_policies_evaluation-logic: what a grant to each form of a caller's
// name overrules. A grant to the account delegates only: the account's own
// policies decide (for root, the account's grant is its own).
//
// AWS does not say what "*" does for federated users; it is taken as naming
// their user, not their session.
func directGrant(c *Caller, forms grantForm) skip {
	switch {
	case c.Type == Root && forms&(byAny|byAccount) != 0:
		return skipBoundary
	case c.Type == User && forms&(byAny|byEntity) != 0:
		return skipBoundary
	case c.Type == AssumedRole && forms&(byAny|bySession) != 0:
		return skipAll
	case c.Type == FederatedUser && forms&bySession != 0:
		return skipAll
	case forms&(byAny|byEntity) != 0:
		return skipIdentity
	}
	return skipNothing
}
