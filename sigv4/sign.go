package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Credentials are an access key and, if temporary, its session token.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
}

// Signer signs requests for one service in one region.
type Signer struct {
	Credentials Credentials
	Region      string
	Service     string // signing name, such as "iam"
	Style       Style
}

// neverSigned lists, in lower case, the headers that proxies and HTTP clients
// add, change or consume on the way; a signature over one of them would not
// survive. It is botocore's list, and Content-Length, which net/http writes by
// itself.
func neverSigned(name string) bool {
	switch name {
	case "authorization", "connection", "content-length", "expect", "keep-alive", "proxy-authenticate",
		"proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id":
		return true
	}
	return false
}

// SignHeader signs a request that is about to be sent with the given body, and
// sets its Authorization, X-Amz-Date, X-Amz-Security-Token and, in style S3,
// X-Amz-Content-Sha256 headers. All other headers have to be in place.
func (g *Signer) SignHeader(r *http.Request, body []byte, now time.Time) error {
	if err := g.check(r); err != nil {
		return err
	}
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	r.Header.Del("Authorization")
	r.Header.Del("X-Amz-Security-Token")
	if g.Credentials.SessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", g.Credentials.SessionToken)
	}
	a := g.authorization(now)
	r.Header.Set("X-Amz-Date", a.Timestamp)
	payload := hashHex(body)
	if g.Style == S3 {
		r.Header.Set(headerContentSHA256, payload)
	} else if declared := r.Header.Get(headerContentSHA256); declared != "" {
		payload = declared
	}
	a.SignedHeaders = signable(r.Header)
	request := outgoing(r, body)
	signature, err := g.sign(&a, &request, payload)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", algorithm+" Credential="+a.AccessKeyID+"/"+a.Scope+
		", SignedHeaders="+a.SignedHeaders+", Signature="+signature)
	return nil
}

// Presign moves the signature into the query of r.URL, where it is valid for
// expires (1 second to 7 days, in whole seconds). Whoever uses the URL has to
// send the same method, the headers that r holds now, and the same body; in
// style S3 the body is left unsigned.
func (g *Signer) Presign(r *http.Request, body []byte, expires time.Duration, now time.Time) error {
	if err := g.check(r); err != nil {
		return err
	}
	if expires < time.Second || expires > maxPresigned || expires%time.Second != 0 {
		return errors.New("sigv4: a presigned request is valid for 1 second to 7 days")
	}
	a := g.authorization(now)
	a.Presigned = true
	a.SignedHeaders = signable(r.Header)
	payload := hashHex(body)
	if g.Style == S3 {
		payload = unsignedPayload
	}

	parameters := [...]struct{ name, value string }{
		{queryNames[qAlgorithm], algorithm},
		{queryNames[qCredential], a.AccessKeyID + "/" + a.Scope},
		{queryNames[qDate], a.Timestamp},
		{queryNames[qExpires], strconv.FormatInt(int64(expires/time.Second), 10)},
		{queryNames[qSecurityToken], g.Credentials.SessionToken},
		{queryNames[qSignedHeaders], a.SignedHeaders},
	}
	query := []byte(r.URL.RawQuery)
	for _, p := range parameters {
		if p.value == "" {
			continue
		}
		if len(query) > 0 {
			query = append(query, '&')
		}
		query = append(query, p.name...)
		query = append(query, '=')
		for i := range len(p.value) {
			query = appendEncoded(query, p.value[i])
		}
	}
	before := r.URL.RawQuery
	r.URL.RawQuery = string(query)
	request := outgoing(r, body)
	signature, err := g.sign(&a, &request, payload)
	if err != nil {
		r.URL.RawQuery = before
		return err
	}
	r.URL.RawQuery += "&" + queryNames[qSignature] + "=" + signature
	return nil
}

// check refuses what would make a signature that no verifier accepts.
func (g *Signer) check(r *http.Request) error {
	c := g.Credentials
	switch {
	case !validAccessKeyID(c.AccessKeyID), c.SecretAccessKey == "":
		return errors.New("sigv4: credentials lack an access key id or secret access key")
	case !validRegion(g.Region), g.Service == "", strings.Contains(g.Service, "/"):
		return errors.New("sigv4: region or service is not valid")
	case r.URL == nil:
		return errors.New("sigv4: request has no URL")
	}
	return nil
}

func (g *Signer) authorization(now time.Time) Authorization {
	timestamp := now.UTC().Format(isoBasic)
	date := timestamp[:8]
	return Authorization{
		AccessKeyID: g.Credentials.AccessKeyID,
		Scope:       date + "/" + g.Region + "/" + g.Service + "/" + terminator,
		Date:        date,
		Region:      g.Region,
		Service:     g.Service,
		Timestamp:   timestamp,
	}
}

func (g *Signer) sign(a *Authorization, r *Request, payload string) (string, error) {
	s := scratch{payload: []byte(payload)}
	if err := s.build(a, r, g.Style); err != nil {
		return "", errors.New("sigv4: method, target, header or query cannot be signed")
	}
	key := signer{key: SigningKey(g.Credentials.SecretAccessKey, a.Date, a.Region, a.Service)}
	key.sign(&s)
	return string(s.signature), nil
}

// signable returns the SignedHeaders list of all headers worth signing, and host.
func signable(header http.Header) string {
	names := []string{"host"}
	for name := range header {
		if name = strings.ToLower(name); name != "host" && !neverSigned(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ";")
}

func hashHex(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
