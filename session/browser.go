package session

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// How long a browser stays signed in: in all (as AWS's console), and unused.
const (
	BrowserLifetime = 12 * time.Hour
	BrowserIdle     = time.Hour
)

// MaxBrowsers bounds the sessions of one person; the oldest ends for a new one. Of a role it
// is those of one bearer: whoever may assume it chooses the name under which they are kept,
// and must not end what others have under the same. Therefore no more than maxOfName are
// kept of all who share a name, and then a new one is refused. Sessions that are not used end soon.
const (
	MaxBrowsers = 20
	maxOfName   = 50 * MaxBrowsers
)

// ErrTooManyBrowsers is returned where too many are signed in under the name of a role's session.
var ErrTooManyBrowsers = errors.New("too many browsers are signed in under this name")

// seenEvery is how exactly the last use of a browser session is kept: a record is written
// no more often than this.
const seenEvery = time.Minute

// ErrNotSignedIn is the only error of OpenBrowser that is about the cookie: it does not
// tell a forged one from one whose session has ended, whyever.
var ErrNotSignedIn = errors.New("not signed in")

// Browser is a browser session that was found good.
type Browser struct {
	identity.BrowserSession
	// Session is who is signed in, as the API knows them.
	Session *Session
	// Role is the session of the role that they have switched to. It is nil while they are
	// themselves, and when that session has ended although Switched is set.
	Role *Session
	// digest, with the person's id, is the record's key.
	digest string
}

// ID names the session towards its owner, in lists; it opens nothing.
func (b *Browser) ID() string { return b.digest[:16] }

// Acting is the session as which the console calls the API: that of the role, if the person
// has switched to one, else their own.
func (b *Browser) Acting() *Session {
	if b.Role != nil {
		return b.Role
	}
	return b.Session
}

// Self is the same browser session with the person as themselves.
func (b *Browser) Self() *Browser {
	self := *b
	self.Role = nil
	return &self
}

// Credentials are what the console calls the API with. They never leave the server.
func (b *Browser) Credentials(c *Codec) Credentials {
	if b.Role != nil {
		return Credentials{AccessKeyID: b.Role.AccessKeyID, SecretAccessKey: c.Secret(b.Role), SessionToken: b.Switched.Token, Expires: b.Role.Expires}
	}
	return Credentials{AccessKeyID: b.AccessKeyID, SecretAccessKey: c.Secret(b.Session), SessionToken: b.Token, Expires: b.Expires}
}

// Ends is when the session ends if it is not used any more.
func (b *Browser) Ends() time.Time { return earlier(b.Expires, b.LastSeen.Add(BrowserIdle)) }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// The cookie of a browser session is "PERSON.SECRET": the id of the person, by which their
// sessions are found together, and 256 bits of chance.
const cookieSecret = 32 // bytes

// NewBrowser makes a browser session, and the temporary credentials in it, of which s says
// who they are for; it sets what s and b have in common. Of a session that was made of another
// one, s has its issue time, so that whatever ends older sessions ends it, too. It returns the value of the cookie,
// which is kept nowhere else. A new session is made at every sign-in and whenever a person
// has shown another factor: a cookie that somebody planted before is worth nothing.
func (c *Codec) NewBrowser(tx store.Tx, s *Session, b *identity.BrowserSession, now time.Time, rand io.Reader) (cookie string, err error) {
	now = now.UTC().Truncate(time.Second)
	if s.Expires.IsZero() {
		s.Expires = now.Add(BrowserLifetime)
	}
	s.Console = true
	if s.Issued.IsZero() {
		s.Issued = now
	}
	credentials, err := c.Mint(s, rand)
	if err != nil {
		return "", err
	}
	b.Account, b.PersonID, b.Stamp = s.Account, s.Person(), ""
	if s.Kind == User || s.Kind == Root {
		if b.Stamp, err = Stamp(tx, b.PersonID); err != nil {
			return "", err
		}
	}
	b.AccessKeyID, b.Token = credentials.AccessKeyID, credentials.SessionToken
	if b.Created.IsZero() {
		b.Created = now
	}
	b.LastSeen, b.Expires = now, s.Expires
	secret := make([]byte, cookieSecret)
	if _, err := io.ReadFull(rand, secret); err != nil {
		return "", fmt.Errorf("draw the secret of a browser session: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(secret)
	if err := c.makeRoom(tx, s, now); err != nil {
		return "", err
	}
	return b.PersonID + "." + text, identity.BrowserSessions.Put(tx, b, b.PersonID, identity.Digest(text))
}

// makeRoom removes the sessions of a person that have ended, and the oldest ones of the same
// bearer above the bound.
func (c *Codec) makeRoom(tx store.Tx, s *Session, now time.Time) error {
	person := s.Person()
	all, err := browsers(tx, person)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b *Browser) int { return b.LastSeen.Compare(a.LastSeen) })
	kept, own := 0, 0
	for _, b := range all {
		of, err := c.Open(b.AccessKeyID, b.Token)
		ended := err != nil || !now.Before(b.Ends()) // or the key under it is retired
		if !ended && s.SameBearer(of) {
			own++
			ended = own >= MaxBrowsers
		}
		if ended {
			identity.BrowserSessions.Delete(tx, person, b.digest)
			continue
		}
		kept++
	}
	if kept >= maxOfName {
		return ErrTooManyBrowsers
	}
	return nil
}

