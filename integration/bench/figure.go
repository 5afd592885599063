//go:build linux

package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// figure is one thing that was measured, round by round.
type figure struct {
	Scenario string    `json:"scenario"`
	Case     string    `json:"case"`
	Name     string    `json:"figure"`
	Unit     string    `json:"unit"`
	Against  string    `json:"against,omitempty"` // what the limit is; empty: there is none
	Ours     []float64 `json:"rounds"`
	Limits   []float64 `json:"limit_rounds,omitempty"`

	// Filled in by finish.
	Median      float64 `json:"median"`
	LimitMedian float64 `json:"limit_median,omitempty"`
	Ratio       float64 `json:"ratio,omitempty"` // median of the rounds' ratios
	RatioLeast  float64 `json:"ratio_least,omitempty"`
	RatioMost   float64 `json:"ratio_most,omitempty"`
}

// note adds a round to a figure of the running scenario.
func (b *bench) note(what, name, unit string, ours float64) *figure {
	f := b.find(b.scenario, what, name)
	if f == nil {
		f = &figure{Scenario: b.scenario, Case: what, Name: name, Unit: unit}
		b.figures = append(b.figures, f)
	}
	f.Ours = append(f.Ours, ours)
	return f
}

// against adds the limit of the same round.
func (f *figure) against(limit string, value float64) {
	f.Against = limit
	f.Limits = append(f.Limits, value)
}

// find returns a figure, nil if it was not measured.
func (b *bench) find(scenario, what, name string) *figure {
	for _, f := range b.figures {
		if f.Scenario == scenario && f.Case == what && f.Name == name {
			return f
		}
	}
	return nil
}

// finish computes the medians.
func (f *figure) finish() {
	f.Median = median(f.Ours)
	if len(f.Limits) == 0 {
		return
	}
	f.LimitMedian = median(f.Limits)
	var ratios []float64
	for i := range min(len(f.Ours), len(f.Limits)) {
		if f.Limits[i] != 0 {
			ratios = append(ratios, f.Ours[i]/f.Limits[i])
		}
	}
	if len(ratios) > 0 {
		f.Ratio, f.RatioLeast, f.RatioMost = median(ratios), slices.Min(ratios), slices.Max(ratios)
	}
}

// round tells one round in words.
func (f *figure) round(i int) string {
	said := human(f.Ours[i]) + " " + f.Unit
	if i < len(f.Limits) {
		said += " (limit " + human(f.Limits[i]) + ")"
	}
	return said
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// human writes a number with three digits that count.
func human(v float64) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'f', 2, 64) + " M"
	case v >= 1e5:
		return strconv.FormatFloat(v/1e3, 'f', 0, 64) + " k"
	case v >= 1e4:
		return strconv.FormatFloat(v/1e3, 'f', 1, 64) + " k"
	case v >= 100 || v == 0:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}

// Units of figures.
const (
	perSecond    = "/s"
	microseconds = "µs"
	milliseconds = "ms"
	kilobytes    = "KB"
)

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
