package authn

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// The cookie of known devices is a list of "PERSON.SECRET", the newest first: several
// people may share a browser.
const (
	deviceSeparator = "~"
	maxInBrowser    = 4
)

// deviceEntries are the entries of the cookie, without those of a person.
func deviceEntries(cookie, without string) (entries []string) {
	if len(cookie) > maxTyped {
		return nil
	}
	for entry := range strings.SplitSeq(cookie, deviceSeparator) {
		id, secret, ok := strings.Cut(entry, ".")
		if ok && id != "" && id != without && wellFormedSecret(secret) && len(entries) < maxInBrowser {
			entries = append(entries, entry)
		}
	}
	return entries
}

// deviceOf is the digest of the secret by which a browser claims to be a person's device.
func deviceOf(cookie, id string) string {
	for _, entry := range deviceEntries(cookie, "") {
		if secret, ok := strings.CutPrefix(entry, id+"."); ok {
			return identity.Digest(secret)
		}
	}
	return ""
}

// device is the known device that a browser is to a person, or nil.
func device(r store.Reader, v Visitor, p *identity.Person, now time.Time) (*identity.KnownDevice, string, error) {
	digest := deviceOf(v.Devices, p.ID())
	if digest == "" {
		return nil, "", nil
	}
	d, err := identity.KnownDevices.Get(r, p.ID(), digest)
	if errors.Is(err, store.ErrNotFound) {
		return nil, "", nil
	}
	if err != nil || !now.Before(d.Expires) || !identity.SameDigest(d.Stamp, p.Stamp()) {
		return nil, "", err
	}
	return d, digest, nil
}

// knownDevice is the digest of the known device for which an attempt is counted, or "".
func knownDevice(r store.Reader, v Visitor, p *identity.Person, now time.Time) (string, error) {
	_, digest, err := device(r, v, p, now)
	return digest, err
}

// remembered tells whether the browser stands for the second factor.
func (s *SignIns) remembered(r store.Reader, v Visitor, p *identity.Person, rules *identity.SignInRules, now time.Time) (bool, error) {
	if rules.RememberDays == 0 || p.Root() {
		return false, nil
	}
	d, _, err := device(r, v, p, now)
	// The rules may have become stricter since.
	return d != nil && now.Before(d.Remember) && now.Before(d.Created.AddDate(0, 0, rules.RememberDays)), err
}

// knowDevice makes the browser a known one of the person, with a new secret, and returns
// the cookie.
func (s *SignIns) knowDevice(tx store.Tx, v Visitor, p *identity.Person, g progress, now time.Time) (cookie string, err error) {
	d := &identity.KnownDevice{
		Created:   now,
		LastSeen:  now,
		Expires:   now.Add(deviceLifetime),
		Stamp:     p.Stamp(),
		Address:   v.from(),
		UserAgent: v.agent(),
	}
	old, digest, err := device(tx, v, p, now)
	if err != nil {
		return "", err
	}
	if old != nil && !g.second() { // what is remembered was remembered then
		d.Created, d.Remember = old.Created, old.Remember
	}
	if digest != "" {
		identity.KnownDevices.Delete(tx, p.ID(), digest)
		ForgetFailures(tx, PurposeDevice, digest)
	}
	if g.remember && g.second() {
		rules, err := signInRules(tx, p.Account.ID)
		if err != nil {
			return "", err
		}
		if rules.RememberDays > 0 && !p.Root() {
			d.Remember = now.AddDate(0, 0, rules.RememberDays)
		}
	}
	if err := makeRoomForDevice(tx, p.ID(), now); err != nil {
		return "", err
	}
	secret, err := drawSecret(s.Rand)
	if err != nil {
		return "", err
	}
	if err := identity.KnownDevices.Put(tx, d, p.ID(), identity.Digest(secret)); err != nil {
		return "", err
	}
	entries := append([]string{p.ID() + "." + secret}, deviceEntries(v.Devices, p.ID())...)
	return strings.Join(entries[:min(len(entries), maxInBrowser)], deviceSeparator), nil
}

// makeRoomForDevice removes known devices of a person that have expired, and the longest
// unused ones above the bound.
func makeRoomForDevice(tx store.Tx, id string, now time.Time) error {
	type entry struct {
		key  store.Key
		seen time.Time
		over bool
	}
	var all []entry
	err := identity.KnownDevices.Scan(tx, "", func(key store.Key, d *identity.KnownDevice) bool {
		all = append(all, entry{key, d.LastSeen, !now.Before(d.Expires)})
		return true
	}, id)
	slices.SortFunc(all, func(a, b entry) int { return b.seen.Compare(a.seen) })
	for i, e := range all {
		if e.over || i >= maxDevices-1 {
			tx.Delete(e.key)
			ForgetFailures(tx, PurposeDevice, e.key.Last())
		}
	}
	return err
}

// ForgetDevices makes no browser a known one of a person any more.
func ForgetDevices(tx store.Tx, id string) error {
	return identity.KnownDevices.Scan(tx, "", func(key store.Key, _ *identity.KnownDevice) bool {
		tx.Delete(key)
		ForgetFailures(tx, PurposeDevice, key.Last())
		return true
	}, id)
}

func (v Visitor) from() string {
	if !v.Address.IsValid() {
		return ""
	}
	return v.Address.Unmap().WithZone("").String()
}

// agent is the browser's name for itself, bounded.
func (v Visitor) agent() string {
	const most = 512
	if len(v.UserAgent) > most {
		return strings.ToValidUTF8(v.UserAgent[:most], "")
	}
	return strings.ToValidUTF8(v.UserAgent, "")
}
