package advisor

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// quiet is for how long a key must not be used until one can believe that nothing uses it.
const quiet = 24 * time.Hour

// keyChanges is what the trail has of a key: made, switched, deleted, its sessions ended.
func (m *marking) keyChanges() []Event {
	return m.events(Query{Attribute: "ResourceName", Value: m.Key, Events: "CreateAccessKey,UpdateAccessKey,DeleteAccessKey,RevokeSessions"})
}

// theKey is the key that the checklist is about, nil if it is no more.
func (m *marking) theKey() (u *User, k *Key) {
	u = m.subject()
	if u == nil {
		return nil, nil
	}
	i := slices.IndexFunc(u.Keys, func(k Key) bool { return k.ID == m.Key })
	if i < 0 {
		return u, nil
	}
	return u, &u.Keys[i]
}

// unknown tells whether there is no trace of the key.
func (m *marking) unknown() bool {
	_, k := m.theKey()
	return k == nil && !slices.ContainsFunc(m.keyChanges(), func(e Event) bool { return e.Error == "" })
}

// ownerOf is whose key the events say it was.
func ownerOf(events []Event, key string) string {
	for i := range events {
		e := &events[i]
		if e.Error == "" && (text(e.Request, "accessKeyId") == key || text(e.Response, "accessKey.accessKeyId") == key) {
			if name := text(e.Request, "userName"); name != "" {
				return name
			}
			if name := text(e.Response, "accessKey.userName"); name != "" {
				return name
			}
			return e.User // who names nobody speaks of themselves
		}
	}
	return ""
}

// Owner is whose key it was, by the trail; empty where it does not say.
func (p *Progress) Owner() string {
	for q, events := range p.Events {
		if q.Attribute == "ResourceName" && q.Value == p.Key {
			return ownerOf(events, p.Key)
		}
	}
	return ""
}

// stopped is when the key stopped to work: of the last time it was made inactive, or
// deleted. ok is false while it works, or where that is not on record.
func (m *marking) stopped() (e *Event, ok bool) {
	changes := m.keyChanges()
	for i := range changes {
		c := &changes[i]
		if c.Error != "" {
			continue
		}
		switch c.Name {
		case "DeleteAccessKey":
			e = c
		case "UpdateAccessKey":
			if text(c.Request, "status") != "Inactive" {
				return e, e != nil
			}
			e = c
		}
	}
	return e, e != nil
}

// owner is the word for the owner in a command.
func (m *marking) owner() string { return "--user-name " + quote(m.User) }

// switchStep: the key is inactive or deleted.
func (m *marking) switchStep(s Step) bool {
	_, k := m.theKey()
	s.Commands = []string{fmt.Sprintf("aws iam update-access-key %s --access-key-id %s --status Inactive", m.owner(), quote(m.Key))}
	off := k == nil || !k.Active
	evidence := []Evidence{{"status", map[bool]string{true: "inactive", false: "active"}[off]}}
	if k == nil {
		evidence[0].Value = "deleted"
	}
	if e, ok := m.stopped(); ok && off {
		evidence = append(evidence, seen(e)...)
	}
	m.step(s, when(off), evidence...)
	return off
}

// deleteStep: the key is no more.
func (m *marking) deleteStep(s Step) {
	_, k := m.theKey()
	s.Commands = []string{fmt.Sprintf("aws iam delete-access-key %s --access-key-id %s", m.owner(), quote(m.Key))}
	if k != nil {
		m.step(s, NotYet, Evidence{"status", map[bool]string{true: "active", false: "inactive"}[k.Active]})
		return
	}
	evidence := []Evidence{{"status", "deleted"}}
	for _, e := range m.keyChanges() {
		if e.Name == "DeleteAccessKey" && e.Error == "" {
			evidence = append(evidence, seen(&e)...)
			break
		}
	}
	m.step(s, Done, evidence...)
}

// made is when the key was made, by the list or else by the trail.
func (m *marking) made() time.Time {
	if _, k := m.theKey(); k != nil {
		return k.Created
	}
	for _, e := range m.keyChanges() {
		if e.Name == "CreateAccessKey" && e.Error == "" && text(e.Response, "accessKey.accessKeyId") == m.Key {
			return e.At
		}
	}
	return time.Time{}
}

