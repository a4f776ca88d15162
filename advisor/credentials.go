package advisor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// rootWithoutMFA: root has no MFA device.
func rootWithoutMFA(r *review, rule *Rule) {
	if r.Root.MFA {
		return
	}
	fix := append([]string{`eval "$(lanyard env --root)"`}, r.enableMFA("root", "root-account-mfa-device", ` && eval "$(lanyard env)"`)...)
	r.add(rule, r.Root.ARN, nil, fix, Evidence{"mfa", "none"})
}

// enableMFA gives a person a device. The seed is shown once and removed when it works.
// What asks is the last line, so that it does not read what is pasted behind it.
func (r *review) enableMFA(user, device, then string) []string {
	serial := fmt.Sprintf("arn:%s:iam::%s:mfa/%s", r.Partition, r.Account, device)
	file := quote(device + ".seed")
	return []string{
		fmt.Sprintf("(umask 077 && aws iam create-virtual-mfa-device --virtual-mfa-device-name %s --bootstrap-method Base32StringSeed --outfile %s)", quote(device), file),
		"cat " + file,
		fmt.Sprintf(`printf '\nType this into the authenticator app. Two codes in a row: '; read -r CODE1 CODE2 && aws iam enable-mfa-device --user-name %s --serial-number %s --authentication-code1 "$CODE1" --authentication-code2 "$CODE2" && rm %s%s`,
			quote(user), quote(serial), file, then),
	}
}

// setsUpMFA are the calls of root that are no use of root: only root can make them for
// itself.
var setsUpMFA = []string{"CreateVirtualMFADevice", "EnableMFADevice", "ResyncMFADevice", "CheckMfa"}

// rootUsed: root was used within RecentRoot, for other things than its own MFA.
func rootUsed(r *review, rule *Rule) {
	var last time.Time
	var events []string
	n := 0
	for _, u := range r.Root.Uses {
		if r.Now.Sub(u.At) > RecentRoot || slices.Contains(setsUpMFA, u.Event) {
			continue
		}
		n++
		if u.At.After(last) {
			last = u.At
		}
		if !slices.Contains(events, u.Event) && len(events) < 5 {
			events = append(events, u.Event)
		}
	}
	if n == 0 {
		return
	}
	r.add(rule, r.Root.ARN, nil, []string{
		"aws cloudtrail lookup-events --lookup-attributes AttributeKey=Username,AttributeValue=root",
	}, Evidence{"last used", moment(last)}, Evidence{"calls", fmt.Sprint(n)}, Evidence{"events", strings.Join(events, ", ")},
		Evidence{"ends by itself", moment(last.Add(RecentRoot))})
}

// rootKey: root has an access key. Here none can be made; what else speaks this protocol
// makes them.
func rootKey(r *review, rule *Rule) {
	if len(r.Root.Keys) == 0 {
		return
	}
	var evidence []Evidence
	for _, k := range r.Root.Keys {
		evidence = append(evidence, Evidence{"created", moment(k.Created)}, Evidence{"last used", moment(k.Used)}, Evidence{"active", fmt.Sprint(k.Active)})
	}
	r.add(rule, r.Root.ARN, nil, deleteRootKeys(), evidence...)
}

func deleteRootKeys() []string {
	return []string{
		`eval "$(lanyard env --root)"`,
		`for ID in $(aws iam list-access-keys --query 'AccessKeyMetadata[].AccessKeyId' --output text); do aws iam delete-access-key --access-key-id "$ID"; done`,
		`eval "$(lanyard env)"`,
	}
}

// passwordWithoutMFA: of a user who is no administrator, which is a finding of its own.
func passwordWithoutMFA(r *review, rule *Rule) {
	for i := range r.Users {
		u := &r.Users[i]
		if u.Password == nil || u.MFA || r.administrator(u) {
			continue
		}
		r.add(rule, u.ARN, nil, r.enableMFA(u.Name, u.Name, ""),
			Evidence{"mfa", "none"}, Evidence{"password last changed", moment(u.Password.Changed)}, Evidence{"password last used", moment(u.Password.Used)})
	}
}

