package pusherhub

import (
	"encoding/hex"
	"net/http"
	"sync"
	"time"
)

// replayGeneration is how many signatures a generation of a replayCache holds: 16 bytes each, which makes about 20 MB for two.
const replayGeneration = 1 << 18

// signatureID is the first half of a signature. Nobody without the secret can make two signatures begin alike.
type signatureID [16]byte

// replayCache remembers an app's signatures in two generations. The younger one becomes the older one, and the older one is
// forgotten, when it is as old as a signature can be used, or when it is full. So the last replayGeneration signatures are always
// remembered: above one generation in that time, replays that are older than those get through, but nobody is refused without reason.
type replayCache struct {
	mu      sync.Mutex
	young   map[signatureID]struct{} // guarded by mu
	old     map[signatureID]struct{} // guarded by mu
	rotated time.Time                // guarded by mu
}

// add remembers a signature and reports whether it is new. usable is how long it can be used; negative: for ever.
func (c *replayCache) add(id signatureID, now time.Time, usable time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	age := now.Sub(c.rotated)
	if usable >= 0 && age >= 2*usable {
		c.young, c.old = nil, nil
	}
	if len(c.young) >= replayGeneration || usable >= 0 && age >= usable {
		c.young, c.old, c.rotated = nil, c.young, now
	}
	if _, seen := c.young[id]; seen {
		return false
	}
	if _, seen := c.old[id]; seen {
		return false
	}
	if c.young == nil {
		c.young = make(map[signatureID]struct{})
	}
	c.young[id] = struct{}{}
	return true
}

// forget takes a signature back, so that it may come again.
func (c *replayCache) forget(id signatureID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, id)
	delete(c.old, id)
}

// answerNew carries the request out unless it is a replay that the app refuses. A request that did nothing, because the server
// or a limit was in the way, is no reason to refuse its repetition.
func (q *apiRequest) answerNew() (status int, body []byte, e *apiError) {
	if !isOn(q.app.cfg.RefuseReplays) || q.route.endpoint.method() != http.MethodPost {
		return q.answer()
	}
	var id signatureID
	_, _ = hex.Decode(id[:], []byte(q.params.value("auth_signature"))[:hex.EncodedLen(len(id))]) // it was verified
	// A clock that is ahead by the tolerance makes signatures that are good for twice the tolerance.
	if !q.state.replays.add(id, time.Now(), 2*time.Duration(q.app.cfg.TimestampTolerance)) {
		return 0, nil, &apiError{status: http.StatusUnauthorized, text: textReplay}
	}
	status, body, e = q.answer()
	if e != nil && (e.status == http.StatusTooManyRequests || e.status >= http.StatusInternalServerError) {
		q.state.replays.forget(id)
	}
	return status, body, e
}
