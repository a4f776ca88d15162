package console

import (
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/session"
)

// securityRoutes are what a person looks after of their own: the password, the MFA devices,
// recovery codes, and where they are signed in.
func (c *Console) securityRoutes() []Route {
	return []Route{
		{Pattern: "GET /security", Handle: c.showSecurity},
		{Pattern: "GET /security/password", Handle: c.showOwnPassword},
		{Pattern: "POST /security/password", Handle: c.changeOwnPassword},
		{Pattern: "GET /security/mfa/new", Handle: c.showNewMFA},
		{Pattern: "POST /security/mfa/app", Handle: c.beginOwnApp},
		{Pattern: "POST /security/mfa/app/confirm", Handle: c.confirmOwnApp},
		{Pattern: "POST /security/mfa/app/cancel", Handle: c.cancelOwnApp},
		{Pattern: "POST /security/mfa/token", Handle: c.addOwnToken},
		{Pattern: "GET /security/mfa", Handle: c.showMFADevice},
		{Pattern: "POST /security/mfa/resync", Handle: c.resyncMFADevice},
		{Pattern: "POST /security/mfa/remove", Handle: c.removeMFADevice},
		{Pattern: "GET /security/recovery-codes", Handle: c.showCodes},
		{Pattern: "POST /security/recovery-codes", Handle: c.createCodes},
		{Pattern: "POST /security/sessions/end", Handle: c.endSession},
		{Pattern: "POST /security/sessions/end-all", Handle: c.endAllSessions},
		{Pattern: "POST /security/stored", Handle: stored},
		{Pattern: "POST /stored", Handle: stored},
		{Pattern: "POST /users/{name}/recovery-link", Handle: c.createRecoveryLink},
	}
}

// stored is where "I have stored it" goes on from.
func stored(v *Visit) error { return v.Redirect(v.Form("to")) }

// securityPage is My security.
type securityPage struct {
	Now      time.Time
	Who      []Pair
	Person   bool // an IAM user or root: there are a password and devices
	Root     bool
	Password []Pair
	Change   bool // there is a password of one's own to change
	Set      bool // root has none, and may set one
	Claimed  bool // root has an e-mail address
	Devices  []ownDevice
	NoDevice *Alert
	Left     int // recovery codes
	Made     time.Time
	Keys     AccessKeys
	Sessions []sessionRow
	Programs []sessionRow
	Known    []knownRow
	EndAll   Confirm
	Events   []eventRow
	Parts    map[string]*part
	User     string // in the event history
}

// ownDevice is an MFA device of the person.
type ownDevice struct {
	Serial   string
	Name     string
	Kind     string
	Codes    bool // it shows codes
	Enabled  time.Time
	LastUsed time.Time
	Cloned   time.Time
}

func (d ownDevice) Path() string { return "/security/mfa?" + url.Values{"serial": {d.Serial}}.Encode() }

// sessionRow is a browser, or a program, in which the person is signed in.
type sessionRow struct {
	ID       string
	Current  bool
	Agent    string
	Address  string
	Created  time.Time
	LastSeen time.Time
	Ends     time.Time
	Factors  string
}

type knownRow struct {
	Agent, Address string
	LastSeen       time.Time
	Remembered     time.Time
}

