package sigv4

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// DefaultSkew is how far IAM, STS and S3 let a client's clock be off; JSON
	// services permit JSONSkew.
	DefaultSkew = 15 * time.Minute
	// JSONSkew is the window of awsJson and restJson services.
	JSONSkew = 5 * time.Minute

	// presignedLead is how far ahead a presigned request may be dated. It is
	// meant to be handed on, so it gets less of a start than a live request.
	presignedLead = 5 * time.Minute

	// defaultCachedKeys bounds the key cache: about 1 kB each.
	defaultCachedKeys = 4096

	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// Options say what an endpoint demands of a signature.
type Options struct {
	// Service is the signing name that the credential scope must have. Without
	// one, nothing is accepted.
	Service string
	// Region, if not empty, is the only region accepted in the credential scope;
	// otherwise any well-formed name is.
	Region string
	Style  Style
	// Skew is the permitted distance of the clocks, both ways; zero is DefaultSkew.
	Skew time.Duration
	// MaxExpires caps the lifetime of presigned requests, whatever X-Amz-Expires
	// says; zero is 15 minutes, or seven days in style S3.
	MaxExpires time.Duration
	// AllowUnsignedPayload accepts UNSIGNED-PAYLOAD in style S3. Set it only when
	// the request came over TLS.
	AllowUnsignedPayload bool
	// Echo puts the canonical request and the string to sign into the error of a
	// wrong signature. IAM and STS do not; API Gateway and S3 do.
	Echo bool
}

// Key is what the caller knows about the access key, looked up afresh for every
// request: a cached signing key says nothing about whether it may still be used.
type Key struct {
	// Err, if not nil, is why the key is refused (unknown, inactive, session
	// expired …). Verify does the work of a wrong signature all the same, so
	// that the time taken tells nothing, and returns it.
	Err error
	// Secret opens the secret access key. It is called when no derived key is
	// cached, or the cached one does not fit. Nil or "" never verifies.
	Secret func() (string, error)
}

// Verifier checks signatures. It is safe for concurrent use.
type Verifier struct {
	cache   keyCache
	scratch sync.Pool
}

// NewVerifier returns a Verifier that keeps up to cachedKeys derived keys; zero
// means 4096.
func NewVerifier(cachedKeys int) *Verifier {
	if cachedKeys <= 0 {
		cachedKeys = defaultCachedKeys
	}
	return &Verifier{
		cache:   keyCache{keys: make(map[keyID]*signer), max: cachedKeys},
		scratch: sync.Pool{New: func() any { return new(scratch) }},
	}
}

// Forget drops the derived keys of an access key whose secret has changed or
// gone.
func (v *Verifier) Forget(accessKeyID string) { v.cache.forget(accessKeyID) }

// Verify checks that the request is the one that the holder of the key signed,
// for this service, within the permitted time. a must come from Parse of the
// same request. Refusals are of type [*Error], or are key.Err or the error of
// key.Secret as they are.
//
// What the request alone decides (scope, time, which headers are signed) is
// checked before the key is touched, and what only an authentic request may
// learn (about its body) after: no answer depends on a secret but the last.
func (v *Verifier) Verify(a *Authorization, r *Request, o Options, key Key, now time.Time) error {
	if err := checkScope(a, &o); err != nil {
		return err
	}
	if err := checkTime(a, &o, now); err != nil {
		return err
	}
	if err := checkSignedHeaders(a, r); err != nil {
		return err
	}
	declared, err := declaredPayload(a, r, o.Style)
	if err != nil {
		return err
	}

	s := v.scratch.Get().(*scratch)
	defer func() {
		if s.reusable() {
			v.scratch.Put(s)
		}
	}()
	var body [2 * sha256.Size]byte
	if declared != unsignedPayload {
		sum := sha256.Sum256(r.Body)
		hex.Encode(body[:], sum[:])
	}
	if declared == "" {
		s.payload = append(s.payload[:0], body[:]...)
	} else {
		s.payload = append(s.payload[:0], declared...)
	}
	if err := s.build(a, r, o.Style); err != nil {
		return err
	}
	switch match, err := v.match(a, s, key); {
	case err != nil:
		return err
	case !match:
		return mismatch(a, s, &o)
	}

	switch {
	case declared == "" || declared == string(body[:]):
		return nil
	case declared == unsignedPayload && o.Style == S3 && o.AllowUnsignedPayload:
		return nil
	case declared == unsignedPayload:
		return &Error{Kind: UnsignedBody, Message: "UNSIGNED-PAYLOAD is accepted over TLS only."}
	case len(declared) == len(body):
		return &Error{Kind: BodyHash}
	default:
		// A streaming mode is a promise about a body that is not checked here.
		return &Error{Kind: UnsignedBody, Message: "x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid sha256 value."}
	}
}

