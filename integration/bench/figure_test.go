//go:build linux

package main

import "testing"

func TestRatioIsTheMedianOfNeighbours(t *testing.T) {
	f := figure{Ours: []float64{10, 40, 30}, Limits: []float64{10, 20, 10}}
	f.finish()
	if f.Median != 30 || f.LimitMedian != 10 || f.Ratio != 2 || f.RatioLeast != 1 || f.RatioMost != 3 {
		t.Errorf("got %+v", f)
	}
}
