package console

import (
	"encoding/base64"
	"html/template"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
)

// The cookies of signing in. What is in them opens nothing but the step that it was made
// for, and known devices open nothing at all.
const (
	signInCookie  = "__Host-lanyard-signin"
	devicesCookie = "__Host-lanyard-devices"
	lastCookie    = "__Host-lanyard-last" // how this browser signed in last: a tab and an account

	devicesLifetime = 90 * day
	signInLifetime  = 15 * time.Minute
)

// signInRoutes are the pages on the way in. Each shows one step and posts it to authn,
// whose answer leads to the next.
func (c *Console) signInRoutes() []Route {
	return []Route{
		{Pattern: "GET /signin", Handle: c.showSignIn, Access: Anyone},
		{Pattern: "POST /signin", Handle: c.signIn, Access: Anyone},
		{Pattern: "GET /signin/factor", Handle: c.showFactor, Access: Anyone},
		{Pattern: "POST /signin/factor", Handle: c.signInFactor, Access: Anyone},
		{Pattern: "GET /signin/password", Handle: c.showNewPassword, Access: Anyone},
		{Pattern: "POST /signin/password", Handle: c.setNewPassword, Access: Anyone},
		{Pattern: "GET /signin/enrol", Handle: c.showEnrol, Access: Anyone},
		{Pattern: "POST /signin/enrol", Handle: c.beginEnrol, Access: Anyone},
		{Pattern: "POST /signin/enrol/confirm", Handle: c.confirmEnrol, Access: Anyone},
		{Pattern: "POST /signin/enrol/later", Handle: c.enrolLater, Access: Anyone},
		{Pattern: "GET /signin/recover", Handle: c.showRecover, Access: Anyone},
		{Pattern: "POST /signin/recover", Handle: c.recover, Access: Anyone},
		{Pattern: "GET /claim", Handle: c.showClaim, Access: Anyone},
		{Pattern: "POST /claim", Handle: c.claim, Access: Anyone},
		{Pattern: "POST /claim/account", Handle: c.claimAccount, Access: Anyone},
		{Pattern: "POST /signout", Handle: c.signOut, Access: Anyone},
		{Pattern: "GET /console", Handle: func(v *Visit) error { return v.Redirect("/") }},
	}
}

// visitor is the browser as authn sees it.
func (v *Visit) visitor() authn.Visitor {
	r := v.Request
	out := authn.Visitor{UserAgent: r.UserAgent(), Devices: v.cookie(devicesCookie)}
	if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		out.Address = from.Addr().Unmap().WithZone("")
	}
	out.TLS = audit.TLSOf(r.TLS, r.Host)
	return out
}

// cookie is the value of a cookie, empty if there is none or more than one of its name.
func (v *Visit) cookie(name string) string {
	if found := v.Request.CookiesNamed(name); len(found) == 1 {
		return found[0].Value
	}
	return ""
}

// keep sets a cookie of this host; an empty value removes it.
func (v *Visit) keep(name, value string, lifetime time.Duration) {
	cookie := &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(lifetime / time.Second)}
	if value == "" {
		cookie.MaxAge = -1
	}
	v.SetCookie(cookie)
}

// pageOf is where a step is done.
func pageOf(p *authn.Pending) string {
	switch p.Step {
	case identity.StepFactor:
		return "/signin/factor"
	case identity.StepPassword:
		return "/signin/password"
	case identity.StepEnrol:
		return "/signin/enrol"
	case identity.StepClaim:
		return "/claim"
	default:
		return "/signin/recover"
	}
}

