package main

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	results, err := read(strings.NewReader(`goos: linux
BenchmarkDecide/n=50/lanyard-2   	 5000000	       210.0 ns/op	       0 B/op	       0 allocs/op
BenchmarkDecide/n=50/opa-2       	   40000	     26100 ns/op	    9000 B/op	     190 allocs/op
BenchmarkDecide/n=50/lanyard-2   	 5000000	       190.0 ns/op	       0 B/op	       0 allocs/op
BenchmarkDecide/n=50/lanyard-2   	 5000000	       900.0 ns/op	       0 B/op	       0 allocs/op
BenchmarkMemory-2                	       1	  39730398579 ns/op	      1411 B/role
BenchmarkDecide/n=50/opa-2       	   40000	     27100 ns/op	    9000 B/op	     190 allocs/op
PASS
`))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	write(&b, results)
	want := `| benchmark | ns/op | B/op | allocs/op | B/role |
|---|---:|---:|---:|---:|
| Decide/n=50/lanyard | 210 | 0 | 0 |  |
| Decide/n=50/opa | 26,600 | 9,000 | 190 |  |
| Memory | 39,730,398,579 |  |  | 1,411 |
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestBadNumber(t *testing.T) {
	if _, err := read(strings.NewReader("BenchmarkX-2 100 fast ns/op\n")); err == nil {
		t.Error("accepted a result that is not a number")
	}
}