// administratorWithoutMFA: may do everything with what they have at hand, a password or
// an active key, and has no device.
func administratorWithoutMFA(r *review, rule *Rule) {
	for i := range r.Users {
		u := &r.Users[i]
		if u.MFA || !r.administrator(u) {
			continue
		}
		var ways []string
		if u.Password != nil {
			ways = append(ways, "password")
		}
		if n := u.activeKeys(); n > 0 {
			ways = append(ways, counted(n, "active access key"))
		}
		r.add(rule, u.ARN, nil, r.enableMFA(u.Name, u.Name, ""),
			Evidence{"mfa", "none"}, Evidence{"may", "create users, keys and policies, and change trust, anywhere in the account"}, Evidence{"signs in with", strings.Join(ways, ", ")})
	}
}

func (u *User) activeKeys() int {
	n := 0
	for _, k := range u.Keys {
		if k.Active {
			n++
		}
	}
	return n
}

// passwordUnused: nobody signed in with it for MaxIdle. One for emergencies is to lie
// there; the access plan says to try it.
func passwordUnused(r *review, rule *Rule) {
	for i := range r.Users {
		u := &r.Users[i]
		if u.Password == nil || breakGlass(u) {
			continue
		}
		since, ok := idle(r.Now, u.Password.Changed, u.Password.Used)
		if !ok {
			continue
		}
		r.add(rule, u.ARN, nil, []string{"aws iam delete-login-profile --user-name " + quote(u.Name)},
			Evidence{"password last changed", moment(u.Password.Changed)}, Evidence{"password last used", moment(u.Password.Used)}, Evidence{"unused for", days(r.Now.Sub(since))})
	}
}

// eachKey calls f for every key of every user.
func (r *review) eachKey(f func(*User, *Key)) {
	for i := range r.Users {
		u := &r.Users[i]
		for j := range u.Keys {
			f(u, &u.Keys[j])
		}
	}
}

func unused(now time.Time, k *Key) bool {
	_, ok := idle(now, k.Created, k.Used)
	return ok && k.Active
}

// replace makes another key for what uses this one, and ends this one. At the quota of
// two, the other key is there already.
func replace(u *User, k *Key) []string {
	var fix []string
	if len(u.Keys) < 2 {
		fix = []string{"aws iam create-access-key --user-name " + quote(u.Name)}
	}
	return append(fix, retire(u, k))
}

// retire ends a key once nothing uses it any more.
func retire(u *User, k *Key) string {
	return fmt.Sprintf("printf %s; read -r GO && aws iam update-access-key --user-name %s --access-key-id %s --status Inactive && %s",
		quote("Enter, when nothing uses "+k.ID+" any more: "), quote(u.Name), quote(k.ID), remove(u, k))
}

func remove(u *User, k *Key) string {
	return fmt.Sprintf("aws iam delete-access-key --user-name %s --access-key-id %s", quote(u.Name), quote(k.ID))
}

// keyTooOld: active, in use and older than MaxKeyAge.
func keyTooOld(r *review, rule *Rule) {
	r.eachKey(func(u *User, k *Key) {
		age := r.Now.Sub(k.Created)
		if !k.Active || age < MaxKeyAge || unused(r.Now, k) {
			return
		}
		r.add(rule, u.ARN, k, replace(u, k), Evidence{"created", moment(k.Created)}, Evidence{"age", days(age)}, Evidence{"last used", moment(k.Used)})
	})
}

// keyUnused: active, and not used since it was made, or for MaxIdle.
func keyUnused(r *review, rule *Rule) {
	r.eachKey(func(u *User, k *Key) {
		if !unused(r.Now, k) {
			return
		}
		since, _ := idle(r.Now, k.Created, k.Used)
		r.add(rule, u.ARN, k, []string{remove(u, k)},
			Evidence{"created", moment(k.Created)}, Evidence{"last used", moment(k.Used)}, Evidence{"unused for", days(r.Now.Sub(since))})
	})
}