// follow goes where a step led. again shows the page of the step once more, with what was
// wrong.
func (v *Visit) follow(out authn.Outcome, err error, again func(message string) error) error {
	if err != nil {
		return err
	}
	switch out.Result {
	case authn.Next:
		v.keep(signInCookie, out.SignIn, signInLifetime)
		return v.Redirect(pageOf(out.Pending))
	case authn.SignedIn:
		if v.Person != nil && v.Person.Browser != nil { // whose cookie is replaced
			if err := v.console.config.SignIns.SignOut(v.Request.Context(), v.Person.Browser); err != nil {
				return err
			}
		}
		v.keep(signInCookie, "", 0)
		v.keep(SessionCookie, out.Browser, 0)
		if out.Devices != "" {
			v.keep(devicesCookie, out.Devices, devicesLifetime)
		}
		if len(out.RecoveryCodes) > 0 && v.wantsJSON() {
			return v.showCodesLater(out.Browser, out.RecoveryCodes, out.Destination)
		}
		if len(out.RecoveryCodes) > 0 {
			return v.showRecoveryCodes(out.RecoveryCodes, out.Destination)
		}
		return v.Redirect(out.Destination)
	case authn.StartAgain:
		v.keep(signInCookie, "", 0)
		v.Flash(Warning, out.Message)
		return v.Redirect("/signin")
	}
	return again(out.Message)
}

// pending is the sign-in under way, if it lacks one of these steps. Nil is answered
// already.
func (c *Console) pending(v *Visit, steps ...identity.SignInStep) (*authn.Pending, error) {
	p, err := c.config.SignIns.Pending(v.Request.Context(), v.cookie(signInCookie))
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, v.follow(authn.Outcome{Result: authn.StartAgain, Message: "Sign in first. What was begun before has ended."}, nil, nil)
	}
	for _, step := range steps {
		if p.Step == step {
			return p, nil
		}
	}
	return nil, v.Redirect(pageOf(p))
}

// signInPage is the first page.
type signInPage struct {
	Root    bool
	Tabs    []Tab
	Error   string
	Fields  []Field
	Return  string
	Passkey bool
}

func (c *Console) showSignIn(v *Visit) error {
	if v.Person != nil && v.Query("again") == "" {
		return v.Redirect(authn.Destination(v.Query("return")))
	}
	last, account, _ := strings.Cut(v.cookie(lastCookie), ".")
	root := last == "root"
	if kind := v.Query("as"); kind != "" {
		root = kind == "root"
	}
	if name := v.Query("account"); name != "" {
		account = name
	}
	return c.signInForm(v, root, typed{account: account, to: authn.Destination(v.Query("return"))})
}

// typed is what somebody typed into the form, and what they are told about it.
type typed struct{ account, name, to, problem string }

func (c *Console) signInForm(v *Visit, root bool, in typed) error {
	if in.problem != "" && v.Person == nil && !v.hasFlashes() {
		return c.refuse(v, root, in)
	}
	return v.Render("signin", c.signInPage(v, root, in))
}

// signInPage is the form. What was typed is shown again, and looked at only for being empty:
// see refusals.
func (c *Console) signInPage(v *Visit, root bool, in typed) Page {
	tab := func(as string) string {
		q := url.Values{"as": {as}, "return": {in.to}}
		if v.Person != nil {
			q.Set("again", "1") // else it would lead back at once
		}
		return "/signin?" + q.Encode()
	}
	body := signInPage{
		Root: root, Error: in.problem, Return: in.to, Passkey: c.config.passkeys(),
		Tabs: []Tab{{Text: "IAM user", Path: tab("user"), Current: !root}, {Text: "Root user", Path: tab("root"), Current: root}},
	}
	password := Field{Name: "password", Label: "Password", Type: "password", Autocomplete: "current-password", MaxLength: 1024}
	if root {
		body.Fields = []Field{
			{Name: "email", Label: "E-mail address of the root user", Type: "email", Value: in.name, Autocomplete: "username webauthn", Autofocus: in.name == "", MaxLength: 320},
			password,
		}
	} else {
		body.Fields = []Field{
			{Name: "account", Label: "Account ID or alias", Value: in.account, Autocomplete: "organization", Autofocus: in.account == "", MaxLength: 63, Hint: "12 digits, or the name of the account"},
			{Name: "username", Label: "IAM user name", Value: in.name, Autocomplete: "username webauthn", Autofocus: in.account != "" && in.name == "", MaxLength: 128},
			password,
		}
	}
	page := Page{Title: "Sign in", Layout: Card, Replaces: true, Body: body}
	if in.problem != "" {
		page.Status = http.StatusUnprocessableEntity
	}
	return page
}

