package server

import (
	"context"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/internal/webauthnx"
	"github.com/lanyard-iam/lanyard/service/iam"
)

// newSignIns makes what signs people in.
func (s *Server) newSignIns() *authn.SignIns {
	limits := s.limits()
	return authn.NewSignIns(authn.SignInConfig{
		Store:             s.store,
		Ring:              s.ring,
		Sessions:          s.sessions,
		Passwords:         s.passwords,
		Trail:             s.trail,
		Redact:            s.redact,
		Keys:              s.securityKeys,
		Log:               s.log,
		Clock:             s.clock.Now,
		Rand:              s.rand,
		Region:            s.config.Region,
		URL:               s.consoleAddress,
		Admit:             s.strangers.Admit,
		Observe:           s.metrics.signIn,
		DevicesPerPerson:  limits.MFADevicesPerUser,
		DevicesPerAccount: limits.UsersPerAccount,
	})
}

// limits are the quotas.
func (s *Server) limits() iam.Limits {
	if s.config.Limits == (iam.Limits{}) {
		return iam.DefaultLimits()
	}
	return s.config.Limits
}

// newKeys makes what runs the ceremonies of security keys; nil where browsers offer none.
func (s *Server) newKeys() *authn.WebAuthn {
	u := s.ConsoleURL()
	if u == nil {
		return nil
	}
	site, err := webauthnx.ForURL(u.String(), "Lanyard")
	if err != nil {
		s.log.Warn("no security keys", "error", err)
		return nil
	}
	rp, err := webauthnx.New(site)
	if err != nil {
		s.log.Info("no security keys", "error", err)
		return nil
	}
	return &authn.WebAuthn{Site: rp, Ring: s.ring}
}

// sweepSignIns removes what people left half-way.
func (s *Server) sweepSignIns(ctx context.Context) {
	if err := s.signIns.Sweep(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("sign-ins that ended were not removed", "error", err)
	}
}

// consoleAddress is ConsoleURL as text; empty if there is no console.
func (s *Server) consoleAddress() string {
	if u := s.ConsoleURL(); u != nil {
		return u.String()
	}
	return ""
}
