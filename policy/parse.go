package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The texts of MalformedPolicyDocument.
const (
	msgNotJSON          = "This policy contains invalid Json"
	msgSyntax           = "Syntax errors in policy."
	msgVersion          = "Policy document must be version 2012-10-17 or greater."
	msgLegacy           = "The policy failed legacy parsing"
	msgSidUnique        = "Statement IDs (SID) in a single policy must be unique."
	msgSidCharacters    = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
	msgNoActions        = "Policy statement must contain actions."
	msgNoResources      = "Policy statement must contain resources."
	msgNoVendor         = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
	msgColons           = "Actions/Condition can contain only one colon."
	msgVendor           = "Vendor %s is not valid"
	msgNotARN           = `Resource %s must be in ARN format or "*".`
	msgPartition        = `Partition "%s" is not valid for resource "%s".`
	msgResourceVendor   = "Resource vendor must be fully qualified and cannot contain regexes."
	msgIAMRegion        = "IAM resource %s cannot contain region information."
	msgRegion           = "Resource %s can not contain region information."
	msgPrincipal        = "Policy document should not specify a principal."
	msgNoPrincipal      = "Missing required field Principal"
	msgInvalidPrincipal = `Invalid principal in policy: "%s":"%s"`
	msgFederated        = "Federated principals must be valid domain names or SAML metadata ARNs"
	msgProhibited       = "Has prohibited field %s."
	msgTrustActions     = "Trust Policy statement actions can only be sts:AssumeRole, sts:AssumeRoleWithSAML,  and sts:AssumeRoleWithWebIdentity"
	version2008         = "2008-10-17"
	version2012         = "2012-10-17"
)

// parser turns a document's text into a Document. It works in passes over all
// statements, in the order in which IAM reports faults: syntax, version, the
// "legacy" parser's checks, then one rule after the other.
type parser struct {
	text    string
	kind    Kind
	version string
	drafts  []draft
	sids    map[string]bool
}

// draft is a statement whose shape is right and whose contents are unchecked.
type draft struct {
	node       *node
	sid        *node
	effect     *node
	action     *element
	resource   *element
	principal  *element // without values: they stand under their types
	conditions *node
}

// element is Action, Resource or Principal, or its Not-form.
type element struct {
	member *member
	not    bool
	values []*node
}

func (p *parser) fail(n *node, message, detail string) *SyntaxError {
	return syntaxError(p.text, n.start, message, detail)
}

