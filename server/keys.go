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
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// What the owner of the host asks about access keys that leaked: whose one is, what it
// did, and whether one that was found somewhere works here.

// KeyCallsLine is a line of the answer to GET /keys/calls: calls, oldest first in each
// account, and in the last line what they were taken from.
type KeyCallsLine struct {
	Call  *audit.KeyCall  `json:"call,omitempty"`
	Trail *audit.KeyTrail `json:"trail,omitempty"`
	Error string          `json:"error,omitempty"`
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

func (s *Server) serveKey(w http.ResponseWriter, r *http.Request) {
	reply, err := s.keyNamed(r)
	if s.refusedKey(w, err) {
		return
	}
	localReply(w, reply)
}

// keyNamed describes the key that a request names.
func (s *Server) keyNamed(r *http.Request) (key *identity.KeyState, err error) {
	id := r.URL.Query().Get("id")
	if !arn.IsAccessKey(id) {
		return nil, session.NoSubject("?id= is the id of a long-term access key: AKIA and 16 more characters")
	}
	err = s.store.View(r.Context(), func(rd store.Reader) error {
		key, err = identity.DescribeKey(rd, arn.PartitionOf(s.config.Region), id)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = session.NoSubject(fmt.Sprintf("there is no access key %s here, and its id names no account of this server", id))
	}
	return key, err
}

// refusedKey answers a request that failed.
func (s *Server) refusedKey(w http.ResponseWriter, err error) bool {
	if refusal, ok := errors.AsType[session.NoSubject](err); ok {
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

// serveKeyCalls streams what a key did.
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
	trail, err := s.keyCalls(r.Context(), key.ID, func(c *audit.KeyCall) error { return out.Encode(KeyCallsLine{Call: c}) })
	if err != nil {
		s.log.Error("what an access key did", "error", err)
		_ = out.Encode(KeyCallsLine{Error: err.Error()})
		return
	}
	_ = out.Encode(KeyCallsLine{Trail: trail})
}

// keyCalls yields what a key and its sessions did, in all accounts: the owner of the host
// may ask across them. The keys of the sessions are found first, and then all that any of
// the keys did.
func (s *Server) keyCalls(ctx context.Context, id string, yield func(*audit.KeyCall) error) (*audit.KeyTrail, error) {
	now := s.clock.Now().UTC()
	trail := &audit.KeyTrail{To: now, Accounts: s.Accounts()}
	keys := map[string]time.Time{id: {}}
	// A session of another account may mint one of an account that was read before.
	for known := 0; known < len(keys); {
		known = len(keys)
		if err := s.readCalls(ctx, trail, keys, func(*audit.KeyCall) error { return nil }); err != nil {
			return nil, err
		}
	}
	err := s.readCalls(ctx, trail, keys, yield)
	if trail.From.IsZero() {
		trail.From = now
	}
	return trail, err
}

// readCalls reads the trail of every account once, from one snapshot.
func (s *Server) readCalls(ctx context.Context, trail *audit.KeyTrail, keys map[string]time.Time, yield func(*audit.KeyCall) error) error {
	return s.store.View(ctx, func(r store.Reader) error {
		for _, account := range trail.Accounts {
			q := audit.CallQuery{Account: account, Keys: keys, Now: trail.To}
			for first := true; first || q.Token != ""; first = false {
				page, err := s.trail.KeyCalls(r, q)
				if err = errors.Join(err, ctx.Err()); err != nil {
					return err
				}
				if at := page.Oldest; !at.IsZero() && (trail.From.IsZero() || at.Before(trail.From)) {
					trail.From = at
				}
				for i := range page.Calls {
					if err := yield(&page.Calls[i]); err != nil {
						return err
					}
				}
				q.Token = page.Next
			}
		}
		return nil
	})
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
