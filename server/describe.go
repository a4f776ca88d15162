package server

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/sqlite"
)

// When what is well becomes a warning.
const (
	backupWarning      = 7 * 24 * time.Hour
	certificateWarning = 14 * 24 * time.Hour
	// A disk with less than so much is nearly full, and with less than a tenth of that full.
	freeWarning   = 1 << 30
	freeWarningOf = 20 // a twentieth of the disk, if that is less
)

// notReady is all that is said of an error: the log is for who runs the server.
const notReady = "not ready: the server's log says why"

// describe tells how the server runs. It names no account.
func (s *Server) describe(ctx context.Context) (*lanyard.DescribeServerOutput, error) {
	now := s.clock.Now().UTC()
	began, trail, days := s.began.UTC(), s.trail.Stats(), int64(s.config.Retention/(24*time.Hour))
	out := &lanyard.DescribeServerOutput{
		Version: &s.config.Version, Started: &began, Now: &now, Dev: &s.config.Dev,
		Trail: &lanyard.ServerTrail{Queued: ptr(int64(trail.Queued)), Failures: ptr(int64(trail.Failures)), RetentionDays: &days},
		TLS:   s.describeTLS(), Settings: []lanyard.ServerSetting{},
	}
	if url := s.AdminURL(); url != "" {
		out.Metrics = ptr(url + "/metrics")
	}
	for _, v := range s.config.Settings {
		out.Settings = append(out.Settings, lanyard.ServerSetting{Name: &v.Name, Value: &v.Value, Origin: &v.Origin})
	}
	if !s.config.Dev {
		out.Store = s.describeStore(ctx)
		out.SealKey = s.describeSealKey()
		state, err := s.lastBackup(ctx)
		if err != nil {
			return nil, err
		}
		if b := state.Ended; b != nil {
			out.Backup = &lanyard.ServerBackup{Begun: &b.Begun, Bytes: &b.Bytes}
		}
	}
	out.Checks = s.judged(ctx, out)
	return out, nil
}

func ptr[T any](v T) *T { return &v }

func (s *Server) lastBackup(ctx context.Context) (state *backupState, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		state, err = backupsOf(r)
		return err
	})
	return state, err
}

// describeStore leaves out what cannot be found out; the log says why.
func (s *Server) describeStore(ctx context.Context) *lanyard.ServerStore {
	dir, err := filepath.Abs(s.config.DataDir)
	if err != nil {
		dir = s.config.DataDir
	}
	out := &lanyard.ServerStore{Directory: &dir}
	if size, err := sizeOf(dir); err != nil {
		s.log.Warn("size of the data directory", "error", err)
	} else {
		out.DatabaseBytes = &size
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		s.log.Warn("space on the disk of the data directory", "error", err)
	} else {
		out.FreeBytes = ptr(int64(uint64(disk.Bavail) * uint64(disk.Bsize)))
		out.DiskBytes = ptr(int64(uint64(disk.Blocks) * uint64(disk.Bsize)))
	}
	if counts, err := s.counted.of(ctx, s.store); err != nil {
		s.log.Warn("count the records", "error", err)
	} else {
		var records, bytes int64
		for _, c := range counts {
			records, bytes = records+c.records, bytes+c.bytes
		}
		out.Records, out.RecordBytes = &records, &bytes
	}
	if st, ok := s.store.(*sqlite.Store); ok {
		if at := st.LastWrite(); !at.IsZero() {
			out.LastWrite = &at
		}
	}
	return out
}

// counted is what the records of a store were when they were last counted.
type counted struct {
	mu    sync.Mutex
	at    time.Time
	kinds kindCounts
}

// kindCounts are by store.Kind. What records weigh is estimated: one that was read since the
// start would have to be encoded for it.
type kindCounts [256]struct{ records, bytes, weighed int64 }

// The first so many records of a kind are weighed, and every so many-th of the others.
const (
	weighFirst = 256
	weighEvery = 64
)

// countEvery is how old a count may be. To count is to look at every record.
const countEvery = time.Minute