func (c *Console) showSecurity(v *Visit) error {
	ctx, api := v.Request.Context(), v.API()
	body := securityPage{
		Now: v.Now, Person: v.isPerson(), Root: v.isRoot(), Parts: map[string]*part{},
		Who: []Pair{{Key: "Name", Value: v.Person.Name}, {Key: "Kind", Value: v.Person.Kind}, {Key: "ARN", Value: v.Person.ARN, Mono: true, Copy: true}, {Key: "Account", Value: v.Person.Account, Mono: true, Copy: true}},
		EndAll: Confirm{
			ID: "end-all", Open: "Sign out everywhere", Title: "Sign out everywhere?", Action: "/security/sessions/end-all",
			Text:   "Every browser and program in which you are signed in is signed out, this one too, and no browser is known to you any more.",
			Hidden: []Option{{Value: "here", Text: "yes"}}, Button: "Sign out everywhere", Danger: true,
		},
	}
	body.User = v.Person.Name
	if !body.Person {
		body.User = v.Person.Browser.Session.Name
	}
	missing := &parts{v: v, found: body.Parts}
	atOnce(func() {
		own, err := lanyard.Call[lanyard.GetOwnSignInOutput](ctx, api.Lanyard, &lanyard.GetOwnSignInInput{})
		if missing.note("devices", err); err == nil {
			body.describe(own)
		}
	}, func() {
		codes, err := lanyard.Call[lanyard.GetRecoveryCodesOutput](ctx, api.Lanyard, &lanyard.GetRecoveryCodesInput{})
		if missing.note("codes", err); err == nil {
			body.Left, body.Made = int(aws.ToInt32(codes.Left)), aws.ToTime(codes.Made)
		}
	}, func() {
		all, err := lanyard.Call[lanyard.ListBrowserSessionsOutput](ctx, api.Lanyard, &lanyard.ListBrowserSessionsInput{})
		if missing.note("sessions", err); err == nil {
			body.list(all)
		}
	}, func() {
		body.Keys = v.ownAccessKeys()
	}, func() {
		var err error
		body.Events, err = deeds(ctx, api, body.User, v.Person.ARN, 10)
		missing.note("events", err)
	})
	return v.Render("security", Page{
		Title: "My security", Lead: "How you sign in, where you are signed in, and what was done in your name.",
		CLI: append([]Command{
			CLI("aws", "sts", "get-caller-identity"),
			CLI("aws", "iam", "list-mfa-devices"),
		}, v.passwordCommands()...),
		Body: &body,
	})
}

func (v *Visit) isRoot() bool { return v.Person.Browser.Session.Kind == session.Root }

// isPerson tells that an IAM user or root is signed in, who have a sign-in of their own.
func (v *Visit) isPerson() bool { return v.ownUser() != "" || v.isRoot() }

// describe takes over how the person signs in.
func (p *securityPage) describe(own *lanyard.GetOwnSignInOutput) {
	changed := aws.ToTime(own.PasswordChanged)
	switch {
	case !changed.IsZero():
		p.Password = []Pair{{Key: "Password", State: &State{Good, "Set"}}, {Key: "Last changed", Value: ago(p.Now, changed)}}
		p.Change = true
	case p.Person:
		p.Password = []Pair{{Key: "Password", State: &State{Neutral, "None"}}}
		p.Set = p.Root && own.Email != nil
	}
	p.Claimed = own.Email != nil
	for _, d := range own.MFADevices {
		p.Devices = append(p.Devices, deviceOf(d))
	}
	if p.Person && len(p.Devices) == 0 {
		p.NoDevice = &Alert{Kind: Warning, Title: "You have no MFA device", Text: "Whoever learns your password can do all that you may do. A passkey takes a minute."}
		if aws.ToBool(own.MFARequired) {
			p.NoDevice.Kind, p.NoDevice.Text = Bad, "Here everybody needs one: without it, you cannot sign in for much longer."
		}
	}
}

func deviceOf(d lanyard.MFADevice) ownDevice {
	row := ownDevice{
		Serial: aws.ToString(d.SerialNumber), Name: aws.ToString(d.Name), Kind: "Authenticator app", Codes: true,
		Enabled: aws.ToTime(d.EnableDate), LastUsed: aws.ToTime(d.LastUsed), Cloned: aws.ToTime(d.Cloned),
	}
	switch {
	case aws.ToString(d.Kind) == "hardware":
		row.Kind = hardwareToken
	case aws.ToBool(d.Passkey):
		row.Kind, row.Codes = "Passkey", false
	case aws.ToString(d.Kind) == "securitykey":
		row.Kind, row.Codes = "Security key", false
	}
	return row
}

// list takes over where the person is signed in.
func (p *securityPage) list(all *lanyard.ListBrowserSessionsOutput) {
	for _, s := range all.Sessions {
		p.Sessions = append(p.Sessions, sessionRow{
			ID: aws.ToString(s.Id), Current: aws.ToBool(s.Current), Agent: browserName(aws.ToString(s.UserAgent)), Address: aws.ToString(s.Address),
			Created: aws.ToTime(s.Created), LastSeen: aws.ToTime(s.LastSeen), Ends: aws.ToTime(s.Expires), Factors: strings.Join(s.Factors, ", "),
		})
	}
	for _, l := range all.Logins {
		row := sessionRow{ID: aws.ToString(l.Id), Agent: "aws login", Address: aws.ToString(l.Address), Created: aws.ToTime(l.Created), LastSeen: aws.ToTime(l.LastUsed), Ends: aws.ToTime(l.Expires)}
		if strings.Contains(aws.ToString(l.ClientId), "cross-device") {
			row.Agent = "aws login --remote"
		}
		p.Programs = append(p.Programs, row)
	}
	for _, d := range all.KnownDevices {
		p.Known = append(p.Known, knownRow{Agent: browserName(aws.ToString(d.UserAgent)), Address: aws.ToString(d.Address), LastSeen: aws.ToTime(d.LastSeen), Remembered: aws.ToTime(d.Remembered)})
	}
}

