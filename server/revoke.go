package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/endpoint"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// RevokeRequest ends sessions of users, roles and root users, and those that an access
// key minted.
type RevokeRequest struct {
	// Principals are ARNs, unique ids, user/NAME, role/NAME, root, names, or ids of
	// access keys. All of them are revoked, or none.
	Principals []string      `json:"principals"`
	Account    arn.AccountID `json:"account,omitempty"` // of what is no ARN; empty: the first
	Before     time.Time     `json:"before,omitzero"`   // zero: now
}

// RevokeReply says what was ended, in the order of the request.
type RevokeReply struct {
	Revoked []Revoked `json:"revoked"`
}

// Revoked is a principal, or an access key, whose sessions ended.
type Revoked struct {
	ARN  string `json:"arn,omitempty"` // of a key, that of its user; empty if it was deleted
	Type string `json:"type"`          // user, role, root or key
	ID   string `json:"id"`
	// Before is the moment before which sessions were issued that are over. It is
	// a whole second, and later than what was asked for if the principal's sessions
	// had been revoked up to then already.
	Before time.Time `json:"before"`
	// AccessKeys are the long-term keys that still work.
	AccessKeys []string `json:"accessKeys,omitempty"`
	Password   bool     `json:"password,omitempty"` // of a user, who can still sign in
}

// errNotRevoked is about the request: a name that fits nobody, or several.
type errNotRevoked string

func (e errNotRevoked) Error() string { return string(e) }

// maxRevoked bounds one transaction and its records.
const maxRevoked = 1000

func (s *Server) serveRevoke(w http.ResponseWriter, r *http.Request) {
	var in RevokeRequest
	if err := readJSON(r, &in); err != nil {
		localError(w, http.StatusBadRequest, err.Error())
		return
	}
	reply, err := s.revoke(r.Context(), in, r.Context().Value(peerKey{}).(peer))
	if refusal, ok := errors.AsType[errNotRevoked](err); ok {
		localError(w, http.StatusBadRequest, refusal.Error()+": no session was ended")
		return
	}
	if err != nil {
		s.log.Error("revoke sessions", "error", err)
		localError(w, http.StatusInternalServerError, err.Error())
		return
	}
	// Sessions know their issue time to the second. One that is begun once this
	// answer is there shall be a new one.
	var latest time.Time
	for _, p := range reply.Revoked {
		if p.Before.After(latest) {
			latest = p.Before
		}
	}
	select {
	case <-time.After(min(latest.Sub(s.clock.Now()), time.Second)):
	case <-r.Context().Done():
	}
	localReply(w, reply)
}

// revoke ends sessions and puts each on record, in one transaction.
func (s *Server) revoke(ctx context.Context, in RevokeRequest, who peer) (RevokeReply, error) {
	now := s.clock.Now().UTC()
	if in.Before.IsZero() {
		in.Before = now
	}
	if in.Account == "" {
		in.Account = s.Accounts()[0]
	}
	switch {
	case in.Before.After(now):
		return RevokeReply{}, errNotRevoked("sessions that will be issued cannot be revoked: " + in.Before.Format(time.RFC3339) + " is in the future")
	case len(in.Principals) == 0 || len(in.Principals) > maxRevoked:
		return RevokeReply{}, errNotRevoked(fmt.Sprintf("name from 1 to %d principals", maxRevoked))
	}
	var reply RevokeReply
	err := s.store.Update(ctx, func(tx store.Tx) error {
		reply = RevokeReply{}
		for _, name := range in.Principals {
			p, account, err := s.principal(tx, in.Account, name)
			if err != nil {
				return err
			}
			if err := session.Revoke(tx, p.ID, in.Before); err != nil {
				return err
			}
			cut, err := identity.Revocations.Get(tx, p.ID)
			if err != nil {
				return err
			}
			p.Before = cut.Before
			reply.Revoked = append(reply.Revoked, p)
			if err := s.recordRevocation(tx, account, p, now, who); err != nil {
				return err
			}
		}
		return nil
	})
	return reply, err
}

// recordRevocation writes an event that AWS has no name for: there, one attaches a
// policy that denies what is older.
func (s *Server) recordRevocation(tx store.Tx, account arn.AccountID, p Revoked, now time.Time, who peer) error {
	e := s.localEvent(account, "sts.amazonaws.com", "RevokeSessions", now)
	e.Type = "AwsServiceEvent"
	name, id := p.ARN, "principalId"
	if p.Type == "key" {
		name, id = p.ID, "accessKeyId"
	}
	kinds := map[string]string{"user": "AWS::IAM::User", "role": "AWS::IAM::Role", "key": "AWS::IAM::AccessKey"}
	e.Resources = []audit.Resource{{ARN: name, AccountID: account, Type: kinds[p.Type]}}
	var err error
	if e.Additional, err = json.Marshal(map[string]any{
		"localUser": loginName(who.uid), "localUid": who.uid, id: p.ID, "issuedBefore": p.Before.Format(time.RFC3339),
	}); err != nil {
		return err
	}
	return s.trail.AppendTo(tx, e)
}

