package engine

import (
	"math"
	"time"
)

// Nanos is the nanoseconds since 1970 by which logs are ordered. Times too far away for
// that (a query up to the year 9999) become the nearest that is not.
func Nanos(at time.Time) int64 {
	switch s := at.Unix(); {
	case s >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	case s <= math.MinInt64/int64(time.Second):
		return math.MinInt64
	default:
		return at.UnixNano()
	}
}