// browserName is what people call the browser that sends a user agent.
func browserName(agent string) string {
	find := func(pairs ...string) string {
		for i := 0; i < len(pairs); i += 2 {
			if strings.Contains(agent, pairs[i]) {
				return pairs[i+1]
			}
		}
		return ""
	}
	name := find("Edg/", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "Chrome/", "Chrome", "Safari/", "Safari")
	system := find("Android", "Android", "iPhone", "iPhone", "iPad", "iPad", "Windows", "Windows", "Mac OS X", "macOS", "CrOS", "ChromeOS", "Linux", "Linux")
	switch {
	case name != "" && system != "":
		return name + " on " + system
	case name != "":
		return name
	case agent == "":
		return "Unknown browser"
	}
	const most = 60
	if r := []rune(agent); len(r) > most {
		return string(r[:most]) + "…"
	}
	return agent
}

// passwordCommands change the password of who is signed in. Root's is changed by no operation
// of AWS's.
func (v *Visit) passwordCommands() []Command {
	if v.isRoot() {
		return nil
	}
	return []Command{CLI("aws", "iam", "change-password", "--old-password", "…", "--new-password", "…")}
}

// ownPasswordPage changes the password of who knows it, or sets the first one of root.
type ownPasswordPage struct {
	Problem *Problem
	First   bool
	Fields  []Field
}

const ownPasswordPath = "/security/password"

// stepUpRoot asks root for a recent factor before the password is changed; of a user the
// present password is enough, as for ChangePassword by the API.
func (v *Visit) stepUpRoot() error {
	if !v.isRoot() {
		return nil
	}
	return v.StepUp(ownPasswordPath)
}

func (c *Console) showOwnPassword(v *Visit) error {
	if err := v.stepUpRoot(); err != nil {
		return err
	}
	first, err := v.firstPassword()
	if err != nil {
		return err
	}
	return c.ownPasswordForm(v, first, nil, "")
}

// firstPassword tells whether it is root's, who signs in with a passkey alone. A user's first
// password is given by an administrator.
func (v *Visit) firstPassword() (bool, error) {
	if !v.isRoot() {
		return false, nil
	}
	own, err := lanyard.Call[lanyard.GetOwnSignInOutput](v.Request.Context(), v.API().Lanyard, &lanyard.GetOwnSignInInput{})
	if err != nil {
		return false, err
	}
	return own.PasswordChanged == nil, nil
}

func (c *Console) ownPasswordForm(v *Visit, first bool, refused error, twice string) error {
	body := ownPasswordPage{First: first, Fields: []Field{
		{Name: "current", Label: "Current password", Type: "password", Autocomplete: "current-password", Autofocus: true, MaxLength: 1024},
		{Name: "password", Label: "New password", Type: "password", Autocomplete: "new-password", Autofocus: first, MaxLength: 1024, Hint: "A few words that nobody would put together are best."},
		{Name: "again", Label: "New password, once more", Type: "password", Autocomplete: "new-password", MaxLength: 1024, Error: twice},
	}}
	page := Page{Title: "Change your password", Lead: "Your other browsers and programs are signed out. This one stays.", Crumbs: []Crumb{{"My security", "/security"}}, Status: http.StatusOK}
	if first {
		page.Title = "Set a password"
		page.Lead = "Root can then sign in with the e-mail address, this password and an MFA device, too. Other browsers and programs are signed out; this one stays."
	}
	if refused != nil {
		body.Problem, page.Status = v.ProblemOf(refused), http.StatusUnprocessableEntity
		switch {
		case strings.Contains(body.Problem.Why, "old password is not correct"):
			body.Fields[0].Error, body.Problem = "This is not your password.", nil
		case body.Problem.Code == "PasswordPolicyViolationException": // of root's
			body.Fields[1].Error, body.Problem = body.Problem.Why, nil
		}
	}
	if twice != "" {
		page.Status = http.StatusUnprocessableEntity
	}
	if first {
		body.Fields = body.Fields[1:]
	}
	page.Body, page.CLI = body, v.passwordCommands()
	return v.Render("own-password", page)
}

