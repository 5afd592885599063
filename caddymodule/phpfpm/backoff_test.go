package phpfpm

import (
	"testing"
	"time"
)

func TestFailuresWaitLongerEachTimeAndEnd(t *testing.T) {
	f := failures{failureLimit: failureLimit{Max: 5, Window: time.Minute}}
	now := time.Unix(0, 0)
	for i, expected := range []time.Duration{firstDelay, 2 * firstDelay, 4 * firstDelay, 8 * firstDelay} {
		if delay, again := f.add(now); delay != expected || !again {
			t.Errorf("failure %d: found a wait of %v and %v, expected %v and another try", i+1, delay, again, expected)
		}
		now = now.Add(time.Second)
	}
	if _, again := f.add(now); again {
		t.Error("found another try after the fifth failure of five")
	}
}

func TestFailuresOutOfTheWindowAreForgotten(t *testing.T) {
	f := failures{failureLimit: failureLimit{Max: 3, Window: time.Minute}}
	now := time.Unix(0, 0)
	for range 20 {
		if delay, again := f.add(now); !again || delay > 2*firstDelay {
			t.Fatalf("found a wait of %v and %v, expected at most two failures to count", delay, again)
		}
		now = now.Add(31 * time.Second)
	}
}

func TestFailuresWaitNoLongerThanTheLongestDelay(t *testing.T) {
	f := failures{failureLimit: failureLimit{Max: 100, Window: time.Hour}}
	for range 99 {
		if delay, _ := f.add(time.Unix(0, 0)); delay > lastDelay || delay <= 0 {
			t.Fatalf("found a wait of %v, expected %v at most", delay, lastDelay)
		}
	}
}
