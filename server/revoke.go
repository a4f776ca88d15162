package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/endpoint"
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
	Revoked []session.Subject `json:"revoked"`
}

// maxRevoked bounds one transaction and its records.
const maxRevoked = 1000

func (s *Server) serveRevoke(w http.ResponseWriter, r *http.Request) {
	var in RevokeRequest
	if err := readJSON(r, &in); err != nil {
		localError(w, http.StatusBadRequest, err.Error())
		return
	}
	reply, err := s.revoke(r.Context(), in, r.Context().Value(peerKey{}).(peer))
	if refusal, ok := errors.AsType[session.NoSubject](err); ok {
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
		return RevokeReply{}, session.NoSubject("sessions that will be issued cannot be revoked: " + in.Before.Format(time.RFC3339) + " is in the future")
	case len(in.Principals) == 0 || len(in.Principals) > maxRevoked:
		return RevokeReply{}, session.NoSubject(fmt.Sprintf("name from 1 to %d principals", maxRevoked))
	}
	var reply RevokeReply
	err := s.store.Update(ctx, func(tx store.Tx) error {
		reply = RevokeReply{}
		for _, name := range in.Principals {
			p, err := session.FindSubject(tx, arn.Scope{Partition: arn.PartitionOf(s.config.Region), Account: in.Account}, name)
			if err != nil {
				return err
			}
			if err := p.End(tx, in.Before); err != nil {
				return err
			}
			reply.Revoked = append(reply.Revoked, p)
			if err := s.recordRevocation(tx, p, now, who); err != nil {
				return err
			}
		}
		return nil
	})
	return reply, err
}

// recordRevocation writes an event that AWS has no name for: there, one attaches a
// policy that denies what is older.
func (s *Server) recordRevocation(tx store.Tx, p session.Subject, now time.Time, who peer) error {
	e := s.localEvent(p.Account, "sts.amazonaws.com", "RevokeSessions", now)
	e.Type = "AwsServiceEvent"
	name, id := p.ARN, "principalId"
	if p.Type == "key" {
		name, id = p.ID, "accessKeyId"
	}
	kinds := map[string]string{"user": "AWS::IAM::User", "role": "AWS::IAM::Role", "key": "AWS::IAM::AccessKey"}
	e.Resources = []audit.Resource{{ARN: name, AccountID: p.Account, Type: kinds[p.Type]}}
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
