package console

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/respond"
	"github.com/lanyard-iam/lanyard/session"
)

// accessKeyRoutes are the pages about one access key. A list of them is part of a user's
// page: Visit.accessKeys and the template "accesskeys".
func (c *Console) accessKeyRoutes() []Route {
	return []Route{
		{Pattern: "GET /access-keys/new", Handle: c.showNewAccessKey},
		{Pattern: "POST /access-keys", Handle: c.createAccessKey},
		{Pattern: "POST /access-keys/stored", Handle: c.storedAccessKey},
		{Pattern: "GET /access-keys/{id}", Handle: c.showAccessKey},
		{Pattern: "GET /access-keys/{id}/use", Handle: c.showAccessKeyUse},
		{Pattern: "POST /access-keys/{id}/status", Handle: c.setAccessKeyStatus},
		{Pattern: "POST /access-keys/{id}/delete", Handle: c.deleteAccessKey},
	}
}

// oldKey is the age from which a key should be rotated, as AWS's and CIS's checks have it.
const oldKey = 90 * day

// AccessKeys is the list of a user's access keys, as a panel; template "accesskeys".
type AccessKeys struct {
	Now     time.Time
	User    string
	Own     bool   // they are those of the person who is signed in
	Never   string // why there can be none; empty for IAM users
	Keys    []accessKey
	Missing *part // why there is no list
}

// New is where a key is made.
func (l AccessKeys) New() string { return "/access-keys/new?user=" + url.QueryEscape(l.User) }

// accessKey is a key as the pages show it.
type accessKey struct {
	ID, User string
	Active   bool
	Created  time.Time
	Use      keyUse
	Now      time.Time
}

// keyUse is the last use of a key.
type keyUse struct {
	Known           bool // false where the person may not know
	At              time.Time
	Service, Region string
}

func (k accessKey) Path() string { return "/access-keys/" + url.PathEscape(k.ID) }
func (k accessKey) Leak() string { return "/exposed-key?id=" + url.QueryEscape(k.ID) }

// Old tells that it should have been rotated.
func (k accessKey) Old() bool { return k.Now.Sub(k.Created) >= oldKey }

// Age is how old the key is, in days as AWS's console shows it.
func (k accessKey) Age() string { return count(int(k.Now.Sub(k.Created)/day), "day") }

func (k accessKey) State() State {
	if k.Active {
		return State{Good, "Active"}
	}
	return State{Neutral, "Inactive"}
}

// accessKeys lists the keys of a user for a part of a page. What fails is shown in its
// place.
func (v *Visit) accessKeys(user string) AccessKeys {
	list := AccessKeys{Now: v.Now, User: user, Own: user == v.ownUser()}
	keys, err := v.listKeys(user)
	if err != nil {
		list.Missing = v.missing(err)
		return list
	}
	list.Keys = keys
	return list
}

// ownAccessKeys are those of the person who is signed in: for whoever is no IAM user, why
// there are none.
func (v *Visit) ownAccessKeys() AccessKeys {
	if user := v.ownUser(); user != "" {
		return v.accessKeys(user)
	}
	list := AccessKeys{Now: v.Now, Own: true, Never: "Access keys belong to IAM users. You are signed in with temporary credentials of a role, and programs can have those, too."}
	if v.Person.Browser.Acting().Kind == session.Root {
		list.Never = "The root user cannot have access keys: nothing could limit them, and they would never expire. For the tasks that only root can do, use temporary credentials (lanyard env --root on the host); for all others, create an IAM user or role and use its credentials."
	}
	return list
}

// ownUser is the name of the IAM user who is signed in, empty for others.
func (v *Visit) ownUser() string {
	if v.Person.Browser.Acting().Kind == session.User {
		return v.Person.Name
	}
	return ""
}

