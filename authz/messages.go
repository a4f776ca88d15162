package authz

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/store"
)

// DecideOnRecord is Decide, with the decision as the audit record keeps it beside the
// event, in the caller's trail: of another account's policy it says no more than
// that it decided.
func (a *Authorizer) DecideOnRecord(r store.Reader, p *authn.Principal, check *Check, env *Environment) (Result, *audit.Decision, error) {
	s := a.scratch.Get().(*scratch)
	defer a.scratch.Put(s)
	if err := a.prepare(s, r, p, check, env); err != nil {
		return Result{}, nil, err
	}
	decision, sole, grounds := policy.EvaluateGrounds(&s.request, &s.inputs)
	result := s.result(decision, check)
	d := record(p, result, check)
	if grounds != nil && foreign(p, check) {
		hideGrounds(grounds)
	}
	d.Sole, d.Grounds = sole, grounds
	return result, d, nil
}

func record(p *authn.Principal, result Result, check *Check) *audit.Decision {
	d := &audit.Decision{
		Allowed:  result.Allowed,
		Action:   check.Action,
		Resource: check.Resource,
		Layer:    result.Layer.String(),
		Index:    -1,
	}
	if s := result.Source; s != nil && !(foreign(p, check) && isResourceSide(result.Layer)) {
		d.Policy, d.Owner, d.Sid, d.Index = s.ID, s.AttachedTo(), result.Sid, result.Statement
		if s.ARN != "" {
			d.Policy = s.ARN
		}
	}
	return d
}

// Messages seals and opens encoded authorization messages: why a request was
// denied, readable only through sts:DecodeAuthorizationMessage in the account of
// the caller who was denied.
type Messages struct {
	Ring *keyring.Ring

	writers sync.Pool // *flate.Writer: a new one takes over a megabyte
}

// Limits of STS's DecodeAuthorizationMessage.
const (
	maxEncodedMessage = 10_240
	maxDecodedMessage = 1 << 20
)

// ErrMessage says that an encoded message is not one of ours, was changed, or
// belongs to another account. Which of these is not told.
var ErrMessage = errors.New("authz: invalid authorization message")

// Seal encodes why a request was denied. A message that would be longer than STS
// accepts leaves out first the trace, then the condition keys and statements.
func (m *Messages) Seal(account arn.AccountID, trace *policy.Trace) (string, error) {
	d := newDecoded(trace)
	for _, shorten := range []func(){
		func() {},
		func() { d.Trace = nil },
		func() { d.Context.Conditions, d.MatchedStatements = list[keyseen](), list[matched]() },
	} {
		shorten()
		text, err := json.Marshal(d)
		if err != nil {
			return "", fmt.Errorf("encode authorization message: %w", err)
		}
		if len(text) > maxDecodedMessage {
			continue
		}
		sealed, err := m.seal(account, text)
		if err != nil || len(sealed) <= maxEncodedMessage {
			return sealed, err
		}
	}
	return "", fmt.Errorf("authorization message is longer than %d characters", maxEncodedMessage)
}

func (m *Messages) seal(account arn.AccountID, text []byte) (string, error) {
	var packed bytes.Buffer
	w, ok := m.writers.Get().(*flate.Writer)
	if ok {
		w.Reset(&packed)
	} else {
		var err error
		if w, err = flate.NewWriter(&packed, flate.BestSpeed); err != nil {
			return "", err
		}
	}
	defer m.writers.Put(w)
	if _, err := w.Write(text); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	sealed, err := m.Ring.Seal(keyring.Messages, string(account), packed.Bytes())
	if err != nil {
		return "", fmt.Errorf("seal authorization message: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Open decodes a message that Seal made for the same account; the result is the
// JSON that DecodeAuthorizationMessage returns. Anything else is ErrMessage.
func (m *Messages) Open(account arn.AccountID, message string) (string, error) {
	// The decoder would skip line breaks, which makes a second spelling.
	if len(message) > maxEncodedMessage || strings.ContainsAny(message, "\r\n") {
		return "", ErrMessage
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(message)
	if err != nil {
		return "", ErrMessage
	}
	packed, err := m.Ring.Open(keyring.Messages, string(account), sealed)
	if err != nil {
		return "", ErrMessage
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxDecodedMessage))
	if err != nil {
		return "", ErrMessage
	}
	return string(text), nil
}

// decoded is the JSON inside a message, in AWS's shape: lists are objects with
// "items". Trace is ours: everything that `lanyard why` shows.
type decoded struct {
	Allowed           bool           `json:"allowed"`
	ExplicitDeny      bool           `json:"explicitDeny"`
	MatchedStatements items[matched] `json:"matchedStatements"`
	Failures          items[string]  `json:"failures"`
	Context           decodedContext `json:"context"`
	Trace             *policy.Trace  `json:"trace,omitempty"`
}

type items[T any] struct {
	Items []T `json:"items"`
}

func list[T any](v ...T) items[T] {
	if v == nil {
		v = []T{}
	}
	return items[T]{v}
}

type value struct {
	Value string `json:"value"`
}

func values(text []string) items[value] {
	v := make([]value, len(text))
	for i, t := range text {
		v[i].Value = t
	}
	return items[value]{v}
}

type matched struct {
	StatementID     string         `json:"statementId"`
	Effect          string         `json:"effect"`
	Principals      items[value]   `json:"principals"`
	PrincipalGroups items[value]   `json:"principalGroups"`
	Actions         items[value]   `json:"actions"`
	Resources       items[value]   `json:"resources"`
	Conditions      items[keyseen] `json:"conditions"`
}

type decodedContext struct {
	Principal struct {
		ID   string `json:"id"`
		Name string `json:"name,omitempty"`
		ARN  string `json:"arn"`
	} `json:"principal"`
	Action     string         `json:"action"`
	Resource   string         `json:"resource"`
	Conditions items[keyseen] `json:"conditions"`
}

type keyseen struct {
	Key    string       `json:"key"`
	Values items[value] `json:"values"`
}

func newDecoded(t *policy.Trace) *decoded {
	d := &decoded{
		Allowed:           t.Decision.Effect == policy.Allowed,
		ExplicitDeny:      t.Decision.Effect == policy.ExplicitDeny,
		MatchedStatements: list[matched](),
		Failures:          list[string](),
		Trace:             t,
	}
	for _, layer := range t.Layers {
		for _, s := range layer.Matched {
			m := matched{
				StatementID:     s.Sid,
				Effect:          strings.ToUpper(s.Effect),
				Principals:      list[value](),
				PrincipalGroups: list[value](),
				Actions:         values(s.Action),
				Resources:       values(s.Resource),
				Conditions:      list[keyseen](),
			}
			for _, c := range s.Conditions {
				m.Conditions.Items = append(m.Conditions.Items, keyseen{c.Key, values(c.Values)})
			}
			d.MatchedStatements.Items = append(d.MatchedStatements.Items, m)
		}
	}
	d.Context.Principal.ID = t.Principal.ID
	d.Context.Principal.ARN = t.Principal.Name
	if a, err := arn.Parse(t.Principal.Name); err == nil {
		_, _, d.Context.Principal.Name = a.Split()
	}
	d.Context.Action, d.Context.Resource = t.Action, t.Resource
	d.Context.Conditions = list[keyseen]()
	for _, k := range t.Context {
		d.Context.Conditions.Items = append(d.Context.Conditions.Items, keyseen{k.Key, values(k.Values)})
	}
	return d
}
