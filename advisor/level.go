package advisor

import (
	"slices"
	"strings"

	"github.com/lanyard-iam/lanyard/policy"
)

// Level is in a word what somebody may do.
type Level string

// The levels, from the most to the least.
const (
	// Administrator may change who may do what, and so everything.
	Administrator Level = "administrator"
	// PowerUser may do everything but that.
	PowerUser Level = "power user"
	// Custom may do what their policies say, and change things.
	Custom Level = "custom"
	// ReadOnly may look and change nothing. Secrets can be among what is looked at.
	ReadOnly Level = "read only"
	// AssumesRoles may assume roles and do nothing else.
	AssumesRoles Level = "assumes roles"
	// OwnCredentials may change their own password, keys and MFA devices.
	OwnCredentials Level = "own credentials"
	// Nothing is allowed.
	Nothing Level = "nothing"
)

// level is what a principal may do with MFA. The policy engine decides whether they are
// an administrator or a power user; which actions the rest is made of is read from the
// statements that allow, so that a condition on them is not looked at.
func (j *judge) level(p *principal) Level {
	if j.everything(p, withMFA) {
		return Administrator
	}
	if j.allServices(p) {
		return PowerUser
	}
	level := levelOf(p.documents)
	if p.inputs.Boundary == nil || level == Nothing {
		return level
	}
	if limit := levelOf(p.limits); limit == ReadOnly || limit == Nothing {
		return limit
	}
	return level
}

// allServices tells whether a principal may do what they like in services of all kinds.
func (j *judge) allServices(p *principal) bool {
	c := j.context(p, withMFA)
	for _, ask := range [...]struct{ action, resource string }{
		{"anything:AtAll", "arn:" + j.Partition + ":anything:any-where-1:" + j.Account + ":any/thing"},
		{"s3:DeleteBucket", "arn:" + j.Partition + ":s3:::anybody-any-where"},
		{"ec2:RunInstances", "arn:" + j.Partition + ":ec2:any-where-1:" + j.Account + ":instance/*"},
	} {
		if !policy.Evaluate(&policy.Request{Caller: &p.caller, Action: ask.action, Resource: ask.resource, Context: c}, &p.inputs, nil).Allowed {
			return false
		}
	}
	return true
}

// levelOf reads the level from the statements that allow.
func levelOf(documents []string) Level {
	var assumes, own, reads, other bool
	for _, text := range documents {
		_, statements := statementsOf(text)
		for _, s := range statements {
			if s["Effect"] != "Allow" {
				continue
			}
			if _, not := s["NotAction"]; not {
				return Custom
			}
			theirs := strings.Contains(compact(s["Resource"]), "${aws:username}") && !slices.ContainsFunc(words(s["Resource"]), func(r string) bool {
				return !strings.Contains(r, "${aws:username}")
			})
			for _, action := range words(s["Action"]) {
				switch {
				case strings.HasPrefix(strings.ToLower(action), "sts:assumerole"):
					assumes = true
				case theirs || slices.Contains(aboutOneself[:], strings.ToLower(action)):
					own = true
				case reading(action):
					reads = true
				default:
					other = true
				}
			}
		}
	}
	switch {
	case other || reads && assumes:
		return Custom
	case assumes:
		return AssumesRoles
	case reads:
		return ReadOnly
	case own:
		return OwnCredentials
	}
	return Nothing
}

// words are the values of an element, which can be one or a list.
func words(element any) []string {
	list, ok := element.([]any)
	if !ok {
		list = []any{element}
	}
	var out []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// readingVerbs begin the names of actions that change nothing.
var readingVerbs = [...]string{
	"get", "list", "describe", "check", "classify", "compare", "contains", "count", "detect", "discover", "download", "estimate", "evaluate", "export",
	"filter", "generate", "is", "lookup", "preview", "probe", "query", "read", "receive", "recognize", "resolve", "retrieve", "sample", "scan", "search", "select",
	"simulate", "synthesize", "test", "validate", "verify", "view",
}

// readingActions change nothing, whatever they are called. They are those of AWS's
// policies ReadOnlyAccess, ViewOnlyAccess and SecurityAudit.
var readingActions = [...]string{
	"apigateway:get", "athena:batch*", "codecommit:gitpull", "codedeploy:batch*", "config:deliver*", "devops-guru:startcostestimation", "dynamodb:partiqlselect", "eks:accesskubernetesapi",
	"elasticbeanstalk:request*", "es:eshttpget", "es:eshttphead", "logs:startlivetail", "logs:startquery", "logs:stoplivetail", "logs:stopquery",
	"s3express:createsession", "sdb:domainmetadata", "servicequotas:startquotautilizationreport", "xray:canceltraceretrieval", "xray:starttraceretrieval",
}

// aboutOneself are the actions that one needs to look after one's own credentials and
// that cannot be allowed for oneself only.
var aboutOneself = [...]string{
	"iam:getaccountpasswordpolicy", "iam:getaccountsummary", "iam:listvirtualmfadevices", "sts:getcalleridentity", "sts:getsessiontoken",
}

// reading tells whether an action, or all that a pattern stands for, changes nothing.
func reading(action string) bool {
	if slices.Contains(readingActions[:], strings.ToLower(action)) {
		return true
	}
	_, name, _ := strings.Cut(action, ":")
	name = strings.TrimPrefix(strings.TrimPrefix(name, "Batch"), "Admin")
	return slices.ContainsFunc(readingVerbs[:], func(verb string) bool {
		if len(name) < len(verb) || !strings.EqualFold(name[:len(verb)], verb) {
			return false
		}
		rest := name[len(verb):] // Check is no beginning of CheckoutLicense
		return rest == "" || rest[0] == '*' || 'A' <= rest[0] && rest[0] <= 'Z'
	})
}