// successor is the newest other active key of the owner that was made after this one,
// nil if there is none.
func (m *marking) successor() *Key {
	u := m.subject()
	if u == nil {
		return nil
	}
	made := m.made()
	var newest *Key
	for i := range u.Keys {
		if k := &u.Keys[i]; k.ID != m.Key && k.Active && !k.Created.Before(made) && (newest == nil || k.Created.After(newest.Created)) {
			newest = k
		}
	}
	return newest
}

func (m *marking) rotateKey() {
	_, old := m.theKey()
	next := m.successor()

	s := Step{
		ID: "second", Title: "Make a second key", Why: "Both work while you change over, so that nothing stops.", Page: KeyPage(m.Key),
		Commands: []string{"aws iam create-access-key " + m.owner()},
	}
	switch {
	case next != nil:
		m.step(s, Done, Evidence{"second key", next.ID}, Evidence{"created", moment(next.Created)})
	case old == nil:
		m.step(s, NotApplicable, Evidence{"second key", "none, and the old one is deleted"})
	default:
		m.step(s, NotYet, Evidence{"second key", "none that is active and younger"})
	}

	s = Step{
		ID: "in-use", Title: "Put the new key where the old one is", Why: "A key that was never used proves nothing: first see that it works.", Page: KeyPage(m.Key),
		Commands: []string{`printf 'Profile: '; read -r PROFILE && aws configure --profile "$PROFILE" && aws sts get-caller-identity --profile "$PROFILE"`},
	}
	switch {
	case next != nil && !next.Used.IsZero():
		m.step(s, Done, Evidence{"new key last used", moment(next.Used)})
	case next == nil && old == nil:
		m.step(s, NotApplicable, Evidence{"new key", "none"})
	default:
		m.step(s, NotYet, Evidence{"new key last used", "never"})
	}

	m.quietStep(old, next)
	m.switchStep(Step{ID: "inactive", Title: "Make the old key inactive", Why: "If something still needs it, one call makes it work again: deleting cannot be taken back.", Page: KeyPage(m.Key)})
	m.deleteStep(Step{ID: "deleted", Title: "Delete the old key", Why: "An inactive key is one call away from working again, wherever its secret is by now.", Page: KeyPage(m.Key)})
}

// quietStep: the old key was not used any more since the new one was, or for a day.
func (m *marking) quietStep(old, next *Key) {
	s := Step{
		ID: "quiet", Title: "Wait until nothing uses the old key", Why: "What still uses it is what you forgot; its address and user agent say where to look.", Page: eventsBy("AccessKeyId", m.Key),
		Commands: []string{
			"aws iam get-access-key-last-used --access-key-id " + quote(m.Key),
			"aws cloudtrail lookup-events --lookup-attributes AttributeKey=AccessKeyId,AttributeValue=" + quote(m.Key) + " --max-items 20",
		},
	}
	if old == nil {
		m.step(s, Done, Evidence{"old key", "deleted"})
		return
	}
	last := Evidence{"old key last used", moment(old.Used)}
	if next == nil || next.Used.IsZero() {
		m.step(s, NotYet, last, Evidence{"new key last used", "never"})
		return
	}
	// The first use of the new key is the oldest of its calls that the trail has.
	first := next.Used
	for _, e := range m.events(Query{Attribute: "AccessKeyId", Value: next.ID}) {
		if e.At.Before(first) {
			first = e.At
		}
	}
	m.step(s, when(old.Used.Before(first) || m.Now.Sub(old.Used) >= quiet), last, Evidence{"new key first used", moment(first)})
}

// quarantine is the beginning of the names of the AWS managed policies that quarantine
// a user whose key leaked.
const quarantine = "AWSCompromisedKeyQuarantine"

