//go:build linux

package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets that are at most 1/32 wide of their value.
type histogram struct {
	Counts [64 << precision]uint32
	N      uint64
}

const precision = 5

func (h *histogram) add(d time.Duration) {
	h.Counts[bucket(d)]++
	h.N++
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.Counts {
		h.Counts[i] += n
	}
	h.N += other.N
}

// quantile returns the least bucket border that the share q of all durations does not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	need := uint64(q * float64(h.N))
	var seen uint64
	for i, n := range h.Counts {
		if seen += uint64(n); seen > need {
			return border(i + 1)
		}
	}
	return border(len(h.Counts) - 1)
}

// bucket returns the index of d's bucket: small values have one each, larger ones share by their leading bits.
func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < 1<<precision {
		return int(v)
	}
	shift := bits.Len64(v) - precision - 1
	return (shift+1)<<precision | int(v>>shift)&(1<<precision-1)
}

// border returns the least value of a bucket.
func border(i int) time.Duration {
	if i < 1<<precision {
		return time.Duration(i)
	}
	shift := i>>precision - 1
	return time.Duration((1<<precision | i&(1<<precision-1)) << shift)
}
