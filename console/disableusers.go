package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/session"
)

// disableRoutes shut users out, several at once: with AWS's operations, and so that all of it
// can be given again.
func (c *Console) disableRoutes() []Route {
	return []Route{
		{Pattern: "GET /users/disable", Handle: c.confirmDisable},
		{Pattern: "POST /users/disable", Handle: c.disableUsers},
	}
}

// disablePage is what happens to users, or what did.
type disablePage struct {
	Problem *Problem
	Users   []disabledUser
	Names   []string // of those to be disabled
	Typed   string   // what is to be typed for that
	Done    bool
	Failed  int // users of whom something could not be done
}

// disabledUser is one of them.
type disabledUser struct {
	Name, Path string
	Left       string // why nothing happens to them
	Steps      []stepRow
}

// chosenUsers are the users of a form, each once.
func chosenUsers(values []string) ([]string, error) {
	var names []string
	for _, name := range values {
		if name != "" && !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			names = append(names, name)
		}
	}
	again := []Step{{"Choose again", "/users"}}
	switch {
	case len(names) == 0:
		return nil, &Problem{Status: http.StatusUnprocessableEntity, Title: "Nobody was chosen", Why: "No user is marked.", Do: again}
	case len(names) > shownUsers:
		return nil, &Problem{Status: http.StatusUnprocessableEntity, Title: "Too many were chosen", Why: fmt.Sprintf("At most %d users can be disabled at once.", shownUsers), Do: again}
	}
	return names, nil
}

// isSelf tells whether a user is who is signed in, also where they work as a role. Names of
// users are the same in any case.
func (p *Person) isSelf(name string) bool {
	s := p.Browser.Session
	return s.Kind == session.User && string(s.Account) == p.Account && strings.EqualFold(p.Self(), name)
}

// phrase is what is typed to disable so many users.
func phrase(n int) string { return "disable " + count(n, "user") }

func disablePath(names []string) string {
	return "/users/disable?" + url.Values{"user": names}.Encode()
}

func (c *Console) confirmDisable(v *Visit) error {
	chosen := v.Request.URL.Query()["user"]
	if len(chosen) == 0 {
		v.Flash(Warning, "Mark the users to be disabled first.")
		return v.Redirect("/users")
	}
	names, err := chosenUsers(chosen)
	if err != nil {
		return err
	}
	return c.disableForm(v, names, nil)
}

func (c *Console) disableForm(v *Visit, names []string, refused *Problem) error {
	body := disablePage{Problem: refused, Users: make([]disabledUser, len(names))}
	looks := make([]func(), len(names))
	for i, name := range names {
		looks[i] = func() { body.Users[i] = v.lookAtUser(name) }
	}
	for some := range slices.Chunk(looks, 8) {
		atOnce(some...)
	}
	for i := range body.Users {
		if u := &body.Users[i]; u.Left == "" {
			body.Names = append(body.Names, u.Name)
		}
	}
	body.Typed = phrase(len(body.Names))
	return v.disablePage(body, names)
}

func (v *Visit) disablePage(body disablePage, names []string) error {
	page := Page{
		Title: "Disable users", Crumbs: []Crumb{{"Users", "/users"}},
		Lead: "Disabled users cannot sign in, and neither their access keys, nor other credentials, nor their sessions work. The users stay, with their groups, policies, tags and MFA devices.",
		CLI: []Command{
			{Line: CLI("aws", "iam", "update-access-key", "--user-name", names[0]).Line + " --access-key-id KEY-ID --status Inactive"},
			CLI("aws", "iam", "delete-login-profile", "--user-name", names[0]),
		},
		Body: body,
	}
	if body.Problem != nil {
		page.Status = http.StatusUnprocessableEntity
	}
	return v.Render("disable", page)
}