func (c *counted) of(ctx context.Context, st store.Store) (kinds kindCounts, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) < countEvery {
		return c.kinds, nil
	}
	err = st.View(ctx, func(r store.Reader) (failed error) {
		r.Scan("", "", func(key store.Key, it *store.Item) bool {
			k := &kinds[key.Kind()]
			if k.records++; k.records > weighFirst && k.records%weighEvery != 0 {
				return true
			}
			raw, err := it.Bytes()
			if failed = cmp.Or(err, ctx.Err()); failed != nil {
				return false
			}
			k.weighed++
			k.bytes += int64(len(key) + len(raw))
			return true
		})
		for i := range kinds {
			if k := &kinds[i]; k.weighed > 0 {
				k.bytes = k.bytes * k.records / k.weighed
			}
		}
		return failed
	})
	if err == nil {
		c.kinds, c.at = kinds, time.Now()
	}
	return kinds, err
}

func (s *Server) describeTLS() *lanyard.ServerTLS {
	if s.certs == nil {
		by := lanyard.TLSNone
		if loopback, _ := isLoopback(s.config.Listen); !loopback || s.config.PlainHTTP {
			by = lanyard.TLSProxy
		}
		return &lanyard.ServerTLS{By: &by}
	}
	out := &lanyard.ServerTLS{By: ptr(lanyard.TLSServer), File: &s.config.TLSCert}
	leaf := s.certs.current.Load().Leaf
	if leaf == nil {
		return out
	}
	out.Subject, out.Issuer, out.KeyType = ptr(leaf.Subject.String()), ptr(leaf.Issuer.String()), ptr(keyType(leaf))
	out.NotBefore, out.NotAfter = ptr(leaf.NotBefore.UTC()), ptr(leaf.NotAfter.UTC())
	out.Names = slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		out.Names = append(out.Names, ip.String())
	}
	return out
}

func keyType(c *x509.Certificate) string {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return "RSA, " + strconv.Itoa(key.N.BitLen()) + " bits"
	case *ecdsa.PublicKey:
		return "ECDSA, " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	default:
		return c.PublicKeyAlgorithm.String()
	}
}

func (s *Server) describeSealKey() *lanyard.ServerSealKey {
	origin := s.sealOrigin
	if path, err := filepath.Abs(origin); err == nil && origin != keyring.FromEnvironment {
		origin = path
	}
	out := &lanyard.ServerSealKey{Id: ptr(s.ring.SealKeyID()), Origin: &origin, Keys: []lanyard.ServerDataKey{}}
	for _, k := range s.ring.List() {
		active := k.State == keyring.Active
		out.Keys = append(out.Keys, lanyard.ServerDataKey{Protects: ptr(string(k.Class)), Created: &k.Created, Active: &active})
	}
	return out
}

// judged are the parts of the server and how they are.
func (s *Server) judged(ctx context.Context, d *lanyard.DescribeServerOutput) (all []lanyard.ServerCheck) {
	add := func(name, state, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		all = append(all, lanyard.ServerCheck{Name: &name, State: &state, Text: &text})
	}
	for _, c := range s.checks(ctx) {
		switch {
		case c.err != nil:
			s.log.Warn("not ready", "check", c.name, "error", c.err)
			add(c.name, lanyard.StateFailed, notReady)
		case c.name == "trail":
			add(c.name, lanyard.StateGood, "%s to be written; all are kept for %s", waits(*d.Trail.Queued, "record"), plural(*d.Trail.RetentionDays, "day"))
		case d.Store != nil && d.Store.LastWrite != nil:
			add(c.name, lanyard.StateGood, "last written %s ago", since(time.Now(), *d.Store.LastWrite))
		default:
			add(c.name, lanyard.StateGood, "ready")
		}
	}
	if until, err := s.signIns.Alarm(ctx); err != nil {
		s.log.Warn("not ready", "check", "sign-in", "error", err)
		add("sign-in", lanyard.StateFailed, notReady)
	} else if !until.IsZero() {
		add("sign-in", lanyard.StateFailed, "very many sign-ins fail, as of somebody who tries passwords with many names: those from new browsers are slowed until %s", until.Format("15:04 UTC"))
	} else {
		add("sign-in", lanyard.StateGood, "ready")
	}
	state, text := s.notifications(ctx)
	add("notifications", state, "%s", text)
	s.judgeData(d, add)
	if t := d.TLS; t.NotAfter != nil {
		left := t.NotAfter.Sub(*d.Now)
		switch {
		case left <= 0:
			add("certificate", lanyard.StateFailed, "ended %s ago", since(*d.Now, *t.NotAfter))
		case d.Now.Before(*t.NotBefore):
			add("certificate", lanyard.StateFailed, "begins in the future only: %s", t.NotBefore.Format(time.RFC3339))
		case left < certificateWarning:
			add("certificate", lanyard.StateWarning, "ends in %s: put a new one into its files and send SIGHUP", plural(int64(left/(24*time.Hour)), "day"))
		default:
			add("certificate", lanyard.StateGood, "ends in %s", plural(int64(left/(24*time.Hour)), "day"))
		}
	}
	switch drift := time.Until(*d.Now).Round(time.Second); {
	case s.config.Dev && drift.Abs() > time.Second:
		add("clock", lanyard.StateGood, "set to %s", d.Now.Format(time.RFC3339))
	default:
		if synchronised, known := clockSynchronised(); known && !synchronised {
			add("clock", lanyard.StateWarning, "%s; the system says that nothing keeps it right: signatures and codes depend on it", d.Now.Format("15:04:05 UTC"))
		} else if known {
			add("clock", lanyard.StateGood, "%s, kept right by the system", d.Now.Format("15:04:05 UTC"))
		} else {
			add("clock", lanyard.StateGood, "%s", d.Now.Format("15:04:05 UTC"))
		}
	}
	add("uptime", lanyard.StateGood, "%s", since(time.Now(), s.began))
	return all
}

