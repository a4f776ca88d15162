package endpoint

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/internal/strict"
	"github.com/lanyard-iam/lanyard/protocol"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/sigv4"
)

// claim is what a request says about who signed it, before anything is believed.
type claim struct {
	authorization sigv4.Authorization
	request       sigv4.Request
	err           error // why there is none
}

func (c *claim) keyID() string { return c.authorization.AccessKeyID }

func (c *claim) authentication(h *Handler, x *exchange) authn.Attempt {
	skew := sigv4.DefaultSkew
	if x.protocol != protocol.Query {
		skew = sigv4.JSONSkew
	}
	return authn.Attempt{
		Authorization: &c.authorization,
		Request:       &c.request,
		Options:       sigv4.Options{Service: x.service.SigningName, Style: sigv4.General, Skew: skew},
		Partition:     x.env.Partition,
		Now:           x.now,
		SignedNow:     h.SignatureClock().UTC(),
	}
}

// identify reads the request and names the operation it asks for. It parses no
// more than that needs; from its end on, errors speak the request's protocol.
func (h *Handler) identify(x *exchange) error {
	r := x.http
	if err := strict.CheckTarget(r.RequestURI); err != nil {
		x.protocol = protocol.Query
		return &service.Error{Code: "MalformedQueryString", Status: http.StatusBadRequest, Message: "The request target is malformed: " + err.Error()}
	}
	// The target decides the protocol, so that every later error is readable.
	target := r.Header.Values("X-Amz-Target")
	switch {
	case len(target) > 0:
		x.protocol = protocol.JSON11
	case h.Services.byPlace.Has(r.URL.EscapedPath()):
		x.protocol = protocol.RESTJSON
	default:
		x.protocol = protocol.Query
	}
	if err := h.readBody(x); err != nil {
		return err
	}
	x.claim.request = sigv4.Received(r, x.body)
	x.claim.authorization, x.claim.err = sigv4.Parse(&x.claim.request)

	var name string
	var err error
	switch x.protocol {
	case protocol.JSON11:
		name, err = h.identifyJSON(x, target)
	case protocol.RESTJSON:
		name, err = h.identifyREST(x)
	default:
		name, err = h.identifyQuery(x)
	}
	if err != nil {
		return err
	}
	x.event.Name = name
	x.event.Source = x.service.EventSource
	if region := x.claim.authorization.Region; region != "" {
		// An account lives in one partition. A caller who could choose another
		// would have every ARN written in it, and no Deny would match.
		if arn.PartitionOf(region) != x.env.Partition {
			return &sigv4.Error{Kind: sigv4.WrongScope, Message: "Credential should be scoped to a valid region. "}
		}
		x.env.Region = region
	}
	if x.service.Global {
		// A global service is in one region, whatever the client signs for: a
		// condition on aws:RequestedRegion must not be the client's to fulfil.
		x.env.Region = arn.GlobalRegion(x.env.Partition)
	}
	x.event.Region = x.env.Region
	x.op = x.service.operations[name]
	if x.op != nil && x.op.Who != nil {
		return nil // nobody signs it
	}
	return x.claim.err
}

// firstBody is the buffer that a request body begins with, in bytes; nearly all
// requests fit.
const firstBody = 16 << 10

func (h *Handler) readBody(x *exchange) error {
	r := x.http
	if r.Method != http.MethodPost && r.Method != http.MethodGet && x.protocol != protocol.RESTJSON {
		return &service.Error{Code: "MethodNotAllowed", Status: http.StatusMethodNotAllowed, Message: "Use POST, or GET for query requests."}
	}
	if r.ContentLength > protocol.MaxBody {
		return errTooLarge
	}
	if r.ContentLength == 0 {
		return nil
	}
	if err := x.protocol.CheckHeader(r.Header); err != nil {
		return err
	}
	// A length is a promise: memory follows what arrives.
	size := int64(firstBody)
	if r.ContentLength > 0 {
		size = min(size, r.ContentLength+1)
	}
	body := make([]byte, 0, size)
	limited := io.LimitReader(r.Body, protocol.MaxBody+1)
	for {
		n, err := limited.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return &service.Error{Code: "IncompleteBody", Status: http.StatusBadRequest, Message: "The request body ended before it was complete.", Cause: err}
		}
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
	}
	if len(body) > protocol.MaxBody {
		return errTooLarge
	}
	x.body = body
	return nil
}

