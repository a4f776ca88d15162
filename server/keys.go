package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/store"
)

// What the owner of the host asks about access keys that leaked: whose one is, what it
// did, and whether one that was found somewhere works here.

// KeyReply describes a long-term access key.
type KeyReply struct {
	ID      string        `json:"accessKeyId"`
	Account arn.AccountID `json:"account"`
	// Exists is false for a key that was deleted, of which Account is all that is
	// known, and Revoked.
	Exists   bool      `json:"exists"`
	Active   bool      `json:"active"`
	Created  time.Time `json:"created,omitzero"`
	UserName string    `json:"userName,omitempty"`
	UserARN  string    `json:"userArn,omitempty"`
	Password bool      `json:"password,omitempty"` // the user can sign in with one
	// Others are the user's other access keys.
	Others []OtherKey `json:"otherKeys,omitempty"`
	// Revoked is the moment before which sessions were issued that are over; zero if
	// the key's sessions were never revoked.
	Revoked time.Time `json:"revokedBefore,omitzero"`
}

// OtherKey is another access key of the same user.
type OtherKey struct {
	ID      string    `json:"accessKeyId"`
	Active  bool      `json:"active"`
	Created time.Time `json:"created"`
}

// KeyCall is a request that a key made, or a session that goes back to it.
type KeyCall struct {
	Account     arn.AccountID     `json:"account"` // whose trail it is on
	AccessKeyID string            `json:"accessKeyId"`
	ReadOnly    bool              `json:"readOnly"`
	Denied      bool              `json:"denied,omitempty"` // it lacked a permission
	Resources   []audit.Reference `json:"resources,omitempty"`
	Record      json.RawMessage   `json:"record"` // CloudTrail's
}

// KeyCallsLine is a line of the answer to GET /keys/calls: calls, oldest first in each
// account, and in the last line what they were taken from.
type KeyCallsLine struct {
	Call  *KeyCall  `json:"call,omitempty"`
	Trail *KeyTrail `json:"trail,omitempty"`
	Error string    `json:"error,omitempty"`
}

// KeyTrail is the part of the trail in which calls were looked for.
type KeyTrail struct {
	From     time.Time       `json:"from"` // the oldest record of any of the accounts
	To       time.Time       `json:"to"`
	Accounts []arn.AccountID `json:"accounts"`
}

// Candidate is an access key id with what may be its secret.
type Candidate struct {
	ID     string `json:"accessKeyId"`
	Secret string `json:"secretAccessKey,omitempty"`
}

// KeyCheckRequest asks whether keys that were found somewhere work here.
type KeyCheckRequest struct {
	Keys []Candidate `json:"keys"`
}

// MaxCandidates is how many keys one KeyCheckRequest may bring.
const MaxCandidates = 100

// Standing is what a server knows of an access key id.
type Standing string

// What a server knows of an access key id.
const (
	KeyActive    Standing = "active"
	KeyInactive  Standing = "inactive"
	KeyUnknown   Standing = "unknown"   // not of this server
	KeyGone      Standing = "deleted"   // its id names an account of this server
	KeyTemporary Standing = "temporary" // of a session that an account of this server began
)

// KeyCheckReply answers for each key, in the order of the request.
type KeyCheckReply struct {
	Keys []KeyCheck `json:"keys"`
}

// KeyCheck is the answer for one key.
type KeyCheck struct {
	ID       string        `json:"accessKeyId"`
	Standing Standing      `json:"standing"`
	Match    bool          `json:"secretMatches"` // the secret is this key's
	Account  arn.AccountID `json:"account,omitempty"`
	UserARN  string        `json:"userArn,omitempty"`
}

