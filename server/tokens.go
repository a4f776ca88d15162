package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/service/iam"
	"github.com/lanyard-iam/lanyard/store"
)

// Hardware tokens are brought in by the owner of the host, over the local socket,
// since a seed is nothing to send through an API.

// TokensRequest names hardware tokens to import, in a file's text (see
// mfa.ParseTokens), or to remove, by serial number.
type TokensRequest struct {
	Account arn.AccountID `json:"account,omitempty"` // empty: the first
	File    string        `json:"file,omitempty"`
	Serials []string      `json:"serials,omitempty"`
}

// TokensReply are the tokens that were imported or removed, or all that there are.
type TokensReply struct {
	Account arn.AccountID `json:"account"`
	Tokens  []TokenReply  `json:"tokens"`
}

// TokenReply is a hardware token.
type TokenReply struct {
	Serial string `json:"serialNumber"`
	User   string `json:"userName,omitempty"` // who uses it
}

// MaxTokenFile bounds a file of tokens in bytes.
const MaxTokenFile = 512 << 10

func (s *Server) serveTokens(w http.ResponseWriter, r *http.Request) {
	account := arn.AccountID(r.URL.Query().Get("account"))
	s.replyTokens(w, account, func(account arn.AccountID) (list []TokenReply, err error) {
		err = s.store.View(r.Context(), func(rd store.Reader) error {
			c := s.systemCall(nil, account)
			c.Reader, c.Tx = rd, nil
			tokens, err := s.iam.Tokens(c)
			for _, t := range tokens {
				list = append(list, TokenReply{Serial: t.Serial, User: t.User})
			}
			return err
		})
		return list, err
	})
}

func (s *Server) serveImportTokens(w http.ResponseWriter, r *http.Request) {
	var in TokensRequest
	// Characters of the file may be escaped in JSON, as six bytes at most.
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 7*MaxTokenFile)).Decode(&in)
	if _, large := errors.AsType[*http.MaxBytesError](err); err != nil && !large {
		localError(w, http.StatusBadRequest, "the request is not the JSON that lanyard mfa import sends")
		return
	}
	if err != nil || len(in.File) > MaxTokenFile {
		localError(w, http.StatusBadRequest, fmt.Sprintf("a file of tokens has at most %d bytes", MaxTokenFile))
		return
	}
	who := r.Context().Value(peerKey{}).(peer)
	s.replyTokens(w, in.Account, func(account arn.AccountID) ([]TokenReply, error) {
		tokens, err := mfa.ParseTokens([]byte(in.File))
		if err == nil && len(tokens) == 0 {
			err = errors.New("the file has no token")
		}
		if err != nil {
			return nil, &iam.TokenError{Problem: err.Error()}
		}
		serials := make([]string, len(tokens))
		for i, t := range tokens {
			serials[i] = t.Serial
		}
		return s.changeTokens(r.Context(), account, "ImportHardwareMFADevice", serials, who, func(tx store.Tx) error {
			return s.iam.ImportTokens(s.systemCall(tx, account), tokens)
		})
	})
}

func (s *Server) serveRemoveTokens(w http.ResponseWriter, r *http.Request) {
	var in TokensRequest
	if err := readJSON(r, &in); err != nil {
		localError(w, http.StatusBadRequest, err.Error())
		return
	}
	who := r.Context().Value(peerKey{}).(peer)
	s.replyTokens(w, in.Account, func(account arn.AccountID) ([]TokenReply, error) {
		if len(in.Serials) == 0 || len(in.Serials) > mfa.MaxTokens {
			return nil, &iam.TokenError{Problem: fmt.Sprintf("name from 1 to %d tokens", mfa.MaxTokens)}
		}
		return s.changeTokens(r.Context(), account, "RemoveHardwareMFADevice", in.Serials, who, func(tx store.Tx) error {
			c := s.systemCall(tx, account)
			for _, serial := range in.Serials {
				if err := s.iam.RemoveToken(c, serial); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// replyTokens answers with what do returns for an account of this server.
func (s *Server) replyTokens(w http.ResponseWriter, account arn.AccountID, do func(arn.AccountID) ([]TokenReply, error)) {
	if account == "" {
		account = s.Accounts()[0]
	}
	if !slices.Contains(s.Accounts(), account) {
		localError(w, http.StatusBadRequest, fmt.Sprintf("there is no account %s here", account))
		return
	}
	list, err := do(account)
	if refusal, ok := errors.AsType[*iam.TokenError](err); ok {
		localError(w, http.StatusBadRequest, refusal.Error())
		return
	}
	if err != nil {
		s.log.Error("hardware tokens", "error", err)
		localError(w, http.StatusInternalServerError, err.Error())
		return
	}
	localReply(w, TokensReply{Account: account, Tokens: list})
}

// changeTokens makes a change and puts it on record for each token, in one
// transaction. AWS has no name for these events.
func (s *Server) changeTokens(ctx context.Context, account arn.AccountID, event string, serials []string, who peer, change func(store.Tx) error) ([]TokenReply, error) {
	additional, err := json.Marshal(map[string]any{"localUser": loginName(who.uid), "localUid": who.uid})
	if err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, func(tx store.Tx) error {
		if err := change(tx); err != nil {
			return err
		}
		now := s.clock.Now().UTC()
		for _, serial := range serials {
			e := s.localEvent(account, "iam.amazonaws.com", event, now)
			e.Type = "AwsServiceEvent"
			e.Resources = []audit.Resource{{ARN: serial, AccountID: account, Type: "AWS::IAM::MfaDevice"}}
			e.SetRequest(&struct{ SerialNumber string }{serial}, s.redact)
			e.Additional = additional
			if err := s.trail.AppendTo(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list := make([]TokenReply, len(serials))
	for i, serial := range serials {
		list[i].Serial = serial
	}
	return list, nil
}