var errTooLarge = &service.Error{Code: "RequestEntityTooLarge", Status: http.StatusRequestEntityTooLarge, Message: "The request body is too large."}

func (h *Handler) identifyJSON(x *exchange, target []string) (string, error) {
	x.service = h.Services.all[0]
	if len(target) != 1 {
		return "", &service.Error{Code: "UnknownOperationException", Status: http.StatusBadRequest, Message: "X-Amz-Target must be given once."}
	}
	prefix, name, ok := protocol.ParseTarget(target[0])
	found := h.Services.byTarget[prefix]
	if !ok || found == nil {
		return "", &service.Error{Code: "UnknownOperationException", Status: http.StatusBadRequest, Message: "No service of this endpoint has the target given in X-Amz-Target."}
	}
	x.service = found
	if x.http.Method != http.MethodPost || x.http.URL.Path != "/" {
		return "", x.service.unknownOperation(name)
	}
	return name, nil
}

// identifyREST finds the operation by method, path and query string.
func (h *Handler) identifyREST(x *exchange) (string, error) {
	r := x.http
	x.service = h.Services.all[0]
	var err error
	if x.form, err = protocol.ParseQuery(r.URL.RawQuery); err != nil {
		return "", err
	}
	at, ok := h.Services.byPlace.Find(r.Method, r.URL.EscapedPath(), x.form)
	if !ok {
		return "", &service.Error{Code: "UnknownOperationException", Status: http.StatusNotFound}
	}
	x.service = at.service
	return at.operation, nil
}

// identifyQuery finds Action and Version, in the body of a POST or in the query
// of a GET, never in both.
func (h *Handler) identifyQuery(x *exchange) (string, error) {
	r := x.http
	// Until the service is known, errors take the shape of the first one.
	x.service = h.Services.all[0]
	scope := x.claim.authorization.Service
	if sv := h.Services.bySigningName[scope]; sv != nil {
		x.service = sv
	}
	query, err := protocol.ParseForm([]byte(r.URL.RawQuery))
	if err != nil {
		return "", err
	}
	body, err := protocol.ParseForm(x.body)
	if err != nil {
		return "", err
	}
	if x.form, err = protocol.RequestForm(query, body); err != nil {
		return "", err
	}
	action, version := x.form.Get("Action"), x.form.Get("Version")
	if sv := h.Services.byVersion[version]; sv != nil {
		x.service = sv // a signature for another service fails against this one's name
	} else if scope != "" && h.Services.bySigningName[scope] == nil {
		return "", &service.Error{Code: "InvalidAction", Status: http.StatusBadRequest,
			Message: fmt.Sprintf("This endpoint does not serve '%s'. It serves %s.", scope, h.Services.names())}
	}
	if action == "" {
		if x.claim.err != nil {
			return "", x.claim.err
		}
		return "", &service.Error{Code: "MissingAction", Status: http.StatusBadRequest, Message: "The request is missing an Action parameter."}
	}
	if !isName(action) {
		// It goes no further: not into an answer, a record or a log line.
		return "", &service.Error{Code: "InvalidAction", Status: http.StatusBadRequest, Message: "The Action parameter is not the name of an operation."}
	}
	if version != x.service.Version {
		switch {
		case version == "":
			version = "NO_VERSION_SPECIFIED"
		case len(version) > len("2011-06-15"):
			version = version[:len("2011-06-15")]
		}
		return "", &service.Error{Code: "InvalidAction", Status: http.StatusBadRequest,
			Message: fmt.Sprintf("Could not find operation %s for version %s", action, version)}
	}
	if r.URL.Path != "/" && r.URL.Path != "" {
		return "", x.service.unknownOperation(action)
	}
	return action, nil
}

// isName tells whether s could be the name of an operation.
func isName(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

func (s *Services) names() string {
	names := make([]string, len(s.all))
	for i, sv := range s.all {
		names[i] = sv.SigningName
	}
	return strings.Join(names, ", ")
}