func (c *Console) signIn(v *Visit) error {
	to := authn.Destination(v.Form("return"))
	root := v.Form("as") == "root"
	in := authn.PasswordSignIn{Password: v.Request.PostFormValue("password"), Destination: to}
	name := v.Form("username")
	if root {
		name = v.Form("email")
		in.Email = name
	} else {
		in.Account, in.User = v.Form("account"), name
	}
	out, err := c.config.SignIns.Password(v.Request.Context(), v.visitor(), in)
	if err == nil && (out.Result == authn.Next || out.Result == authn.SignedIn) {
		last := "user." + in.Account
		if root {
			last = "root."
		}
		if len(last) < 80 && !strings.ContainsAny(last, "\";,\\ ") {
			v.keep(lastCookie, last, 365*day)
		}
	}
	return v.follow(out, err, func(message string) error {
		return c.signInForm(v, root, typed{account: in.Account, name: name, to: to, problem: message})
	})
}

// factorPage asks for the second factor.
type factorPage struct {
	Who      string
	Error    string
	Code     *Field // an app or a token shows codes
	Device   *Field // which of many
	Remember *Field
	Key      bool // a security key or passkey
	Recovery *Field
	Names    string // of the devices that show codes
	StepUp   bool   // for somebody who is signed in already
	Return   string
	Password *Field // for a step-up without any device
}

func (c *Console) showFactor(v *Visit) error {
	if v.Person != nil && v.Query("to") != "" {
		return c.showStepUp(v, v.Query("to"), "")
	}
	if to := v.Query("to"); to != "" && v.cookie(signInCookie) == "" {
		return v.Redirect("/signin?" + url.Values{"return": {to}}.Encode())
	}
	return c.factorForm(v, "")
}

func (c *Console) factorForm(v *Visit, problem string) error {
	p, err := c.pending(v, identity.StepFactor)
	if p == nil {
		return err
	}
	body := factorPage{Who: whoOf(p), Error: problem}
	body.Code, body.Device, body.Key, body.Names = factorFields(p.Devices, v.Form("device"))
	body.Key = body.Key && c.config.passkeys()
	if (body.Code != nil || body.Key) && p.RememberDays > 0 {
		body.Remember = &Field{Name: "remember", Label: "Do not ask again in this browser for " + count(p.RememberDays, "day"), Type: "checkbox"}
	}
	if p.RecoveryCodes {
		body.Recovery = &Field{Name: "recovery", Label: "Recovery code", Autocomplete: "off", Mono: true, MaxLength: 64, Hint: "One of the codes that were shown when MFA was set up. Each works once."}
	}
	page := Page{Title: "Second factor", Layout: Card, Body: body}
	if problem != "" {
		page.Status = http.StatusUnprocessableEntity
	}
	return v.Render("factor", page)
}

// fewDevices are so few that a code is looked for at each of them. With more, a wrong one
// would count so often that a slip shuts out for long, and the person says which it is.
const fewDevices = 2

// factorFields are what some devices can be asked for.
func factorFields(devices []authn.OwnDevice, chosen string) (code, device *Field, key bool, names string) {
	var shown []string
	options := []Option{{Text: "Choose a device"}}
	for _, d := range devices {
		if d.Kind == identity.SecurityKey {
			key = true
		} else {
			shown = append(shown, d.Name)
			options = append(options, Option{Value: d.Key, Text: d.Name})
		}
	}
	if len(shown) > 0 {
		code = &Field{Name: "code", Label: "MFA code", InputMode: "numeric", Autocomplete: "one-time-code", Mono: true, MaxLength: 16, Autofocus: true,
			Hint: "Six digits, shown by the device. A code works once."}
	}
	if len(shown) > fewDevices {
		device = &Field{Name: "device", Label: "MFA device", Type: "select", Value: chosen, Options: options}
		return code, device, key, ""
	}
	return code, nil, key, strings.Join(shown, ", ")
}

