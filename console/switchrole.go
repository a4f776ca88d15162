package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/session"
)

// switchPath is where a link to a role leads: /switchrole?account=…&roleName=…&displayName=….
// It shows the form, filled in; only a press of its button switches.
const switchPath = "/switchrole"

// switchRoutes are the pages by which an IAM user, or whom another system let in as a role,
// works as a role. The role's session is that of sts:AssumeRole, which the person asks for
// through the API. It is kept with the browser session, beside the person's own: one cookie,
// and nothing of it outlives the sign-in.
func (c *Console) switchRoutes() []Route {
	return []Route{
		{Pattern: "GET " + switchPath, Handle: c.showSwitch},
		{Pattern: "POST " + switchPath, Handle: c.switchRole},
		{Pattern: "POST " + switchPath + "/back", Handle: c.switchBack},
	}
}

// Switched is the role as which somebody works.
type Switched struct {
	From, Kind    string // who they are themselves
	Account, Role string
	DisplayName   string
	Colour        Colour
	Until         time.Time
	// Ended says that the role's session is over: the person is themselves again, and has
	// to say that they know.
	Ended bool
}

// Self is the name of the person also where they work as a role.
func (p *Person) Self() string {
	if p.Switched != nil {
		return p.Switched.From
	}
	return p.Name
}

// MaySwitch tells whether the person can switch roles, as in AWS: root and sessions of
// GetFederationToken may not assume any.
func (p *Person) MaySwitch() bool {
	return p.Browser != nil && p.Browser.Session != nil && (p.Browser.Session.Kind == session.User || p.Browser.Session.Kind == session.Role)
}

// sessionName is what sessions of roles are called to which the person switches: by the name
// of the user, or of the session in which they are here.
func (p *Person) sessionName() string {
	name := p.Self()
	if p.Browser.Session.Kind == session.Role {
		name = p.Browser.Session.Name
	}
	if len(name) < 2 { // the least that a session's name has
		return p.Browser.Session.PrincipalID
	}
	return name
}

// looks is who looks at an account, in the keys of what is kept for one browser session: as
// a role, the person sees something else.
func (p *Person) looks() string {
	if p.Browser.Role != nil {
		return p.Browser.ID() + "/" + p.Browser.Role.PrincipalID
	}
	return p.Browser.ID()
}

// self is the person as themselves.
func (v *Visit) self() *Person {
	self := *v.Person
	self.Browser = v.Person.Browser.Self()
	return &self
}

// renewBefore is how long before its end the session of a role is made anew.
const renewBefore = 5 * time.Minute

// switched is asked before any page of somebody who works as a role. It renews the role's
// session when it runs out. Where it has ended, nothing is done, neither as the role nor as
// the person: what they sent was meant for the role, maybe in another account.
func (c *Console) switched(v *Visit) error {
	path, record := v.Request.URL.Path, v.Person.Browser.Switched
	switch {
	case path == switchPath, path == switchPath+"/back", path == "/signout", strings.HasPrefix(path, "/signin"), strings.HasPrefix(path, "/preferences/"):
		return nil
	case v.Now.After(record.Expires.Add(-renewBefore)) && v.Now.Before(record.Until) && record.Expires.Before(record.Until) && !v.WantsFragment():
		if err := c.renewRole(v); errors.Is(err, ErrSignedOut) {
			return err
		} else if err != nil {
			c.config.Log.Info("a role's session was not renewed", "request_id", v.ID, "error", err)
		}
	}
	to := v.Person.Switched
	switch {
	case to == nil: // they went back meanwhile, in another tab
		return errWentBack
	case to.Ended:
		return &Problem{
			Status: http.StatusConflict, Title: "Your session as the role has ended",
			Why: "You worked as the role " + to.Role + " of the account " + digits(to.Account) + ". Nothing was done now.",
			Do:  []Step{{"Switch to it again, or go back to " + to.From + ".", switchPath}},
		}
	case strings.HasPrefix(path, "/security") && !strings.HasPrefix(path, "/security/step-up"), path == authorizePath:
		return &Problem{
			Status: http.StatusConflict, Title: "This is about " + to.From, Why: "You work as the role " + to.Role + " now, which has no sign-in of its own.",
			Do: []Step{{"Go back to " + to.From + " first.", switchPath}},
		}
	}
	return nil
}

var errWentBack = &Problem{
	Status: http.StatusConflict, Title: "You are yourself again", Why: "You left the role in another tab. Nothing was done now.",
	Do: []Step{{"Switch to it again.", switchPath}},
}

