package advisor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ReviewAfter is when an access plan is to be looked at again, if nobody says otherwise.
const ReviewAfter = 90 * 24 * time.Hour

// expiresSoon is how long before its end a certificate is spoken of.
const expiresSoon = 60 * 24 * time.Hour

// Plan is the access plan of an account: who and what can come in, by which credential,
// and what they may do.
type Plan struct {
	Account string    `json:"account"`
	At      time.Time `json:"at"`
	// Review is when the plan is to be looked at again.
	Review          time.Time            `json:"review"`
	Overdue         bool                 `json:"overdue"`
	Root            PlannedRoot          `json:"root"`
	BreakGlass      []PlannedPerson      `json:"breakGlass"`
	People          []PlannedPerson      `json:"people"`
	Groups          []PlannedGroup       `json:"groups"`
	Roles           []PlannedRole        `json:"roles"`
	Workloads       []PlannedWorkload    `json:"workloads"`
	Federation      []PlannedProvider    `json:"federation"`
	Score           int                  `json:"score"`
	Findings        []Finding            `json:"findings"`
	Suppressed      []Finding            `json:"suppressed"`
	Recommendations []PlanRecommendation `json:"recommendations"`
	Notes           []string             `json:"notes,omitempty"`
	// Comments are what somebody wrote to a section, by its id.
	Comments map[string]string `json:"comments,omitempty"`
}

// PlannedRoot is the root user.
type PlannedRoot struct {
	ARN     string   `json:"arn"`
	Email   string   `json:"email,omitempty"`
	MFA     bool     `json:"mfa"`
	Factors []string `json:"factors,omitempty"`
	// PasswordChanged and PasswordUsed are zero where root has no password, or nobody
	// tells.
	PasswordChanged time.Time `json:"passwordChanged,omitzero"`
	PasswordUsed    time.Time `json:"passwordUsed,omitzero"`
	AccessKeys      int       `json:"accessKeys"`
	// LastUsed is root's last call of the last RecentRoot days.
	LastUsed time.Time `json:"lastUsed,omitzero"`
	Page     string    `json:"page"`
}

// Credential is what somebody signs in or signs requests with.
type Credential struct {
	// Kind is password, access key or signing certificate.
	Kind    string    `json:"kind"`
	ID      string    `json:"id,omitempty"`
	Active  bool      `json:"active"`
	Created time.Time `json:"created,omitzero"`
	Used    time.Time `json:"used,omitzero"` // zero: never, or not known
	Page    string    `json:"page,omitempty"`
}

// PlannedPerson is a user who is a person: with a password, an MFA device, or no
// credential at all.
type PlannedPerson struct {
	Name string `json:"name"`
	ARN  string `json:"arn"`
	// Level is what they may do themselves, AtMost what they may do with the roles that
	// they can assume.
	Level       Level        `json:"level"`
	AtMost      Level        `json:"atMost"`
	Policies    []string     `json:"policies"`
	Groups      []string     `json:"groups"`
	Roles       []string     `json:"roles"` // which they can assume
	MFA         bool         `json:"mfa"`
	Factors     []string     `json:"factors"`
	Credentials []Credential `json:"credentials"`
	LastUsed    time.Time    `json:"lastUsed,omitzero"`
	Page        string       `json:"page"`
}

// PlannedGroup is a user group.
type PlannedGroup struct {
	Name     string   `json:"name"`
	ARN      string   `json:"arn"`
	Level    Level    `json:"level"`
	Policies []string `json:"policies"`
	Members  []string `json:"members"`
	Page     string   `json:"page"`
}

// PlannedRole is a role and who can assume it.
type PlannedRole struct {
	Name     string    `json:"name"`
	ARN      string    `json:"arn"`
	Level    Level     `json:"level"`
	Policies []string  `json:"policies"`
	Trusts   []Trusted `json:"trusts"`
	// People and FromRoles are who of the account can assume it.
	People    []string  `json:"people"`
	FromRoles []string  `json:"fromRoles"`
	LastUsed  time.Time `json:"lastUsed,omitzero"`
	Page      string    `json:"page"`
}