func (m *marking) keyLeaked() {
	u, k := m.theKey()
	m.switchStep(Step{ID: "inactive", Title: "Make the key inactive", Why: "Whoever has it is working with it now.", Page: ExposedKeyPage(m.Key)})
	stopped, known := m.stopped()
	off := k == nil || !k.Active

	s := Step{
		ID: "sessions", Title: "End the sessions that it minted", Why: "Temporary credentials outlive the key for up to 36 hours.", Page: ExposedKeyPage(m.Key), Commands: []string{"lanyard revoke " + quote(m.Key)},
	}
	var ended *Event
	for _, e := range m.keyChanges() {
		if e.Name == "RevokeSessions" && e.Error == "" {
			ended = &e
			break
		}
	}
	switch {
	case ended == nil:
		m.step(s, NotYet, Evidence{"sessions", "not ended"})
	case !off || known && ended.At.Before(stopped.At):
		m.step(s, NotYet, append(seen(ended), Evidence{"but", "the key could mint more after that"})...)
	default:
		m.step(s, Done, seen(ended)...)
	}

	m.quarantineStep(u)

	s = Step{
		ID: "looked", Title: "Look what it did", Why: "A thief's first act is to make a second way in: users, keys, roles and policies that you did not make.", Page: eventsBy("AccessKeyId", m.Key),
		Commands: []string{"aws cloudtrail lookup-events --lookup-attributes AttributeKey=AccessKeyId,AttributeValue=" + quote(m.Key)},
	}
	// The event history is filtered by the key, or the report of what it did is read.
	looks := slices.Concat(m.events(Query{Attribute: "EventName", Value: "LookupEvents", Mentions: `"AccessKeyId" "` + m.Key + `"`, Enough: 20}),
		m.events(Query{Attribute: "ResourceName", Value: m.Key, Events: "ListKeyCalls", Enough: 20}))
	var looked *Event
	for i := range looks {
		if e := &looks[i]; e.Error == "" && e.Key != m.Key && off && (!known || !e.At.Before(stopped.At)) && (looked == nil || e.At.After(looked.At)) {
			looked = e
		}
	}
	if looked == nil {
		m.step(s, NotYet, Evidence{"looked up after the key stopped", "by nobody"})
	} else {
		m.step(s, Done, append([]Evidence{{"by", looked.User}}, seen(looked)...)...)
	}

	s = Step{
		ID: "replaced", Title: "Give what used it other credentials", Why: "A role would be better: it has no secret that can leak so.", Page: CredentialPage,
		Commands: []string{"lanyard advise credential", "aws iam create-access-key " + m.owner()},
	}
	next := m.successor()
	switch {
	case next != nil:
		m.step(s, Done, Evidence{"new key", next.ID}, Evidence{"created", moment(next.Created)})
	case u == nil:
		m.step(s, NotApplicable, Evidence{"user", "deleted"})
	case k != nil && (k.Used.IsZero() || m.Now.Sub(k.Used) > MaxIdle):
		m.step(s, NotApplicable, Evidence{"last used", moment(k.Used)})
	default:
		m.step(s, NotYet, Evidence{"another active key", "none"})
	}

	m.deleteStep(Step{ID: "deleted", Title: "Delete the key", Why: "Nobody shall make it work again by mistake.", Page: KeyPage(m.Key)})
}

// quarantineStep: the user has, or had since the key stopped, a quarantine policy.
func (m *marking) quarantineStep(u *User) {
	s := Step{
		ID: "quarantine", Title: "Put its user into quarantine", Why: "While you look, the user's other credentials cannot make new ways in or spend money.", Page: ExposedKeyPage(m.Key),
		Commands: []string{fmt.Sprintf("aws iam attach-user-policy %s --policy-arn arn:%s:iam::aws:policy/%sV3", m.owner(), m.Partition, quarantine)},
	}
	if u == nil {
		m.step(s, NotApplicable, Evidence{"user", "deleted"})
		return
	}
	for _, arn := range u.Attached {
		if strings.Contains(arn, ":policy/"+quarantine) {
			m.step(s, Done, Evidence{"policy", arn})
			return
		}
	}
	stopped, known := m.stopped()
	for _, e := range m.events(Query{Attribute: "ResourceName", Value: u.Name, Events: "AttachUserPolicy", Mentions: quarantine, Enough: 20}) {
		if e.Error == "" && text(e.Request, "userName") == u.Name && (!known || stopped.At.Sub(e.At) < quiet) {
			m.step(s, Done, append([]Evidence{{"policy", "attached, and taken away again"}}, seen(&e)...)...)
			return
		}
	}
	m.step(s, NotYet, Evidence{"policy", "none"})
}