// judgeData judges the disk and the backups.
func (s *Server) judgeData(d *lanyard.DescribeServerOutput, add func(name, state, format string, args ...any)) {
	if s.config.Dev {
		add("data", lanyard.StateGood, "in memory, gone at the end")
		return
	}
	st := d.Store
	switch {
	case st.DatabaseBytes == nil:
		add("data", lanyard.StateFailed, "its size cannot be read: the server's log says why")
	case st.RecordBytes == nil:
		add("data", lanyard.StateGood, "%s on disk", size(*st.DatabaseBytes))
	default:
		add("data", lanyard.StateGood, "%s on disk; %d records have about %s of it, the trail most of the rest", size(*st.DatabaseBytes), *st.Records, size(*st.RecordBytes))
	}
	if st.FreeBytes != nil {
		free, enough := *st.FreeBytes, min(freeWarning, *st.DiskBytes/freeWarningOf)
		switch text := fmt.Sprintf("%s of %s are free", size(free), size(*st.DiskBytes)); {
		case free < enough/10:
			add("disk", lanyard.StateFailed, "%s: changes are refused when it is full", text)
		case free < enough:
			add("disk", lanyard.StateWarning, "%s: changes are refused when it is full", text)
		default:
			add("disk", lanyard.StateGood, "%s", text)
		}
	}
	switch b := d.Backup; {
	case b == nil:
		add("backup", lanyard.StateWarning, "never: lanyard backup takes one")
	case d.Now.Sub(*b.Begun) > backupWarning:
		add("backup", lanyard.StateWarning, "the last one is %s old, %s: lanyard backup takes one", since(*d.Now, *b.Begun), size(*b.Bytes))
	default:
		add("backup", lanyard.StateGood, "%s ago, %s", since(*d.Now, *b.Begun), size(*b.Bytes))
	}
}

// plural is a number with its noun, waits with the verb, too.
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func waits(n int64, noun string) string {
	if n == 1 {
		return plural(n, noun) + " waits"
	}
	return plural(n, noun) + " wait"
}

// since is how long ago something was, in two units at most.
func since(now, then time.Time) string {
	d := max(now.Sub(then), 0)
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", int(d/time.Hour), int(d%time.Hour/time.Minute))
	case d >= time.Minute:
		return fmt.Sprintf("%d min", int(d/time.Minute))
	default:
		return fmt.Sprintf("%d s", int(d/time.Second))
	}
}

// size writes a number of bytes for people.
func size(bytes int64) string {
	switch b := float64(bytes); {
	case bytes < 1e6:
		return fmt.Sprintf("%.0f kB", max(b/1e3, 1))
	case bytes < 1e9:
		return fmt.Sprintf("%.1f MB", b/1e6)
	default:
		return fmt.Sprintf("%.1f GB", b/1e9)
	}
}
