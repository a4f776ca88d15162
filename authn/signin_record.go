package authn

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// What the trail says of signing in is CloudTrail's: ConsoleLogin for each attempt with its
// outcome, CheckMfa where a second factor is asked for.

const (
	sourceSignIn = "signin.amazonaws.com"
	sourceIAM    = "iam.amazonaws.com"
	typeSignIn   = "AwsConsoleSignIn"

	failedAuthentication = "Failed authentication"
	noUserName           = "No username found in supplied account"
	hiddenName           = "HIDDEN_DUE_TO_SECURITY_REASONS" // it may be a password
)

// event opens a record of the sign-in page.
func (s *SignIns) event(v Visitor, account arn.AccountID, name string, now time.Time) (*audit.Event, error) {
	id, err := uuid.NewRandomFromReader(s.Rand)
	if err != nil {
		return nil, err
	}
	return &audit.Event{
		ID:        id.String(),
		Time:      now,
		Source:    sourceSignIn,
		Name:      name,
		Type:      typeSignIn,
		Region:    s.Region,
		SourceIP:  v.from(),
		UserAgent: v.agent(),
		TLS:       v.TLS,
		Account:   account,
	}, nil
}

// eventOf opens a record about a person.
func (s *SignIns) eventOf(v Visitor, p *identity.Person, name string, now time.Time) (*audit.Event, error) {
	e, err := s.event(v, p.Account.ID, name, now)
	if err != nil {
		return nil, err
	}
	e.Identity = audit.UserIdentity{PrincipalID: p.ID(), AccountID: string(p.Account.ID), ARN: p.ARN()}
	if !p.Root() {
		e.Identity.Type, e.Identity.UserName = "IAMUser", p.Name()
		return e, nil
	}
	e.Identity.Type, e.Identity.UserName = "Root", p.Account.Alias
	e.Identity.NoAccessKey = true
	if p.Account.Partition == "aws" {
		e.Region = "us-east-1" // where root signs in
	}
	return e, nil
}

// loginData is additionalEventData of ConsoleLogin.
type loginData struct {
	LoginTo       string
	MobileVersion string
	MFAIdentifier string `json:",omitempty"`
	MFAUsed       string
}

func yesNo(b bool) string {
	if b {
		return "Yes"
	}
	return "No"
}

func (s *SignIns) loginData(e *audit.Event, destination string, mfaUsed bool, identifier string) (err error) {
	e.Additional, err = json.Marshal(loginData{
		LoginTo:       s.URL() + Destination(destination),
		MobileVersion: "No", // there is one page for all
		MFAUsed:       yesNo(mfaUsed),
		MFAIdentifier: identifier,
	})
	return err
}

// recordSuccess records that a person is signed in.
func (s *SignIns) recordSuccess(tx store.Tx, v Visitor, p *identity.Person, g progress, now time.Time) error {
	e, err := s.eventOf(v, p, "ConsoleLogin", now)
	if err != nil {
		return err
	}
	identifier := ""
	if g.device != "" {
		identifier = identity.SerialOf(arn.Scope{Partition: p.Account.Partition, Account: p.Account.ID}, g.device)
	}
	if err := s.loginData(e, g.destination, g.second(), identifier); err != nil {
		return err
	}
	e.SetSignIn("")
	return s.Trail.AppendTo(tx, e)
}

// recordFailure records a failure of somebody who is known, with what was counted.
func (s *SignIns) recordFailure(tx store.Tx, v Visitor, p *identity.Person, mfaUsed bool, now time.Time) error {
	if !s.admit(v, p.Account.ID, now) {
		return nil
	}
	e, err := s.failure(v, p, mfaUsed, now)
	if err != nil {
		return err
	}
	return s.Trail.AppendTo(tx, e)
}

func (s *SignIns) failure(v Visitor, p *identity.Person, mfaUsed bool, now time.Time) (*audit.Event, error) {
	e, err := s.eventOf(v, p, "ConsoleLogin", now)
	if err != nil {
		return nil, err
	}
	if !p.Root() { // AWS names no ARN of who is not let in
		e.Identity.ARN, e.Identity.NoAccessKey = "", true
	}
	if err := s.loginData(e, "/", mfaUsed, ""); err != nil {
		return nil, err
	}
	e.SetSignIn(failedAuthentication)
	return e, nil
}

