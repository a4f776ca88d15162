// Package bench holds the benchmarks that set Lanyard beside its peers: the same
// questions, the same answers (a test checks that), one run on one machine. It is a
// module of its own, so that the peers are not dependencies of Lanyard.
//
//	make bench
//
// prints the medians as docs/performance.md shows them. The command load measures a
// running server; benchmarks of single packages stand beside their code.
package bench