func (c *Console) signInFactor(v *Visit) error {
	if v.Person != nil && v.Form("to") != "" {
		return c.stepUp(v)
	}
	ctx, cookie := v.Request.Context(), v.cookie(signInCookie)
	var out authn.Outcome
	var err error
	if code := v.Form("recovery"); code != "" {
		out, err = c.config.SignIns.RecoveryCode(ctx, v.visitor(), cookie, code)
		if err == nil && out.Result == authn.SignedIn {
			v.Flash(Warning, "You came in with a recovery code, which is used up. If a device is lost, remove it at My security and add another one.")
		}
	} else {
		out, err = c.config.SignIns.Code(ctx, v.visitor(), cookie, v.Form("device"), v.Form("code"), v.Form("remember") != "")
	}
	return v.follow(out, err, func(message string) error { return c.factorForm(v, message) })
}

// newPasswordPage asks for a new password.
type newPasswordPage struct {
	Who     string
	Expired bool
	Error   string
	Fields  []Field
}

func (c *Console) showNewPassword(v *Visit) error { return c.newPasswordForm(v, "") }

func (c *Console) newPasswordForm(v *Visit, problem string) error {
	p, err := c.pending(v, identity.StepPassword)
	if p == nil {
		return err
	}
	page := Page{Title: "Choose a new password", Layout: Card, Body: newPasswordPage{
		Who: whoOf(p), Expired: p.Expired, Error: problem, Fields: newPasswordFields(p.MinPassword, p.PasswordAsks, true),
	}}
	if problem != "" {
		page.Status = http.StatusUnprocessableEntity
	}
	return v.Render("newpassword", page)
}

func newPasswordFields(least int, asks string, focus bool) []Field {
	if asks != "" {
		asks = " " + asks
	}
	return []Field{
		{Name: "password", Label: "New password", Type: "password", Autocomplete: "new-password", Autofocus: focus, MaxLength: 1024,
			Hint: "At least " + count(least, "character") + "." + asks + " A few words that nobody would put together are best."},
		{Name: "again", Label: "New password, once more", Type: "password", Autocomplete: "new-password", MaxLength: 1024},
	}
}

// typedTwice is the password that was chosen, and whether both fields have it.
func (v *Visit) typedTwice() (string, bool) {
	password := v.Request.PostFormValue("password")
	return password, password == v.Request.PostFormValue("again")
}

const msgTwice = "The two passwords differ. Type the same one twice."

func (c *Console) setNewPassword(v *Visit) error {
	password, same := v.typedTwice()
	if !same {
		return c.newPasswordForm(v, msgTwice)
	}
	out, err := c.config.SignIns.SetPassword(v.Request.Context(), v.visitor(), v.cookie(signInCookie), password)
	return v.follow(out, err, func(message string) error { return c.newPasswordForm(v, message) })
}

// enrolPage sets up the first MFA device.
type enrolPage struct {
	Now        time.Time
	Who        string
	Root       bool
	Recovering bool
	Later      time.Time
	Key        bool
	KeyName    Field
	Passkey    *Field
	Name       Field
	Error      string
	Device     *devicePart // once an app is being set up
}

// devicePart shows what a phone needs to know, and asks for two codes.
type devicePart struct {
	Confirm string // the path that takes the codes
	Name    string
	Seed    string
	URL     template.URL
	QR      template.URL
	Error   string
	Fields  []Field
}

func newDevicePart(confirm string, d *authn.NewDevice) *devicePart {
	return &devicePart{
		Confirm: confirm,
		Name:    d.Name,
		Seed:    spaced(d.Seed),
		URL:     template.URL(d.URL),                                                              // otpauth: of our own making
		QR:      template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(d.QR)), // likewise
		Fields:  codeFields(true),
	}
}

func codeFields(focus bool) []Field {
	code := func(name, label, hint string, focus bool) Field {
		return Field{Name: name, Label: label, Hint: hint, InputMode: "numeric", Autocomplete: "off", Mono: true, MaxLength: 16, Autofocus: focus}
	}
	return []Field{
		code("code1", "First code", "The six digits that the app shows now.", focus),
		code("code2", "Second code", "Wait until the app shows the next one, up to 30 seconds.", false),
	}
}

