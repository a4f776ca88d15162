package policy

import "strings"

// Message returns the sentence with which AWS denies the request: who, what, on
// which resource, and which kind of policy is why. The resource is left out if
// it is empty. The ARN of a policy is named for explicit denies by managed
// policies, and only within an account. It is empty for an allowed request.
// (troubleshoot_access-denied.html)
func (d Decision) Message(req *Request) string {
	if d.Allowed {
		return ""
	}
	var b strings.Builder
	b.WriteString("User: ")
	b.WriteString(req.Caller.displayName())
	b.WriteString(" is not authorized to perform: ")
	b.WriteString(req.Action)
	if req.Resource != "" {
		b.WriteString(" on resource: ")
		b.WriteString(req.Resource)
	}
	if d.Effect == ImplicitDeny {
		b.WriteString(" because no ")
		b.WriteString(d.Layer.String())
		b.WriteString(" allows the ")
		b.WriteString(req.Action)
		b.WriteString(" action")
		return b.String()
	}
	b.WriteString(" with an explicit deny in ")
	switch d.Layer {
	case LayerIdentity:
		b.WriteString("an ")
	case LayerTrust:
		b.WriteString("the ")
	default:
		b.WriteString("a ")
	}
	b.WriteString(d.Layer.String())
	sameAccount := req.ResourceAccount == "" || req.ResourceAccount == req.Caller.Account
	if d.Source != nil && d.Source.ARN != "" && sameAccount && d.Layer != LayerResource && d.Layer != LayerTrust {
		b.WriteString(": ")
		b.WriteString(d.Source.ARN)
	}
	return b.String()
}

// displayName returns the caller as denial messages name it.
func (c *Caller) displayName() string {
	switch {
	case c.ARN != "":
		return c.ARN
	case c.Type == Service:
		return c.Service
	case c.Type == Anonymous:
		return "anonymous"
	}
	return c.Federated
}
