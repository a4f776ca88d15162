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
	if p.profile == "" {
		return j.asksLevel(p)
	}
	known := j.answers[p.profile]
	if known.level == "" {
		level := j.asksLevel(p) // which answers something else about them, too
		known = j.answers[p.profile]
		known.level = level
		j.answers[p.profile] = known
	}
	return known.level
}

func (j *judge) asksLevel(p *principal) Level {
	if j.everything(p, withMFA) {
		return Administrator
	}
	if j.allServices(p) {
		return PowerUser
	}
	level := j.levelOf(p.docs)
	if p.limits == nil || level == Nothing {
		return level
	}
	if limit := j.levelOf(p.limits); limit == ReadOnly || limit == Nothing {
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
		if !policy.Evaluate(&policy.Request{Caller: &p.caller, Action: ask.action, Resource: ask.resource, Context: c}, p.inputs(), nil).Allowed {
			return false
		}
	}
	return true
}

// summary is what the statements of a document that allow are made of.
type summary struct {
	assumes, own, reads, other bool
}

// levelOf reads the level from the statements that allow.
func (j *judge) levelOf(docs []policy.Attached) Level {
	var all summary
	for _, d := range docs {
		s, known := j.summaries[d.Document.Text()]
		if !known {
			s = summaryOf(j.statements(d.Document.Text()))
			j.summaries[d.Document.Text()] = s
		}
		all = summary{all.assumes || s.assumes, all.own || s.own, all.reads || s.reads, all.other || s.other}
	}
	switch {
	case all.other || all.reads && all.assumes:
		return Custom
	case all.assumes:
		return AssumesRoles
	case all.reads:
		return ReadOnly
	case all.own:
		return OwnCredentials
	}
	return Nothing
}

func summaryOf(statements []map[string]any) (sum summary) {
	for _, s := range statements {
		if s["Effect"] != "Allow" {
			continue
		}
		if _, not := s["NotAction"]; not {
			sum.other = true
			continue
		}
		theirs := strings.Contains(compact(s["Resource"]), "${aws:username}") && !slices.ContainsFunc(words(s["Resource"]), func(r string) bool {
			return !strings.Contains(r, "${aws:username}")
		})
		for _, action := range words(s["Action"]) {
			switch {
			case strings.HasPrefix(strings.ToLower(action), "sts:assumerole"):
				sum.assumes = true
			case theirs || slices.Contains(aboutOneself[:], strings.ToLower(action)):
				sum.own = true
			case reading(action):
				sum.reads = true
			default:
				sum.other = true
			}
		}
	}
	return sum
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