// OpenBrowser finds the session of a cookie and judges it: it has not run out, in all or
// unused; its person is still there, with the same password and MFA devices; and it was not
// revoked. A session that is not good is [ErrNotSignedIn].
func (c *Codec) OpenBrowser(r store.Reader, cookie string, now time.Time) (*Browser, error) {
	dot := strings.LastIndexByte(cookie, '.') // the name of a role session may have dots
	if dot < 0 {
		return nil, ErrNotSignedIn
	}
	person, secret := cookie[:dot], cookie[dot+1:]
	if len(cookie) > 200 || len(secret) != base64.RawURLEncoding.EncodedLen(cookieSecret) || person == "" || strings.ContainsRune(person, 0) {
		return nil, ErrNotSignedIn
	}
	digest := identity.Digest(secret)
	record, err := identity.BrowserSessions.Get(r, person, digest)
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNotSignedIn
	}
	if err != nil {
		return nil, err
	}
	b := &Browser{BrowserSession: *record, digest: digest}
	if err := c.judge(r, b, now); err != nil {
		return nil, err
	}
	return b, nil
}

// Reopen finds a session that was found good in another snapshot, as it is in this one.
func (c *Codec) Reopen(r store.Reader, b *Browser, now time.Time) (*Browser, error) {
	record, err := identity.BrowserSessions.Get(r, b.PersonID, b.digest)
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNotSignedIn
	}
	if err != nil {
		return nil, err
	}
	again := &Browser{BrowserSession: *record, digest: b.digest}
	return again, c.judge(r, again, now)
}

// StillActing tells, in a snapshot, whether b is good and its person works as the role as
// which they did when b was found, maybe in another session of it. The role's session alone
// does not know in which browser it is used.
func (c *Codec) StillActing(r store.Reader, b *Browser, now time.Time) error {
	present, err := c.Reopen(r, b, now)
	if err != nil {
		return err
	}
	if was, is := b.Acting(), present.Acting(); is.PrincipalID != was.PrincipalID || is.Name != was.Name {
		return ErrNotSignedIn
	}
	return nil
}

