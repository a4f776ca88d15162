package sqlite

import (
	"bufio"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/store"
)

var killCycles = flag.Int("kill.cycles", 0, "how often to kill a writing process (default 25, or $LANYARD_KILL_CYCLES)")

// killChild is set in the process that is to be killed: "directory cycle".
const killChild = "LANYARD_TEST_KILL_CHILD"

func TestMain(m *testing.M) {
	if job := os.Getenv(copyChild); job != "" {
		os.Exit(runCopyChild(job))
	}
	if job := os.Getenv(killChild); job != "" {
		os.Exit(runKillChild(job))
	}
	os.Exit(m.Run())
}

const (
	killWriters = 8
	killSlots   = 64 // records per writer and side; they are written again and again
	// killMaxDelay is how long a child lives at most after its first acknowledged write.
	killMaxDelay = 40 * time.Millisecond
	// killEarly: every so many cycles the child is killed about when it opens the store.
	killEarly = 5
)

// slot is a record of the kill test; each write makes two that must agree.
type slot struct {
	ID   int64 // rises with each write of a writer
	Text string
}

var slots = store.Table[slot]{Kind: store.Meta}

func slotName(id int64) string { return strconv.FormatInt(id%killSlots, 10) }

// killTime is the time of a cycle's log entries.
func killTime(cycle int) time.Time {
	return time.Unix(1767225600, 0).Add(time.Duration(cycle) * 10 * time.Second)
}

