//go:build !linux

package main

import "golang.org/x/sys/unix"

// giveWay lets other processes go before this one.
func giveWay() { _ = unix.Setpriority(unix.PRIO_PROCESS, 0, 10) }

// stepBack is for Linux, where the threads of a process can be told.
func stepBack() {}
