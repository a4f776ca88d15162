// Command table reads the output of `go test -bench` on its standard input and prints
// the median of each benchmark's runs as a Markdown table, one column per unit.
package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lanyard-iam/lanyard/bench/internal/stat"
)

func main() {
	log.SetFlags(0)
	results, err := read(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	if len(results) == 0 {
		log.Fatal("table: no benchmark results in the input")
	}
	write(os.Stdout, results)
}

// result is all runs of one benchmark, by unit.
type result struct {
	name   string
	values map[string][]float64
}

// suffix is the number of processors that the testing package adds to names.
var suffix = regexp.MustCompile(`-\d+$`)

// read collects the results in the order in which benchmarks first appear. Lines that
// are not results are skipped. See go.dev/design/14313-benchmark-format.
func read(r io.Reader) ([]result, error) {
	var results []result
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := suffix.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")
		i := slices.IndexFunc(results, func(r result) bool { return r.name == name })
		if i < 0 {
			i = len(results)
			results = append(results, result{name, make(map[string][]float64)})
		}
		for f := 2; f < len(fields); f += 2 {
			v, err := strconv.ParseFloat(fields[f], 64)
			if err != nil {
				return nil, fmt.Errorf("table: %q: %w", lines.Text(), err)
			}
			results[i].values[fields[f+1]] = append(results[i].values[fields[f+1]], v)
		}
	}
	return results, lines.Err()
}

func write(w io.Writer, results []result) {
	var units []string
	for _, r := range results {
		for unit := range r.values {
			if !slices.Contains(units, unit) {
				units = append(units, unit)
			}
		}
	}
	order := []string{"ns/op", "B/op", "allocs/op"}
	slices.SortFunc(units, func(a, b string) int {
		place := func(unit string) int {
			if i := slices.Index(order, unit); i >= 0 {
				return i
			}
			return len(order)
		}
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b))
	})
	fmt.Fprintf(w, "| benchmark | %s |\n|---|%s\n", strings.Join(units, " | "), strings.Repeat("---:|", len(units)))
	for _, r := range results {
		fmt.Fprintf(w, "| %s |", r.name)
		for _, unit := range units {
			cell := ""
			if v := r.values[unit]; len(v) > 0 {
				cell = format(stat.Median(v))
			}
			fmt.Fprintf(w, " %s |", cell)
		}
		fmt.Fprintln(w)
	}
}

// format writes three significant digits, or the whole number if it is one or has more
// digits, with commas between thousands.
func format(v float64) string {
	switch {
	case v == math.Trunc(v):
	case v < 10:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
