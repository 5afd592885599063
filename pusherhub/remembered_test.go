package pusherhub

import (
	"encoding/binary"
	"testing"
	"time"
)

func numbered(n int) (id [16]byte) {
	binary.BigEndian.PutUint64(id[:], uint64(n))
	return id
}

// However many signatures come, the last generation of them is remembered and two at most are held.
func TestReplayCacheIsBounded(t *testing.T) {
	var c replayCache
	now := time.Now()
	const many = 3*replayGeneration + 5
	for i := range many {
		if !c.add(numbered(i), now, time.Minute) {
			t.Fatalf("signature %d passes for a replay", i)
		}
	}
	if n := len(c.young) + len(c.old); n > 2*replayGeneration {
		t.Errorf("found %d signatures, expected %d at most", n, 2*replayGeneration)
	}
	for i := many - replayGeneration; i < many; i++ {
		if c.add(numbered(i), now, time.Minute) {
			t.Fatalf("signature %d is forgotten, expected the last %d to be remembered", i, replayGeneration)
		}
	}
	if !c.add(numbered(0), now, time.Minute) {
		t.Error("the first signature is remembered, expected it to have made room")
	}
	c.add(numbered(many), now.Add(2*time.Minute), time.Minute)
	if n := len(c.young) + len(c.old); n != 1 {
		t.Errorf("found %d signatures, expected those that are of no use any more to be forgotten", n)
	}
}

func TestOnceCacheIsBounded(t *testing.T) {
	var c onceCache
	now := time.Now()
	do := func(n int, answer []byte, ttl time.Duration) {
		t.Helper()
		key := digest{}
		binary.BigEndian.PutUint64(key[:], uint64(n))
		entry, first := c.claim(key, digest{}, now)
		if !first {
			t.Fatalf("key %d is known", n)
		}
		c.settle(key, entry, 200, answer, now.Add(ttl))
	}
	check := func(keys int) {
		t.Helper()
		bytes := 0
		for _, k := range c.kept {
			bytes += len(k.entry.answer)
		}
		if len(c.entries) != keys || len(c.kept) != keys || bytes != c.bytes || bytes > maxIdempotencyBytes {
			t.Errorf("found %d entries, %d kept, %d bytes (%d counted), expected %d", len(c.entries), len(c.kept), bytes, c.bytes, keys)
		}
	}
	for i := range maxIdempotencyKeys + 10 {
		do(i, []byte("{}"), time.Minute)
	}
	check(maxIdempotencyKeys)
	do(0, nil, time.Minute) // made room for others and is new again
	big := make([]byte, maxIdempotencyBytes/4)
	for i := range 10 {
		do(-1-i, big, time.Minute)
	}
	check(4)
	now = now.Add(time.Minute)
	do(1, nil, time.Second)
	check(1)
	now = now.Add(time.Second)
	do(1, nil, time.Second)
	check(1)
}
