package main

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// giveWay lets every other process go before this one. With a high nice value alone, Linux
// lets a process that computes finish its slice of some milliseconds first.
func giveWay() {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return // where it cannot be told so, it is in the way at times, and right all the same
	}
	for _, thread := range threads { // those that come later inherit it
		if id, err := strconv.Atoi(thread.Name()); err == nil {
			_ = unix.SchedSetAttr(id, &unix.SchedAttr{Policy: unix.SCHED_IDLE}, 0)
		}
	}
}
