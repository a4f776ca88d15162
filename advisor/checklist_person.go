package advisor

import (
	"fmt"
	"slices"
	"strings"
)

// getsSession are the calls by which one gets temporary credentials.
const getsSession = "GetSessionToken,AssumeRole"

// firstCredentials: a person who has a device gets temporary credentials with a code,
// works with them, and lets the key do nothing else.
func (m *marking) firstCredentials() {
	u := m.subject()
	r := &review{judge: m.judge}
	name := quote(m.User)
	serial := fmt.Sprintf("arn:%s:iam::%s:mfa/%s", m.Partition, m.Account, m.User)
	devices := Evidence{"MFA devices", "none"}
	if u != nil && u.MFA {
		devices.Value = "yes"
		if list := factors(u.Devices); len(list) > 0 {
			devices.Value = strings.Join(list, ", ")
		}
		for _, d := range u.Devices {
			if d.Kind() != "passkey or security key" { // it has no codes to be typed
				serial = d.Serial
			}
		}
	}
	m.step(Step{ID: "mfa", Title: "Enrol an MFA device", Why: "A code of the moment is what a stolen key does not bring along.", Page: SecurityPage, Commands: r.enableMFA(m.User, m.User, "")}, when(u != nil && u.MFA), devices)

	begun := m.sessions()
	s := Step{
		ID: "session", Title: "Get temporary credentials with a code", Why: "They end by themselves: what leaks is soon worth nothing.", Page: CredentialPage,
		Commands: []string{fmt.Sprintf(`printf 'Code: '; read -r CODE && SESSION=$(aws sts get-session-token --serial-number %s --token-code "$CODE" --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]' --output text)`, quote(serial))},
	}
	if len(begun) == 0 {
		m.step(s, NotYet, Evidence{"sessions with MFA", "none on record"})
	} else {
		m.step(s, Done, append(seen(&begun[0]), Evidence{"session's access key", text(begun[0].Response, "credentials.accessKeyId")})...)
	}

	s = Step{
		ID: "used", Title: "Work with them", Why: "The CLI and the SDKs take them from the environment like any other credentials.", Page: EventsPage,
		Commands: []string{`(set -- $SESSION; export AWS_ACCESS_KEY_ID=$1 AWS_SECRET_ACCESS_KEY=$2 AWS_SESSION_TOKEN=$3; unset AWS_PROFILE; aws sts get-caller-identity)`},
	}
	var used *Event
	for i := range begun[:min(len(begun), 3)] {
		key := text(begun[i].Response, "credentials.accessKeyId")
		for _, e := range m.events(Query{Attribute: "AccessKeyId", Value: key, Enough: 5}) {
			if e.Error == "" && (used == nil || e.At.After(used.At)) {
				used = &e
			}
		}
	}
	if used == nil {
		m.step(s, NotYet, Evidence{"calls with temporary credentials", "none on record"})
	} else {
		s.Page = eventsBy("AccessKeyId", used.Key)
		m.step(s, Done, append(seen(used), Evidence{"access key", used.Key})...)
	}

	s = Step{
		ID: "key-rests", Title: "Let the long-term key do nothing but that", Why: "A key that is used for the work itself works without a code for whoever finds it.", Page: SecurityPage,
		Commands: []string{"aws iam list-access-keys --user-name " + name},
	}
	m.keyRestsStep(s, u, begun)
}

// sessions are the person's temporary credentials that were begun with MFA, newest first.
func (m *marking) sessions() []Event {
	var begun []Event
	for _, e := range m.events(Query{Attribute: "Username", Value: m.User, Events: getsSession, Enough: 50}) {
		if e.Error == "" && e.Type == "IAMUser" && e.User == m.User && (e.MFA || text(e.Request, "serialNumber") != "") && text(e.Response, "credentials.accessKeyId") != "" {
			begun = append(begun, e)
		}
	}
	return begun
}

// forSessions are what a long-term key may be used for.
var forSessions = []string{"GetSessionToken", "AssumeRole", "GetCallerIdentity"}

func (m *marking) keyRestsStep(s Step, u *User, begun []Event) {
	var active []string
	if u != nil {
		for _, k := range u.Keys {
			if k.Active && k.ID != "" {
				active = append(active, k.ID)
			}
		}
	}
	if len(active) == 0 {
		m.step(s, NotApplicable, Evidence{"active access keys", "none"})
		return
	}
	var at *Event // the last call that was not for a session
	for _, id := range active {
		for _, e := range m.events(Query{Attribute: "AccessKeyId", Value: id, Enough: 200}) {
			if !slices.Contains(forSessions, e.Name) && (at == nil || e.At.After(at.At)) {
				at = &e
			}
		}
	}
	switch {
	case len(begun) == 0:
		m.step(s, NotYet, Evidence{"sessions with MFA", "none on record"})
	case at != nil && !at.At.Before(begun[len(begun)-1].At) && m.Now.Sub(at.At) < quiet:
		m.step(s, NotYet, append([]Evidence{{"access key", at.Key}}, seen(at)...)...)
	default:
		m.step(s, Done, Evidence{"active access keys", strings.Join(active, ", ")}, Evidence{"used for the work since the first session", "not within " + counted(int(quiet.Hours()), "hour")})
	}
}