func (c *Console) changeOwnPassword(v *Visit) error {
	if err := v.stepUpRoot(); err != nil {
		return err
	}
	first, err := v.firstPassword()
	if err != nil {
		return err
	}
	password, same := v.typedTwice()
	if !same {
		return c.ownPasswordForm(v, first, nil, msgTwice)
	}
	old := v.Request.PostFormValue("current")
	switch {
	case first && password == "":
		return c.ownPasswordForm(v, first, nil, "Type it twice.")
	case !first && (old == "" || password == ""):
		return c.ownPasswordForm(v, first, nil, "Type all three.")
	}
	if err := v.replaceOwnPassword(old, password); err != nil {
		if again := v.factorAgain(err, ownPasswordPath); again != nil {
			return again
		}
		return c.ownPasswordForm(v, first, err, "")
	}
	done := "changed"
	if first {
		done = "set"
	}
	v.Flash(Good, "Your password was "+done+". You are signed out everywhere but here.")
	return v.Redirect("/security")
}

// replaceOwnPassword changes the password; old is empty where root has none.
func (v *Visit) replaceOwnPassword(old, password string) error {
	ctx := v.Request.Context()
	if v.isRoot() {
		in := &lanyard.ChangeRootPasswordInput{NewPassword: &password}
		if old != "" {
			in.OldPassword = &old
		}
		_, err := lanyard.Call[lanyard.ChangeRootPasswordOutput](ctx, v.API().Lanyard, in)
		return err
	}
	_, err := v.API().IAM.ChangePassword(ctx, &iam.ChangePasswordInput{OldPassword: &old, NewPassword: &password})
	return err
}

// factorAgain is the step-up that an operation asks for, which a password that was shown is
// not enough for; nil if err says something else.
func (v *Visit) factorAgain(err error, back string) error {
	var failure *lanyard.Failure
	if errors.As(err, &failure) && failure.Code == "RecentFactorRequiredException" {
		return &errStepUp{back}
	}
	return nil
}

// newMFAPage offers what can be set up.
type newMFAPage struct {
	Key     bool
	KeyName Field
	Passkey *Field
	Name    Field
	Error   string
	Device  *devicePart
	Serial  string
	Token   tokenForm
}

func (c *Console) showNewMFA(v *Visit) error {
	if err := v.StepUp("/security/mfa/new"); err != nil {
		return err
	}
	return c.newMFAForm(v, newMFAPage{})
}

func (c *Console) newMFAForm(v *Visit, body newMFAPage) error {
	name := v.ownUser()
	if name == "" {
		name = "root-account-mfa-device" // as AWS's console calls it
	}
	body.Key, body.KeyName, body.Passkey = c.config.passkeys(), keyNameField(), passkeyField()
	body.Name = deviceNameField(name)
	body.Name.Hint += ". No two devices of the account have the same."
	body.Token.Command = CLI("aws", "iam", "enable-mfa-device", "--user-name", *v.mfaUser(), "--serial-number", "GAHT12345678", "--authentication-code1", "123456", "--authentication-code2", "654321")
	if body.Token.Fields == nil {
		body.Token.Fields = tokenFields("", "", tokenRefusal{})
	}
	page := Page{Title: "Add an MFA device", Layout: Card, Crumbs: []Crumb{{"My security", "/security"}}, Body: body}
	if body.Error != "" || body.Token.Open || body.Device != nil && body.Device.Error != "" {
		page.Status = http.StatusUnprocessableEntity
	}
	return v.Render("new-mfa", page)
}