// listKeys are the keys of a user, oldest first, with their last use where the person may
// see it.
func (v *Visit) listKeys(user string) ([]accessKey, error) {
	ctx, api := v.Request.Context(), v.API().IAM
	out, err := api.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: &user})
	if err != nil {
		return nil, err
	}
	keys := make([]accessKey, len(out.AccessKeyMetadata))
	for i, m := range out.AccessKeyMetadata {
		k := accessKey{ID: aws.ToString(m.AccessKeyId), User: user, Active: m.Status == types.StatusTypeActive, Created: aws.ToTime(m.CreateDate), Now: v.Now}
		if last, err := api.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: m.AccessKeyId}); err == nil {
			k.Use = keyUse{
				Known: true, At: aws.ToTime(last.AccessKeyLastUsed.LastUsedDate),
				Service: aws.ToString(last.AccessKeyLastUsed.ServiceName), Region: aws.ToString(last.AccessKeyLastUsed.Region),
			}
		}
		keys[i] = k
	}
	slices.SortStableFunc(keys, func(a, b accessKey) int { return a.Created.Compare(b.Created) })
	return keys, nil
}

func keyIDs(keys []accessKey) string {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = k.ID
	}
	return strings.Join(ids, " ")
}

// makeKey is the form that makes a key. Have are the keys that there were when the form
// was made: it makes one key, however often a browser sends it.
type makeKey struct {
	User, Have string
	Then       string // the page of the key that the new one replaces
	Button     string
}

type newKeyPage struct {
	None *AccessKeys // instead of the form: who is signed in can have no keys
	Form makeKey
	Full *quotaFull
}

// quotaFull says that the user has as many keys as there can be, and which can go.
type quotaFull struct {
	Key    accessKey
	Other  accessKey
	Status keyAction
	Delete *Confirm
}

// keyAction is the form that turns a key on or off.
type keyAction struct {
	Key    accessKey
	Then   string
	Status types.StatusType
	Button string
}

func (c *Console) showNewAccessKey(v *Visit) error {
	user := v.Query("user")
	if user == "" {
		user = v.ownUser()
	}
	page := Page{Title: "Create access key"}
	if user == "" {
		own := v.ownAccessKeys()
		page.Body = newKeyPage{None: &own}
		page.Crumbs = []Crumb{{"My security", "/security"}}
		page.CLI = []Command{CLI("lanyard", "env", "--root")}
		return v.Render("access-key-new", page)
	}
	page.Crumbs = v.crumbsOfUser(user)
	page.CLI = []Command{CLI("aws", "iam", "create-access-key", "--user-name", user)}
	keys, err := v.listKeys(user)
	if err != nil && !refused(err) {
		return err
	}
	body := newKeyPage{Form: makeKey{User: user, Have: keyIDs(keys), Button: "Create access key"}}
	if len(keys) >= 2 {
		body.Full = fullQuota(keys, "/access-keys/new?user="+url.QueryEscape(user))
	}
	page.Body = body
	return v.Render("access-key-new", page)
}

// crumbsOfUser is the way to what belongs to a user: by the person's own page if it is them.
func (v *Visit) crumbsOfUser(user string) []Crumb {
	if user == v.ownUser() {
		return []Crumb{{"My security", "/security"}}
	}
	return []Crumb{{"Users", "/users"}, {user, "/users/" + url.PathEscape(user)}}
}

// keysOf is the page with the keys of a user.
func (v *Visit) keysOf(user string) string {
	crumbs := v.crumbsOfUser(user)
	return crumbs[len(crumbs)-1].Path
}

// fullQuota names the key that can go first: one that is off, else the one that was used
// longest ago or never, else the older.
func fullQuota(keys []accessKey, then string) *quotaFull {
	sorted := slices.Clone(keys)
	slices.SortStableFunc(sorted, func(a, b accessKey) int {
		if a.Active != b.Active {
			if b.Active {
				return -1
			}
			return 1
		}
		return cmp.Or(a.Use.At.Compare(b.Use.At), a.Created.Compare(b.Created))
	})
	q := &quotaFull{Key: sorted[0], Other: sorted[1]}
	if q.Key.Active {
		q.Status = keyAction{Key: q.Key, Then: then, Status: types.StatusTypeInactive, Button: "Deactivate " + q.Key.ID}
	} else {
		q.Delete = confirmDelete(q.Key, then)
	}
	return q
}

