package advisor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lanyard-iam/lanyard/policy"
)

// minimumLength is how long passwords must be at least for the step to be done: what
// NIST asks of one that goes with a second factor (SP 800-63B-4, 3.1.1.2).
const minimumLength = 8

// firstAdministrator is what the first administrator is called in the commands.
const firstAdministrator = "admin"

func (m *marking) secureAccount() {
	r := &review{judge: m.judge}
	mfa := append([]string{`eval "$(lanyard env --root)"`}, r.enableMFA("root", "root-account-mfa-device", ` && eval "$(lanyard env)"`)...)
	m.step(Step{ID: "root-mfa", Title: "Give the root user an MFA device", Why: "Root may do everything and no policy restrains it: a password alone must not open it.", Page: SecurityPage, Commands: mfa},
		when(m.Root.MFA), Evidence{"MFA of root", map[bool]string{true: "yes", false: "none"}[m.Root.MFA]})

	m.step(Step{
		ID: "root-keys", Title: "Have no access key of root", Why: "It would be a secret that can do everything, for ever and without a code.", Page: SecurityPage,
		Commands: deleteRootKeys(),
	}, when(len(m.Root.Keys) == 0), Evidence{"access keys of root", fmt.Sprint(len(m.Root.Keys))})

	m.administratorStep(r)

	state, evidence := NotYet, Evidence{"password policy", "none"}
	if p := m.PasswordPolicy; p != nil {
		state, evidence = when(p.MinimumLength >= minimumLength), Evidence{"minimum length", fmt.Sprint(p.MinimumLength)}
	}
	m.step(Step{
		ID: "password-policy", Title: "Set a password policy", Why: "Length is what makes a password hard to guess; the policy asks it of everybody.", Page: SettingsPage,
		Commands: []string{"aws iam update-account-password-policy --minimum-password-length 14 --allow-users-to-change-password"},
	}, state, evidence)

	m.mfaRequiredStep()

	state, evidence = NotYet, Evidence{"newest record", "none"}
	if newest := m.events(Query{Attribute: "ReadOnly", Value: "false", Enough: 1}); len(newest) > 0 {
		state, evidence = Done, Evidence{"newest change on record", newest[0].Name + " at " + moment(newest[0].At)}
	}
	m.step(Step{
		ID: "trail", Title: "See that the trail is on", Why: "What nobody wrote down nobody can look up after something happened.", Page: EventsPage,
		Commands: []string{"aws cloudtrail lookup-events --lookup-attributes AttributeKey=ReadOnly,AttributeValue=false --max-items 5"},
	}, state, evidence)

	report := m.Report()
	open := []Evidence{}
	for i := range report.Findings {
		if f := &report.Findings[i]; f.Severity == High {
			open = append(open, Evidence{f.ID, f.ARN})
		}
	}
	state = when(len(open) == 0)
	if state == Done {
		open = append(open, Evidence{"open findings of high severity", "0"})
	}
	m.step(Step{ID: "findings", Title: "Have no finding of high severity", Why: "Each of them is enough to lose the account.", Page: FindingsPage, Commands: []string{"lanyard advise"}}, state, open...)
}