// lookAtUser says what would happen to a user.
func (v *Visit) lookAtUser(name string) disabledUser {
	u := disabledUser{Name: name, Path: userPath(name, "credentials")}
	if v.Person.isSelf(name) {
		u.Left = "That is you. Nobody disables themselves here."
		return u
	}
	ctx, api := v.Request.Context(), v.API()
	keys, _, err := keysOf(ctx, api, name)
	row := stepRow{Title: "Deactivate access keys", State: State{Warning, "Will be done"}, Detail: strings.Join(keys, ", ")}
	switch {
	case isNoSuch(err):
		u.Left = "There is no such user."
		return u
	case err != nil:
		row.State, row.Problem = State{Bad, "Cannot be seen"}, v.ProblemOf(err)
	case len(keys) == 0:
		row.State = State{Neutral, "None is active"}
	}
	u.Steps = append(u.Steps, row)
	_, err = api.IAM.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: &name})
	row = stepRow{Title: "Remove the console password", State: State{Warning, "Will be done"}}
	switch {
	case isNoSuch(err):
		row.State = State{Neutral, "There is none"}
	case err != nil:
		row.State, row.Problem = State{Bad, "Cannot be seen"}, v.ProblemOf(err)
	}
	u.Steps = append(u.Steps, row)
	others, err := activeOthers(ctx, api, name)
	ids := make([]string, len(others))
	for i, o := range others {
		ids[i] = o.id
	}
	row = stepRow{Title: deactivateOthers, State: State{Warning, "Will be done"}, Detail: strings.Join(ids, ", ")}
	switch {
	case err != nil:
		row.State, row.Problem = State{Bad, "Cannot be seen"}, v.ProblemOf(err)
	case len(others) == 0:
		row.State = State{Neutral, "None is active"}
	}
	u.Steps = append(u.Steps, row, stepRow{Title: "End all sessions", State: State{Warning, "Will be done"}, Detail: "Those of roles, too, that an access key of theirs began."})
	return u
}

// keysOf are the access keys of a user, and first those that are active.
func keysOf(ctx context.Context, api *API, name string) (active, all []string, _ error) {
	in := &iam.ListAccessKeysInput{UserName: &name}
	err := pages(ctx, api.IAM.ListAccessKeys, in, func(out *iam.ListAccessKeysOutput) bool {
		for _, k := range out.AccessKeyMetadata {
			all = append(all, aws.ToString(k.AccessKeyId))
			if k.Status == types.StatusTypeActive {
				active = append(active, aws.ToString(k.AccessKeyId))
			}
		}
		in.Marker = out.Marker
		return out.IsTruncated
	})
	return active, all, err
}

// otherCredential is something of a user's, beside access keys and password, that can be made
// inactive.
type otherCredential struct {
	what, id   string
	deactivate func(context.Context) error
}

const deactivateOthers = "Deactivate SSH keys, certificates and service credentials"

// activeOthers are those of a user's other credentials that are active, as far as they can be
// seen, and what kept others from being seen.
func activeOthers(ctx context.Context, api *API, name string) (found []otherCredential, _ error) {
	note := func(what string, id *string, status types.StatusType, deactivate func(context.Context) error) {
		if status == types.StatusTypeActive {
			found = append(found, otherCredential{what, aws.ToString(id), deactivate})
		}
	}
	keys := &iam.ListSSHPublicKeysInput{UserName: &name}
	noKeys := pages(ctx, api.IAM.ListSSHPublicKeys, keys, func(out *iam.ListSSHPublicKeysOutput) bool {
		for _, k := range out.SSHPublicKeys {
			note("an SSH key", k.SSHPublicKeyId, k.Status, func(ctx context.Context) error {
				_, err := api.IAM.UpdateSSHPublicKey(ctx, &iam.UpdateSSHPublicKeyInput{UserName: &name, SSHPublicKeyId: k.SSHPublicKeyId, Status: types.StatusTypeInactive})
				return err
			})
		}
		keys.Marker = out.Marker
		return out.IsTruncated
	})
	certificates := &iam.ListSigningCertificatesInput{UserName: &name}
	noCertificates := pages(ctx, api.IAM.ListSigningCertificates, certificates, func(out *iam.ListSigningCertificatesOutput) bool {
		for _, x := range out.Certificates {
			note("a signing certificate", x.CertificateId, x.Status, func(ctx context.Context) error {
				_, err := api.IAM.UpdateSigningCertificate(ctx, &iam.UpdateSigningCertificateInput{UserName: &name, CertificateId: x.CertificateId, Status: types.StatusTypeInactive})
				return err
			})
		}
		certificates.Marker = out.Marker
		return out.IsTruncated
	})
	services := &iam.ListServiceSpecificCredentialsInput{UserName: &name}
	noServices := pages(ctx, api.IAM.ListServiceSpecificCredentials, services, func(out *iam.ListServiceSpecificCredentialsOutput) bool {
		for _, s := range out.ServiceSpecificCredentials {
			note("a service-specific credential", s.ServiceSpecificCredentialId, s.Status, func(ctx context.Context) error {
				_, err := api.IAM.UpdateServiceSpecificCredential(ctx, &iam.UpdateServiceSpecificCredentialInput{UserName: &name, ServiceSpecificCredentialId: s.ServiceSpecificCredentialId, Status: types.StatusTypeInactive})
				return err
			})
		}
		services.Marker = out.Marker
		return out.IsTruncated
	})
	return found, cmp.Or(noKeys, noCertificates, noServices)
}