// beginOwnApp makes a virtual device, whose seed is shown here and never again.
func (c *Console) beginOwnApp(v *Visit) error {
	if err := v.StepUp("/security/mfa/new"); err != nil {
		return err
	}
	name := v.Form("device")
	out, err := v.API().IAM.CreateVirtualMFADevice(v.Request.Context(), &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: &name})
	if err != nil {
		return c.newMFAForm(v, newMFAPage{Error: apology(v.ProblemOf(err))})
	}
	made := out.VirtualMFADevice
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(string(made.Base32StringSeed), "="))
	if err != nil {
		return fmt.Errorf("the seed of a new MFA device: %w", err)
	}
	defer clear(seed)
	return c.newMFAForm(v, newMFAPage{Serial: *made.SerialNumber, Device: &devicePart{
		Confirm: "/security/mfa/app/confirm",
		Name:    name,
		Seed:    spaced(string(made.Base32StringSeed)),
		URL:     template.URL(mfa.OTPAuthURL(name, v.Person.Account, seed)),                                 // of our own making
		QR:      template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(made.QRCodePNG)), // likewise
		Fields:  append(codeFields(true), Field{Name: "serial", Type: "hidden", Value: *made.SerialNumber}),
	}})
}

func (c *Console) confirmOwnApp(v *Visit) error {
	if err := v.StepUp("/security/mfa/new"); err != nil {
		return err
	}
	serial, code1, code2 := v.Form("serial"), v.typedCode("code1"), v.typedCode("code2")
	_, err := v.API().IAM.EnableMFADevice(v.Request.Context(), &iam.EnableMFADeviceInput{UserName: v.mfaUser(), SerialNumber: &serial, AuthenticationCode1: &code1, AuthenticationCode2: &code2})
	if err != nil {
		return c.newMFAForm(v, newMFAPage{Serial: serial, Device: &devicePart{
			Confirm: "/security/mfa/app/confirm", Error: apology(v.ProblemOf(err)),
			Fields: append(codeFields(true), Field{Name: "serial", Type: "hidden", Value: serial}),
		}})
	}
	return v.Redirect(c.deviceAdded(v, serial[strings.LastIndexByte(serial, '/')+1:]))
}

// cancelOwnApp takes back a device that was not confirmed.
func (c *Console) cancelOwnApp(v *Visit) error {
	serial := v.Form("serial")
	_, err := v.API().IAM.DeleteVirtualMFADevice(v.Request.Context(), &iam.DeleteVirtualMFADeviceInput{SerialNumber: &serial})
	if err != nil && !refused(err) { // it does no harm where it is
		return err
	}
	return v.Redirect("/security/mfa/new")
}

// typedCode is a code without the spaces in which apps show it.
func (v *Visit) typedCode(name string) string {
	return strings.ReplaceAll(v.Form(name), " ", "")
}

// mfaUser is the person as MFA operations name them.
func (v *Visit) mfaUser() *string {
	if name := v.ownUser(); name != "" {
		return &name
	}
	return aws.String("root")
}

// apology is a problem in a form: what the API said.
func apology(p *Problem) string {
	if p.Why != "" {
		return p.Why
	}
	return p.Title
}

// deviceAdded goes on when a person has one more device: who has no recovery codes should
// make some.
func (c *Console) deviceAdded(v *Visit, name string) (to string) {
	v.Flash(Good, "The MFA device "+name+" was added. You are signed out everywhere but here.")
	codes, err := lanyard.Call[lanyard.GetRecoveryCodesOutput](v.Request.Context(), v.API().Lanyard, &lanyard.GetRecoveryCodesInput{})
	if err == nil && aws.ToInt32(codes.Left) == 0 {
		return "/security/recovery-codes"
	}
	return "/security"
}

// mfaDevicePage is one device of the person.
type mfaDevicePage struct {
	Now    time.Time
	Device ownDevice
	Pairs  []Pair
	Cloned *Alert
	Error  string
	Fields []Field
	Remove Confirm
}

// findOwnDevice finds a device of the person by serial number, and tells whether it is the last
// one of who has to have one.
func (v *Visit) findOwnDevice(serial string) (row ownDevice, last bool, err error) {
	own, err := lanyard.Call[lanyard.GetOwnSignInOutput](v.Request.Context(), v.API().Lanyard, &lanyard.GetOwnSignInInput{})
	if err != nil {
		return row, false, err
	}
	i := slices.IndexFunc(own.MFADevices, func(d lanyard.MFADevice) bool { return aws.ToString(d.SerialNumber) == serial })
	if i < 0 {
		return row, false, &Problem{Status: http.StatusNotFound, Title: "You have no such MFA device", Why: "It was removed, or belongs to somebody else.", Do: []Step{{Text: "Go to My security.", Path: "/security"}}}
	}
	return deviceOf(own.MFADevices[i]), len(own.MFADevices) == 1 && aws.ToBool(own.MFARequired), nil
}