func (s *SignIns) admit(v Visitor, account arn.AccountID, now time.Time) bool {
	return s.Admit == nil || s.Admit(v.Address, account, now)
}

// offerFailure records a wrong password. The record is written within a moment and not
// waited for, so that the answer takes as long as for a name of nobody's account, which
// leaves none.
func (s *SignIns) offerFailure(v Visitor, a *attempt, now time.Time) {
	if a.account == "" || !s.admit(v, a.account, now) {
		return
	}
	var e *audit.Event
	var err error
	if a.person != nil {
		e, err = s.failure(v, a.person, false, now)
	} else if e, err = s.event(v, a.account, "ConsoleLogin", now); err == nil {
		e.Identity = audit.UserIdentity{Type: "IAMUser", AccountID: string(a.account), UserName: hiddenName, NoAccessKey: true}
		err = s.loginData(e, "/", false, "")
		e.SetSignIn(noUserName)
	}
	if err == nil {
		err = s.Trail.Offer(e)
	}
	if err != nil {
		s.Log.Warn("a failed sign-in is not on record", "error", err)
	}
}

// A challenge is recorded although nobody has failed, and whoever knows the password of
// somebody with a second factor can have one for each hash: that would be a million records
// a day. So of a person in a row so many are recorded within the window. A limit by address,
// as that of failures, would let who has used it up before keep the first one off the trail.
const (
	challengesRecorded = 20
	challengesWindow   = 10 * time.Minute

	// purposeChallenge counts them, until the person has signed in.
	purposeChallenge Purpose = "challenge"
)

// recordChallenge records that a second factor is asked for.
func (s *SignIns) recordChallenge(tx store.Tx, v Visitor, p *identity.Person, now time.Time) error {
	t, err := throttleOf(tx, purposeChallenge, p.ID())
	if err != nil {
		return err
	}
	next := *t
	if next.Failures == 0 || now.Sub(next.Since) >= challengesWindow {
		next.Failures, next.Since = 0, now
	}
	if next.Failures >= challengesRecorded {
		return nil
	}
	next.Failures++
	if err := identity.Throttles.Put(tx, &next, string(purposeChallenge), p.ID()); err != nil {
		return err
	}
	e, err := s.eventOf(v, p, "CheckMfa", now)
	if err != nil {
		return err
	}
	if e.Additional, err = json.Marshal(map[string]string{"MfaType": mfaType(p)}); err != nil {
		return err
	}
	e.SetSignIn("")
	return s.Trail.AppendTo(tx, e)
}

// recordRecoveryCode records that a recovery code was used, whatever else the sign-in lacks.
func (s *SignIns) recordRecoveryCode(tx store.Tx, v Visitor, p *identity.Person, now time.Time) error {
	e, err := s.eventOf(v, p, "CheckMfa", now)
	if err != nil {
		return err
	}
	if e.Additional, err = json.Marshal(map[string]string{"MfaType": audit.RecoveryCode}); err != nil {
		return err
	}
	e.SetSignIn("")
	return s.Trail.AppendTo(tx, e)
}

// recordNewPassword records a change of the password: a user's as ChangePassword of IAM,
// which is recorded without any parameters, root's as the sign-in page's PasswordUpdated.
func (s *SignIns) recordNewPassword(tx store.Tx, v Visitor, p *identity.Person, now time.Time) error {
	if p.Root() {
		e, err := s.eventOf(v, p, "PasswordUpdated", now)
		if err != nil {
			return err
		}
		e.SetSignIn("")
		return s.Trail.AppendTo(tx, e)
	}
	e, err := s.eventOf(v, p, "ChangePassword", now)
	if err != nil {
		return err
	}
	e.Source, e.Type = sourceIAM, ""
	return s.Trail.AppendTo(tx, e)
}

// mfaType is what CloudTrail calls the devices of a person.
func mfaType(p *identity.Person) string {
	devices := p.Devices()
	if len(devices) != 1 {
		return "Multiple MFA Devices"
	}
	if d := (&identity.MFADevice{Path: devices[0].Serial}); d.Kind() == identity.SecurityKey {
		return "U2F MFA"
	}
	return "Virtual MFA"
}
