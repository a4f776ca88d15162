package strict

import "strings"

// state is what the next byte of a connection belongs to.
type state uint8

const (
	inMethod state = iota
	inTargetStart
	inScheme
	inAuthority
	inTarget
	inVersion
	inLineLF    // the LF of the request line or of a header line
	inLineStart // the first byte after it
	inName
	inValue
	inBlockLF // the LF of the empty line that ends headers or trailers
	inBody
	inChunkSize
	inChunkSizeLF
	inChunk
	inChunkCR
	inChunkLF
)

// field is a header whose value matters here.
type field uint8

const (
	otherField field = iota
	hostField
	lengthField
	encodingField
	connectionField
	cookieField
	teField
)

// scanner follows one connection, request by request. Its verdict does not
// depend on how the bytes are cut into reads.
type scanner struct {
	state     state
	violation Violation // sticky
	head      head

	// What is being read, or had to be kept; the lengths are in head.
	token     [32]byte // a name, a version or an option, in lower case
	host      [maxHost]byte
	authority [maxHost]byte
}

// head is what is known of the current request.
type head struct {
	block     int   // bytes of the header or trailer block so far
	lines     int   // header lines in it
	cookies   int   // cookies in it
	remaining int64 // bytes of the body or chunk to come
	digits    int   // of remaining, while it is being read

	tokenLen, hostLen, authorityLen int

	field    field
	padded   bool // white space after the value's text: nothing else may follow
	trailers bool // the block holds trailers, which decide nothing

	http11, absolute                     bool
	hasHost, hasLength, hasAuthorization bool
	chunked                              bool
}

// scan reads the connection's next bytes and returns how many of them conform.
// If those are not all, s.violation says why the next one does not.
func (s *scanner) scan(p []byte) int {
	i := 0
	for i < len(p) && s.violation == 0 {
		switch s.state {
		case inBody, inChunk:
			n := min(int64(len(p)-i), s.head.remaining)
			i += int(n)
			s.head.remaining -= n
			if s.head.remaining > 0 {
				break
			}
			if s.state == inBody {
				s.next()
			} else {
				s.state = inChunkCR
			}
		case inChunkSize, inChunkSizeLF, inChunkCR, inChunkLF:
			if s.violation = s.chunkByte(p[i]); s.violation == 0 {
				i++
			}
		default:
			i += s.scanBlock(p[i:])
		}
	}
	return i
}

// next begins another request.
func (s *scanner) next() {
	s.state = inMethod
	s.head = head{}
}

// scanBlock reads a request line and headers, or trailers, up to their end.
func (s *scanner) scanBlock(p []byte) int {
	room := MaxHeaderBlock - s.head.block
	fits := p[:min(len(p), room)]
	for i := 0; i < len(fits); i++ {
		// Most bytes are plain text, passed over here.
		i += s.skip(fits[i:])
		if i == len(fits) {
			break
		}
		c := fits[i]
		if s.violation = s.blockByte(c); s.violation != 0 {
			return i
		}
		if c == '\n' && s.state != inLineStart {
			return i + 1 // the block has ended
		}
	}
	if len(fits) < len(p) {
		s.violation = HeadersTooLarge
	}
	s.head.block += len(fits)
	return len(fits)
}

// skip reads the bytes at the start of p that cannot change the state.
func (s *scanner) skip(p []byte) int {
	i := 0
	switch s.state {
	case inTarget:
		for i < len(p) && isVisible(p[i]) && p[i] != '#' {
			i++
		}
	case inName:
		n := s.head.tokenLen
		for i < len(p) {
			c := lower(p[i])
			if !('a' <= c && c <= 'z' || c == '-') {
				break
			}
			if n < len(s.token) {
				s.token[n] = c
			}
			n++
			i++
		}
		s.head.tokenLen = min(n, len(s.token)+1) // a longer name is none that matters
	case inValue:
		if s.head.field == otherField {
			for i < len(p) && isText(p[i]) {
				i++
			}
		}
	}
	return i
}

