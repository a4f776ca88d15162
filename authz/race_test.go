//go:build race

package authz_test

// raceEnabled: the race detector makes sync.Pool forget at random, so that
// allocations are not counted.
const raceEnabled = true
