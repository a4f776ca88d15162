package wire_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// A request that is under way when its key is deactivated must not change anything
// afterwards, however long it waited: hashing a password takes its time.
func TestADeactivatedKeyFinishesNothing(t *testing.T) {
	w := newWorld(t)
	const people = 24
	name, key := w.caller(allow("iam:CreateLoginProfile"))
	for i := range people {
		w.ok(w.iam(w.admin, "CreateUser", "UserName", fmt.Sprint("person-", i)))
	}
	var wg sync.WaitGroup
	for i := range people {
		wg.Go(func() {
			w.iam(key, "CreateLoginProfile", "UserName", fmt.Sprint("person-", i), "Password", "correct horse battery 7!")
		})
	}
	profiles := func() (n int) {
		for i := range people {
			if r := w.iam(w.admin, "GetLoginProfile", "UserName", fmt.Sprint("person-", i)); strings.Contains(r.body, "<LoginProfile>") {
				n++
			}
		}
		return n
	}
	for profiles() == 0 { // the others wait for their turn to hash
		time.Sleep(time.Millisecond)
	}
	w.ok(w.iam(w.admin, "UpdateAccessKey", "UserName", name, "AccessKeyId", key.id, "Status", "Inactive"))
	then := profiles()
	wg.Wait()
	if now := profiles(); now != then {
		t.Errorf("%d login profiles when the key was deactivated, %d in the end", then, now)
	}
}
