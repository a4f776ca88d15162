package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// What `lanyard advise` needs beside the API: a credential report of this moment (that
// of the API is up to four hours old), and the findings that the owner accepted.

// CredentialReportReply is a credential report of this moment.
type CredentialReportReply struct {
	Account   arn.AccountID `json:"account"`
	Generated time.Time     `json:"generated"`
	Content   string        `json:"content"` // CSV
}

// SuppressRequest accepts a finding for a time, or no longer.
type SuppressRequest struct {
	Account arn.AccountID `json:"account,omitempty"` // empty: that of the ARN
	ID      string        `json:"id"`
	ARN     string        `json:"arn"`
	Reason  string        `json:"reason,omitempty"`
	Until   time.Time     `json:"until,omitzero"`
}

// SuppressionsReply are the suppressions of an account.
type SuppressionsReply struct {
	Account      arn.AccountID         `json:"account"`
	Suppressions []advisor.Suppression `json:"suppressions"`
}

// errSuppression is about the request.
type errSuppression string

func (e errSuppression) Error() string { return string(e) }

// The bounds of suppressions. What never ends is no exception but a rule.
const (
	maxReason       = 500
	maxEntityARN    = 2048
	maxSuppressed   = 366 * 24 * time.Hour
	maxSuppressions = 10_000
	// endedSuppressions is for how long one that has ended is kept, to tell of it.
	endedSuppressions = 90 * 24 * time.Hour
)

// accountAsked is the account that a local request names, or the first.
func (s *Server) accountAsked(account arn.AccountID) (arn.AccountID, error) {
	if account == "" {
		account = s.Accounts()[0]
	}
	if !slices.Contains(s.Accounts(), account) {
		return "", errSuppression(fmt.Sprintf("there is no account %s here", account))
	}
	return account, nil
}

// replyAdvice answers with v, or with the error.
func (s *Server) replyAdvice(w http.ResponseWriter, v any, err error) {
	if refusal, ok := errors.AsType[errSuppression](err); ok {
		localError(w, http.StatusBadRequest, refusal.Error())
		return
	}
	if err != nil {
		s.log.Error("advice", "error", err)
		localError(w, http.StatusInternalServerError, err.Error())
		return
	}
	localReply(w, v)
}

func (s *Server) serveCredentialReport(w http.ResponseWriter, r *http.Request) {
	reply, err := s.credentialReport(r.Context(), arn.AccountID(r.URL.Query().Get("account")))
	s.replyAdvice(w, reply, err)
}

func (s *Server) credentialReport(ctx context.Context, account arn.AccountID) (reply CredentialReportReply, err error) {
	if reply.Account, err = s.accountAsked(account); err != nil {
		return reply, err
	}
	err = s.store.View(ctx, func(rd store.Reader) error {
		c := s.systemCall(nil, reply.Account)
		c.Reader, c.Tx = rd, nil
		reply.Generated = c.Now
		var text bytes.Buffer
		err := s.iam.WriteCredentialReport(c, &text)
		reply.Content = text.String()
		return err
	})
	return reply, err
}

func (s *Server) serveSuppressions(w http.ResponseWriter, r *http.Request) {
	var reply SuppressionsReply
	account, err := s.accountAsked(arn.AccountID(r.URL.Query().Get("account")))
	if err == nil {
		err = s.store.View(r.Context(), func(rd store.Reader) (err error) {
			reply, err = suppressionsOf(rd, account)
			return err
		})
	}
	s.replyAdvice(w, reply, err)
}

func suppressionsOf(r store.Reader, account arn.AccountID) (SuppressionsReply, error) {
	reply := SuppressionsReply{Account: account, Suppressions: []advisor.Suppression{}}
	err := identity.Suppressions.Scan(r, "", func(_ store.Key, s *identity.Suppression) bool {
		reply.Suppressions = append(reply.Suppressions, advisor.Suppression(*s))
		return true
	}, string(account))
	return reply, err
}

func (s *Server) serveSuppress(w http.ResponseWriter, r *http.Request) {
	var in SuppressRequest
	if err := readJSON(r, &in); err != nil {
		localError(w, http.StatusBadRequest, err.Error())
		return
	}
	reply, err := s.suppress(r.Context(), in, r.Context().Value(peerKey{}).(peer))
	s.replyAdvice(w, reply, err)
}

func (s *Server) serveUnsuppress(w http.ResponseWriter, r *http.Request) {
	var in SuppressRequest
	if err := readJSON(r, &in); err != nil {
		localError(w, http.StatusBadRequest, err.Error())
		return
	}
	reply, err := s.unsuppress(r.Context(), in, r.Context().Value(peerKey{}).(peer))
	s.replyAdvice(w, reply, err)
}

