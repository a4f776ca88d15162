package policy

import (
	"cmp"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// decimal is an exact number: the digits before the point without leading
// zeros and those after it without trailing ones, as substrings of the policy
// or of the request's value. Any number of digits compares without rounding.
type decimal struct {
	negative bool
	whole    string
	fraction string
}

// parseDecimal reads digits with an optional sign and fraction. Exponents,
// hexadecimal, NaN and the like are not numbers to IAM.
func parseDecimal(s string) (decimal, bool) {
	var d decimal
	if s != "" && (s[0] == '-' || s[0] == '+') {
		d.negative = s[0] == '-'
		s = s[1:]
	}
	whole, fraction, point := strings.Cut(s, ".")
	if whole == "" && fraction == "" || point && fraction == "" || !allDigits(whole) || !allDigits(fraction) {
		return decimal{}, false
	}
	d.whole, d.fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if d.whole == "" && d.fraction == "" {
		d.negative = false
	}
	return d, true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func (a decimal) compare(b decimal) int {
	if a.negative != b.negative {
		if a.negative {
			return -1
		}
		return 1
	}
	// Trimmed as they are, equal lengths before the point make text order
	// numeric order, and after the point text order always is.
	order := cmp.Or(
		cmp.Compare(len(a.whole), len(b.whole)),
		strings.Compare(a.whole, b.whole),
		strings.Compare(a.fraction, b.fraction),
	)
	if a.negative {
		return -order
	}
	return order
}

// parseInstant reads the date forms of condition operators: the W3C profile of
// ISO 8601 and whole seconds since 1970 (four digits alone are a year). A time
// without a zone is UTC. Leap seconds are refused.
func parseInstant(s string) (time.Time, bool) {
	digits := strings.TrimPrefix(s, "-")
	if len(s) != len("2006") && digits != "" && allDigits(digits) {
		seconds, err := strconv.ParseInt(s, 10, 64)
		return time.Unix(seconds, 0).UTC(), err == nil
	}
	p := dateParser{rest: s}
	year, month, day := p.number(4, 0, 9999), 1, 1
	hour, minute, second, nanosecond, offset := 0, 0, 0, 0, 0
	if p.skip('-') {
		month = p.number(2, 1, 12)
		if p.skip('-') {
			day = p.number(2, 1, 31)
			if p.skip('T') || p.skip('t') {
				hour = p.number(2, 0, 23)
				p.want(':')
				minute = p.number(2, 0, 59)
				if p.skip(':') {
					second = p.number(2, 0, 59)
					if p.skip('.') {
						nanosecond = p.nanoseconds()
					}
				}
				offset = p.zone()
			}
		}
	}
	if p.bad || p.rest != "" {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanosecond, time.UTC)
	if t.Day() != day { // 31 February
		return time.Time{}, false
	}
	return t.Add(-time.Duration(offset) * time.Minute), true
}

// dateParser takes a date apart from the left; bad is set at the first fault.
type dateParser struct {
	rest string
	bad  bool
}

func (p *dateParser) skip(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *dateParser) want(c byte) {
	p.bad = !p.skip(c) || p.bad
}

func (p *dateParser) number(width, low, high int) int {
	if len(p.rest) < width || !allDigits(p.rest[:width]) {
		p.bad = true
		return low
	}
	n, _ := strconv.Atoi(p.rest[:width])
	p.rest = p.rest[width:]
	p.bad = p.bad || n < low || n > high
	return n
}

func (p *dateParser) nanoseconds() int {
	n, width := 0, 0
	for width < 9 && p.rest != "" && p.rest[0] >= '0' && p.rest[0] <= '9' {
		n = n*10 + int(p.rest[0]-'0')
		p.rest = p.rest[1:]
		width++
	}
	p.bad = p.bad || width == 0
	for range 9 - width {
		n *= 10
	}
	return n
}

// zone reads Z, ±hh:mm or nothing, and returns minutes east of UTC.
func (p *dateParser) zone() int {
	if p.rest == "" || p.skip('Z') || p.skip('z') {
		return 0
	}
	sign := 1
	if p.skip('-') {
		sign = -1
	} else {
		p.want('+')
	}
	hours := p.number(2, 0, 23)
	p.want(':')
	return sign * (hours*60 + p.number(2, 0, 59))
}

// parsePrefix reads an address or a CIDR block. Bits beyond the mask are
// ignored; zones, leading zeros and short forms such as 10.1 are refused.
func parsePrefix(s string) (netip.Prefix, bool) {
	if !strings.Contains(s, "/") {
		a, ok := parseAddr(s)
		if !ok {
			return netip.Prefix{}, false
		}
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, false
	}
	// An IPv4 block in IPv6 clothes means the IPv4 block.
	const mappedBits = 96
	if p.Addr().Is4In6() && p.Bits() >= mappedBits {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits)
	}
	return p.Masked(), true
}

func parseAddr(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}