// match computes the signature and compares it in constant time. Whatever the
// reason, a refusal takes one derivation of a signing key.
func (v *Verifier) match(a *Authorization, s *scratch, key Key) (bool, error) {
	secret, err := "", key.Err
	id := keyID{a.AccessKeyID, a.Date, a.Region, a.Service}
	cached, mark := v.cache.get(id)
	if err == nil && key.Secret != nil {
		if cached != nil && cached.fits(a, s) {
			return true, nil
		}
		secret, err = key.Secret()
	}
	usable := err == nil && secret != ""
	if !usable {
		secret = "no secret access key has this text"
	}
	fresh := &signer{key: SigningKey(secret, a.Date, a.Region, a.Service)}
	fits := fresh.fits(a, s)
	switch {
	case err != nil:
		return false, err
	case !usable:
		return false, &Error{Kind: InvalidClientToken}
	case fits:
		v.cache.add(id, fresh, mark)
	}
	return fits, nil
}

// fits reports whether the request's signature is the one the key makes. Any
// other spelling of it (length, upper case) differs.
func (k *signer) fits(a *Authorization, s *scratch) bool {
	k.sign(s)
	s.raw = append(s.raw[:0], a.Signature...)
	return subtle.ConstantTimeCompare(s.signature, s.raw) == 1
}

func mismatch(a *Authorization, s *scratch, o *Options) *Error {
	err := &Error{Kind: SignatureMismatch}
	if o.Echo {
		err.CanonicalRequest, err.StringToSign = string(s.canonical), string(s.toSign)
		err.Details = []Detail{
			{"AWSAccessKeyId", a.AccessKeyID},
			{"StringToSign", err.StringToSign},
			{"SignatureProvided", echo(a.Signature)},
			{"CanonicalRequest", err.CanonicalRequest},
		}
	}
	return err
}

// checkScope holds the credential scope against what the endpoint is and when
// the request was signed. AWS lists all that is wrong in one message.
func checkScope(a *Authorization, o *Options) error {
	var text strings.Builder
	kind := WrongScope
	if !validRegion(a.Region) {
		text.WriteString("Credential should be scoped to a valid region, not '" + echo(a.Region) + "'. ")
	} else if o.Region != "" && a.Region != o.Region {
		if o.Style == S3 {
			return &Error{
				Kind:    WrongRegion,
				Message: "The authorization header is malformed; the region '" + a.Region + "' is wrong; expecting '" + o.Region + "'",
				Details: []Detail{{"Region", o.Region}},
			}
		}
		kind = WrongRegion
		text.WriteString("Credential should be scoped to a valid region, not '" + a.Region + "'. ")
	}
	if o.Service == "" || a.Service != o.Service {
		kind = WrongScope
		text.WriteString("Credential should be scoped to correct service: '" + o.Service + "'. ")
	}
	if day := a.Timestamp[:8]; a.Date != day {
		kind = WrongScope
		text.WriteString("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" +
			echo(a.Date) + "' != '" + day + "', from '" + a.Timestamp + "'.")
	}
	if text.Len() > 0 {
		return &Error{Kind: kind, Message: text.String()}
	}
	return nil
}