// localEvent opens the record of something that the owner did through the socket.
func (s *Server) localEvent(account arn.AccountID, source, name string, now time.Time) *audit.Event {
	return &audit.Event{
		ID:        endpoint.NewRequestID(s.rand),
		RequestID: endpoint.NewRequestID(s.rand),
		Time:      now,
		Source:    source,
		Name:      name,
		Region:    s.config.Region,
		SourceIP:  "AWS Internal",
		UserAgent: "lanyard",
		Account:   account,
		Identity:  audit.UserIdentity{Type: "AWSService", InvokedBy: localService},
	}
}

// principal finds who has sessions by an ARN, a unique id, a name or an access key.
func (s *Server) principal(r store.Reader, account arn.AccountID, given string) (Revoked, arn.AccountID, error) {
	kind, name := "", given
	switch a, err := arn.Parse(given); {
	case err == nil:
		account = arn.AccountID(a.Account)
		kind, _, name = a.Split()
		if a.Service == "sts" {
			return Revoked{}, "", errNotRevoked(given + " is one session; name its role or user, all of whose sessions end")
		}
		p, account, err := s.principalNamed(r, account, kind, name, given)
		if err == nil && !strings.EqualFold(p.ARN, given) {
			err = errNotRevoked(fmt.Sprintf("there is no %s; did you mean %s?", given, p.ARN))
		}
		return p, account, err
	case given == "root":
		return s.principalNamed(r, account, given, "", given)
	case strings.HasPrefix(given, arn.PrefixUser) || strings.HasPrefix(given, arn.PrefixRole):
		if e, err := identity.Entities.Get(r, given); err == nil {
			return s.principalNamed(r, e.Account, string(e.Type), e.Name, given)
		}
	}
	if arn.IsAccessKey(given) {
		key, err := s.findKey(r, given)
		if err != nil {
			return Revoked{}, "", err
		}
		p := Revoked{ARN: key.UserARN, Type: "key", ID: given}
		if key.Active {
			p.AccessKeys = []string{given}
		}
		return p, key.Account, nil
	}
	if k, n, ok := strings.Cut(given, "/"); ok {
		kind, name = k, n[strings.LastIndexByte(n, '/')+1:]
	}
	return s.principalNamed(r, account, kind, name, given)
}

// principalNamed finds a user or role of an account, or its root user; either, if kind
// is empty.
func (s *Server) principalNamed(r store.Reader, account arn.AccountID, kind, name, given string) (Revoked, arn.AccountID, error) {
	scope := arn.Scope{Partition: arn.PartitionOf(s.config.Region), Account: account}
	if !identity.Accounts.Has(r, string(account)) {
		return Revoked{}, "", errNotRevoked(fmt.Sprintf("there is no account %s here", account))
	}
	if kind == "root" {
		return Revoked{ARN: scope.Root(), Type: "root", ID: string(account)}, account, nil
	}
	var found []Revoked
	if kind == "" || kind == "user" {
		u, err := identity.FindUser(r, account, name)
		if err == nil {
			p := Revoked{ARN: u.ARN(scope.Partition), Type: "user", ID: u.ID, Password: u.Login != nil}
			for _, id := range u.AccessKeys {
				key, err := identity.AccessKeys.Get(r, id)
				if err != nil {
					return Revoked{}, "", err
				}
				if !key.Inactive {
					p.AccessKeys = append(p.AccessKeys, id)
				}
			}
			found = append(found, p)
		} else if !errors.Is(err, store.ErrNotFound) {
			return Revoked{}, "", err
		}
	}
	if kind == "" || kind == "role" {
		role, err := identity.FindRole(r, account, name)
		if err == nil {
			found = append(found, Revoked{ARN: role.ARN(scope.Partition), Type: "role", ID: role.ID})
		} else if !errors.Is(err, store.ErrNotFound) {
			return Revoked{}, "", err
		}
	}
	switch len(found) {
	case 1:
		return found[0], account, nil
	case 0:
		return Revoked{}, "", errNotRevoked(fmt.Sprintf("there is no user or role %q in account %s", given, account))
	}
	return Revoked{}, "", errNotRevoked(fmt.Sprintf("%q is a user and a role: say user/%s or role/%s", given, name, name))
}
