package pusherhub

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	headerIdempotencyKey = "Idempotency-Key"
	headerReplayed       = "Idempotency-Replayed"

	// maxIdempotencyKey bounds a key, in bytes.
	maxIdempotencyKey = 255

	// What an app remembers at most: keys, and bytes of their answers. That is about 30 MB. The oldest are forgotten first.
	maxIdempotencyKeys  = 1 << 16
	maxIdempotencyBytes = 4 << 20
)

// digest is a SHA-256 sum, so that what is remembered of keys and requests has one size.
type digest [sha256.Size]byte

// onceEntry is a request that came with an Idempotency-Key.
type onceEntry struct {
	request digest        // static; of everything that a repetition has in common with it
	done    chan struct{} // closed when the request is answered

	// Set under the cache's mu before done is closed, static from then on.
	succeeded bool
	status    int
	answer    []byte
	expires   time.Time
}

// onceCache remembers by Idempotency-Key what an app's requests were answered.
type onceCache struct {
	mu      sync.Mutex
	entries map[digest]*onceEntry // guarded by mu; those under way included
	kept    []keptEntry           // guarded by mu; those that succeeded, the oldest first
	bytes   int                   // guarded by mu; of the answers in kept
}

type keptEntry struct {
	key   digest
	entry *onceEntry
}

// claim returns the entry of a key. first: there was none, and the caller has to carry the request out and settle it.
func (c *onceCache) claim(key, request digest, now time.Time) (entry *onceEntry, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.kept) > 0 && !now.Before(c.kept[0].entry.expires) {
		c.forgetOldest()
	}
	entry = c.entries[key]
	if entry != nil && (!entry.succeeded || now.Before(entry.expires)) {
		return entry, false
	}
	if c.entries == nil {
		c.entries = make(map[digest]*onceEntry)
	}
	entry = &onceEntry{request: request, done: make(chan struct{})}
	c.entries[key] = entry
	return entry, true
}

// settle ends what claim began: the entry's request succeeded with that answer.
func (c *onceCache) settle(key digest, entry *onceEntry, status int, answer []byte, expires time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(entry.done)
	entry.succeeded, entry.status, entry.answer, entry.expires = true, status, answer, expires
	c.kept = append(c.kept, keptEntry{key, entry})
	c.bytes += len(answer)
	for len(c.kept) > maxIdempotencyKeys || c.bytes > maxIdempotencyBytes {
		c.forgetOldest()
	}
}

// abandon ends what claim began: nothing was done, and the next request with this key is a first one.
func (c *onceCache) abandon(key digest, entry *onceEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, key)
	close(entry.done)
}

// forgetOldest makes room. The caller holds mu.
func (c *onceCache) forgetOldest() {
	oldest := c.kept[0]
	c.kept[0] = keptEntry{}
	c.kept = c.kept[1:]
	c.bytes -= len(oldest.entry.answer)
	if c.entries[oldest.key] == oldest.entry {
		delete(c.entries, oldest.key)
	}
	if len(c.kept) == 0 {
		c.kept = nil
	}
}

// answerOnce carries the request out unless it repeats one that was, by its Idempotency-Key. While the first is under way, its
// repetitions wait for it.
func (q *apiRequest) answerOnce(h http.Header) (status int, body []byte, e *apiError) {
	name, e := q.idempotencyKey()
	if e != nil {
		return 0, nil, e
	}
	if name == "" {
		return q.answerNew()
	}
	key, request := digest(sha256.Sum256([]byte(name))), q.digest()
	for {
		entry, first := q.state.once.claim(key, request, time.Now())
		if first {
			return q.answerFirst(key, entry)
		}
		if entry.request != request {
			return 0, nil, &apiError{status: http.StatusUnprocessableEntity, text: textIdempotencyReused}
		}
		select {
		case <-entry.done:
		case <-q.r.Context().Done():
			return 0, nil, &apiError{status: http.StatusServiceUnavailable, text: "The first request with this Idempotency-Key is still under way.", retryAfter: 1}
		}
		if entry.succeeded {
			h.Set(headerReplayed, "true")
			return entry.status, entry.answer, nil
		}
	}
}

func (q *apiRequest) answerFirst(key digest, entry *onceEntry) (status int, body []byte, e *apiError) {
	done := false
	defer func() {
		if !done { // also when a panic passes through
			q.state.once.abandon(key, entry)
		}
	}()
	if status, body, e = q.answerNew(); e == nil {
		done = true
		q.state.once.settle(key, entry, status, body, time.Now().Add(time.Duration(q.app.cfg.IdempotencyTTL)))
	}
	return status, body, e
}

// idempotencyKey returns the request's key, empty if it has none or none that counts.
func (q *apiRequest) idempotencyKey() (string, *apiError) {
	values := q.r.Header.Values(headerIdempotencyKey)
	if len(values) == 0 || q.app.cfg.IdempotencyTTL < 0 || !q.route.endpoint.publishes() {
		return "", nil
	}
	isOdd := func(r rune) bool { return r < ' ' || r > '~' }
	if key := values[0]; len(values) > 1 || key == "" || len(key) > maxIdempotencyKey || strings.ContainsFunc(key, isOdd) {
		return "", &apiError{status: http.StatusBadRequest, text: textIdempotencyKey}
	}
	return values[0], nil
}

// digest sums up what the request asks for. When and with which secret it was signed does not belong to that.
func (q *apiRequest) digest() (d digest) {
	sum := sha256.New()
	write := func(part string) {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		sum.Write(size[:])
		sum.Write([]byte(part))
	}
	sum.Write([]byte{byte(q.route.endpoint)})
	write(q.route.subject)
	write(string(q.body))
	for _, p := range q.params {
		if !strings.HasPrefix(p.name, "auth_") && p.name != "body_md5" {
			write(p.name)
			write(p.value)
		}
	}
	sum.Sum(d[:0])
	return d
}