// pages reads a list to its end; page takes one page, and says whether there is another.
func pages[In, Out any](ctx context.Context, list func(context.Context, *In, ...func(*iam.Options)) (*Out, error), in *In, page func(*Out) bool) error {
	for {
		out, err := list(ctx, in)
		if err != nil || !page(out) {
			return err
		}
	}
}

func isNoSuch(err error) bool {
	_, ok := errors.AsType[*types.NoSuchEntityException](err)
	return ok
}

// disableUsers does it. Whatever is refused, the rest is done, and the page says of each.
func (c *Console) disableUsers(v *Visit) error {
	names, err := chosenUsers(v.Request.PostForm["user"])
	if err != nil {
		return err
	}
	if err := v.StepUp(disablePath(names)); err != nil {
		return err
	}
	others := 0
	for _, name := range names {
		if !v.Person.isSelf(name) {
			others++
		}
	}
	if v.Form("typed") != phrase(others) {
		return c.disableForm(v, names, &Problem{Status: http.StatusUnprocessableEntity, Title: "Nobody was disabled", Why: "What was typed is not “" + phrase(others) + "”.", Do: []Step{{Text: "Type it to confirm."}}})
	}
	body := disablePage{Done: true}
	for _, name := range names {
		u := v.disableUser(name)
		if slices.ContainsFunc(u.Steps, func(s stepRow) bool { return s.State.Kind == Bad }) {
			body.Failed++
		}
		body.Users = append(body.Users, u)
	}
	return v.disablePage(body, names)
}

// disableUser takes a user's keys, the password and other credentials, and ends at last what
// they began.
func (v *Visit) disableUser(name string) disabledUser {
	u := disabledUser{Name: name, Path: userPath(name, "credentials")}
	if v.Person.isSelf(name) {
		u.Left = "That is you. Nobody disables themselves here."
		return u
	}
	ctx, api := v.Request.Context(), v.API()
	step := func(title, detail string, err error) {
		row := stepRow{Title: title, Detail: detail, State: State{Good, "Done"}}
		if err != nil {
			row.State, row.Problem = State{Bad, "Could not be done"}, v.ProblemOf(err)
		}
		u.Steps = append(u.Steps, row)
	}
	keys, all, err := keysOf(ctx, api, name)
	switch {
	case isNoSuch(err):
		u.Left = "There is no such user."
		return u
	case err != nil:
		step("Deactivate access keys", "", err)
	case len(keys) == 0:
		u.Steps = append(u.Steps, stepRow{Title: "Deactivate access keys", State: State{Neutral, "None was active"}})
	}
	for _, id := range keys {
		_, err := api.IAM.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: &name, AccessKeyId: &id, Status: types.StatusTypeInactive})
		step("Deactivate an access key", id, err)
	}
	if _, err := api.IAM.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{UserName: &name}); isNoSuch(err) {
		u.Steps = append(u.Steps, stepRow{Title: "Remove the console password", State: State{Neutral, "There was none"}})
	} else {
		step("Remove the console password", "", err)
	}
	others, err := activeOthers(ctx, api, name)
	switch {
	case err != nil:
		step(deactivateOthers, "", err)
	case len(others) == 0:
		u.Steps = append(u.Steps, stepRow{Title: deactivateOthers, State: State{Neutral, "None was active"}})
	}
	for _, o := range others {
		step("Deactivate "+o.what, o.id, o.deactivate(ctx))
	}
	_, err = lanyard.Call[lanyard.RevokeSessionsOutput](ctx, api.Lanyard, &lanyard.RevokeSessionsInput{UserName: &name})
	step("End the user’s sessions", "", err)
	for _, id := range all { // as a role, somebody is another
		_, err := lanyard.Call[lanyard.RevokeSessionsOutput](ctx, api.Lanyard, &lanyard.RevokeSessionsInput{AccessKeyId: &id})
		step("End the sessions that an access key began", id, err)
	}
	return u
}