type switchPage struct {
	Problem  *Problem
	Switched *Switched
	Root     bool
	Who      string
	May      bool
	Account  Field
	Role     Field
	Name     Field
	Colour   Field
	Recent   []recentRole
}

// recentRole is a role to which a person has switched.
type recentRole struct {
	Account     string `json:"account"`
	Role        string `json:"role"`
	DisplayName string `json:"display,omitempty"`
	Colour      Colour `json:"colour,omitempty"`
}

// Digits is the account as people read it.
func (r recentRole) Digits() string { return digits(r.Account) }

// Link fills the form in.
func (r recentRole) Link() string {
	q := url.Values{"account": {r.Account}, "roleName": {r.Role}}
	if r.DisplayName != "" {
		q.Set("displayName", r.DisplayName)
	}
	if r.Colour != "" {
		q.Set("color", string(r.Colour))
	}
	return switchPath + "?" + q.Encode()
}

const (
	recentState = "switchrole/recent"
	mostRecent  = 5
)

func (c *Console) showSwitch(v *Visit) error {
	role := recentRole{Account: v.Query("account"), Role: v.Query("roleName"), DisplayName: v.Query("displayName"), Colour: Colour(v.Query("color"))}
	if to := v.Person.Switched; to != nil && role.Account == "" && to.Ended {
		role = recentRole{to.Account, to.Role, to.DisplayName, to.Colour}
	}
	return c.switchForm(v, role, nil)
}

func (c *Console) switchForm(v *Visit, role recentRole, refused error) error {
	body := switchPage{
		Switched: v.Person.Switched, May: v.Person.MaySwitch(), Root: v.Person.Browser.Session.Kind == session.Root, Who: v.Person.Self(),
		Account: Field{Name: "account", Label: "Account", Value: role.Account, Autocomplete: "off", MaxLength: 63, Hint: "Its id of 12 digits, or its alias"},
		Role:    Field{Name: "roleName", Label: "Role name", Value: role.Role, Autocomplete: "off", MaxLength: 576, Hint: "With its path, if it has one: division/team/Name"},
		Name:    Field{Name: "displayName", Label: "Display name", Value: role.DisplayName, Autocomplete: "off", MaxLength: 64, Optional: true, Hint: "What the bar above says while you work as the role"},
		Colour:  Field{Name: "color", Label: "Colour", Type: "select", Value: string(role.Colour), Options: []Option{{Value: "", Text: "That of the account"}}},
	}
	for _, colour := range colours() {
		body.Colour.Options = append(body.Colour.Options, Option{Value: string(colour), Text: upperFirst(strings.ReplaceAll(string(colour), "B", " b"))})
	}
	page := Page{
		Title: "Switch role", Lead: "Work with a role's permissions in place of your own, until you go back.",
		CLI:  []Command{CLI("aws", "sts", "assume-role", "--role-arn", "arn:aws:iam::"+firstOf(role.Account, "ACCOUNT")+":role/"+firstOf(role.Role, "NAME"), "--role-session-name", v.Person.sessionName())},
		Body: &body,
	}
	if body.May {
		body.Recent = recentRoles(v.Request.Context(), c.config.API(v.self(), v.Request))
	}
	if refused != nil {
		body.Problem, page.Status = v.ProblemOf(refused), http.StatusUnprocessableEntity
	}
	return v.Render("switchrole", page)
}

func colours() []Colour {
	return []Colour{Pink, Purple, DarkBlue, LightBlue, Teal, Green, Yellow, Orange, Red}
}

// msgNoSwitch is what AWS says, whatever it is that does not fit: it does not tell whether
// there is such an account or role.
const msgNoSwitch = "Invalid information in one or more fields. Check your information or contact your administrator."

