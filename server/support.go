package server

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lanyard-iam/lanyard/store"
)

// A support bundle is what somebody else needs to find out what is wrong with a server: how it
// runs and what it does, and nothing of what it keeps. Names and secrets do not get into it
// by being taken out afterwards, but by not being put in; of the log, where others write, both
// is done.

const supportReadme = `What helps to find out what is wrong with a Lanyard server:

  about.txt       version, how it was built, the machine
  server.json     health, settings in force and where they are from, sizes, the
                  certificate (which is public), ages of keys
  records.txt     how many records of each kind there are
  metrics.txt     counters and times of requests
  goroutines.txt  what the program does at this moment
  log.jsonl       the last lines of the log

There are no secrets, names, ARNs or ids of accounts in it, but file names,
addresses of the server, the names in its certificate and hosts of webhooks that
did not answer; and an error in the log may name what it was about. Look through
it before you hand it on.
`

// supportBundle collects all that, in a zip.
func (s *Server) supportBundle(ctx context.Context) ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	now := time.Now().UTC()
	for _, part := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"README.txt", func(w io.Writer) error { _, err := io.WriteString(w, supportReadme); return err }},
		{"about.txt", s.writeAbout},
		{"server.json", func(w io.Writer) error { return s.writeDescription(ctx, w) }},
		{"records.txt", func(w io.Writer) error { return s.writeCounts(ctx, w) }},
		{"metrics.txt", func(w io.Writer) error { return s.writeMetrics(ctx, w) }},
		{"goroutines.txt", func(w io.Writer) error { return pprof.Lookup("goroutine").WriteTo(w, 1) }},
		{"log.jsonl", func(w io.Writer) error { _, err := io.WriteString(w, s.recent.text()); return err }},
	} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: part.name, Method: zip.Deflate, Modified: now})
		if err == nil {
			err = part.write(w)
		}
		if err != nil {
			return nil, fmt.Errorf("support bundle: %s: %w", part.name, err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (s *Server) writeAbout(w io.Writer) error {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	_, err := fmt.Fprintf(w, "Lanyard %s\n%s %s/%s, %d CPUs, GOMAXPROCS %d\n%s, up %s\n%d goroutines, heap %s, of the system %s\n",
		s.config.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.GOMAXPROCS(0),
		time.Now().UTC().Format(time.RFC3339), since(time.Now(), s.began), runtime.NumGoroutine(), size(int64(memory.HeapAlloc)), size(int64(memory.Sys)))
	if info, ok := debug.ReadBuildInfo(); ok && err == nil {
		_, err = fmt.Fprintf(w, "\n%s", info)
	}
	return err
}

func (s *Server) writeDescription(ctx context.Context, w io.Writer) error {
	d, err := s.describe(ctx)
	if err != nil {
		return err
	}
	for i := range d.Settings {
		d.Settings[i].Value = ptr(redacted(*d.Settings[i].Value))
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(d)
}

func (s *Server) writeCounts(ctx context.Context, w io.Writer) error {
	counts, err := s.counted.of(ctx, s.store)
	if err != nil {
		return err
	}
	for kind, c := range counts {
		if c.records == 0 {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-20s %9d records, about %d bytes\n", store.Kind(kind), c.records, c.bytes); err != nil {
			return err
		}
	}
	return nil
}

// writeMetrics writes what the admin listener would serve, whether there is one or not.
func (s *Server) writeMetrics(ctx context.Context, w io.Writer) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return err
	}
	promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{DisableCompression: true}).ServeHTTP(&plainWriter{w, http.Header{}}, r)
	return nil
}

// plainWriter takes the body of an answer.
type plainWriter struct {
	io.Writer
	header http.Header
}

func (w *plainWriter) Header() http.Header { return w.header }
func (w *plainWriter) WriteHeader(int)     {}

// serveSupport hands the bundle to the owner of the host, and puts that on record.
func (s *Server) serveSupport(w http.ResponseWriter, r *http.Request) {
	bundle, err := s.supportBundle(r.Context())
	if err == nil {
		err = s.store.Update(r.Context(), func(tx store.Tx) error {
			return s.recordEverywhere(tx, "CreateSupportBundle", s.clock.Now().UTC(), r.Context().Value(peerKey{}).(peer), map[string]any{})
		})
	}
	if err != nil {
		s.log.Error("support bundle", "error", err)
		localError(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(bundle)
}
