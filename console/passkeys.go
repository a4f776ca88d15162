package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/internal/webauthnx"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// The cookies of security keys. A ceremony has two ends, and what the second needs of the
// first must come from the same browser. Recovery codes that a ceremony ends with are shown
// by the page after it, to which this browser carries them, sealed.
const (
	ceremonyCookie = "__Host-lanyard-ceremony"
	codesCookie    = "__Host-lanyard-codes"
)

// passkeyRoutes are the ceremonies of security keys and passkeys: the script fetches the
// options from the first path of a pair, and sends what the browser answered to the second.
func (c *Console) passkeyRoutes() []Route {
	return []Route{
		{Pattern: "POST /signin/passkey/begin", Handle: c.beginPasskey, Access: Anyone},
		{Pattern: "POST /signin/passkey", Handle: c.finishPasskey, Access: Anyone},
		{Pattern: "POST /signin/factor/begin", Handle: c.beginFactorKey, Access: Anyone},
		{Pattern: "POST /signin/factor/key", Handle: c.finishFactorKey, Access: Anyone},
		{Pattern: "POST /signin/enrol/key/begin", Handle: c.beginEnrolKey, Access: Anyone},
		{Pattern: "POST /signin/enrol/key", Handle: c.finishEnrolKey, Access: Anyone},
		{Pattern: "POST /security/step-up/begin", Handle: c.beginStepUpKey},
		{Pattern: "POST /security/step-up", Handle: c.finishStepUpKey},
		{Pattern: "POST /security/key/begin", Handle: c.beginOwnKey},
		{Pattern: "POST /security/key", Handle: c.finishOwnKey},
	}
}

// keyForm is what the script sends: the fields of the form, and at the end what the
// authenticator answered.
type keyForm struct {
	Return     string          `json:"return"`
	To         string          `json:"to"`
	Name       string          `json:"key"`
	Passkey    string          `json:"passkey"`
	Remember   string          `json:"remember"`
	Credential json.RawMessage `json:"credential"`
}

func (v *Visit) keyForm() (keyForm, error) {
	var form keyForm
	err := v.ReadJSON(&form)
	if err == nil && len(form.Credential) > webauthnx.MaxResponse {
		err = &Problem{Status: http.StatusRequestEntityTooLarge, Title: "That is too large", Why: "No security key answers at such length."}
	}
	return form, err
}

// begun answers the script with the options of a ceremony; handle is what its end needs of
// this browser, if it is not with the sign-in under way.
func (v *Visit) begun(options []byte, handle string) error {
	if handle != "" {
		v.keep(ceremonyCookie, handle, webauthnx.Lifetime)
	}
	return v.JSON(http.StatusOK, map[string]json.RawMessage{"publicKey": options})
}

// handle is what the beginning of a ceremony left with this browser, which gives it back
// once.
func (v *Visit) handle() string {
	handle := v.cookie(ceremonyCookie)
	v.keep(ceremonyCookie, "", 0)
	return handle
}

// sayNo answers the script with a sentence for the form.
func (v *Visit) sayNo(message string) error {
	return v.JSON(http.StatusUnprocessableEntity, map[string]string{"error": message})
}

// notBegun answers the script when there is no ceremony to begin with.
func (v *Visit) notBegun(out authn.Outcome, err error) error {
	if err == nil && out.Result == authn.StartAgain {
		v.keep(signInCookie, "", 0)
		v.Flash(Warning, out.Message)
		return v.JSON(http.StatusConflict, map[string]string{"error": out.Message, "location": "/signin"})
	}
	return v.follow(out, err, v.sayNo)
}

// beginPasskey and finishPasskey sign in with a passkey, which says itself who comes.
func (c *Console) beginPasskey(v *Visit) error {
	if _, err := v.keyForm(); err != nil {
		return err
	}
	if !c.config.passkeys() {
		return v.sayNo("Passkeys do not work at this address.")
	}
	options, handle, err := c.config.SignIns.BeginPasskey()
	if err != nil {
		return err
	}
	return v.begun(options, handle)
}

func (c *Console) finishPasskey(v *Visit) error {
	form, err := v.keyForm()
	if err != nil {
		return err
	}
	out, err := c.config.SignIns.FinishPasskey(v.Request.Context(), v.visitor(), v.handle(), form.Credential, authn.Destination(form.Return))
	return v.follow(out, err, v.sayNo)
}

// beginFactorKey and finishFactorKey show a security key as the second factor.
func (c *Console) beginFactorKey(v *Visit) error { return c.beginPendingKey(v) }

func (c *Console) finishFactorKey(v *Visit) error {
	form, err := v.keyForm()
	if err != nil {
		return err
	}
	out, err := c.config.SignIns.FinishKey(v.Request.Context(), v.visitor(), v.cookie(signInCookie), form.Credential, form.Remember != "")
	return v.follow(out, err, v.sayNo)
}