func (s *scanner) blockByte(c byte) Violation {
	h := &s.head
	switch s.state {
	case inMethod:
		switch {
		case c == ' ' && h.tokenLen > 0:
			s.state = inTargetStart
		case !isToken(c) || h.tokenLen == maxMethod:
			return BadMethod
		default:
			h.tokenLen++
		}

	case inTargetStart:
		h.tokenLen = 0
		if c == '/' {
			s.state = inTarget
			break
		}
		h.absolute = true
		s.state = inScheme
		return s.schemeByte(c)
	case inScheme:
		return s.schemeByte(c)
	case inAuthority:
		switch {
		case c == '/' || c == '?':
			s.state = inTarget
		case c == ' ':
			s.state = inVersion
		case !isVisible(c), c == '@', c == '#', h.authorityLen == maxHost:
			return BadTarget
		default:
			s.authority[h.authorityLen] = lower(c)
			h.authorityLen++
		}
	case inTarget: // skip has passed over its text
		if c != ' ' {
			return BadTarget
		}
		s.state = inVersion
		h.tokenLen = 0

	case inVersion:
		const version = "HTTP/1."
		n := h.tokenLen
		h.tokenLen++
		switch {
		case n < len(version) && c == version[n]:
		case n == len(version) && (c == '0' || c == '1'):
			h.http11 = c == '1'
		case n == len(version)+1 && c == '\r':
			s.state = inLineLF
		default:
			return BadVersion
		}

	case inLineLF:
		if c != '\n' {
			return BareCR
		}
		s.state = inLineStart
	case inLineStart:
		h.tokenLen, h.field, h.padded = 0, otherField, false
		switch {
		case c == '\r':
			s.state = inBlockLF
			return 0
		case c == '\n':
			return BareLF
		case c == ' ' || c == '\t':
			return Folding
		case h.lines == MaxHeaders:
			return TooManyHeaders
		}
		h.lines++
		s.state = inName
		if c == ':' {
			return BadName
		}
		return s.nameByte(c)
	case inName:
		return s.nameByte(c)
	case inValue:
		switch {
		case c == '\r':
			s.state = inLineLF
			return s.endValue()
		case c == '\n':
			return BareLF
		case !isText(c):
			return BadValue
		}
		return s.valueByte(c)

	case inBlockLF:
		if c != '\n' {
			return BareCR
		}
		return s.endBlock()
	}
	return 0
}

// schemeByte reads "http://" or "https://".
func (s *scanner) schemeByte(c byte) Violation {
	h := &s.head
	s.token[h.tokenLen] = lower(c)
	h.tokenLen++
	switch scheme := string(s.token[:h.tokenLen]); {
	case scheme == "http://", scheme == "https://":
		s.state = inAuthority
		h.tokenLen = 0
	case !strings.HasPrefix("http://", scheme) && !strings.HasPrefix("https://", scheme):
		return BadTarget
	}
	return 0
}

// nameByte reads a header's name and, at its colon, looks whether it is one of
// those that matter.
func (s *scanner) nameByte(c byte) Violation {
	h := &s.head
	switch {
	case c == ':':
		s.state = inValue
		if h.trailers || h.tokenLen > len(s.token) {
			return 0
		}
		return s.endName(string(s.token[:h.tokenLen]))
	case !isToken(c):
		return BadName
	case h.tokenLen < len(s.token):
		s.token[h.tokenLen] = lower(c)
		h.tokenLen++
	default:
		h.tokenLen = len(s.token) + 1
	}
	return 0
}

func (s *scanner) endName(name string) Violation {
	h := &s.head
	h.tokenLen = 0
	switch name {
	case "host":
		if h.hasHost {
			return RepeatedHost
		}
		h.hasHost, h.field = true, hostField
	case "authorization":
		if h.hasAuthorization {
			return RepeatedAuthorization
		}
		h.hasAuthorization = true
	case "content-length":
		if h.hasLength {
			return RepeatedLength
		}
		h.hasLength, h.field = true, lengthField
	case "transfer-encoding":
		if h.chunked {
			return BadEncoding
		}
		h.chunked, h.field = true, encodingField
	case "connection":
		h.field = connectionField
	case "te":
		h.field = teField
	case "cookie":
		h.field = cookieField
		return s.countCookie()
	}
	return 0
}

func (s *scanner) countCookie() Violation {
	s.head.cookies++
	if s.head.cookies > MaxCookies {
		return TooManyCookies
	}
	return 0
}