// spaced writes a seed in groups of four, as people type it.
func spaced(seed string) string {
	var b strings.Builder
	for i, r := range seed {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func deviceNameField(value string) Field {
	return Field{Name: "device", Label: "Name of the device", Value: value, Autocomplete: "off", MaxLength: 64, Hint: "By which you will know it: letters, digits and +=,.@_-"}
}

// phoneField names a phone after the person: no two in an account have the same name.
func phoneField(p *authn.Pending) Field {
	f := deviceNameField("")
	f.Value = p.Person + "-phone"
	if len(f.Value) > f.MaxLength {
		f.Value = p.Person
	}
	return f
}

// keyNameField and passkeyField are asked for with a security key.
func keyNameField() Field {
	f := deviceNameField("passkey")
	f.Name, f.Label = "key", "Name of the passkey or security key"
	return f
}

func passkeyField() *Field {
	return &Field{Name: "passkey", Label: "As a passkey: it signs in without name and password", Type: "checkbox", Checked: true,
		Hint: "Leave this out for an older security key, which is then a second factor."}
}

func (c *Console) showEnrol(v *Visit) error { return c.enrolForm(v, nil, "") }

func (c *Console) enrolForm(v *Visit, device *devicePart, problem string) error {
	p, err := c.pending(v, identity.StepEnrol)
	if p == nil {
		return err
	}
	body := enrolPage{
		Now: v.Now,
		Who: whoOf(p), Root: p.Root, Recovering: p.Recovering, Later: p.Later, Key: c.config.passkeys(),
		Name: phoneField(p), KeyName: keyNameField(), Passkey: passkeyField(), Error: problem, Device: device,
	}
	page := Page{Title: "Set up MFA", Layout: Card, Body: body}
	if problem != "" {
		page.Status = http.StatusUnprocessableEntity
	}
	return v.Render("enrol", page)
}

func (c *Console) beginEnrol(v *Visit) error {
	device, out, err := c.config.SignIns.BeginTOTP(v.Request.Context(), v.cookie(signInCookie), v.Form("device"))
	if device != nil && err == nil {
		return c.enrolForm(v, newDevicePart("/signin/enrol/confirm", device), "")
	}
	return v.follow(out, err, func(message string) error { return c.enrolForm(v, nil, message) })
}

func (c *Console) confirmEnrol(v *Visit) error {
	out, err := c.config.SignIns.ConfirmTOTP(v.Request.Context(), v.visitor(), v.cookie(signInCookie), v.Form("code1"), v.Form("code2"))
	return v.follow(out, err, func(message string) error {
		p, err := c.pending(v, identity.StepEnrol, identity.StepClaim)
		if p == nil {
			return err
		}
		retry := &devicePart{Confirm: "/signin/enrol/confirm", Error: message, Fields: codeFields(true)}
		if p.Step == identity.StepClaim {
			return c.claimForm(v, retry, "")
		}
		return c.enrolForm(v, retry, "")
	})
}

func (c *Console) enrolLater(v *Visit) error {
	out, err := c.config.SignIns.EnrolLater(v.Request.Context(), v.visitor(), v.cookie(signInCookie))
	return v.follow(out, err, func(message string) error { return c.enrolForm(v, nil, message) })
}

// linkPage takes a one-time link, whose secret the script moves from the fragment into the
// form.
type linkPage struct {
	Error  string
	Claim  bool
	Action string
	Field  Field
}

func linkForm(v *Visit, claim bool, problem string) error {
	body := linkPage{Error: problem, Claim: claim, Action: "/signin/recover", Field: Field{
		Name: "secret", Label: "Code of the link", Autocomplete: "off", Mono: true, MaxLength: 64, Autofocus: true,
		Hint: "What stands behind # in the link. It works once, for 15 minutes.",
	}}
	page := Page{Title: "Recover your sign-in", Layout: Card, Replaces: true, Body: body}
	if claim {
		body.Action, page.Title = "/claim", "Claim this account"
		page.Body = body
	}
	if problem != "" {
		page.Status = http.StatusUnprocessableEntity
	}
	return v.Render("link", page)
}

// recoverPage asks for the password of somebody whose factor is lost.
type recoverPage struct {
	Who   string
	Error string
	Field Field
}

func (c *Console) showRecover(v *Visit) error { return c.recoverForm(v, "") }

func (c *Console) recoverForm(v *Visit, problem string) error {
	p, err := c.config.SignIns.Pending(v.Request.Context(), v.cookie(signInCookie))
	if err != nil {
		return err
	}
	if p == nil || p.Step != identity.StepRecover {
		return linkForm(v, false, problem)
	}
	page := Page{Title: "Recover your sign-in", Layout: Card, Replaces: true, Body: recoverPage{Who: whoOf(p), Error: problem,
		Field: Field{Name: "password", Label: "Your password", Type: "password", Autocomplete: "current-password", Autofocus: true, MaxLength: 1024}}}
	if problem != "" {
		page.Status = http.StatusUnprocessableEntity
	}
	return v.Render("recover", page)
}

func (c *Console) recover(v *Visit) error {
	ctx := v.Request.Context()
	var out authn.Outcome
	var err error
	if secret := v.Form("secret"); secret != "" {
		out, err = c.config.SignIns.OpenLink(ctx, v.visitor(), secret)
		if err == nil && out.Result == authn.StartAgain {
			return linkForm(v, false, out.Message)
		}
		return v.follow(out, err, func(message string) error { return linkForm(v, false, message) })
	}
	out, err = c.config.SignIns.RecoverPassword(ctx, v.visitor(), v.cookie(signInCookie), v.Request.PostFormValue("password"))
	return v.follow(out, err, func(message string) error { return c.recoverForm(v, message) })
}

// claimPage sets root's sign-in up.
type claimPage struct {
	Account string
	Error   string
	Fields  []Field // of the account, until they are known
	Email   string
	Name    Field
	KeyName Field
	Passkey *Field
	Key     bool
	Codes   bool // codes will do: there is a password beside them
	Device  *devicePart
}

func (c *Console) showClaim(v *Visit) error {
	p, err := c.config.SignIns.Pending(v.Request.Context(), v.cookie(signInCookie))
	if err != nil {
		return err
	}
	if p == nil || p.Step != identity.StepClaim {
		return linkForm(v, true, "")
	}
	if v.Request.URL.Query().Has("account") { // back from the second step
		return c.claimAccountForm(v, authn.ClaimAs{Email: p.Email, Alias: p.ClaimedAlias}, "")
	}
	return c.claimForm(v, nil, "")
}

// claimForm is the step of the claim that comes next: the account, or the MFA device.
func (c *Console) claimForm(v *Visit, device *devicePart, problem string) error {
	p, err := c.pending(v, identity.StepClaim)
	if p == nil {
		return err
	}
	body := claimPage{Account: digits(string(p.Account)), Error: problem, Email: p.Email, Device: device, Key: c.config.passkeys(),
		Name: phoneField(p), KeyName: keyNameField(), Codes: p.PasswordSet}
	if p.PasswordSet { // else a passkey is asked for in any case
		body.Passkey = passkeyField()
	}
	if !p.Chosen {
		return c.claimAccountForm(v, authn.ClaimAs{Email: p.Email, Alias: p.Alias}, problem)
	}
	return renderClaim(v, body)
}

// claimAccountForm asks who root is. as is what was typed before.
func (c *Console) claimAccountForm(v *Visit, as authn.ClaimAs, problem string) error {
	p, err := c.pending(v, identity.StepClaim)
	if p == nil {
		return err
	}
	fields := append([]Field{
		{Name: "email", Label: "E-mail address of the root user", Type: "email", Value: as.Email, Autocomplete: "username", Autofocus: true, MaxLength: 320, Hint: "By which root signs in. Use one that more than one person reads."},
		{Name: "alias", Label: "Name of the account", Value: as.Alias, Autocomplete: "off", Optional: true, MaxLength: 63, Hint: "The account alias: lower-case letters, digits and hyphens. People can sign in with it in place of the account id."},
	}, newPasswordFields(p.MinPassword, p.PasswordAsks, false)...)
	if p.PasswordSet {
		fields[2].Optional, fields[3].Optional = true, true
		fields[2].Hint += " Leave it empty to keep the one that you have typed before."
	} else if c.config.passkeys() {
		fields[2].Optional, fields[3].Optional = true, true
		fields[2].Hint += " Leave it empty to sign in with a passkey alone."
	}
	return renderClaim(v, claimPage{Account: digits(string(p.Account)), Error: problem, Fields: fields})
}

func renderClaim(v *Visit, body claimPage) error {
	page := Page{Title: "Claim this account", Layout: Card, Replaces: true, Body: body}
	if body.Error != "" {
		page.Status = http.StatusUnprocessableEntity
	}
	return v.Render("claim", page)
}

func (c *Console) claim(v *Visit) error {
	ctx := v.Request.Context()
	if secret := v.Form("secret"); secret != "" {
		out, err := c.config.SignIns.OpenLink(ctx, v.visitor(), secret)
		if err == nil && out.Result == authn.StartAgain {
			return linkForm(v, true, out.Message)
		}
		return v.follow(out, err, func(message string) error { return linkForm(v, true, message) })
	}
	device, out, err := c.config.SignIns.BeginTOTP(ctx, v.cookie(signInCookie), v.Form("device"))
	if device != nil && err == nil {
		return c.claimForm(v, newDevicePart("/signin/enrol/confirm", device), "")
	}
	return v.follow(out, err, func(message string) error { return c.claimForm(v, nil, message) })
}

func (c *Console) claimAccount(v *Visit) error {
	password, same := v.typedTwice()
	as := authn.ClaimAs{Email: v.Form("email"), Alias: v.Form("alias"), Password: password}
	again := func(message string) error { return c.claimAccountForm(v, as, message) }
	if !same {
		return again(msgTwice)
	}
	if password == "" && !c.config.passkeys() {
		p, err := c.pending(v, identity.StepClaim)
		if p == nil {
			return err
		}
		if !p.PasswordSet {
			return again("Choose a password.")
		}
	}
	out, err := c.config.SignIns.Claim(v.Request.Context(), v.visitor(), v.cookie(signInCookie), as)
	return v.follow(out, err, again)
}

// recoveryPage shows recovery codes, once.
type recoveryPage struct{ Secret Secret }

func (v *Visit) showRecoveryCodes(codes []string, to string) error {
	rows := make([][]string, 0, len(codes)+1)
	rows = append(rows, []string{"Recovery code"})
	for _, code := range codes {
		rows = append(rows, []string{code})
	}
	return v.Render("recovery", Page{
		Title: "Your recovery codes", Layout: Card,
		Lead: "If you lose your MFA device, each of these lets you in once. Keep them apart from your password: printed, or in a password manager.",
		Body: recoveryPage{Secret: Secret{
			Title: "Recovery codes",
			Rows:  []SecretRow{{Label: "Codes", Value: strings.Join(codes, "\n"), Masked: true, Lines: true}},
			File:  "lanyard-recovery-codes.csv", CSV: rows,
			Done: "/security/stored", Leave: "/security", Extra: []Option{{Value: "to", Text: authn.Destination(to)}},
		}},
	})
}

// signOut ends the browser session.
func (c *Console) signOut(v *Visit) error {
	if v.Person != nil && v.Person.Browser != nil {
		if err := c.config.SignIns.SignOut(v.Request.Context(), v.Person.Browser); err != nil {
			return err
		}
	}
	v.keep(SessionCookie, "", 0)
	v.keep(signInCookie, "", 0)
	if v.Person != nil && v.Person.Browser != nil {
		if answered, err := v.signedOutOf(v.Person.Browser.Issuer); answered || err != nil {
			return err
		}
	}
	v.Flash(Good, "You are signed out.")
	return v.Redirect("/signin")
}

// whoOf names the person of a sign-in.
func whoOf(p *authn.Pending) string {
	account := p.Alias
	if account == "" {
		account = digits(string(p.Account))
	}
	if p.Root {
		return "the root user of " + account
	}
	return p.Person + " in " + account
}