func (c *Console) showMFADevice(v *Visit) error {
	if v.Query("serial") == "" {
		return v.Redirect("/security")
	}
	return c.mfaDeviceForm(v, v.Query("serial"), "")
}

func (c *Console) mfaDeviceForm(v *Visit, serial, problem string) error {
	d, last, err := v.findOwnDevice(serial)
	if err != nil {
		return err
	}
	body := mfaDevicePage{
		Now: v.Now, Device: d, Error: problem,
		Pairs: []Pair{{Key: "Name", Value: d.Name}, {Key: "Kind", Value: d.Kind}, {Key: "Serial number", Value: d.Serial, Mono: true, Copy: true}},
		Remove: Confirm{
			ID: "remove", Open: "Remove", Title: "Remove the MFA device " + d.Name + "?", Action: "/security/mfa/remove",
			Text:   "You cannot sign in with it any more, and are signed out everywhere but here.",
			Hidden: []Option{{Value: "serial", Text: d.Serial}}, Button: "Remove", Danger: true,
		},
	}
	if d.Kind == hardwareToken {
		body.Remove.Text += " The token stays known here: its serial number is enough to add it again."
	}
	if last {
		body.Remove.Text = "It is your last one, and an MFA device is required of you: at your next sign-in you have to set up another. Better add the new one first."
		body.Remove.Typed = d.Name
	}
	if d.Codes {
		body.Fields = codeFields(false)
	}
	if !d.Cloned.IsZero() {
		body.Cloned = &Alert{Kind: Bad, Title: "There may be a copy of this key", Text: "It was refused " + ago(v.Now, d.Cloned) + ", because its counter went back. Remove it and use another one."}
	}
	page := Page{Title: d.Name, Crumbs: []Crumb{{"My security", "/security"}}, Body: body, CLI: []Command{
		CLI("aws", "iam", "deactivate-mfa-device", "--user-name", *v.mfaUser(), "--serial-number", d.Serial),
	}}
	if d.Codes {
		page.CLI = append([]Command{CLI("aws", "iam", "resync-mfa-device", "--user-name", *v.mfaUser(), "--serial-number", d.Serial, "--authentication-code1", "123456", "--authentication-code2", "654321")}, page.CLI...)
	}
	if problem != "" {
		page.Status = http.StatusUnprocessableEntity
	}
	return v.Render("mfa-device", page)
}

func (c *Console) resyncMFADevice(v *Visit) error {
	serial, code1, code2 := v.Form("serial"), v.typedCode("code1"), v.typedCode("code2")
	_, err := v.API().IAM.ResyncMFADevice(v.Request.Context(), &iam.ResyncMFADeviceInput{UserName: v.mfaUser(), SerialNumber: &serial, AuthenticationCode1: &code1, AuthenticationCode2: &code2})
	if err != nil {
		return c.mfaDeviceForm(v, serial, apology(v.ProblemOf(err)))
	}
	v.Flash(Good, "The clock of the device is known again.")
	return v.Redirect(ownDevice{Serial: serial}.Path())
}

// removeMFADevice takes a device from the person, and deletes a virtual one.
func (c *Console) removeMFADevice(v *Visit) error {
	ctx, api, serial := v.Request.Context(), v.API(), v.Form("serial")
	d, last, err := v.findOwnDevice(serial)
	if err != nil {
		return err
	}
	if err := v.StepUp(d.Path()); err != nil {
		return err
	}
	if last && v.Form("typed") != d.Name {
		return c.mfaDeviceForm(v, serial, "This is your last MFA device. To remove it all the same, type its name.")
	}
	if _, err := api.IAM.DeactivateMFADevice(ctx, &iam.DeactivateMFADeviceInput{UserName: v.mfaUser(), SerialNumber: &serial}); err != nil {
		return err
	}
	v.Flash(Good, "The MFA device "+d.Name+" was removed. You are signed out everywhere but here.")
	if d.Kind == "Authenticator app" {
		if _, err := api.IAM.DeleteVirtualMFADevice(ctx, &iam.DeleteVirtualMFADeviceInput{SerialNumber: &serial}); err != nil {
			v.Flash(Warning, "It is still there, used by nobody: "+apology(v.ProblemOf(err)))
		}
	}
	return v.Redirect("/security")
}