// valueByte reads the value of a header that matters.
func (s *scanner) valueByte(c byte) Violation {
	h := &s.head
	if h.field == cookieField {
		if c == ';' {
			return s.countCookie()
		}
		return 0
	}
	if c == ',' && (h.field == connectionField || h.field == teField) {
		return s.endOption()
	}
	if c == ' ' || c == '\t' {
		// White space may surround the text, but not stand within it.
		h.padded = h.padded || h.tokenLen > 0 || h.digits > 0 || h.field == hostField && h.hostLen > 0
		return 0
	}
	switch h.field {
	case hostField:
		if h.padded || h.hostLen == maxHost {
			return BadHost
		}
		s.host[h.hostLen] = lower(c)
		h.hostLen++
	case lengthField:
		if h.padded || c < '0' || c > '9' || h.digits == maxLengthDigits {
			return BadLength
		}
		h.remaining = h.remaining*10 + int64(c-'0')
		h.digits++
	case encodingField, connectionField, teField:
		if h.padded || h.tokenLen == len(s.token) {
			return s.badOption()
		}
		s.token[h.tokenLen] = lower(c)
		h.tokenLen++
	}
	return 0
}

func (s *scanner) endValue() Violation {
	switch s.head.field {
	case lengthField:
		if s.head.digits == 0 {
			return BadLength
		}
		s.head.digits = 0
	case encodingField, connectionField, teField:
		return s.endOption()
	}
	return 0
}

// endOption judges one element of Connection or TE, or the whole of
// Transfer-Encoding.
func (s *scanner) endOption() Violation {
	h := &s.head
	option := string(s.token[:h.tokenLen])
	h.tokenLen, h.padded = 0, false
	known := option == ""
	switch h.field {
	case encodingField:
		known = option == "chunked"
	case teField:
		known = known || option == "trailers"
	case connectionField:
		// Anything else would name an end-to-end header, which a proxy then has to
		// drop: the signed ones, or those the signature relies on.
		switch option {
		case "close", "keep-alive", "te", "trailer", "upgrade", "http2-settings", "proxy-connection":
			known = true
		}
	}
	if !known {
		return s.badOption()
	}
	return 0
}

func (s *scanner) badOption() Violation {
	switch s.head.field {
	case encodingField:
		return BadEncoding
	case teField:
		return BadTE
	default:
		return NominatedHeader
	}
}

// endBlock judges the headers as a whole and chooses the framing of the body.
func (s *scanner) endBlock() Violation {
	h := &s.head
	h.block, h.lines = 0, 0 // trailers have their own
	switch {
	case h.trailers:
		s.next()
		return 0
	case h.http11 && !h.hasHost:
		return MissingHost
	case h.absolute && string(s.authority[:h.authorityLen]) != string(s.host[:h.hostLen]):
		return TargetNotHost
	case h.chunked && h.hasLength:
		return LengthAndEncoding
	case h.chunked && !h.http11: // net/http would not decode it
		return BadEncoding
	case h.chunked:
		h.remaining = 0
		s.state = inChunkSize
	case h.remaining > 0:
		s.state = inBody
	default:
		s.next()
	}
	return 0
}

// chunkByte reads what stands between the data of chunks. Chunk extensions,
// which nobody uses and parsers disagree on, are refused.
func (s *scanner) chunkByte(c byte) Violation {
	h := &s.head
	switch s.state {
	case inChunkSize:
		if c == '\r' && h.digits > 0 {
			s.state = inChunkSizeLF
			break
		}
		digit := strings.IndexByte("0123456789abcdef", lower(c))
		if digit < 0 || h.digits == maxChunkDigits {
			return BadChunk
		}
		h.remaining = h.remaining<<4 | int64(digit)
		h.digits++
	case inChunkSizeLF:
		if c != '\n' {
			return BadChunk
		}
		h.digits = 0
		if h.remaining > 0 {
			s.state = inChunk
			break
		}
		s.state = inLineStart
		h.trailers = true
	case inChunkCR:
		if c != '\r' {
			return BadChunk
		}
		s.state = inChunkLF
	case inChunkLF:
		if c != '\n' {
			return BadChunk
		}
		s.state = inChunkSize
	}
	return 0
}

// isText: what a header value may hold. Bytes above 0x7E are legal but read
// differently by everyone.
func isText(c byte) bool { return c-' ' <= '~'-' ' || c == '\t' }

// isVisible: what a request-target may hold.
func isVisible(c byte) bool { return c-'!' <= '~'-'!' }

// isToken: what a method or header name may hold (RFC 9110, 5.6.2).
func isToken(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-':
		return true
	}
	return strings.IndexByte("!#$%&'*+.^_`|~", c) >= 0
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