func confirmDelete(k accessKey, then string) *Confirm {
	return &Confirm{
		ID: "delete-" + k.ID, Open: "Delete " + k.ID, Title: "Delete access key " + k.ID + "?",
		Text:   "It cannot be brought back, and neither can what it was last used for.",
		Action: k.Path() + "/delete", Hidden: []Option{{Value: "user", Text: k.User}, {Value: "then", Text: then}}, Button: "Delete", Danger: true, Typed: k.ID,
	}
}

// createAccessKey makes a key and shows its secret, in the answer itself: it is not kept
// anywhere from which a second request could get it.
func (c *Console) createAccessKey(v *Visit) error {
	user, then := v.Form("user"), v.Form("then")
	if user == "" {
		return &Problem{Status: http.StatusBadRequest, Title: "Nobody was named", Why: "The form does not say whose access key it is to be.", Do: []Step{{"Open the user.", "/users"}}}
	}
	back := "/access-keys/new?user=" + url.QueryEscape(user)
	if then != "" {
		back = LocalPath(then)
	}
	if err := v.StepUp(back); err != nil {
		return err
	}
	ctx, api := v.Request.Context(), v.API().IAM
	keys, err := v.listKeys(user)
	switch {
	case err == nil && keyIDs(keys) != strings.Join(strings.Fields(v.Form("have")), " "):
		return &Problem{
			Status: http.StatusConflict, Title: "The access keys have changed meanwhile",
			Why: "Since the form was opened, a key was made or deleted; perhaps by this form, sent twice. No key was made now.",
			Do:  []Step{{"See the keys that there are now.", back}},
		}
	case err != nil && !refused(err):
		return err
	}
	out, err := api.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &user})
	if err != nil {
		return err
	}
	id := aws.ToString(out.AccessKey.AccessKeyId)
	if then == "" {
		then = "/access-keys/" + url.PathEscape(id)
	}
	return v.Render("access-key-made", Page{
		Title: "Access key created", Crumbs: v.crumbsOfUser(user),
		Lead: "Access key " + id + " of " + user + " works from now on.",
		Body: secretOfKey(user, id, aws.ToString(out.AccessKey.SecretAccessKey), then),
	})
}

// secretOfKey is the box with a new key, as AWS's console and its file have it.
func secretOfKey(user, id, secret, then string) Secret {
	then = LocalPath(then)
	return Secret{
		Title: "Access key of " + user,
		Rows:  []SecretRow{{Label: "Access key ID", Value: id}, {Label: "Secret access key", Value: secret, Masked: true}},
		File:  user + "_accessKeys.csv",
		CSV:   [][]string{{"Access key ID", "Secret access key"}, {id, secret}},
		Done:  "/access-keys/stored", Leave: then,
		Extra: []Option{{Value: "then", Text: then}},
	}
}

func (c *Console) storedAccessKey(v *Visit) error { return v.Redirect(v.Form("then")) }

// rotation is the page of a key: how far its rotation has come is seen from the user's
// keys and nothing else, so that it can be left and taken up anywhere.
type rotation struct {
	Now       time.Time
	Key       accessKey // the page's; without Created if it is gone
	Gone      bool
	Old, New  *accessKey // New is the key that replaces Old; nil as long as there is none
	Stage     int        // the step to be done now: 1, 2, 3; 0 if none is
	Make      makeKey
	Full      *quotaFull
	Use       useTable
	Off, On   keyAction
	Delete    *Confirm
	Elsewhere string // the page of the rotation in which this key is the new one
}

func (c *Console) showAccessKey(v *Visit) error {
	id := v.Request.PathValue("id")
	state, err := v.describeKey(id)
	if err != nil {
		return err
	}
	page := Page{Title: id, CLI: []Command{CLI("aws", "iam", "get-access-key-last-used", "--access-key-id", id)}}
	body := rotation{Now: v.Now, Key: accessKey{ID: id, Now: v.Now}, Gone: !state.Exists}
	if !state.Exists {
		page.Body = body
		return v.Render("access-key", page)
	}
	keys, err := v.listKeys(state.UserName)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(keys, func(k accessKey) bool { return k.ID == id })
	if at < 0 { // it went between two requests
		body.Gone, page.Body = true, body
		return v.Render("access-key", page)
	}
	body.fill(keys, at)
	body.Use = v.useOf(body, 0)
	user := state.UserName
	page.Crumbs = v.crumbsOfUser(user)
	page.Lead = "Access key of " + user
	page.CLI = append(page.CLI,
		CLI("aws", "iam", "create-access-key", "--user-name", user),
		CLI("aws", "iam", "update-access-key", "--user-name", user, "--access-key-id", id, "--status", "Inactive"),
		CLI("aws", "iam", "delete-access-key", "--user-name", user, "--access-key-id", id))
	page.Body = body
	return v.Render("access-key", page)
}