// checkTime holds the time of signing against the clock. Fractions of a second,
// which a signature does not have, do not count.
func checkTime(a *Authorization, o *Options, now time.Time) error {
	now = now.UTC().Truncate(time.Second)
	skew := o.Skew
	if skew == 0 {
		skew = DefaultSkew
	}
	if a.Presigned {
		return checkPresigned(a, o, min(skew, presignedLead), now)
	}
	var err *Error
	switch age := now.Sub(a.Time); {
	case age > skew:
		err = expired(TimeSkewed, a.Time, now, skew)
	case age < -skew:
		err = notYet(TimeSkewed, a.Time, now, skew)
	default:
		return nil
	}
	err.Details = []Detail{
		{"RequestTime", a.Timestamp},
		{"ServerTime", now.Format(time.RFC3339)},
		{"MaxAllowedSkewMilliseconds", strconv.FormatInt(skew.Milliseconds(), 10)},
	}
	return err
}

func checkPresigned(a *Authorization, o *Options, lead time.Duration, now time.Time) error {
	lifetime := o.MaxExpires
	if lifetime == 0 {
		lifetime = DefaultSkew
		if o.Style == S3 {
			lifetime = maxPresigned
		}
	}
	lifetime = min(lifetime, a.Expires)
	switch age := now.Sub(a.Time); {
	case age > lifetime:
		err := expired(PresignedExpired, a.Time, now, lifetime)
		err.Details = []Detail{
			{"X-Amz-Expires", strconv.FormatInt(int64(a.Expires/time.Second), 10)},
			{"Expires", a.Time.Add(lifetime).Format(time.RFC3339)},
			{"ServerTime", now.Format(time.RFC3339)},
		}
		return err
	case age < -lead:
		return notYet(PresignedNotYet, a.Time, now, lead)
	}
	return nil
}

// checkSignedHeaders refuses a request whose meaning a third party could change:
// host, the date the signature relies on and every x-amz-* header are signed,
// or absent.
func checkSignedHeaders(a *Authorization, r *Request) error {
	if !a.Signed("host") {
		return &Error{Kind: UnsignedHeader, Message: "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
			Details: []Detail{{"HeadersNotSigned", "host"}}}
	}
	if a.dateHeader && !a.Signed("date") {
		return unsignedHeader("date")
	}
	for name := range r.Header {
		const prefix = "x-amz-"
		if len(name) < len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
			continue
		}
		if !signedFold(a.SignedHeaders, name) {
			return unsignedHeader(strings.ToLower(name))
		}
	}
	return nil
}

func unsignedHeader(name string) *Error {
	return &Error{Kind: UnsignedHeader, Message: textUnsigned + ": " + echo(name),
		Details: []Detail{{"HeadersNotSigned", echo(name)}}}
}

// signedFold is Signed for a name in any case.
func signedFold(signedHeaders, name string) bool {
	for signed := range strings.SplitSeq(signedHeaders, ";") {
		if strings.EqualFold(signed, name) {
			return true
		}
	}
	return false
}

const headerContentSHA256 = "x-amz-content-sha256"

// declaredPayload returns what the request itself gives as its payload hash, or
// "" when the body is to be hashed.
func declaredPayload(a *Authorization, r *Request, style Style) (string, error) {
	header, present, once := r.single(headerContentSHA256)
	switch {
	case !once, present && header == "", present && a.bodyHash != "" && a.bodyHash != header:
		return "", &Error{Kind: BodyHash}
	case present:
		return header, nil
	case a.bodyHash != "":
		return a.bodyHash, nil
	case style != S3:
		return "", nil
	case a.Presigned:
		return unsignedPayload, nil
	default:
		return "", &Error{Kind: UnsignedBody, Message: "Missing required header for this request: " + headerContentSHA256}
	}
}
