// Command load measures a running Lanyard: it starts the real server, drives it over
// loopback HTTP with signed requests on keep-alive connections, and prints the medians
// of several runs as Markdown.
//
//	cd bench && go run ./load
//
// Client and server share the machine, as in the figures to compare with. The client
// signs its requests beforehand and writes and reads raw HTTP, so that it costs little;
// what the server costs is read from /proc (Linux only).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"time"

	"github.com/lanyard-iam/lanyard/bench/internal/stat"
)

type options struct {
	binary      string
	connections int
	runs        int
	duration    time.Duration
	stores      []string
	operations  *regexp.Regexp
	only        string
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("load: ")
	var o options
	store := ""
	flag.StringVar(&o.binary, "lanyard", "", "the `binary` to measure; built from the module above if empty")
	flag.IntVar(&o.connections, "connections", 64, "connections at a time")
	flag.IntVar(&o.runs, "runs", 5, "runs of each measurement, of which the median counts")
	flag.DurationVar(&o.duration, "duration", 3*time.Second, "length of a run")
	flag.StringVar(&store, "store", "", "sqlite, memory, or empty for both")
	operations := flag.String("operations", "", "measure only operations that match this `regexp`")
	flag.StringVar(&o.only, "only", "", "one `table` alone: start, operations, pages or signins")
	crowd := flag.String("crowd", "", "be the crowd that signs in at this `address`, as the table signins starts it")
	password := flag.String("password", "", "the crowd's `password`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *crowd != "" {
		if err := beCrowd(ctx, *crowd, *password, os.Stdin, os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	if flag.NArg() > 0 || o.connections < 1 || o.runs < 1 || o.duration <= 0 {
		flag.Usage()
		os.Exit(2)
	}
	switch store {
	case "":
		o.stores = []string{sqlite, memory}
	case sqlite, memory:
		o.stores = []string{store}
	default:
		log.Fatalf("-store %q: say sqlite or memory", store)
	}
	var err error
	if o.operations, err = regexp.Compile(*operations); err != nil {
		log.Fatalf("-operations: %v", err)
	}
	if err := run(ctx, o); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "lanyard-load-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if o.binary == "" {
		if o.binary, err = build(ctx, dir); err != nil {
			return err
		}
	}
	size, err := os.Stat(o.binary)
	if err != nil {
		return err
	}

	fmt.Printf("%d connections, %d runs of %v each (medians), %s/%s, %d CPUs, %s\n\n",
		o.connections, o.runs, o.duration, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	for _, table := range []struct {
		name, head string
		measure    func(ctx context.Context, o options, store, dir string) error
	}{
		{"start", "| store | start to ready | idle memory | binary |\n|---|---:|---:|---:|", func(ctx context.Context, o options, store, dir string) error {
			f, err := measureStart(ctx, o, store, dir)
			if err == nil {
				fmt.Printf("| %s | %.0f ms | %.1f MB | %.1f MB |\n", store, f.ready.Seconds()*1000, f.memory/1e6, float64(size.Size())/1e6)
			}
			return err
		}},
		{"operations", "| store | operation | requests/s | p50 | p99 | server CPU per request |\n|---|---|---:|---:|---:|---:|", measureLoad},
		{"pages", "| store | page | p50 | p95 | server CPU | size |\n|---|---|---:|---:|---:|---:|", measurePages},
		{"signins", "| store | the password | p99 of GetCallerIdentity, quiet | with 500 signing in | times | most memory | passwords compared | asked to come back |\n|---|---|---:|---:|---:|---:|---:|---:|", measureSignIns},
	} {
		if o.only != "" && o.only != table.name {
			continue
		}
		fmt.Println(table.head)
		for _, store := range o.stores {
			if err := table.measure(ctx, o, store, dir); err != nil {
				return fmt.Errorf("%s, %s: %w", table.name, store, err)
			}
		}
		fmt.Println()
	}
	return nil
}

// build makes the binary as it is released.
func build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "lanyard")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "github.com/lanyard-iam/lanyard/cmd/lanyard")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as the Makefile builds it
	cmd.Dir = moduleAbove()
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build lanyard: %w", err)
	}
	return binary, nil
}

// moduleAbove is the directory of the module that is measured: the parent of this one,
// from wherever in it the command is run.
func moduleAbove() string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/lanyard-iam/lanyard").Output()
	if err != nil {
		return ".."
	}
	return string(out[:max(0, len(out)-1)])
}

// startFigures are what a server costs before anybody uses it.
type startFigures struct {
	ready  time.Duration
	memory float64 // bytes
}

// idle is how long a server is left alone before its memory is read.
const idle = time.Second

func measureStart(ctx context.Context, o options, store, dir string) (startFigures, error) {
	var ready, rss []float64
	for i := range o.runs {
		s, err := start(ctx, o.binary, store, filepath.Join(dir, fmt.Sprintf("start-%s-%d", store, i)))
		if err != nil {
			return startFigures{}, err
		}
		time.Sleep(idle)
		m, err := s.memory()
		if err = errors.Join(err, s.stop()); err != nil {
			return startFigures{}, err
		}
		ready, rss = append(ready, float64(s.ready)), append(rss, m)
	}
	return startFigures{time.Duration(stat.Median(ready)), stat.Median(rss)}, nil
}

// figures are what one run of an operation showed.
type figures struct {
	rate     float64       // requests per second
	p50, p99 time.Duration // latency
	cpu      float64       // server CPU seconds per request
}

func measureLoad(ctx context.Context, o options, store, dir string) error {
	s, err := start(ctx, o.binary, store, filepath.Join(dir, "load-"+store))
	if err != nil {
		return err
	}
	err = func() error {
		w, err := newWorkload(ctx, s, o)
		if err != nil {
			return err
		}
		for _, scenario := range w.scenarios() {
			if !o.operations.MatchString(scenario.name) {
				continue
			}
			var all []figures
			for range o.runs {
				f, err := scenario.run()
				if err != nil {
					return fmt.Errorf("%s: %w", scenario.name, err)
				}
				all = append(all, f)
			}
			of := func(get func(figures) float64) float64 {
				values := make([]float64, len(all))
				for i, f := range all {
					values[i] = get(f)
				}
				return stat.Median(values)
			}
			fmt.Printf("| %s | %s | %.0f | %.1f ms | %.1f ms | %.0f µs |\n", store, scenario.name,
				of(func(f figures) float64 { return f.rate }),
				of(func(f figures) float64 { return f.p50.Seconds() * 1e3 }),
				of(func(f figures) float64 { return f.p99.Seconds() * 1e3 }),
				of(func(f figures) float64 { return f.cpu * 1e6 }))
		}
		return nil
	}()
	return errors.Join(err, s.stop())
}
