package server

import (
	"context"
	"fmt"
	"time"

	"github.com/lanyard-iam/lanyard/notify"
	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/store"
)

// waitsLong is for how long a notification may wait before something is wrong.
const waitsLong = time.Hour

// newOutbox makes what tells people of security events.
func (s *Server) newOutbox() (*notify.Outbox, error) {
	guard, err := s.config.egress()
	if err != nil {
		return nil, err
	}
	mail, err := s.config.mail()
	if err != nil {
		return nil, err
	}
	return notify.New(notify.Config{
		Store: s.store, Ring: s.ring, Guard: guard, Mail: mail,
		ConsoleURL: s.consoleAddress, Log: s.log, Clock: s.clock.Now,
	}), nil
}

// notifications is their state, of all accounts: it names no destination.
func (s *Server) notifications(ctx context.Context) (state, text string) {
	waiting, oldest := 0, time.Time{}
	err := s.store.View(ctx, func(r store.Reader) error {
		all, err := s.outbox.Waiting(r, "")
		for _, w := range all {
			waiting += w.Notices
			if oldest.IsZero() || w.Since.Before(oldest) {
				oldest = w.Since
			}
		}
		return err
	})
	switch {
	case err != nil:
		s.log.Warn("waiting notifications", "error", err)
		return lanyard.StateFailed, notReady
	case waiting == 0:
		return lanyard.StateGood, "none waits"
	}
	state = lanyard.StateGood
	if s.clock.Now().Sub(oldest) >= waitsLong {
		state = lanyard.StateFailed
	}
	return state, fmt.Sprintf("%s to be delivered, the oldest since %s", waits(int64(waiting), "notification"), oldest.Format("2006-01-02 15:04 UTC"))
}
