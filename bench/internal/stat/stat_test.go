package stat

import "testing"

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{7}, 7},
		{[]float64{9, 1}, 5},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 3, 100}, 3.5},
	} {
		if got := Median(tt.values); got != tt.want {
			t.Errorf("Median(%v) = %v, want %v", tt.values, got, tt.want)
		}
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = i + 1
	}
	for _, tt := range []struct {
		values  []int
		p, want int
	}{
		{hundred, 50, 50}, {hundred, 99, 99}, {hundred, 100, 100}, {hundred, 0, 1},
		{[]int{5}, 50, 5}, {[]int{5}, 99, 5}, {[]int{1, 2, 3}, 50, 2}, {[]int{1, 2, 3}, 99, 3},
	} {
		if got := Percentile(tt.values, tt.p); got != tt.want {
			t.Errorf("Percentile(%d values, %d) = %d, want %d", len(tt.values), tt.p, got, tt.want)
		}
	}
}
