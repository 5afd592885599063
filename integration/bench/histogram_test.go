//go:build linux

package main

import (
	"testing"
	"time"
)

func TestHistogramKeepsQuantiles(t *testing.T) {
	var h histogram
	for i := 1; i <= 1000; i++ {
		h.add(time.Duration(i) * time.Microsecond)
	}
	for q, exact := range map[float64]time.Duration{.5: 501 * time.Microsecond, .99: 991 * time.Microsecond} {
		if got := h.quantile(q); got < exact || got > exact+exact/16 {
			t.Errorf("quantile %g is %v, expected %v or a little more", q, got, exact)
		}
	}
	for d := time.Duration(1); d < time.Hour; d *= 3 {
		if i := bucket(d); border(i) > d || border(i+1) <= d {
			t.Errorf("%v is in the bucket from %v to %v", d, border(i), border(i+1))
		}
	}
}