// codesPage offers new recovery codes.
type codesPage struct {
	Now  time.Time
	Left int
	Made time.Time
}

// showCodes shows the recovery codes that the ceremony of a security key ended with, once;
// else it offers new ones.
func (c *Console) showCodes(v *Visit) error {
	if sealed := v.cookie(codesCookie); sealed != "" && v.Request.Method == http.MethodGet {
		v.keep(codesCookie, "", 0)
		codes, err := c.config.SignIns.OpenCodes(v.Request.Context(), v.cookie(SessionCookie), sealed)
		if err != nil {
			return err
		}
		if len(codes) > 0 {
			return v.showRecoveryCodes(codes, v.Query("to"))
		}
	}
	out, err := lanyard.Call[lanyard.GetRecoveryCodesOutput](v.Request.Context(), v.API().Lanyard, &lanyard.GetRecoveryCodesInput{})
	if err != nil {
		return err
	}
	return v.Render("recovery-codes", Page{Title: "Recovery codes", Layout: Card, Body: codesPage{Now: v.Now, Left: int(aws.ToInt32(out.Left)), Made: aws.ToTime(out.Made)}})
}

func (c *Console) createCodes(v *Visit) error {
	const back = "/security/recovery-codes"
	if err := v.StepUp(back); err != nil {
		return err
	}
	out, err := lanyard.Call[lanyard.CreateRecoveryCodesOutput](v.Request.Context(), v.API().Lanyard, &lanyard.CreateRecoveryCodesInput{})
	if again := v.factorAgain(err, back); again != nil {
		return again
	}
	if err != nil {
		return err
	}
	return v.showRecoveryCodes(out.RecoveryCodes, "/security")
}

func (c *Console) endSession(v *Visit) error {
	id := v.Form("id")
	_, err := lanyard.Call[lanyard.EndBrowserSessionOutput](v.Request.Context(), v.API().Lanyard, &lanyard.EndBrowserSessionInput{Id: &id})
	var failure *lanyard.Failure
	if err != nil && !(errors.As(err, &failure) && failure.Code == "ResourceNotFoundException") { // over by itself
		return err
	}
	v.Flash(Good, "The session was ended.")
	return v.Redirect("/security")
}

func (c *Console) endAllSessions(v *Visit) error {
	here := v.Form("here") != ""
	_, err := lanyard.Call[lanyard.EndAllBrowserSessionsOutput](v.Request.Context(), v.API().Lanyard, &lanyard.EndAllBrowserSessionsInput{IncludeCurrent: &here, ForgetDevices: aws.Bool(true)})
	if err != nil {
		return err
	}
	if here {
		v.keep(SessionCookie, "", 0)
		v.Flash(Good, "You are signed out everywhere.")
		return v.Redirect("/signin")
	}
	v.Flash(Good, "You are signed out everywhere but here.")
	return v.Redirect("/security")
}

// createRecoveryLink makes a one-time link for a user who lost their MFA devices.
func (c *Console) createRecoveryLink(v *Visit) error {
	name := v.Request.PathValue("name")
	back := "/users/" + url.PathEscape(name) + "?tab=credentials"
	if err := v.StepUp(back); err != nil {
		return err
	}
	out, err := lanyard.Call[lanyard.CreateRecoveryLinkOutput](v.Request.Context(), v.API().Lanyard, &lanyard.CreateRecoveryLinkInput{UserName: &name})
	if err != nil {
		return err
	}
	return v.Render("recovery", Page{
		Title: "Recovery link for " + name, Layout: Card,
		Lead: "Hand it to " + name + " in person, or by a way that you trust. It works once, until " + aws.ToTime(out.Expires).UTC().Format("15:04 UTC") + ", and asks for the password; then a new MFA device takes the place of the lost ones.",
		Body: recoveryPage{Secret: Secret{
			Title: "One-time recovery link",
			Rows:  []SecretRow{{Label: "Link", Value: aws.ToString(out.RecoveryLink), Masked: true}},
			Done:  "/stored", Leave: back, Extra: []Option{{Value: "to", Text: authn.Destination(back)}},
		}},
	})
}