// runKillChild writes, and reports each acknowledged write on standard output, until it is
// killed.
func runKillChild(job string) int {
	var dir string
	var cycle int
	if _, err := fmt.Sscanf(job, "%d %s", &cycle, &dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	// Frequent checkpoints, so that kills hit them too.
	s, err := open(dir, options{checkpointPages: 50})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	var wg sync.WaitGroup
	for writer := range killWriters {
		wg.Go(func() {
			name := strconv.Itoa(writer)
			for id := int64(cycle) * 1_000_000; ; id++ {
				if err := s.Update(context.Background(), func(tx store.Tx) error {
					for _, side := range []string{"left", "right"} {
						if err := slots.Put(tx, &slot{ID: id, Text: string(make([]byte, id%500))}, side, name, slotName(id)); err != nil {
							return err
						}
					}
					tx.Append("trail", killTime(cycle), binary.BigEndian.AppendUint64([]byte{byte(writer)}, uint64(id)))
					return nil
				}); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(2)
				}
				// One write(2): it is in the pipe, or it is not.
				os.Stdout.Write(binary.BigEndian.AppendUint64([]byte{byte(writer)}, uint64(id)))
			}
		})
	}
	wg.Go(func() {
		for {
			if err := s.TrimLog(context.Background(), "", killTime(cycle-2)); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(2)
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	wg.Wait()
	return 0
}

// T376, T372: a process that writes is killed at a random moment, again and again in the same
// directory. Every acknowledged write is there with its log entry, and none is there in half.
func TestT376_Kill(t *testing.T) {
	cycles := 25
	if n, err := strconv.Atoi(os.Getenv("LANYARD_KILL_CYCLES")); err == nil {
		cycles = n
	}
	if *killCycles > 0 {
		cycles = *killCycles
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	total, unacknowledged, slowest := 0, 0, time.Duration(0)
	for cycle := 1; cycle <= cycles; cycle++ {
		acked := killOnce(t, self, dir, cycle)
		begin := time.Now()
		s, err := Open(dir)
		if err != nil {
			t.Fatalf("T376: cycle %d: start after kill: %v", cycle, err)
		}
		slowest = max(slowest, time.Since(begin))
		unacknowledged += checkKilled(t, s, cycle, acked)
		if err := s.Close(); err != nil {
			t.Errorf("T376: cycle %d: Close: %v", cycle, err)
		}
		for _, ids := range acked {
			total += len(ids)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	if total == 0 {
		t.Error("T376: no write was acknowledged in any cycle: the test tests nothing")
	}
	t.Logf("T376: %d cycles, %d acknowledged writes, %d durable but not acknowledged, slowest start %v", cycles, total, unacknowledged, slowest)
}

// killOnce runs a child until it is killed, and returns the ids that each writer reported.
func killOnce(t *testing.T, self, dir string, cycle int) (acked [killWriters][]int64) {
	t.Helper()
	child := exec.Command(self, "-test.run=^$")
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", killChild, cycle, dir))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	reports := bufio.NewReaderSize(out, 64<<10)
	var report [9]byte
	kill := func() { child.Process.Kill() }
	first, early := true, cycle%killEarly == 0
	if early {
		time.AfterFunc(rand.N(killMaxDelay), kill)
	}
	for {
		// The pipe holds what was reported before the kill, so reading goes on until it ends.
		if _, err := io.ReadFull(reports, report[:]); err != nil {
			if err != io.EOF {
				t.Errorf("T376: cycle %d: half a report: %v", cycle, err)
			}
			break
		}
		writer := report[0]
		acked[writer] = append(acked[writer], int64(binary.BigEndian.Uint64(report[1:])))
		if first && !early {
			time.AfterFunc(rand.N(killMaxDelay), kill)
		}
		first = false
	}
	if err := child.Wait(); first && !early {
		t.Fatalf("T376: cycle %d: the child reported nothing: %v", cycle, err)
	}
	return acked
}

// checkKilled verifies what a killed process left, and returns how many writes are there that
// were not acknowledged.
func checkKilled(t *testing.T, s *Store, cycle int, acked [killWriters][]int64) (unacknowledged int) {
	t.Helper()
	if err := s.View(t.Context(), func(r store.Reader) error {
		logged := make(map[[2]int64]bool)
		last := make(map[int64]int64) // per writer
		if err := r.ScanLog("trail", store.LogQuery{From: killTime(cycle)}, func(e store.LogEntry) bool {
			writer, id := int64(e.Data[0]), int64(binary.BigEndian.Uint64(e.Data[1:]))
			if logged[[2]int64{writer, id}] {
				t.Errorf("T376: cycle %d: write %d of writer %d is in the log twice", cycle, id, writer)
			}
			logged[[2]int64{writer, id}] = true
			last[writer] = max(last[writer], id)
			return true
		}); err != nil {
			return err
		}
		for w, ids := range acked {
			writer := int64(w)
			for _, id := range ids {
				if !logged[[2]int64{writer, id}] {
					t.Errorf("T372: cycle %d: acknowledged write %d of writer %d has no log entry", cycle, id, writer)
				}
			}
			unacknowledged -= len(ids)
			// Of every slot the last logged write must be there, on both sides: no less, and no
			// write without its log entry.
			for id := max(last[writer]-killSlots+1, int64(cycle)*1_000_000); id <= last[writer]; id++ {
				for _, side := range []string{"left", "right"} {
					v, err := slots.Get(r, side, strconv.Itoa(w), slotName(id))
					if err != nil || v.ID != id || len(v.Text) != int(id%500) {
						t.Errorf("T376: cycle %d: %s record of write %d of writer %d is %+v, %v", cycle, side, id, writer, v, err)
					}
				}
			}
		}
		unacknowledged += len(logged)
		// Everything else, of earlier cycles as well, agrees too.
		return slots.Scan(r, "", func(key store.Key, left *slot) bool {
			parts := key.Parts()
			right, err := slots.Get(r, "right", parts[1], parts[2])
			if err != nil || right.ID != left.ID {
				t.Errorf("T376: cycle %d: left and right of %v differ: %+v, %+v, %v", cycle, parts[1:], left, right, err)
			}
			return true
		}, "left")
	}); err != nil {
		t.Fatalf("T376: cycle %d: %v", cycle, err)
	}
	return unacknowledged
}