// checkFinding tells which account a finding is of.
func (s *Server) checkFinding(in SuppressRequest) (arn.AccountID, error) {
	if _, ok := advisor.RuleOf(in.ID); !ok {
		return "", errSuppression(fmt.Sprintf("%.40q is no finding's id", in.ID))
	}
	a, err := arn.Parse(in.ARN)
	if err != nil || len(in.ARN) > maxEntityARN || a.Service != "iam" {
		return "", errSuppression(fmt.Sprintf("%.200q is no ARN of a user, group, role, policy or root", in.ARN))
	}
	if in.Account != "" && string(in.Account) != a.Account {
		return "", errSuppression(fmt.Sprintf("%s is not of account %s", in.ARN, in.Account))
	}
	return s.accountAsked(arn.AccountID(a.Account))
}

// suppress accepts a finding and puts that on record, in one transaction.
func (s *Server) suppress(ctx context.Context, in SuppressRequest, who peer) (reply SuppressionsReply, err error) {
	account, err := s.checkFinding(in)
	if err != nil {
		return reply, err
	}
	now := s.clock.Now().UTC()
	in.Reason = strings.TrimSpace(in.Reason)
	switch {
	case in.Reason == "" || utf8.RuneCountInString(in.Reason) > maxReason || !utf8.ValidString(in.Reason):
		return reply, errSuppression(fmt.Sprintf("say why, in at most %d characters", maxReason))
	case !in.Until.After(now):
		return reply, errSuppression("the end is to be in the future")
	case in.Until.Sub(now) > maxSuppressed:
		return reply, errSuppression("the end is to be within a year; it can be suppressed again then")
	}
	record := identity.Suppression{ID: in.ID, ARN: in.ARN, Reason: in.Reason, By: loginName(who.uid), At: now.Truncate(time.Second), Until: in.Until.UTC()}
	err = s.store.Update(ctx, func(tx store.Tx) error {
		all, err := suppressionsOf(tx, account)
		if err != nil {
			return err
		}
		n := len(all.Suppressions)
		for _, old := range all.Suppressions {
			if now.Sub(old.Until) > endedSuppressions {
				identity.Suppressions.Delete(tx, string(account), old.ID, old.ARN)
				n--
			}
		}
		if n >= maxSuppressions && !identity.Suppressions.Has(tx, string(account), in.ID, in.ARN) {
			return errSuppression(fmt.Sprintf("there are %d suppressions already", n))
		}
		if err := identity.Suppressions.Put(tx, &record, string(account), in.ID, in.ARN); err != nil {
			return err
		}
		return s.recordSuppression(tx, account, "SuppressFinding", &record, now, who)
	})
	return SuppressionsReply{Account: account, Suppressions: []advisor.Suppression{advisor.Suppression(record)}}, err
}

// unsuppress takes a suppression back.
func (s *Server) unsuppress(ctx context.Context, in SuppressRequest, who peer) (reply SuppressionsReply, err error) {
	account, err := s.checkFinding(in)
	if err != nil {
		return reply, err
	}
	now := s.clock.Now().UTC()
	err = s.store.Update(ctx, func(tx store.Tx) error {
		record, err := identity.Suppressions.Get(tx, string(account), in.ID, in.ARN)
		if errors.Is(err, store.ErrNotFound) {
			return errSuppression(fmt.Sprintf("%s of %s is not suppressed", in.ID, in.ARN))
		}
		if err != nil {
			return err
		}
		reply = SuppressionsReply{Account: account, Suppressions: []advisor.Suppression{advisor.Suppression(*record)}}
		identity.Suppressions.Delete(tx, string(account), in.ID, in.ARN)
		return s.recordSuppression(tx, account, "UnsuppressFinding", record, now, who)
	})
	return reply, err
}

// recordSuppression writes an event that AWS has no name for.
func (s *Server) recordSuppression(tx store.Tx, account arn.AccountID, event string, record *identity.Suppression, now time.Time, who peer) error {
	e := s.localEvent(account, "iam.amazonaws.com", event, now)
	e.Type = "AwsServiceEvent"
	e.Resources = []audit.Resource{{ARN: record.ARN, AccountID: account}}
	var err error
	if e.Additional, err = json.Marshal(map[string]any{
		"localUser": loginName(who.uid), "localUid": who.uid,
		"finding": record.ID, "arn": record.ARN, "reason": record.Reason, "until": record.Until.Format(time.RFC3339),
	}); err != nil {
		return err
	}
	return s.trail.AppendTo(tx, e)
}