// fill works out the rotation from the user's keys.
func (r *rotation) fill(keys []accessKey, at int) {
	r.Key = keys[at]
	here := r.Key.Path()
	r.Make = makeKey{User: r.Key.User, Have: keyIDs(keys), Then: here, Button: "Make a new key"}
	r.Off = keyAction{Key: r.Key, Then: here, Status: types.StatusTypeInactive, Button: "Deactivate the old key"}
	r.On = keyAction{Key: r.Key, Then: here, Status: types.StatusTypeActive, Button: "Reactivate"}
	r.Delete = confirmDelete(r.Key, "")
	r.Old = &keys[at]
	newest := len(keys) - 1
	switch {
	case len(keys) == 1:
	case at == newest:
		r.Elsewhere = keys[0].Path()
		r.Full = fullQuota(keys, here)
	case !keys[newest].Active:
		r.Full = fullQuota(keys, here)
		// The newer key was turned off; turned on again, it is the new one.
		other := keys[newest]
		r.On = keyAction{Key: other, Then: here, Status: types.StatusTypeActive, Button: "Reactivate " + other.ID}
		if !r.Key.Active {
			r.On = keyAction{Key: r.Key, Then: here, Status: types.StatusTypeActive, Button: "Reactivate"}
		}
	default:
		r.New = &keys[newest]
	}
	switch {
	case !r.Key.Active:
		r.Stage = 3
	case r.New != nil:
		r.Stage = 2
	case r.Elsewhere == "":
		r.Stage = 1
	}
}

// describeKey tells whose a key is.
func (v *Visit) describeKey(id string) (*identity.KeyState, error) {
	if !arn.IsAccessKey(id) {
		return nil, &Problem{
			Status: http.StatusNotFound, Title: "That is no access key id",
			Why: "Long-term access keys have ids of AKIA and 16 more characters.",
			Do:  []Step{{"See your own keys.", "/security"}},
		}
	}
	return v.keyAPI().Describe(v.Request.Context(), id)
}

func (v *Visit) keyAPI() *respond.API {
	api := v.API()
	return &respond.API{IAM: api.IAM, Lanyard: api.Lanyard, Account: arn.AccountID(v.Person.Account), Now: func() time.Time { return v.Now }}
}

// useTable is where the old and the new key are used, looked at every few seconds as
// long as somebody may be waiting.
type useTable struct {
	Now     time.Time
	Rows    []useRow
	Verdict Alert
	Again   string // the path of the next look; empty: the page has to be opened anew
	Seconds int    // until then
	Path    string // of the page
}

// Every is the trigger of the next look.
func (t useTable) Every() string { return fmt.Sprintf("every %ds", t.Seconds) }

type useRow struct {
	Key     accessKey
	Role    string // "Old key"
	Seen    sightings
	Missing *part // the trail is not for this person
}

// sightings is what the newest records of the trail tell of a key.
type sightings struct {
	Addresses, Agents []string
	// Last is the newest of these. "Last used" of IAM is noted only now and then, and may
	// be older.
	Last time.Time
	// Refused are calls in its name that were not believed: by whoever still has it after
	// it was turned off, or by anybody who knows its id.
	Refused     int
	RefusedLast time.Time
	RefusedFrom string
}

// Somebody who rotates a key waits for minutes rather than hours: the page looks often at
// first, then seldom, and ends after a quarter of an hour. Each look is on the trail.
const (
	oftenLooks = 24
	maxLooks   = 60
)

