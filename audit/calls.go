package audit

import (
	"errors"
	"fmt"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/store"
)

// Calls calls fn for the records of an account whose request named an access key that
// match selects, oldest first, until fn returns false. match and fn may keep nothing of
// the bytes. It reads the whole trail, so it is for the owner of the host and not for
// requests. It returns the time of the oldest record that there is, of any key; it is
// zero if there is none.
//
// Records that wait in the queue are not seen; call Sync before.
func (t *Trail) Calls(r store.Reader, account arn.AccountID, now time.Time, match func(accessKeyID []byte) bool, fn func(*Entry) bool) (oldest time.Time, err error) {
	var broken error
	q := Query{Account: account, Now: now}
	w := t.window(&q, "")
	w.NewestFirst = false
	err = r.ScanLog(stream(account), w, func(le store.LogEntry) bool {
		if oldest.IsZero() {
			oldest = le.At.UTC()
		}
		h, err := parse(le.Data)
		if err != nil {
			broken = err
			return false
		}
		if key := h.fields[fieldAccessKey]; len(key) == 0 || !match(key) {
			return true
		}
		e := h.entry(le.At)
		e.Denied = h.flags&flagDenied != 0
		return fn(&e)
	})
	if err = errors.Join(err, broken); err != nil {
		return oldest, fmt.Errorf("read the trail of account %s: %w", account, err)
	}
	return oldest, nil
}