// findKey describes a key that exists, or one that was deleted of which the id says
// that it was of this server.
func (s *Server) findKey(r store.Reader, id string) (*KeyReply, error) {
	reply := &KeyReply{ID: id}
	switch cut, err := identity.Revocations.Get(r, id); {
	case err == nil:
		reply.Revoked = cut.Before
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	key, err := identity.AccessKeys.Get(r, id)
	if errors.Is(err, store.ErrNotFound) {
		account, ok := arn.AccountOfAccessKey(id)
		if !ok || !identity.Accounts.Has(r, string(account)) {
			return nil, errNotRevoked(fmt.Sprintf("there is no access key %s here, and its id names no account of this server", id))
		}
		reply.Account = account
		return reply, nil
	}
	if err != nil {
		return nil, err
	}
	reply.Account, reply.Exists, reply.Active, reply.Created = key.Account, true, !key.Inactive, key.Created
	u, err := identity.UserByID(r, key.UserID)
	if err != nil {
		return nil, fmt.Errorf("user of access key %s: %w", id, err)
	}
	reply.UserName, reply.UserARN, reply.Password = u.Name, u.ARN(arn.PartitionOf(s.config.Region)), u.Login != nil
	for _, other := range u.AccessKeys {
		if other == id {
			continue
		}
		k, err := identity.AccessKeys.Get(r, other)
		if err != nil {
			return nil, fmt.Errorf("access key %s of user %s: %w", other, u.Name, err)
		}
		reply.Others = append(reply.Others, OtherKey{ID: other, Active: !k.Inactive, Created: k.Created})
	}
	return reply, nil
}

func (s *Server) serveKey(w http.ResponseWriter, r *http.Request) {
	reply, err := s.keyNamed(r)
	if s.refusedKey(w, err) {
		return
	}
	localReply(w, reply)
}

// keyNamed describes the key that a request names.
func (s *Server) keyNamed(r *http.Request) (reply *KeyReply, err error) {
	id := r.URL.Query().Get("id")
	if !arn.IsAccessKey(id) {
		return nil, errNotRevoked("?id= is the id of a long-term access key: AKIA and 16 more characters")
	}
	err = s.store.View(r.Context(), func(rd store.Reader) error {
		reply, err = s.findKey(rd, id)
		return err
	})
	return reply, err
}

// refusedKey answers a request that failed.
func (s *Server) refusedKey(w http.ResponseWriter, err error) bool {
	if refusal, ok := errors.AsType[errNotRevoked](err); ok {
		localError(w, http.StatusNotFound, refusal.Error())
		return true
	}
	if err != nil {
		s.log.Error("access key", "error", err)
		localError(w, http.StatusInternalServerError, err.Error())
		return true
	}
	return false
}

// serveKeyCalls streams what a key did. Sessions are known by the records of the
// requests that asked for them, so their keys are found first, and then all that any of
// the keys did.
func (s *Server) serveKeyCalls(w http.ResponseWriter, r *http.Request) {
	key, err := s.keyNamed(r)
	if s.refusedKey(w, err) {
		return
	}
	if err := s.trail.Sync(r.Context()); err != nil {
		localError(w, http.StatusServiceUnavailable, "the trail is not complete at the moment: "+err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/jsonl")
	w.Header().Set("Cache-Control", "no-store")
	out := json.NewEncoder(w)
	trail, err := s.keyCalls(r.Context(), key.ID, func(c *KeyCall) error { return out.Encode(KeyCallsLine{Call: c}) })
	if err != nil {
		s.log.Error("what an access key did", "error", err)
		_ = out.Encode(KeyCallsLine{Error: err.Error()})
		return
	}
	_ = out.Encode(KeyCallsLine{Trail: trail})
}

func (s *Server) keyCalls(ctx context.Context, id string, yield func(*KeyCall) error) (*KeyTrail, error) {
	now := s.clock.Now().UTC()
	trail := &KeyTrail{To: now, Accounts: s.Accounts()}
	keys := map[string]bool{id: true}
	match := func(accessKeyID []byte) bool { return keys[string(accessKeyID)] }
	read := func(fn func(arn.AccountID, *audit.Entry) error) error {
		return s.store.View(ctx, func(r store.Reader) error {
			for _, account := range trail.Accounts {
				var stop error
				oldest, err := s.trail.Calls(r, account, now, match, func(e *audit.Entry) bool {
					if stop = ctx.Err(); stop == nil {
						stop = fn(account, e)
					}
					return stop == nil
				})
				if err = errors.Join(err, stop); err != nil {
					return err
				}
				if !oldest.IsZero() && (trail.From.IsZero() || oldest.Before(trail.From)) {
					trail.From = oldest
				}
			}
			return nil
		})
	}
	// A session of another account may mint one of an account that was read before.
	for known := 0; known < len(keys); {
		known = len(keys)
		err := read(func(_ arn.AccountID, e *audit.Entry) error {
			if minted := mintedKey(e); minted != "" {
				keys[minted] = true
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	err := read(func(account arn.AccountID, e *audit.Entry) error {
		return yield(&KeyCall{
			Account: account, AccessKeyID: e.AccessKeyID, ReadOnly: e.ReadOnly, Denied: e.Denied,
			Resources: e.References, Record: json.RawMessage(e.Record),
		})
	})
	if trail.From.IsZero() {
		trail.From = now
	}
	return trail, err
}

// mintedKey is the key of the session that a request began, or empty.
func mintedKey(e *audit.Entry) string {
	if e.Source != "sts.amazonaws.com" {
		return ""
	}
	var r struct {
		ResponseElements struct {
			Credentials struct {
				AccessKeyID string `json:"accessKeyId"`
			} `json:"credentials"`
		} `json:"responseElements"`
	}
	if err := json.Unmarshal([]byte(e.Record), &r); err != nil {
		return ""
	}
	return r.ResponseElements.Credentials.AccessKeyID
}

// serveCheckKeys tells whether keys that were found somewhere work here. Neither the
// question nor the answer is logged or recorded: secrets are in the one, and the owner
// of the host, who alone can ask, could read what the other says.
func (s *Server) serveCheckKeys(w http.ResponseWriter, r *http.Request) {
	var in KeyCheckRequest
	if err := readJSON(r, &in); err != nil {
		localError(w, http.StatusBadRequest, "the request cannot be read") // the error may quote it
		return
	}
	if len(in.Keys) > MaxCandidates {
		localError(w, http.StatusBadRequest, fmt.Sprintf("at most %d keys can be asked about at once", MaxCandidates))
		return
	}
	// One request at a time, so that guesses are not made faster than that.
	s.checking.Lock()
	defer s.checking.Unlock()
	reply := KeyCheckReply{Keys: make([]KeyCheck, len(in.Keys))}
	err := s.store.View(r.Context(), func(rd store.Reader) (err error) {
		for i, c := range in.Keys {
			if reply.Keys[i], err = s.checkKey(rd, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.log.Error("check access keys", "error", err)
		localError(w, http.StatusInternalServerError, err.Error())
		return
	}
	localReply(w, reply)
}

func (s *Server) checkKey(r store.Reader, c Candidate) (KeyCheck, error) {
	check := KeyCheck{ID: c.ID, Standing: KeyUnknown}
	key, err := identity.AccessKeys.Get(r, c.ID)
	if errors.Is(err, store.ErrNotFound) {
		account, ok := arn.AccountOfAccessKey(c.ID)
		if !ok || !identity.Accounts.Has(r, string(account)) {
			return check, nil
		}
		switch check.Account = account; {
		case arn.IsAccessKey(c.ID):
			check.Standing = KeyGone
		case arn.IsSessionKey(c.ID):
			check.Standing = KeyTemporary
		}
		return check, nil
	}
	if err != nil {
		return check, err
	}
	check.Account, check.Standing = key.Account, KeyActive
	if key.Inactive {
		check.Standing = KeyInactive
	}
	u, err := identity.UserByID(r, key.UserID)
	if err != nil {
		return check, fmt.Errorf("user of access key %s: %w", c.ID, err)
	}
	check.UserARN = u.ARN(arn.PartitionOf(s.config.Region))
	secret, err := s.ring.Open(keyring.AccessKeySecrets, string(identity.AccessKeys.Key(c.ID)), key.Secret)
	if err != nil {
		return check, fmt.Errorf("open the secret of access key %s: %w", c.ID, err)
	}
	have, given := sha256.Sum256(secret), sha256.Sum256([]byte(c.Secret))
	check.Match = subtle.ConstantTimeCompare(have[:], given[:]) == 1
	return check, nil
}