func (c *Console) showAccessKeyUse(v *Visit) error {
	id := v.Request.PathValue("id")
	page := "/access-keys/" + url.PathEscape(id)
	looks, err := strconv.Atoi(v.Query("look"))
	if !v.WantsFragment() || err != nil {
		return v.Redirect(page)
	}
	keys, err := v.listKeys(v.Query("user"))
	if err != nil {
		return err
	}
	at := slices.IndexFunc(keys, func(k accessKey) bool { return k.ID == id })
	if at < 0 { // it was deleted
		return v.Redirect(page)
	}
	r := rotation{Now: v.Now}
	r.fill(keys, at)
	return v.Fragment("access-key", "use", v.useOf(r, looks))
}

func (v *Visit) useOf(r rotation, looks int) useTable {
	t := useTable{Now: v.Now, Path: r.Key.Path()}
	if looks >= 0 && looks < maxLooks && (r.Stage == 2 || r.Stage == 3) {
		t.Again = r.Key.Path() + "/use?" + url.Values{"user": {r.Key.User}, "look": {strconv.Itoa(looks + 1)}}.Encode()
		if t.Seconds = 5; looks >= oftenLooks {
			t.Seconds = 30
		}
	}
	role := "This key"
	if r.New != nil {
		role = "Old key"
	}
	t.Rows = append(t.Rows, v.useRow(*r.Old, role, r.Stage == 3))
	if r.New != nil {
		t.Rows = append(t.Rows, v.useRow(*r.New, "New key", false))
	}
	t.Verdict = r.verdict(t.Rows[0].Seen)
	return t
}

// useRow looks for a key on the trail around its last use, and in the last minutes for who
// still asks for one that is off. The trail has no index of keys: the whole of it is read
// for a report and not for a page.
func (v *Visit) useRow(k accessKey, role string, off bool) useRow {
	row := useRow{Key: k, Role: role}
	var err error
	switch {
	case !k.Use.Known:
		err = v.look(k.ID, v.Now.Add(-watched), v.Now, &row.Seen)
	case !k.Use.At.IsZero():
		err = v.look(k.ID, k.Use.At.Add(-around), k.Use.At.Add(around), &row.Seen)
	}
	if off && k.Use.Known && err == nil {
		var refused sightings
		err = v.look(k.ID, v.Now.Add(-watched), v.Now, &refused)
		row.Seen.Refused, row.Seen.RefusedLast, row.Seen.RefusedFrom = refused.Refused, refused.RefusedLast, refused.RefusedFrom
	}
	if err != nil {
		row.Missing = v.missing(err)
	}
	return row
}

const (
	around  = 2 * time.Minute // a last use is noted to the minute
	watched = 15 * time.Minute
)

// quiet is how long an old key has to be unused until nobody seems to have it any more.
const quiet = day

// verdict says whether the old key can go.
func (r *rotation) verdict(seen sightings) Alert {
	old := r.Old
	used := old.Use.At
	if seen.Last.After(used) {
		used = seen.Last
	}
	switch {
	case r.Stage == 3 && seen.Refused > 0:
		return Alert{Kind: Warning, Title: "Something still has the old key",
			Text: fmt.Sprintf("%s in its name in the last 15 minutes, the last %s from %s. Give the new key to what runs there, or reactivate the old one until you have found it.",
				count(seen.Refused, "refused call"), ago(r.Now, seen.RefusedLast), seen.RefusedFrom)}
	case r.Stage == 3:
		return Alert{Kind: Good, Title: "Nobody asks for the old key", Text: "No call in its name was refused in the last 15 minutes. Give it a day or a week, then delete it; until then it can be reactivated."}
	case r.Stage != 2:
		return Alert{}
	case !r.New.Use.Known || !old.Use.Known:
		return Alert{Kind: Info, Title: "When the keys are used cannot be shown", Text: "You lack iam:GetAccessKeyLastUsed. Make sure in another way that nothing uses the old key before it goes."}
	case r.New.Use.At.IsZero():
		return Alert{Kind: Info, Title: "The new key has not been used yet", Text: "Put it wherever the old one is. This page looks by itself."}
	case used.After(r.New.Created) && r.Now.Sub(used) < quiet:
		return Alert{Kind: Warning, Title: "Both keys are used", Text: "The old key was used " + ago(r.Now, used) + ". The addresses and programs below tell where it still is."}
	case used.IsZero() || r.Now.Sub(used) >= quiet:
		return Alert{Kind: Good, Title: "Only the new key is used", Text: "The old key can be deactivated. It can be reactivated until it is deleted."}
	}
	return Alert{Kind: Good, Title: "The new key is used, and the old one no longer since", Text: "The old key was used " + ago(r.Now, used) + ", before the new one was made. What uses it seldom may not have come yet: deactivating shows it, and can be undone."}
}