// twoKeys: both active, and neither unused, which would be the reason to take that one.
func twoKeys(r *review, rule *Rule) {
	for i := range r.Users {
		u := &r.Users[i]
		if u.activeKeys() < 2 || slices.ContainsFunc(u.Keys, func(k Key) bool { return unused(r.Now, &k) }) {
			continue
		}
		// All but the one that was used last are to go.
		var active []*Key
		for j := range u.Keys {
			if u.Keys[j].Active {
				active = append(active, &u.Keys[j])
			}
		}
		slices.SortStableFunc(active, func(a, b *Key) int { return b.Used.Compare(a.Used) })
		var fix []string
		evidence := []Evidence{{"stays", active[0].ID + ", last used " + moment(active[0].Used)}}
		for _, k := range active[1:] {
			fix = append(fix, retire(u, k))
			evidence = append(evidence, Evidence{"goes", k.ID + ", last used " + moment(k.Used)})
		}
		r.add(rule, u.ARN, nil, fix, evidence...)
	}
}

// keyInactive: it is still there.
func keyInactive(r *review, rule *Rule) {
	r.eachKey(func(u *User, k *Key) {
		if !k.Active {
			r.add(rule, u.ARN, k, []string{remove(u, k)}, Evidence{"created", moment(k.Created)}, Evidence{"last used", moment(k.Used)})
		}
	})
}

// keyShared: calls from two networks, in turn, at the same time.
func keyShared(r *review, rule *Rule) {
	r.eachKey(func(u *User, k *Key) {
		if !k.Active || k.ID == "" {
			return
		}
		a, b, ok := sharing(r.Calls[k.ID])
		if !ok {
			return
		}
		r.add(rule, u.ARN, k, replace(u, k), Evidence{"one", a.String()}, Evidence{"other", b.String()}, Evidence{"last used", moment(k.Used)})
	})
}

// pause is how long somebody at work makes no call.
const pause = 10 * time.Minute

// stay is calls from one network without a pause between them.
type stay struct {
	network, address, agent string
	v6                      bool
	from, to                time.Time
	calls                   int
}

func (s *stay) lasted() bool { return s.from.Before(s.to) }

func (s *stay) String() string {
	return fmt.Sprintf("%s from %s to %s, %d calls, %s", s.address, moment(s.from), moment(s.to), s.calls, s.agent)
}

// sharing looks for two stays that cannot be one person's: each lasted, and each began
// before the other ended. Networks are /24 and /64, since people have several addresses in one. One of
// IPv4 and one of IPv6 may be the two of one machine, unless its user agents differ.
func sharing(calls []Call) (a, b stay, found bool) {
	calls = slices.Clone(calls)
	slices.SortStableFunc(calls, func(x, y Call) int { return x.At.Compare(y.At) })
	present := map[string]*stay{}
	for _, c := range calls {
		network, v6, ok := networkOf(c.Address)
		if !ok {
			continue // a service
		}
		s := present[network]
		if s == nil || c.At.Sub(s.to) > pause {
			s = &stay{network: network, v6: v6, address: c.Address, agent: c.Agent, from: c.At}
			present[network] = s
		}
		s.to = c.At
		s.calls++
		for _, o := range present {
			if o.network == network || !o.lasted() || !s.lasted() || !o.from.Before(s.to) || !s.from.Before(o.to) {
				continue
			}
			if o.v6 != v6 && o.agent == s.agent {
				continue
			}
			if a, b = *o, *s; b.from.Before(a.from) || b.from.Equal(a.from) && b.address < a.address {
				a, b = b, a
			}
			return a, b, true
		}
	}
	return a, b, false
}

// networkOf is the network of an address. ok is false for what is none, such as the
// name of a service.
func networkOf(address string) (network string, v6, ok bool) {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return "", false, false
	}
	ip = ip.Unmap().WithZone("")
	bits := 24
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	return p.String(), ip.Is6(), err == nil
}
