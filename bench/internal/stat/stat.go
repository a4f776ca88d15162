// Package stat owns the two numbers by which runs and latencies are summed up.
package stat

import (
	"cmp"
	"slices"
)

// Median is the middle value, or the mean of the two in the middle. There must be one.
func Median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// Percentile is the smallest of the sorted values that at least p percent of them do
// not exceed, by the nearest-rank method. There must be one.
func Percentile[T cmp.Ordered](sorted []T, p int) T {
	return sorted[max(1, (len(sorted)*p+99)/100)-1]
}