// look reads the newest records of a key in a part of the trail.
func (v *Visit) look(id string, from, to time.Time, s *sightings) error {
	out, err := firstEvents(v.Request.Context(), v.API(), &cloudtrail.LookupEventsInput{
		LookupAttributes: []cttypes.LookupAttribute{{AttributeKey: cttypes.LookupAttributeKeyAccessKeyId, AttributeValue: &id}},
		StartTime:        &from, EndTime: &to,
	})
	if err != nil {
		return err
	}
	note := func(list *[]string, value string) {
		const most = 5
		if value != "" && len(*list) < most && !slices.Contains(*list, value) {
			*list = append(*list, value)
		}
	}
	for _, e := range out.Events {
		var record struct {
			SourceIPAddress string
			UserAgent       string
			UserIdentity    struct{ Type string }
		}
		if json.Unmarshal([]byte(aws.ToString(e.CloudTrailEvent)), &record) != nil {
			continue
		}
		if record.UserIdentity.Type == "Unknown" {
			if s.Refused++; s.RefusedLast.IsZero() { // newest first
				s.RefusedLast, s.RefusedFrom = aws.ToTime(e.EventTime), record.SourceIPAddress
			}
			continue
		}
		if at := aws.ToTime(e.EventTime); at.After(s.Last) {
			s.Last = at
		}
		note(&s.Addresses, record.SourceIPAddress)
		program, _, _ := strings.Cut(record.UserAgent, " ")
		note(&s.Agents, program)
	}
	return nil
}

func (c *Console) setAccessKeyStatus(v *Visit) error {
	id, user := v.Request.PathValue("id"), v.Form("user")
	status := types.StatusTypeInactive
	if v.Form("status") == string(types.StatusTypeActive) {
		status = types.StatusTypeActive
		if err := v.StepUp("/access-keys/" + url.PathEscape(id)); err != nil { // a credential works again
			return err
		}
	}
	_, err := v.API().IAM.UpdateAccessKey(v.Request.Context(), &iam.UpdateAccessKeyInput{UserName: &user, AccessKeyId: &id, Status: status})
	if err != nil {
		return err
	}
	if status == types.StatusTypeActive {
		v.Flash(Good, "Access key "+id+" works again.")
	} else {
		v.Flash(Good, "Access key "+id+" is inactive. It can be reactivated until it is deleted.")
	}
	return v.Redirect(cmp.Or(v.Form("then"), "/access-keys/"+url.PathEscape(id)))
}

func (c *Console) deleteAccessKey(v *Visit) error {
	id, user := v.Request.PathValue("id"), v.Form("user")
	here := "/access-keys/" + url.PathEscape(id)
	if v.Form("typed") != id {
		return &Problem{Status: http.StatusUnprocessableEntity, Title: "The access key was not deleted", Why: "What was typed is not its id.", Do: []Step{{"Go back to the key.", here}}}
	}
	if err := v.StepUp(here); err != nil {
		return err
	}
	_, err := v.API().IAM.DeleteAccessKey(v.Request.Context(), &iam.DeleteAccessKeyInput{UserName: &user, AccessKeyId: &id})
	if gone := new(types.NoSuchEntityException); err != nil && !errors.As(err, &gone) {
		return err
	}
	v.Flash(Good, "Access key "+id+" was deleted.")
	return v.Redirect(cmp.Or(v.Form("then"), v.keysOf(user)))
}
