package session

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
)

// Version 1 of the encoding of a session is
//
//	kind (1) flags (1) id (16) account (5) issued (varint, Unix seconds)
//	lifetime (varint, seconds) [MFA time (varint, seconds after issued)]
//	principal id, name, source identity, issuer, policy (strings)
//	policy ARNs (list of strings) tags (list of: flags (1), key, value)
//
// where a string is its length as uvarint and its bytes, a list its length as
// uvarint and its members, and the MFA time is there if flagMFA is set.
//
// Version 2 has the origin (string) behind the issuer, if flagOrigin is set. Where it is
// not, the origin follows from the issuer: it is that long-term key, or none. Version 3
// knows console sessions (flagConsole), and behind the origin has the sign-in session
// (string), if flagSignIn is set. Version 4 ends with the bearer (16), if flagBearer is set;
// where it is not, the session is its own. Tokens of all versions can be opened for ever: a
// change to this is another version.

// PackedBudget is how many bytes the session policy, the ARNs of managed session
// policies and the session tags may take in a token. AWS keeps its own measure
// secret (STS API, PackedPolicySize). Ours is the encoding, so it is the same for
// the same session, and a policy of 130 characters takes 4 percent, as recorded
// from AWS.
const PackedBudget = 4096

// PackedPercent is the size of a session's policies and tags in percent of
// PackedBudget, rounded up. Above 100 the session is refused.
func (s *Session) PackedPercent() int {
	return (s.packedSize()*100 + PackedBudget - 1) / PackedBudget
}

func (s *Session) packedSize() int {
	n := len(s.Policy)
	for _, a := range s.PolicyARNs {
		n += stringSize(a)
	}
	for _, t := range s.Tags {
		n += 1 + stringSize(t.Key) + stringSize(t.Value)
	}
	return n
}

func stringSize(s string) int {
	n := 1
	for l := len(s) >> 7; l > 0; l >>= 7 {
		n++
	}
	return n + len(s)
}

// Flags of a session and of a tag.
const (
	flagMFAKnown = 1 << iota
	flagMFA
	flagChained
	flagIssuerRoot
	flagOrigin  // since version 2
	flagConsole // since version 3
	flagSignIn  // since version 3
	flagBearer  // since version 4; it was the last bit

	tagTransitive = 1
)

const accountSize = 5 // bytes that hold any number of twelve digits

// sizeBound is at least the length of what append adds.
func (s *Session) sizeBound() int {
	return 2 + len(s.ID) + len(s.Bearer) + accountSize + 12*binary.MaxVarintLen64 +
		len(s.PrincipalID) + len(s.Name) + len(s.SourceIdentity) + len(s.Issuer) + len(s.Origin) + len(s.SignIn) + s.packedSize()
}

func (s *Session) append(b []byte) ([]byte, error) {
	account, err := strconv.ParseUint(string(s.Account), 10, 8*accountSize)
	if err != nil || len(s.Account) != 12 {
		return nil, fmt.Errorf("session in account %q", s.Account)
	}
	var flags byte
	set := func(flag byte, on bool) {
		if on {
			flags |= flag
		}
	}
	set(flagMFAKnown, s.MFAKnown)
	set(flagMFA, s.MFA)
	set(flagChained, s.Chained)
	set(flagIssuerRoot, s.IssuerRoot)
	set(flagOrigin, s.Origin != originOf(s.Issuer))
	set(flagConsole, s.Console)
	set(flagSignIn, s.SignIn != "")
	set(flagBearer, s.Bearer != s.ID)
	b = append(b, byte(s.Kind), flags)
	b = append(b, s.ID[:]...)
	b = append(b, byte(account>>32), byte(account>>24), byte(account>>16), byte(account>>8), byte(account))
	issued := s.Issued.Unix()
	b = binary.AppendVarint(b, issued)
	b = binary.AppendVarint(b, s.Expires.Unix()-issued)
	if s.MFA {
		b = binary.AppendVarint(b, s.MFATime.Unix()-issued)
	}
	for _, text := range [...]string{s.PrincipalID, s.Name, s.SourceIdentity, s.Issuer} {
		b = appendString(b, text)
	}
	if flags&flagOrigin != 0 {
		b = appendString(b, s.Origin)
	}
	if s.SignIn != "" {
		b = appendString(b, s.SignIn)
	}
	b = appendString(b, s.Policy)
	b = binary.AppendUvarint(b, uint64(len(s.PolicyARNs)))
	for _, a := range s.PolicyARNs {
		b = appendString(b, a)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Tags)))
	transitive := 0
	for _, t := range s.Tags {
		var flags byte
		if slices.Contains(s.TransitiveTags, t.Key) {
			flags = tagTransitive
			transitive++
		}
		b = append(b, flags)
		b = appendString(b, t.Key)
		b = appendString(b, t.Value)
	}
	if transitive != len(s.TransitiveTags) {
		return nil, fmt.Errorf("session with %d transitive tag keys has %d such tags", len(s.TransitiveTags), transitive)
	}
	if flags&flagBearer != 0 {
		b = append(b, s.Bearer[:]...)
	}
	return b, nil
}

