package webhooks

import (
	"math/rand/v2"
	"time"
)

// The pauses between the tries of one request: 1 s, doubled each time, 60 s at most (protocol: webhooks).
const (
	firstPause = time.Second
	maxPause   = time.Minute
)

// backoff returns the pause after a number of tries that failed. It varies by a fifth, so that the requests that an outage
// has brought into step part again.
func backoff(failed int) time.Duration {
	pause := maxPause
	if doublings := failed - 1; doublings < 6 {
		pause = min(maxPause, firstPause<<doublings)
	}
	return pause*4/5 + rand.N(pause*2/5) //nolint:gosec // nothing is to be kept secret here
}
