package main

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// giveWay lets every other process go before this one. With a high nice value alone, Linux
// lets a process that computes finish its slice of some milliseconds first.
func giveWay() {
	eachThread(func(id int) { _ = unix.SchedSetAttr(id, &unix.SchedAttr{Policy: unix.SCHED_IDLE}, 0) })
}

// stepBack lets other processes go before this one, but not starve it.
func stepBack() {
	eachThread(func(id int) { _ = unix.Setpriority(unix.PRIO_PROCESS, id, 15) })
}

// eachThread calls fn for the threads of this process. Those that come later inherit what it
// sets. Where it cannot, the process is in the way at times, and right all the same.
func eachThread(fn func(id int)) {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, thread := range threads {
		if id, err := strconv.Atoi(thread.Name()); err == nil {
			fn(id)
		}
	}
}