// originOf is the origin of a session that says no more than who asked for it.
func originOf(issuer string) string {
	if strings.HasPrefix(issuer, arn.PrefixAccessKey) {
		return issuer
	}
	return ""
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// parse reads a session of a version up to version4. The strings of the session share
// text.
func parse(version byte, text string) (s *Session, ok bool) {
	known := byte(0xff)
	if version < version2 {
		known &^= flagOrigin
	}
	if version < version3 {
		known &^= flagConsole | flagSignIn
	}
	if version < version4 {
		known &^= flagBearer
	}
	d := decoder{rest: text}
	s = new(Session)
	s.Kind = Kind(d.byte())
	flags := d.byte()
	copy(s.ID[:], d.take(len(s.ID)))
	s.Account = d.account()
	s.Issued = d.time(0)
	s.Expires = d.time(s.Issued.Unix())
	s.MFAKnown = flags&flagMFAKnown != 0
	s.MFA = flags&flagMFA != 0
	s.Chained = flags&flagChained != 0
	s.IssuerRoot = flags&flagIssuerRoot != 0
	s.Console = flags&flagConsole != 0
	if s.MFA {
		s.MFATime = d.time(s.Issued.Unix())
	}
	s.PrincipalID = d.string()
	s.Name = d.string()
	s.SourceIdentity = d.string()
	s.Issuer = d.string()
	s.Origin = originOf(s.Issuer)
	if flags&flagOrigin != 0 {
		s.Origin = d.string()
	}
	if flags&flagSignIn != 0 {
		s.SignIn = d.string()
	}
	s.Policy = d.string()
	if n := d.count(1); n > 0 {
		s.PolicyARNs = make([]string, n)
		for i := range s.PolicyARNs {
			s.PolicyARNs[i] = d.string()
		}
	}
	if n := d.count(3); n > 0 {
		s.Tags = make([]identity.Tag, n)
		for i := range s.Tags {
			transitive := d.byte()
			s.Tags[i] = identity.Tag{Key: d.string(), Value: d.string()}
			if transitive&tagTransitive != 0 {
				s.TransitiveTags = append(s.TransitiveTags, s.Tags[i].Key)
			}
			d.bad = d.bad || transitive&^tagTransitive != 0
		}
	}
	s.TransitiveTags = slices.Clip(s.TransitiveTags)
	s.Bearer = s.ID
	if flags&flagBearer != 0 {
		copy(s.Bearer[:], d.take(len(s.Bearer)))
	}
	if d.bad || d.rest != "" || flags&^known != 0 {
		return nil, false
	}
	return s, true
}

// decoder reads from rest. Once something is missing it is bad and yields zeros.
type decoder struct {
	rest string
	bad  bool
}

func (d *decoder) take(n int) string {
	if n > len(d.rest) {
		d.bad, d.rest = true, ""
		return ""
	}
	taken := d.rest[:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *decoder) byte() byte {
	if t := d.take(1); t != "" {
		return t[0]
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	var n uint64
	for shift := 0; shift < 64; shift += 7 {
		b := d.byte()
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	d.bad = true
	return 0
}

func (d *decoder) string() string {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.bad = true
		return ""
	}
	return d.take(int(n))
}

// count is the length of a list whose members take at least size bytes each.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.rest)/size) {
		d.bad = true
		return 0
	}
	return int(n)
}

// time is a moment in seconds after a base, as a zig-zag varint.
func (d *decoder) time(base int64) time.Time {
	u := d.uvarint()
	return time.Unix(base+(int64(u>>1)^-int64(u&1)), 0).UTC()
}

func (d *decoder) account() arn.AccountID {
	b := d.take(accountSize)
	if len(b) < accountSize {
		return ""
	}
	n := uint64(b[0])<<32 | uint64(b[1])<<24 | uint64(b[2])<<16 | uint64(b[3])<<8 | uint64(b[4])
	var digits [12]byte
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	d.bad = d.bad || n != 0
	return arn.AccountID(digits[:])
}
