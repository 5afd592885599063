package phpfpm

import "time"

// The waits before a program is started again: the first, and the longest.
const (
	firstDelay = 100 * time.Millisecond
	lastDelay  = 30 * time.Second
)

// failureLimit says when a program cannot be kept alive: after so many failures within a window.
type failureLimit struct {
	Max    int
	Window time.Duration
}

// failures counts how often a program has died lately.
type failures struct {
	failureLimit

	times []time.Time
}

// add counts a failure and returns how long to wait before the next try. Each failure within the window doubles the wait.
func (f *failures) add(now time.Time) (delay time.Duration, again bool) {
	kept := f.times[:0]
	for _, t := range f.times {
		if now.Sub(t) < f.Window {
			kept = append(kept, t)
		}
	}
	f.times = append(kept, now)
	if len(f.times) >= f.Max {
		return 0, false
	}
	delay = firstDelay
	for range len(f.times) - 1 {
		delay = min(2*delay, lastDelay)
	}
	return delay, true
}