// PlannedWorkload is what a program signs its requests with.
type PlannedWorkload struct {
	Name string `json:"name"`
	ARN  string `json:"arn"`
	// By is how it comes in: the service or the identity provider that a role trusts, or
	// access key.
	By          []string     `json:"by"`
	LongLived   bool         `json:"longLived"`
	Level       Level        `json:"level"`
	Policies    []string     `json:"policies"`
	Credentials []Credential `json:"credentials,omitempty"`
	LastUsed    time.Time    `json:"lastUsed,omitzero"`
	Page        string       `json:"page"`
}

// PlannedProvider is an identity provider.
type PlannedProvider struct {
	Name    string    `json:"name"`
	Kind    string    `json:"kind"` // SAML or OpenID Connect
	ARN     string    `json:"arn"`
	Created time.Time `json:"created,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
	Roles   []string  `json:"roles"` // which trust it
	Page    string    `json:"page"`
}

// PlanRecommendation is what would make the plan better, beyond the findings.
type PlanRecommendation struct {
	ID       string   `json:"id"`
	Text     string   `json:"text"`
	Why      string   `json:"why"`
	Page     string   `json:"page"`
	Commands []string `json:"commands,omitempty"`
}

// BreakGlassTag is the tag of users who are for emergencies.
const BreakGlassTag = "break-glass"

// MakePlan makes the access plan. A review of zero is in ReviewAfter from now.
func MakePlan(f *Facts, review time.Time) *Plan { return NewStudy(f).Plan(review) }

func (s *Study) makePlan(review time.Time) *Plan {
	report, f := s.Report(), s.Facts
	if review.IsZero() {
		review = f.Now.Add(ReviewAfter).UTC().Truncate(24 * time.Hour)
	}
	p := &Plan{
		Account: f.Account, At: f.Now.UTC(), Review: review.UTC(), Overdue: f.Now.After(review), BreakGlass: []PlannedPerson{}, People: []PlannedPerson{}, Groups: []PlannedGroup{}, Roles: []PlannedRole{},
		Workloads: []PlannedWorkload{}, Federation: []PlannedProvider{}, Score: report.Score, Findings: report.Findings, Suppressed: report.Suppressed, Recommendations: []PlanRecommendation{},
		Notes: slices.Clip(report.Notes),
	}
	b := &planner{judge: s.judge, Plan: p}
	var all bool
	if b.reach, all = b.reaches(); !all {
		p.Notes = append(p.Notes, b.notAsked())
	}
	b.root()
	b.rolesAndWorkloads()
	b.users()
	b.groupsOf()
	b.providers()
	b.recommend()
	return p
}

// planner is a plan in the making.
type planner struct {
	*judge
	*Plan
	reach  *reach
	levels map[string]Level // of roles, by name
}

func (b *planner) root() {
	r := &b.Facts.Root
	b.Plan.Root = PlannedRoot{ARN: r.ARN, Email: r.Email, MFA: r.MFA, Factors: factors(r.Devices), AccessKeys: len(r.Keys), Page: SecurityPage}
	if r.Password != nil {
		b.Plan.Root.PasswordChanged, b.Plan.Root.PasswordUsed = r.Password.Changed, r.Password.Used
	}
	for _, u := range r.Uses {
		if u.At.After(b.Plan.Root.LastUsed) {
			b.Plan.Root.LastUsed = u.At
		}
	}
}

func factors(devices []Device) []string {
	list := []string{}
	for i := range devices {
		text := devices[i].Kind()
		if at := devices[i].Enabled; !at.IsZero() {
			text += " since " + dayOf(at)
		}
		list = append(list, text)
	}
	return list
}

// dayOf is a day for people to read.
func dayOf(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.DateOnly)
}

// policiesOf are the names of an entity's policies.
func (b *planner) policiesOf(p *Permissions) []string {
	list := []string{}
	for _, arn := range p.Attached {
		name := b.Facts.Policies[arn].Name
		if name == "" {
			name = arn[strings.LastIndexByte(arn, '/')+1:]
		}
		list = append(list, name)
	}
	for _, in := range p.Inline {
		list = append(list, in.Name+" (inline)")
	}
	return list
}

func (b *planner) limited(p *Permissions) []string {
	if p.Boundary == "" {
		return nil
	}
	return []string{"within the boundary " + p.Boundary[strings.LastIndexByte(p.Boundary, '/')+1:]}
}

func (b *planner) rolesAndWorkloads() {
	b.levels = map[string]Level{}
	linked := 0
	for i := range b.Facts.Roles {
		role := &b.Facts.Roles[i]
		if strings.HasPrefix(role.Path, "/aws-service-role/") {
			linked++
			continue
		}
		level := b.level(b.session(role))
		b.levels[role.Name] = level
		trusts := b.trusted(role)
		policies := slices.Concat(b.policiesOf(&role.Permissions), b.limited(&role.Permissions))
		b.Plan.Roles = append(b.Plan.Roles, PlannedRole{
			Name: role.Name, ARN: role.ARN, Level: level, Policies: policies, Trusts: nonNil(trusts), People: nonNil(b.reach.people[role.ARN]), FromRoles: nonNil(b.reach.roles[role.ARN]),
			LastUsed: role.Used, Page: RolePage(role.Name),
		})
		var by []string
		for i := range trusts {
			if t := &trusts[i]; t.Kind == "service" || t.Kind == "oidc" {
				by = append(by, t.String())
			}
		}
		if by != nil {
			b.Workloads = append(b.Workloads, PlannedWorkload{Name: role.Name, ARN: role.ARN, By: by, Level: level, Policies: policies, LastUsed: role.Used, Page: RolePage(role.Name)})
		}
	}
	if linked > 0 {
		b.Notes = append(b.Notes, counted(linked, "service-linked role")+" left out: services made them for themselves")
	}
}

func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (b *planner) users() {
	for i := range b.Facts.Users {
		u := &b.Facts.Users[i]
		level := b.level(b.user(u))
		policies := b.policiesOf(&u.Permissions)
		for _, name := range u.Groups {
			if g := b.groups[name]; g != nil {
				for _, p := range b.policiesOf(&g.Permissions) {
					policies = append(policies, p+" by group "+name)
				}
			}
		}
		policies = append(policies, b.limited(&u.Permissions)...)
		var held []Credential
		var last time.Time
		if u.Password != nil {
			held = append(held, Credential{Kind: "password", Active: true, Created: u.Password.Changed, Used: u.Password.Used, Page: UserPage(u.Name)})
			last = u.Password.Used
		}
		for j := range u.Keys {
			k := &u.Keys[j]
			c := Credential{Kind: "access key", ID: k.ID, Active: k.Active, Created: k.Created, Used: k.Used}
			if k.ID != "" {
				c.Page = KeyPage(k.ID)
			}
			held = append(held, c)
			if k.Used.After(last) {
				last = k.Used
			}
		}
		for range u.Certificates {
			held = append(held, Credential{Kind: "signing certificate", Active: true})
		}
		if u.Password == nil && !u.MFA && len(held) > 0 {
			b.Workloads = append(b.Workloads, PlannedWorkload{
				Name: u.Name, ARN: u.ARN, By: []string{"access key"}, LongLived: true, Level: level, Policies: policies, Credentials: held, LastUsed: last, Page: UserPage(u.Name),
			})
			continue
		}
		person := PlannedPerson{
			Name: u.Name, ARN: u.ARN, Level: level, AtMost: level, Policies: nonNil(policies), Groups: nonNil(u.Groups), Roles: nonNil(b.reach.by[u.ARN]),
			MFA: u.MFA, Factors: factors(u.Devices), Credentials: nonNil(held), LastUsed: last, Page: UserPage(u.Name),
		}
		for _, role := range person.Roles {
			if rank(b.levels[role]) > rank(person.AtMost) {
				person.AtMost = b.levels[role]
			}
		}
		if breakGlass(u) {
			b.BreakGlass = append(b.BreakGlass, person)
		} else {
			b.People = append(b.People, person)
		}
	}
}

func rank(l Level) int {
	return slices.Index([]Level{Nothing, OwnCredentials, AssumesRoles, ReadOnly, Custom, PowerUser, Administrator}, l)
}

// breakGlass tells whether a user is tagged as one for emergencies.
func breakGlass(u *User) bool {
	for key, value := range u.Tags {
		if strings.EqualFold(key, BreakGlassTag) && !strings.EqualFold(value, "no") && !strings.EqualFold(value, "false") {
			return true
		}
	}
	return false
}

func (b *planner) groupsOf() {
	members := map[string][]string{}
	for i := range b.Facts.Users {
		for _, g := range b.Facts.Users[i].Groups {
			members[g] = append(members[g], b.Facts.Users[i].Name)
		}
	}
	for i := range b.Facts.Groups {
		g := &b.Facts.Groups[i]
		// What a group allows is what it would allow somebody who has nothing else.
		member := b.user(&User{Name: "anybody", ARN: "arn:" + b.Partition + ":iam::" + b.Facts.Account + ":user/anybody", ID: "AIDAANYBODYANYBODY234", Groups: []string{g.Name}})
		b.Plan.Groups = append(b.Plan.Groups, PlannedGroup{Name: g.Name, ARN: g.ARN, Level: b.level(member), Policies: b.policiesOf(&g.Permissions), Members: nonNil(members[g.Name]), Page: GroupPage(g.Name)})
	}
}

func (b *planner) providers() {
	for i := range b.Providers {
		p := &b.Providers[i]
		out := PlannedProvider{Name: p.Name(), Kind: "OpenID Connect", ARN: p.ARN, Created: p.Created, Expires: p.Expires, Roles: []string{}, Page: ProvidersPage}
		if p.SAML() {
			out.Kind = "SAML"
		}
		for _, role := range b.Plan.Roles {
			if slices.ContainsFunc(role.Trusts, func(t Trusted) bool { return t.ARN == p.ARN }) {
				out.Roles = append(out.Roles, role.Name)
			}
		}
		b.Federation = append(b.Federation, out)
	}
}

// recommend says what the findings do not: they are about one thing each.
func (b *planner) recommend() {
	add := func(id, page, text, why string, commands ...string) {
		b.Recommendations = append(b.Recommendations, PlanRecommendation{ID: id, Text: text, Why: why, Page: page, Commands: commands})
	}
	if b.Overdue {
		b.Recommendations = append(b.Recommendations, reviewDue(b.Plan.Review))
	}
	high := 0
	for _, f := range b.Findings {
		if f.Severity == High {
			high++
		}
	}
	if high > 0 {
		add("findings", FindingsPage, "Fix the "+counted(high, "finding")+" of high severity first", "Each of them is enough to lose the account.", "lanyard advise")
	}
	switch admins := b.administrators(); {
	case len(admins) == 0:
		add("administrator", UsersPage, "Make a person an administrator, with MFA, so that root is not needed", "Nobody but root can change who may do what: root's use is unlimited and nobody's by name.")
	case len(admins) == 1 && len(b.BreakGlass) == 0:
		add("second-administrator", UsersPage, "Have a second administrator beside "+admins[0], "When the only one is ill or has lost the device, only root is left.")
	}
	if len(b.BreakGlass) == 0 {
		add("break-glass", UsersPage, "Choose who comes in when nothing else works, and tag them "+BreakGlassTag, "In an emergency nobody should have to look for root's device: two people, with a security key each in a safe.",
			fmt.Sprintf(`printf 'Their user name: '; read -r NAME && aws iam tag-user --user-name "$NAME" --tags Key=%s,Value=yes`, BreakGlassTag))
	}
	for i := range b.BreakGlass {
		b.recommendFor(&b.BreakGlass[i], add)
	}
	var direct []string
	for i := range b.Facts.Users {
		u := &b.Facts.Users[i]
		if (u.Password != nil || u.MFA) && len(u.Attached)+len(u.Inline) > 0 && !breakGlass(u) && b.level(b.user(u)) != AssumesRoles {
			direct = append(direct, u.Name)
		}
	}
	if len(direct) > 0 {
		add("groups", "/groups", "Give "+some(direct)+" their permissions by groups", "What a job needs is written once, and who changes jobs changes groups.")
	}
	var keyed []string
	for _, w := range b.Workloads {
		if w.LongLived && w.Level != AssumesRoles && w.Level != Nothing {
			keyed = append(keyed, w.Name)
		}
	}
	if len(keyed) > 0 {
		add("workload-keys", CredentialPage, "Give "+some(keyed)+" a role instead of an access key of their own", "A key that does the work itself works for whoever finds it, until somebody notices.", "lanyard advise credential --who workload")
	}
	for _, p := range b.Federation {
		switch {
		case p.Expires.IsZero() || p.Expires.Sub(b.At) > expiresSoon:
		case p.Expires.After(b.At):
			add("expiry-"+p.Name, p.Page, "Renew the metadata of "+p.Name+" before "+dayOf(p.Expires), "On that day nobody signs in by it any more.")
		default:
			add("expiry-"+p.Name, p.Page, "Renew the metadata of "+p.Name+", which ended on "+dayOf(p.Expires), "Nobody signs in by it any more.")
		}
	}
	for _, p := range b.Federation {
		if len(p.Roles) == 0 {
			add("unused-"+p.Name, p.Page, "Delete the identity provider "+p.Name+", which no role trusts", "Whoever makes a trust policy later can open a door with it that nobody remembers.")
		}
	}
	if b.PasswordPolicy == nil && slices.ContainsFunc(b.Facts.Users, func(u User) bool { return u.Password != nil }) {
		add("password-policy", SettingsPage, "Set a password policy", "Without one, passwords of eight characters are good enough, and are guessed first.", "aws iam update-account-password-policy --minimum-password-length 14")
	}
}

func reviewDue(day time.Time) PlanRecommendation {
	return PlanRecommendation{ID: "review", Page: AccessPlanPage, Text: "Go through this plan: its review was due on " + dayOf(day), Why: "People leave and programs end; what they could do stays until somebody looks."}
}

// On is the plan with another day of review.
func (p *Plan) On(review time.Time) *Plan {
	other := *p
	other.Review, other.Overdue = review.UTC(), p.At.After(review)
	other.Recommendations = slices.DeleteFunc(slices.Clone(p.Recommendations), func(r PlanRecommendation) bool { return r.ID == "review" })
	if other.Overdue {
		other.Recommendations = slices.Insert(other.Recommendations, 0, reviewDue(other.Review))
	}
	return &other
}

func (b *planner) recommendFor(p *PlannedPerson, add func(id, page, text, why string, commands ...string)) {
	if p.AtMost != Administrator {
		add("break-glass-level-"+p.Name, p.Page, "Make "+p.Name+" an administrator, or choose somebody else", "Who comes in when nothing else works must be able to mend everything.")
	}
	if !p.MFA {
		add("break-glass-mfa-"+p.Name, p.Page, "Give "+p.Name+" an MFA device of their own, kept in a safe", "An emergency account is the most valuable one after root.")
	}
	keys := 0
	var password *Credential
	for i := range p.Credentials {
		switch c := &p.Credentials[i]; c.Kind {
		case "access key":
			keys++
		case "password":
			password = c
		}
	}
	if keys > 0 {
		add("break-glass-keys-"+p.Name, p.Page, "Take the access keys of "+p.Name+" away", "A key of an emergency account lies about on some disk for the day that never comes.")
	}
	if password == nil {
		add("break-glass-password-"+p.Name, p.Page, "Give "+p.Name+" a way to sign in", "Without a password an emergency account opens nothing.")
	} else if b.At.Sub(password.Used) > ReviewAfter {
		add("break-glass-tried-"+p.Name, p.Page, "Try "+p.Name+" once, and say so beforehand", "A way in that was not tried for "+days(ReviewAfter)+" may not work on the day it is needed.")
	}
}

// administrators are the people who are, or can become, administrators.
func (b *planner) administrators() []string {
	var names []string
	for _, p := range slices.Concat(b.BreakGlass, b.People) {
		if p.AtMost == Administrator && len(p.Credentials) > 0 {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return names
}

// some are names for a sentence, the first three.
func some(names []string) string {
	slices.SortFunc(names, cmp.Compare[string])
	switch n := len(names); {
	case n == 1:
		return names[0]
	case n <= 3:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	default:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), n-3)
	}
}