// administratorStep: a person with MFA who is, or can become by a role, an administrator.
func (m *marking) administratorStep(r *review) {
	var with, without []string
	plan := m.Plan(m.Now)
	for _, p := range slices.Concat(plan.BreakGlass, plan.People) {
		switch {
		case p.AtMost != Administrator || len(p.Credentials) == 0:
		case p.MFA:
			with = append(with, p.Name)
		default:
			without = append(without, p.Name)
		}
	}
	slices.Sort(with)
	role := "administrator"
	in := &Installation{Account: m.Account, Partition: m.Partition}
	commands := []string{
		"aws iam create-user --user-name " + firstAdministrator,
		fmt.Sprintf(`printf 'A password for %s: '; stty -echo 2>/dev/null; read -r PASSWORD; stty echo 2>/dev/null; printf %%s "$PASSWORD" | aws iam create-login-profile --user-name %s --no-password-reset-required --password file:///dev/stdin; unset PASSWORD`, firstAdministrator, firstAdministrator),
	}
	commands = append(commands, in.makeAdministrator(role)...)
	commands = append(commands, fmt.Sprintf("aws iam put-user-policy --user-name %s --policy-name assume-administrator --policy-document %s", firstAdministrator,
		quote(fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"%s"}}`, in.role(role)))))
	commands = append(commands, r.enableMFA(firstAdministrator, firstAdministrator, "")...)
	s := Step{ID: "administrator", Title: "Have an administrator with MFA", Why: "So that nobody needs root for what a person can do: a person's deeds are theirs by name, and can be limited.", Page: UsersPage, Commands: commands}
	switch {
	case with != nil:
		m.step(s, Done, Evidence{"administrators with MFA", strings.Join(with, ", ")})
	case without != nil:
		slices.Sort(without)
		s.Page, s.Commands = UserPage(without[0]), r.enableMFA(without[0], without[0], "")
		m.step(s, NotYet, Evidence{"administrators without MFA", strings.Join(without, ", ")})
	default:
		m.step(s, NotYet, Evidence{"administrators", "none but root"})
	}
}

// requireMFA denies what is done without MFA, but for what one needs to get MFA. It is
// AWS's own (IAM User Guide, "AWS: Allows MFA-authenticated IAM users to manage their own
// credentials"), with IfExists so that it is about access keys, too.
const requireMFA = `{"Version":"2012-10-17","Statement":{"Sid":"DenyWithoutMFA","Effect":"Deny","NotAction":["iam:ChangePassword","iam:CreateVirtualMFADevice","iam:EnableMFADevice","iam:GetAccountPasswordPolicy","iam:GetMFADevice","iam:GetUser","iam:ListMFADevices","iam:ListVirtualMFADevices","iam:ResyncMFADevice","sts:GetSessionToken"],"Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}}`

// towardsMFA are the actions that may be allowed without MFA: one needs them to get it.
var towardsMFA = [...]string{
	"iam:changepassword", "iam:createvirtualmfadevice", "iam:enablemfadevice", "iam:getaccountpasswordpolicy", "iam:getaccountsummary", "iam:getmfadevice", "iam:getuser",
	"iam:listmfadevices", "iam:listvirtualmfadevices", "iam:resyncmfadevice", "sts:getcalleridentity", "sts:getsessiontoken",
}

func (m *marking) mfaRequiredStep() {
	const group = "mfa-required"
	s := Step{
		ID: "mfa-required", Title: "Require MFA of everybody who signs in", Why: "One person without MFA is the one who is phished.", Page: SettingsPage,
		Commands: []string{
			"aws iam create-group --group-name " + group,
			fmt.Sprintf("aws iam put-group-policy --group-name %s --policy-name require-mfa --policy-document %s", group, quote(requireMFA)),
		},
	}
	if m.MFARequired != nil && *m.MFARequired {
		m.step(s, Done, Evidence{"the account's sign-in rules", "MFA required"})
		return
	}
	people := 0
	var free []string
	for i := range m.Users {
		u := &m.Users[i]
		if u.Password == nil {
			continue
		}
		people++
		if action := m.withoutMFA(u); action != "" {
			free = append(free, u.Name)
			s.Commands = append(s.Commands, fmt.Sprintf("aws iam add-user-to-group --group-name %s --user-name %s", group, quote(u.Name)))
			if len(free) == 1 {
				m.step(s, NotYet, Evidence{"may do without MFA", u.Name + ": " + action})
			}
		}
	}
	switch {
	case len(free) > 0:
		last := &m.steps[len(m.steps)-1]
		last.Commands = s.Commands
		last.Evidence = append(last.Evidence, Evidence{"people of whom it is not required", fmt.Sprintf("%d of %d", len(free), people)})
	case people == 0:
		m.step(s, NotApplicable, Evidence{"people with a password", "none"})
	default:
		m.step(s, Done, Evidence{"people whose policies allow nothing without MFA", fmt.Sprintf("%d of %d", people, people)})
	}
}

// withoutMFA is an action that a user may do after signing in without MFA, and that they
// do not need to get it; empty if there is none. Each action that a policy allows is
// tried, with some name in the place of what a pattern leaves open.
func (j *judge) withoutMFA(u *User) string {
	p := j.user(u)
	c := j.context(p, withoutMFA)
	for _, document := range p.docs {
		for _, s := range j.statements(document.Document.Text()) {
			if s["Effect"] != "Allow" {
				continue
			}
			actions := words(s["Action"])
			if s["NotAction"] != nil {
				actions = []string{"anything:AtAll", "s3:DeleteBucket", "iam:CreateUser", "ec2:RunInstances"}
			}
			resources := words(s["Resource"])
			if s["NotResource"] != nil {
				resources = []string{"*"}
			}
			for _, action := range actions {
				tried := strings.NewReplacer("*", "Anything", "?", "x").Replace(action)
				if action == "*" {
					tried = "anything:AtAll"
				}
				if slices.Contains(towardsMFA[:], strings.ToLower(tried)) {
					continue
				}
				for _, resource := range resources {
					if strings.EqualFold(tried, "sts:AssumeRole") && (resource == "*" || accountOf(resource) == j.Account) {
						if j.assumesWithoutMFA(p) {
							return action
						}
						continue // the roles ask for MFA themselves
					}
					resource = strings.NewReplacer("${aws:username}", u.Name, "${aws:userid}", u.ID, "*", "anything", "?", "x").Replace(resource)
					if policy.Evaluate(&policy.Request{Caller: &p.caller, Action: tried, Resource: resource, Context: c}, p.inputs(), nil).Allowed {
						return action
					}
				}
			}
		}
	}
	return ""
}

func (j *judge) assumesWithoutMFA(p *principal) bool {
	return slices.ContainsFunc(j.Roles, func(role Role) bool {
		doc, trust := j.trustOf(&role)
		return doc != nil && j.assumes(p, withoutMFA, &role, trust)
	})
}
