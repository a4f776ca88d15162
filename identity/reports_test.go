package identity

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

func TestCredentialReportsAdd(t *testing.T) {
	day := func(n int, hour int) time.Time { return time.Date(2026, 3, n, hour, 0, 0, 0, time.UTC) }
	var c CredentialReports
	add := func(at time.Time, stored int) {
		c.Add(&CredentialReport{ID: at.String(), Generated: at, Stored: stored})
	}
	times := func() (all []string) {
		for _, r := range c.Reports {
			all = append(all, r.Generated.Format("2 15"))
		}
		return all
	}
	check := func(want string) {
		t.Helper()
		if got := fmt.Sprint(times()); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if c.Newest() != nil || !c.Oldest().IsZero() {
		t.Error("none")
	}
	add(day(1, 4), 100)
	add(day(1, 8), 100)
	check("[1 08]")
	for n := 2; n < 16; n++ {
		add(day(n, 8), 100)
	}
	check("[15 08 14 08 13 08 12 08 11 08 10 08 9 08 8 08 7 08 6 08 5 08 4 08]")
	if !c.Oldest().Equal(day(4, 8)) {
		t.Errorf("%s", c.Oldest())
	}
	add(day(9, 1), 100) // the clock was set back: it is the newest all the same
	check("[9 01 15 08 14 08 13 08 12 08 11 08 10 08 8 08 7 08 6 08 5 08 4 08]")
	add(day(16, 8), MaxCredentialReportBytes-250)
	check("[16 08 9 01 15 08]")
	add(day(17, 8), 2*MaxCredentialReportBytes)
	check("[17 08]")
}

func TestCredentialReportText(t *testing.T) {
	db := memory.New()
	t.Cleanup(func() { db.Close() })
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	random := rand.New(rand.NewPCG(1, 2))
	texts := map[string][]byte{}
	var all []*CredentialReportWriter
	for n, size := range []int{0, 1, 1000, 3 << 20} {
		text := make([]byte, size)
		for i := range text {
			text[i] = byte('a' + random.IntN(26)) // hardly shorter compressed: many pieces
		}
		w := NewCredentialReport(fmt.Sprint("request-", n), at)
		if _, err := io.Copy(w, bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		all, texts[w.ID] = append(all, w), text
	}
	err := db.Update(t.Context(), func(tx store.Tx) error {
		for _, w := range all {
			w.Append(tx, "111122223333")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(t.Context(), func(r store.Reader) error {
		for _, w := range all {
			var text bytes.Buffer
			if err := w.WriteText(r, "111122223333", &text); err != nil || !bytes.Equal(text.Bytes(), texts[w.ID]) {
				t.Errorf("%s: %d bytes, want %d: %v", w.ID, text.Len(), len(texts[w.ID]), err)
			}
			if err := w.WriteText(r, "444455556666", io.Discard); err == nil && w.Pieces > 0 {
				t.Errorf("%s: is in another account", w.ID)
			}
			other := w.CredentialReport
			for _, other.Bytes = range []int{max(w.Bytes-1, 0), w.Bytes + 1} {
				if err := other.WriteText(r, "111122223333", io.Discard); other.Bytes != w.Bytes && err == nil {
					t.Errorf("%s: is of another length, and nobody minds", w.ID)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if last := all[len(all)-1]; last.Pieces < 20 || last.Stored < 1<<20 {
		t.Errorf("%d pieces of %d bytes", last.Pieces, last.Stored)
	}
}