func (p *parser) document() (*Document, *SyntaxError) {
	root, err := readJSON(p.text)
	if err != nil {
		return nil, err
	}
	if err := p.syntax(&root); err != nil {
		return nil, err
	}
	if p.kind == ManagedPolicy && p.version != version2012 {
		return nil, p.fail(&root, msgVersion, `a managed policy needs "Version": "2012-10-17"`)
	}
	d := &Document{text: p.text, statements: make([]statement, len(p.drafts))}
	passes := []func(*draft, *statement) *SyntaxError{
		p.principals, p.legacy, p.sid, p.hasActions, p.resources, p.actions, p.hasResources,
	}
	for _, pass := range passes {
		for i := range p.drafts {
			if err := pass(&p.drafts[i], &d.statements[i]); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

// syntax checks the shape of everything: names of elements, types of values.
func (p *parser) syntax(root *node) *SyntaxError {
	if root.kind != objectNode {
		return p.fail(root, msgSyntax, "a policy is a JSON object")
	}
	var statements *node
	for i := range root.members {
		m := &root.members[i]
		switch m.name {
		case "Version":
			if m.value.kind != stringNode || m.value.text != version2012 && m.value.text != version2008 {
				return p.fail(&m.value, msgSyntax, `Version is "2012-10-17" or "2008-10-17"`)
			}
			p.version = m.value.text
		case "Id":
			if p.kind != TrustPolicy && p.kind != ResourcePolicy && p.kind != ResourceControlPolicy {
				return p.member(m, "Id belongs in resource-based policies only")
			}
			if m.value.kind != stringNode {
				return p.fail(&m.value, msgSyntax, "Id is a string")
			}
		case "Statement":
			statements = &m.value
		default:
			return p.member(m, "unknown element "+strconv.Quote(m.name))
		}
	}
	if statements == nil {
		return p.fail(root, msgSyntax, "Statement is missing")
	}
	for n := range statements.each() {
		if n.kind != objectNode {
			return p.fail(n, msgSyntax, "a statement is a JSON object")
		}
		d, err := p.draft(n)
		if err != nil {
			return err
		}
		p.drafts = append(p.drafts, d)
	}
	if len(p.drafts) == 0 {
		return p.fail(statements, msgSyntax, "a policy needs a statement")
	}
	return nil
}

func (p *parser) member(m *member, detail string) *SyntaxError {
	return syntaxError(p.text, m.at, msgSyntax, detail)
}

func (p *parser) draft(n *node) (draft, *SyntaxError) {
	d := draft{node: n}
	for i := range n.members {
		m := &n.members[i]
		var err *SyntaxError
		switch m.name {
		case "Sid":
			d.sid = &m.value
			if m.value.kind != stringNode {
				err = p.fail(&m.value, msgSyntax, "Sid is a string")
			}
		case "Effect":
			d.effect = &m.value
			if m.value.kind != stringNode || !equalFold(m.value.text, "Allow") && !equalFold(m.value.text, "Deny") {
				err = p.fail(&m.value, msgSyntax, `Effect is "Allow" or "Deny"`)
			}
		case "Action", "NotAction":
			err = p.element(&d.action, m)
		case "Resource", "NotResource":
			err = p.element(&d.resource, m)
		case "Principal", "NotPrincipal":
			err = p.principalElement(&d, m)
		case "Condition":
			d.conditions = &m.value
			err = p.conditionSyntax(&m.value)
		default:
			err = p.member(m, "unknown element "+strconv.Quote(m.name))
		}
		if err != nil {
			return d, err
		}
	}
	if d.effect == nil {
		return d, p.fail(n, msgSyntax, "Effect is missing")
	}
	return d, nil
}

// element reads a string or an array of strings into *e, which must be the only
// one of itself and its Not-form.
func (p *parser) element(e **element, m *member) *SyntaxError {
	if *e != nil {
		return p.member(m, (*e).member.name+" and "+m.name+" exclude each other")
	}
	*e = &element{member: m, not: strings.HasPrefix(m.name, "Not")}
	for n := range m.value.each() {
		if n.kind != stringNode {
			return p.fail(n, msgSyntax, m.name+" is a string or an array of strings")
		}
		(*e).values = append((*e).values, n)
	}
	return nil
}

func (p *parser) principalElement(d *draft, m *member) *SyntaxError {
	if d.principal != nil {
		return p.member(m, d.principal.member.name+" and "+m.name+" exclude each other")
	}
	d.principal = &element{member: m, not: m.name == "NotPrincipal"}
	v := &m.value
	if v.kind == stringNode {
		if v.text != "*" {
			return p.fail(v, msgSyntax, `a principal is "*" or an object such as {"AWS": "…"}`)
		}
		return nil
	}
	if v.kind != objectNode || len(v.members) == 0 {
		return p.fail(v, msgSyntax, `a principal is "*" or an object such as {"AWS": "…"}`)
	}
	for i := range v.members {
		typ := &v.members[i]
		switch typ.name {
		case "AWS", "Service", "Federated", "CanonicalUser":
		default:
			return p.member(typ, "a principal's type is AWS, Service, Federated or CanonicalUser")
		}
		if typ.value.kind == arrayNode && len(typ.value.items) == 0 {
			return p.fail(&typ.value, msgSyntax, "an empty list of principals")
		}
		for n := range typ.value.each() {
			if n.kind != stringNode {
				return p.fail(n, msgSyntax, typ.name+" is a string or an array of strings")
			}
		}
	}
	return nil
}

func (p *parser) conditionSyntax(block *node) *SyntaxError {
	if block.kind != objectNode {
		return p.fail(block, msgSyntax, "Condition is an object of operators")
	}
	for i := range block.members {
		op := &block.members[i]
		if _, ok := parseOperator(op.name); !ok {
			return p.member(op, "unknown condition operator "+strconv.Quote(op.name))
		}
		if op.value.kind != objectNode {
			return p.fail(&op.value, msgSyntax, "a condition operator holds an object of keys")
		}
		if twin := caseTwin(op.value.members); twin != nil {
			return p.member(twin, "condition key "+strconv.Quote(twin.name)+" stands here twice, in different case")
		}
		for j := range op.value.members {
			key := &op.value.members[j]
			if key.name == "" {
				return p.member(key, "a condition key has no name")
			}
			for n := range key.value.each() {
				if n.kind != stringNode && n.kind != numberNode && n.kind != boolNode {
					return p.fail(n, msgSyntax, "a condition's values are strings, numbers, true or false")
				}
			}
		}
	}
	return nil
}

// caseTwin returns a key that differs from an earlier one in case only.
func caseTwin(members []member) *member {
	if len(members) < 2 {
		return nil
	}
	byHash := make(map[uint32][]*member, len(members))
	for i := range members {
		m := &members[i]
		h := hashFold(m.name)
		for _, other := range byHash[h] {
			if equalFold(other.name, m.name) {
				return m
			}
		}
		byHash[h] = append(byHash[h], m)
	}
	return nil
}

// principals checks and compiles who a statement is about.
func (p *parser) principals(d *draft, s *statement) *SyntaxError {
	e := d.principal
	switch p.kind {
	case ManagedPolicy, InlinePolicy, SessionPolicy, ServiceControlPolicy:
		if e != nil {
			return syntaxError(p.text, e.member.at, msgPrincipal, "only resource-based policies have principals")
		}
		return nil
	}
	if e == nil {
		return p.fail(d.node, msgNoPrincipal, "a statement of a resource-based policy says whom it is about")
	}
	if e.not {
		switch {
		case p.kind == TrustPolicy, p.kind == ResourceControlPolicy:
			return syntaxError(p.text, e.member.at, fmt.Sprintf(msgProhibited, "NotPrincipal"), "use Principal")
		case equalFold(d.effect.text, "Allow"):
			return p.member(e.member, "NotPrincipal with Allow would allow everyone else, anonymous callers included")
		}
	}
	s.notPrincipal = e.not
	v := &e.member.value
	if v.kind == stringNode {
		s.principals = []principal{{kind: AnyPrincipal, text: v.text}}
		return nil
	}
	for i := range v.members {
		typ := &v.members[i]
		for n := range typ.value.each() {
			entry, ok := newPrincipal(typ.name, n.text)
			if !ok || p.kind == TrustPolicy && entry.kind == CanonicalUserPrincipal {
				message := fmt.Sprintf(msgInvalidPrincipal, strings.ToUpper(typ.name), n.text)
				if typ.name == "Federated" && !isHostName(n.text) {
					message = msgFederated
				}
				return p.fail(n, message, "this is not the ARN or name of a principal")
			}
			if p.kind == ResourceControlPolicy && entry.kind != AnyPrincipal {
				return p.fail(n, msgSyntax, `the principal of a resource control policy is "*"`)
			}
			s.principals = append(s.principals, entry)
		}
	}
	s.principals = slices.Clip(s.principals)
	return nil
}

// legacy does what the message "failed legacy parsing" stands for: the case of
// Effect, values of typed conditions, the parts of ARNs.
func (p *parser) legacy(d *draft, s *statement) *SyntaxError {
	switch d.effect.text {
	case "Allow":
	case "Deny":
		s.deny = true
	default:
		return p.fail(d.effect, msgLegacy, "Allow and Deny are case-sensitive")
	}
	if p.kind == ResourceControlPolicy && !s.deny && !isFullAccess(d) {
		return p.fail(d.effect, msgSyntax, "resource control policies only deny")
	}
	if err := p.conditions(d, s); err != nil {
		return err
	}
	if d.resource == nil {
		return nil
	}
	for _, n := range d.resource.values {
		if message, detail := checkResource(n.text); message == msgLegacy {
			return p.fail(n, message, detail)
		}
	}
	return nil
}

// isFullAccess recognizes the one Allow of resource control policies, the
// statement of RCPFullAWSAccess.
func isFullAccess(d *draft) bool {
	star := func(e *element) bool { return e != nil && !e.not && len(e.values) == 1 && e.values[0].text == "*" }
	return star(d.action) && star(d.resource) && d.conditions == nil
}

func (p *parser) conditions(d *draft, s *statement) *SyntaxError {
	if d.conditions == nil {
		return nil
	}
	count := 0
	for _, op := range d.conditions.members {
		count += len(op.value.members)
	}
	if count == 0 {
		return nil
	}
	s.conditions = make([]condition, 0, count)
	for _, op := range d.conditions.members {
		operator, _ := parseOperator(op.name)
		for i := range op.value.members {
			key := &op.value.members[i]
			values := make([]string, 0, max(1, len(key.value.items)))
			for n := range key.value.each() {
				values = append(values, n.text)
			}
			c, err := newCondition(operator, key.name, values, p.version == version2012)
			if err != nil {
				return p.fail(&key.value, msgLegacy, key.name+": "+err.Error())
			}
			s.conditions = append(s.conditions, c)
		}
	}
	return nil
}

func (p *parser) sid(d *draft, s *statement) *SyntaxError {
	if d.sid == nil || d.sid.text == "" {
		return nil
	}
	s.sidAt = uint32(d.sid.start)
	switch p.kind {
	case ManagedPolicy, InlinePolicy, SessionPolicy, TrustPolicy:
		if strings.ContainsFunc(d.sid.text, func(r rune) bool {
			return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
		}) {
			return p.fail(d.sid, msgSidCharacters, "Sid takes letters and digits")
		}
	}
	if p.sids[d.sid.text] {
		return p.fail(d.sid, msgSidUnique, "Sid "+strconv.Quote(d.sid.text)+" is used twice")
	}
	if p.sids == nil {
		p.sids = make(map[string]bool)
	}
	p.sids[d.sid.text] = true
	return nil
}

func (p *parser) hasActions(d *draft, s *statement) *SyntaxError {
	if d.action == nil || len(d.action.values) == 0 {
		return p.fail(d.node, msgNoActions, "Action or NotAction is missing or empty")
	}
	s.notAction = d.action.not
	s.actions = make([]string, len(d.action.values))
	for i, n := range d.action.values {
		s.actions[i] = n.text
	}
	s.start, s.end = uint32(d.node.start), uint32(d.node.end)
	return nil
}

func (p *parser) resources(d *draft, s *statement) *SyntaxError {
	if d.resource == nil || p.kind == TrustPolicy {
		return nil
	}
	s.notResource = d.resource.not
	s.resources = make([]arnPattern, len(d.resource.values))
	for i, n := range d.resource.values {
		if message, detail := checkResource(n.text); message != "" {
			return p.fail(n, message, detail)
		}
		var err error
		if s.resources[i], err = newARNPattern(n.text, p.version == version2012); err != nil {
			return p.fail(n, msgLegacy, err.Error())
		}
	}
	return nil
}

// checkResource returns the message for a faulty entry of Resource, or "".
func checkResource(s string) (message, detail string) {
	if s == "*" {
		return "", ""
	}
	first, rest, found := strings.Cut(s, ":")
	if !found {
		return fmt.Sprintf(msgNotARN, s), `a resource is an ARN, or "*"`
	}
	partition, rest, found := strings.Cut(rest, ":")
	if partition != "*" && !strings.HasPrefix(partition, "aws") {
		parts := strings.SplitN(rest, ":", 4)
		for i := range 4 {
			if i == len(parts) {
				parts = append(parts, "*")
			}
		}
		if rest == "" {
			parts[0] = "*"
		}
		return fmt.Sprintf(msgPartition, partition, "arn:"+partition+":"+strings.Join(parts, ":")),
			"the partition is aws, aws-cn or aws-us-gov"
	}
	if first != "arn" {
		return fmt.Sprintf(msgNotARN, s), "an ARN begins with arn:"
	}
	service, rest, more := strings.Cut(rest, ":")
	if !found || strings.ContainsAny(service, "*?$") {
		return msgResourceVendor, "the third part of an ARN is a service's name, without wildcards"
	}
	if service == "" || !more || sixthPart(s) < 0 {
		return msgLegacy, "an ARN has six parts: arn:partition:service:region:account:resource"
	}
	region, rest, _ := strings.Cut(rest, ":")
	account, resource, _ := strings.Cut(rest, ":")
	switch {
	case region == "":
	case service == "iam":
		return fmt.Sprintf(msgIAMRegion, s), "IAM is global: leave the region empty"
	case service == "s3" && !isRegionalS3(resource):
		return fmt.Sprintf(msgRegion, s), "bucket names are global: leave the region empty"
	}
	if account != "" && account != "aws" && strings.Trim(account, "0123456789") == "" && len(account) != 12 {
		return msgLegacy, "an account id has 12 digits"
	}
	return "", ""
}

// isRegionalS3 recognizes the S3 resources whose ARNs name a region.
func isRegionalS3(resource string) bool {
	for _, prefix := range []string{"accesspoint/", "job/", "storage-lens/", "storage-lens-group/", "access-grants/", "async-request/"} {
		if strings.HasPrefix(resource, prefix) {
			return true
		}
	}
	return resource == "*"
}

func (p *parser) actions(d *draft, s *statement) *SyntaxError {
	for _, n := range d.action.values {
		if message := checkAction(n.text); message != "" {
			return p.fail(n, message, `an action is "service:Name", or "*"`)
		}
		if p.kind == TrustPolicy && (s.notAction || !IsTrustAction(n.text)) {
			return p.fail(n, msgTrustActions, "sts:TagSession, sts:SetSourceIdentity and sts:SetContext are accepted, too")
		}
	}
	return nil
}

func checkAction(action string) string {
	if action == "*" {
		return ""
	}
	vendor, name, found := strings.Cut(action, ":")
	switch {
	case !found:
		return msgNoVendor
	case strings.Contains(name, ":"):
		return msgColons
	case vendor == "" || strings.ContainsFunc(vendor, func(r rune) bool {
		return !(r == '-' || r == '.' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
	}):
		return fmt.Sprintf(msgVendor, vendor)
	}
	return ""
}

// IsTrustAction accepts the actions that a trust policy grants, and patterns
// that match some of them and no other action of STS.
func IsTrustAction(pattern string) bool {
	matches := func(actions ...string) bool {
		return slices.ContainsFunc(actions, func(a string) bool { return matchAction(pattern, []byte(a)) })
	}
	return matches("sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity",
		"sts:tagsession", "sts:setsourceidentity", "sts:setcontext") &&
		!matches("sts:assumeroot", "sts:decodeauthorizationmessage", "sts:getaccesskeyinfo", "sts:getcalleridentity",
			"sts:getdelegatedaccesstoken", "sts:getfederationtoken", "sts:getservicebearertoken",
			"sts:getsessiontoken", "sts:getwebidentitytoken")
}

func (p *parser) hasResources(d *draft, _ *statement) *SyntaxError {
	switch {
	case p.kind == TrustPolicy:
		if d.resource != nil {
			return syntaxError(p.text, d.resource.member.at, fmt.Sprintf(msgProhibited, "Resource"),
				"a trust policy is about the role it belongs to")
		}
	case d.resource == nil || len(d.resource.values) == 0:
		return p.fail(d.node, msgNoResources, "Resource or NotResource is missing or empty")
	}
	return nil
}
