package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// ClaimRequest asks for a link by which the root user of an account is set up.
type ClaimRequest struct {
	Account arn.AccountID `json:"account,omitempty"` // empty: the first
}

// RecoverRequest asks for a link by which somebody who lost their MFA devices comes in:
// root, or the user of that name.
type RecoverRequest struct {
	Account arn.AccountID `json:"account,omitempty"` // empty: the first
	Root    bool          `json:"root,omitempty"`
	User    string        `json:"user,omitempty"`
}

// LinkReply is a one-time link.
type LinkReply struct {
	URL     string    `json:"url"`
	Expires time.Time `json:"expires"`
	ARN     string    `json:"arn"` // whom it is for
}

// errNoLink refuses to make a link, in words for the owner.
type errNoLink string

func (e errNoLink) Error() string { return string(e) }

func (s *Server) serveClaim(w http.ResponseWriter, r *http.Request) {
	var in ClaimRequest
	if err := readJSON(r, &in); err != nil {
		localError(w, http.StatusBadRequest, err.Error())
		return
	}
	who := r.Context().Value(peerKey{}).(peer)
	reply, err := s.ownerLink(r.Context(), identity.LinkClaim, RecoverRequest{Account: in.Account, Root: true}, who)
	s.answerLink(w, reply, err)
}

func (s *Server) serveRecover(w http.ResponseWriter, r *http.Request) {
	var in RecoverRequest
	if err := readJSON(r, &in); err != nil {
		localError(w, http.StatusBadRequest, err.Error())
		return
	}
	if in.Root == (in.User != "") {
		localError(w, http.StatusBadRequest, "say whom to recover: root, or one user")
		return
	}
	who := r.Context().Value(peerKey{}).(peer)
	reply, err := s.ownerLink(r.Context(), identity.LinkRecover, in, who)
	s.answerLink(w, reply, err)
}

func (s *Server) answerLink(w http.ResponseWriter, reply *LinkReply, err error) {
	no, refused := errors.AsType[errNoLink](err)
	switch {
	case refused:
		localError(w, http.StatusConflict, no.Error())
	case err != nil:
		s.log.Error("one-time link", "error", err)
		localError(w, http.StatusInternalServerError, err.Error())
	default:
		localReply(w, reply)
	}
}

// ownerLink makes a one-time link for the owner of the host and puts that on record.
func (s *Server) ownerLink(ctx context.Context, purpose identity.LinkPurpose, in RecoverRequest, who peer) (*LinkReply, error) {
	console := s.consoleAddress()
	if console == "" {
		return nil, errNoLink("there is no console: start the server with --url, the address at which people reach it")
	}
	if in.Account == "" {
		in.Account = s.Accounts()[0]
	}
	now := s.clock.Now().UTC().Truncate(time.Second)
	by := loginName(who.uid)
	var reply *LinkReply
	err := s.store.Update(ctx, func(tx store.Tx) error {
		p, err := s.personNamed(tx, in)
		if err != nil {
			return err
		}
		switch {
		case purpose == identity.LinkClaim && p.Account.RootEmail != "":
			return errNoLink(fmt.Sprintf("the root user of %s is claimed: it signs in as %s. If its password or MFA device is lost: lanyard recover --root --account %s", in.Account, p.Account.RootEmail, in.Account))
		case purpose == identity.LinkRecover && p.Root() && p.Account.RootEmail == "":
			return errNoLink(fmt.Sprintf("the root user of %s is not claimed yet: lanyard claim --account %s", in.Account, in.Account))
		case !p.Root() && p.Login() == nil:
			return errNoLink(fmt.Sprintf("%s has no password, and a link replaces the MFA device only: aws iam create-login-profile --user-name %s", p.ARN(), p.Name()))
		}
		secret, link, err := authn.MakeLink(tx, p, purpose, by, now, s.rand)
		if err != nil {
			return err
		}
		reply = &LinkReply{URL: console + authn.LinkPath(p, secret), Expires: link.Expires, ARN: p.ARN()}
		return s.recordLink(tx, p, link, who)
	})
	if err == nil && !s.config.Dev { // the link of --dev is on the screen
		s.log.Warn("a one-time link was made on this host", "purpose", purpose, "for", reply.ARN, "by", by, "expires", reply.Expires)
	}
	return reply, err
}

func (s *Server) personNamed(tx store.Tx, in RecoverRequest) (*identity.Person, error) {
	account, err := identity.Accounts.Get(tx, string(in.Account))
	if errors.Is(err, store.ErrNotFound) {
		return nil, errNoLink(fmt.Sprintf("there is no account %s here", in.Account))
	}
	if err != nil || in.Root {
		return &identity.Person{Account: account}, err
	}
	u, err := identity.FindUser(tx, in.Account, in.User)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errNoLink(fmt.Sprintf("there is no user %s in account %s", in.User, in.Account))
	}
	return &identity.Person{Account: account, User: u}, err
}

// recordLink writes an event that AWS has no name for.
func (s *Server) recordLink(tx store.Tx, p *identity.Person, link *identity.OneTimeLink, who peer) error {
	e := s.localEvent(p.Account.ID, "signin.amazonaws.com", "CreateOneTimeLink", link.Created)
	e.Type = "AwsServiceEvent"
	e.Resources = []audit.Resource{{ARN: p.ARN(), AccountID: p.Account.ID, Type: map[bool]string{true: "AWS::IAM::RootUser", false: "AWS::IAM::User"}[p.Root()]}}
	var err error
	e.Additional, err = json.Marshal(map[string]any{
		"localUser": loginName(who.uid), "localUid": who.uid, "linkPurpose": link.Purpose, "expires": link.Expires.Format(time.RFC3339),
	})
	if err != nil {
		return err
	}
	return s.trail.AppendTo(tx, e)
}

// ClaimLink is a link by which the root user of the first account is set up, for the
// announcement of a development server; nil if it is claimed, or cannot be.
func (s *Server) ClaimLink(ctx context.Context) (*LinkReply, error) {
	reply, err := s.ownerLink(ctx, identity.LinkClaim, RecoverRequest{Root: true}, peer{uid: uint32(os.Getuid())})
	if _, refused := errors.AsType[errNoLink](err); refused {
		return nil, nil
	}
	return reply, err
}