// switchRole switches.
func (c *Console) switchRole(v *Visit) error {
	role := recentRole{strings.ReplaceAll(v.Form("account"), "-", ""), strings.TrimPrefix(v.Form("roleName"), "/"), strings.TrimSpace(v.Form("displayName")), Colour(v.Form("color"))}
	if _, err := arn.ParseAccountID(role.Account); err != nil {
		role.Account = v.Form("account") // an alias may have hyphens
	}
	if !v.Person.MaySwitch() {
		return c.switchForm(v, role, nil)
	}
	if r := []rune(role.DisplayName); len(r) > 64 {
		role.DisplayName = string(r[:64])
	}
	if !slices.Contains(colours(), role.Colour) {
		role.Colour = NoColour
	}
	ctx := v.Request.Context()
	self := c.config.API(v.self(), v.Request)
	to, err := c.assume(ctx, v, self, role)
	if err == nil {
		err = c.config.SignIns.SwitchRole(ctx, v.visitor(), v.Person.Browser, *to)
	}
	if errors.Is(err, session.ErrNotSignedIn) {
		return ErrSignedOut
	}
	if err != nil {
		return c.switchForm(v, role, err)
	}
	role.Account = string(to.Account)
	rememberRole(ctx, self, role)
	v.Flash(Good, "You work as the role "+role.Role+" of the account "+digits(role.Account)+" now.")
	return v.Redirect("/")
}

// assume asks for a session of a role as the person themselves, who are still that if they
// have switched to another role before: one switches from oneself, as in AWS.
func (c *Console) assume(ctx context.Context, v *Visit, self *API, role recentRole) (*identity.SwitchedRole, error) {
	refused := &Problem{Status: http.StatusUnprocessableEntity, Title: "You did not switch", Why: msgNoSwitch}
	if role.Account == "" || role.Role == "" || strings.ContainsAny(role.Role, ":*?") {
		return nil, refused
	}
	account, err := c.config.SignIns.AccountOf(ctx, role.Account)
	if err != nil {
		return nil, err
	}
	name := v.Person.sessionName()
	partition := arn.PartitionOf(c.config.Region)
	out, err := self.AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn:         aws.String("arn:" + string(partition) + ":iam::" + string(account) + ":role/" + role.Role),
		RoleSessionName: &name,
	})
	if err != nil {
		if p := problemOf(err); p.Status < http.StatusInternalServerError {
			refused.ID, refused.Cause = p.ID, err // no link to why: there is none for an unknown account
			return nil, refused
		}
		return nil, err
	}
	return &identity.SwitchedRole{
		Account: account, Role: role.Role, DisplayName: role.DisplayName, Colour: string(role.Colour),
		AccessKeyID: *out.Credentials.AccessKeyId, Token: *out.Credentials.SessionToken,
	}, nil
}

// renewRole asks for another session of the role as which somebody works, and looks again
// who they are.
func (c *Console) renewRole(v *Visit) error {
	at, ctx := v.Person.Switched, v.Request.Context()
	to, err := c.assume(ctx, v, c.config.API(v.self(), v.Request), recentRole{at.Account, at.Role, at.DisplayName, at.Colour})
	if err == nil {
		err = c.config.SignIns.RenewRole(ctx, v.visitor(), v.Person.Browser, *to)
	}
	if err != nil {
		return err
	}
	p, err := c.config.Person(v.Request)
	if err != nil {
		return err
	}
	if p == nil {
		return ErrSignedOut
	}
	v.Person = p
	return nil
}

// switchBack makes the person themselves again.
func (c *Console) switchBack(v *Visit) error {
	to := v.Person.Switched
	if to == nil {
		return v.Redirect("/")
	}
	if err := c.config.SignIns.SwitchBack(v.Request.Context(), v.visitor(), v.Person.Browser); err != nil {
		if errors.Is(err, session.ErrNotSignedIn) {
			return ErrSignedOut
		}
		return err
	}
	v.Flash(Good, "You are "+to.From+" again.")
	return v.Redirect("/")
}

// recentRoles are the roles to which the person has switched lately, the newest first. They
// are a convenience: where they cannot be had, there are none.
func recentRoles(ctx context.Context, self *API) []recentRole {
	out, err := lanyard.Call[lanyard.GetStateOutput](ctx, self.Lanyard, &lanyard.GetStateInput{Name: aws.String(recentState)})
	var recent []recentRole
	if err != nil || json.Unmarshal([]byte(aws.ToString(out.State.Value)), &recent) != nil {
		return nil
	}
	return recent[:min(len(recent), mostRecent)]
}

func rememberRole(ctx context.Context, self *API, role recentRole) {
	recent := slices.DeleteFunc(recentRoles(ctx, self), func(r recentRole) bool { return r.Account == role.Account && r.Role == role.Role })
	recent = append([]recentRole{role}, recent...)
	text, err := json.Marshal(recent[:min(len(recent), mostRecent)])
	if err != nil {
		return
	}
	_, _ = lanyard.Call[lanyard.PutStateOutput](ctx, self.Lanyard, &lanyard.PutStateInput{Name: aws.String(recentState), Value: aws.String(string(text))})
}