// beginEnrolKey and finishEnrolKey set up a first security key, of who enrols or claims.
func (c *Console) beginEnrolKey(v *Visit) error { return c.beginPendingKey(v) }

func (c *Console) finishEnrolKey(v *Visit) error {
	form, err := v.keyForm()
	if err != nil {
		return err
	}
	out, err := c.config.SignIns.RegisterKey(v.Request.Context(), v.visitor(), v.cookie(signInCookie), strings.TrimSpace(form.Name), form.Credential)
	return v.follow(out, err, v.sayNo)
}

func (c *Console) beginPendingKey(v *Visit) error {
	form, err := v.keyForm()
	if err != nil {
		return err
	}
	options, out, err := c.config.SignIns.BeginKey(v.Request.Context(), v.cookie(signInCookie), form.Passkey != "")
	if options == nil || err != nil {
		return v.notBegun(out, err)
	}
	return v.begun(options, "")
}

// beginStepUpKey and finishStepUpKey show a security key again.
func (c *Console) beginStepUpKey(v *Visit) error {
	if _, err := v.keyForm(); err != nil {
		return err
	}
	options, handle, out, err := c.config.SignIns.BeginStepUpKey(v.Request.Context(), v.Person.Browser)
	if options == nil || err != nil {
		return v.notBegun(out, err)
	}
	return v.begun(options, handle)
}

func (c *Console) finishStepUpKey(v *Visit) error {
	form, err := v.keyForm()
	if err != nil {
		return err
	}
	out, err := c.config.SignIns.FinishStepUpKey(v.Request.Context(), v.visitor(), v.Person.Browser, v.handle(), form.Credential)
	out.Destination = authn.Destination(form.To)
	return v.follow(out, err, v.sayNo)
}

// beginOwnKey and finishOwnKey give one more security key to who is signed in.
func (c *Console) beginOwnKey(v *Visit) error {
	form, err := v.keyForm()
	if err != nil {
		return err
	}
	if err := v.StepUp("/security"); err != nil {
		return v.stepUpFirst(err)
	}
	out, err := lanyard.Call[lanyard.BeginSecurityKeyOutput](v.Request.Context(), v.API().Lanyard, &lanyard.BeginSecurityKeyInput{Passkey: aws.Bool(form.Passkey != "")})
	if err != nil {
		return err
	}
	return v.begun([]byte(*out.Options), *out.Ceremony)
}

func (c *Console) finishOwnKey(v *Visit) error {
	form, err := v.keyForm()
	if err != nil {
		return err
	}
	if err := v.StepUp("/security"); err != nil {
		return err
	}
	name, response := strings.TrimSpace(form.Name), string(form.Credential)
	handle := v.handle()
	if handle == "" {
		return v.sayNo("This took too long. Start again.")
	}
	ctx := v.Request.Context()
	added, err := lanyard.Call[lanyard.EnableSecurityKeyOutput](ctx, v.API().Lanyard, &lanyard.EnableSecurityKeyInput{Name: &name, Ceremony: &handle, Response: &response})
	if err != nil {
		return err
	}
	to := c.deviceAdded(v, name)
	if v.Person.MFA { // a factor was shown lately, as one was asked for
		return v.Redirect(to)
	}
	out, err := c.config.SignIns.StepUpByNewKey(ctx, v.visitor(), v.Person.Browser, *added.SerialNumber)
	if err != nil {
		c.config.Log.Error("a new security key does not count as shown", "request_id", v.ID, "error", err)
	}
	if err != nil || out.Result != authn.SignedIn {
		return v.Redirect(to) // it is registered all the same, and asked for when it is needed
	}
	out.Destination = to
	return v.follow(out, nil, v.sayNo)
}

// stepUpFirst leads the script to the page on which a factor is shown: it waits for options
// and not for a place to go to.
func (v *Visit) stepUpFirst(err error) error {
	if stepUp, ok := err.(*errStepUp); ok { //nolint:errorlint // made by StepUp as it is
		return v.JSON(http.StatusForbidden, map[string]string{"error": "Show first that it is you.", "location": stepUp.path()})
	}
	return err
}

// showCodesLater leads from the end of a ceremony to the page that shows the recovery codes.
func (v *Visit) showCodesLater(browser string, codes []string, to string) error {
	sealed, err := v.console.config.SignIns.SealCodes(browser, codes)
	if err != nil {
		return err
	}
	v.keep(codesCookie, sealed, webauthnx.Lifetime)
	return v.Redirect("/security/recovery-codes?" + url.Values{"to": {to}}.Encode())
}