// judge finds the Session of a browser session and says whether it is still good.
func (c *Codec) judge(r store.Reader, b *Browser, now time.Time) error {
	if !now.Before(b.Ends()) {
		return ErrNotSignedIn
	}
	stamp, err := Stamp(r, b.PersonID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if b.Stamp != "" && !identity.SameDigest(b.Stamp, stamp) {
		return ErrNotSignedIn
	}
	if b.Session, err = c.Open(b.AccessKeyID, b.Token); err != nil {
		return ErrNotSignedIn // the key under it is retired
	}
	revoked, err := Revoked(r, b.Session)
	if err != nil {
		return err
	}
	if revoked {
		return ErrNotSignedIn
	}
	b.Role, err = c.roleOf(r, b, now)
	return err
}

// roleOf finds the session of the role that a person has switched to, nil if it has ended.
func (c *Codec) roleOf(r store.Reader, b *Browser, now time.Time) (*Session, error) {
	to := b.Switched
	if to == nil || !now.Before(to.Until) {
		return nil, nil
	}
	s, err := c.Open(to.AccessKeyID, to.Token)
	if err != nil || !now.Before(s.Expires) {
		return nil, nil // the key under it is retired, or it has run out
	}
	if revoked, err := Revoked(r, s); revoked || err != nil {
		return nil, err
	}
	return s, nil
}

// errNotAsked is the error of Switch for a session that was not made for this browser.
var errNotAsked = errors.New("the role's session was not asked for in this browser session")

// Switch makes the person work as a role. Its session must be one that was asked for with the
// credentials of this browser session: no other can be brought in here.
func (c *Codec) Switch(tx store.Tx, b *Browser, to *identity.SwitchedRole) (*Session, error) {
	s, err := c.Open(to.AccessKeyID, to.Token)
	if err != nil {
		return nil, err
	}
	if s.Kind != Role || s.Issuer != b.AccessKeyID {
		return nil, errNotAsked
	}
	return s, identity.BrowserSessions.Edit(tx, func(record *identity.BrowserSession) error {
		record.Switched = to
		return nil
	}, b.PersonID, b.digest)
}

// SwitchBack makes the person themselves again.
func (b *Browser) SwitchBack(tx store.Tx) error {
	return identity.BrowserSessions.Edit(tx, func(record *identity.BrowserSession) error {
		record.Switched = nil
		return nil
	}, b.PersonID, b.digest)
}

// Stamp is the SignInStamp of a person: a user by unique id, root by account id. Who cannot
// sign in by themselves, and who is gone, is store.ErrNotFound.
func Stamp(r store.Reader, person string) (string, error) {
	u, err := identity.UserByID(r, person)
	if err == nil {
		return u.SignInStamp(), nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	account, err := identity.Accounts.Get(r, person)
	if err != nil {
		return "", err
	}
	return account.RootStamp(), nil
}

// Seen notes that a browser session is used. It reports whether there is something to
// write: without a transaction (nil) it only asks.
func (b *Browser) Seen(tx store.Tx, now time.Time) (bool, error) {
	now = now.UTC().Truncate(time.Second)
	if now.Sub(b.LastSeen) < seenEvery {
		return false, nil
	}
	if tx == nil {
		return true, nil
	}
	err := identity.BrowserSessions.Edit(tx, func(s *identity.BrowserSession) error {
		s.LastSeen = now
		return nil
	}, b.PersonID, b.digest)
	if errors.Is(err, store.ErrNotFound) {
		return false, ErrNotSignedIn
	}
	return true, err
}

// Keep makes the session survive a change of its own person's password or MFA devices, made
// in it and in the same transaction, which ends all their other sessions.
func (b *Browser) Keep(tx store.Tx) error {
	stamp, err := Stamp(tx, b.PersonID)
	if err != nil {
		return err
	}
	return identity.BrowserSessions.Edit(tx, func(s *identity.BrowserSession) error {
		s.Stamp = stamp
		return nil
	}, b.PersonID, b.digest)
}

// KeepCaller is Keep for the session of a person whose credentials have that access key id,
// if it is one of theirs.
func KeepCaller(tx store.Tx, person, accessKeyID string) error {
	all, err := browsers(tx, person)
	if err != nil {
		return err
	}
	for _, b := range all {
		if b.AccessKeyID == accessKeyID {
			return b.Keep(tx)
		}
	}
	return nil
}

// End ends the session.
func (b *Browser) End(tx store.Tx) { identity.BrowserSessions.Delete(tx, b.PersonID, b.digest) }

// Browsers are the sessions of a person that are good now, the last used first.
func (c *Codec) Browsers(r store.Reader, person string, now time.Time) ([]*Browser, error) {
	all, err := browsers(r, person)
	if err != nil {
		return nil, err
	}
	good := all[:0]
	for _, b := range all {
		if err := c.judge(r, b, now); errors.Is(err, ErrNotSignedIn) {
			continue
		} else if err != nil {
			return nil, err
		}
		good = append(good, b)
	}
	slices.SortFunc(good, func(a, b *Browser) int { return b.LastSeen.Compare(a.LastSeen) })
	return good, nil
}

func browsers(r store.Reader, person string) ([]*Browser, error) {
	var all []*Browser
	err := identity.BrowserSessions.Scan(r, "", func(key store.Key, s *identity.BrowserSession) bool {
		all = append(all, &Browser{BrowserSession: *s, digest: identity.BrowserSessions.Cursor(key, person)})
		return true
	}, person)
	return all, err
}
