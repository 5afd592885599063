package ratelimit

import (
	"hash/maphash"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	tableShards = 16

	// maxKeys is how many addresses or users an app has counted at most. One that is forgotten because there are more
	// starts anew: a limit is never stricter than it says.
	maxKeys = 1 << 17

	// glance is how many entries are looked at, and forgotten if they can be, whenever one is added. As long as
	// entries come and go, a quarter of them at most are idle ones.
	glance = 4
)

var seed = maphash.MakeSeed()

// table counts per key. It needs nobody who cleans up: entries that would be the same if they were made anew go when others come.
type table[K comparable] struct {
	shards [tableShards]shard[K]
}

type shard[K comparable] struct {
	most    int // static; entries that are remembered; 0: any number
	mu      sync.Mutex
	entries map[K]*entry // guarded by mu, and the entries with it
}

// entry is what is counted of one key.
type entry struct {
	rules   *scopeRules // that the buckets were made for
	buckets [things]*rate.Limiter
	open    int // connections
}

// demand is a number of one thing.
type demand struct {
	thing thing
	n     int
}

// limit bounds the number of keys.
func (t *table[K]) limit(keys int) {
	for i := range t.shards {
		t.shards[i].most = keys / tableShards
	}
}

func (t *table[K]) shardOf(key K) *shard[K] {
	return &t.shards[maphash.Comparable(seed, key)%tableShards]
}

// take takes what is demanded out of the key's buckets. If there is too little of something, it says of what, and when there will be enough.
func (t *table[K]) take(key K, r *scopeRules, now time.Time, demands ...demand) (lack thing, wait time.Duration, ok bool) {
	s := t.shardOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entry(key, r, now)
	for _, d := range demands {
		bucket := e.buckets[d.thing]
		if bucket == nil {
			continue
		}
		n := min(d.n, r.rates[d.thing].burst)
		if !bucket.AllowN(now, n) {
			missing := float64(n) - bucket.TokensAt(now)
			return d.thing, time.Duration(missing / float64(bucket.Limit()) * float64(time.Second)), false
		}
	}
	return 0, 0, true
}

// connect counts a connection if there is room for it.
func (t *table[K]) connect(key K, r *scopeRules, now time.Time) bool {
	s := t.shardOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entry(key, r, now)
	if r.connections > 0 && e.open >= r.connections {
		return false
	}
	e.open++
	return true
}

// disconnect ends what connect began.
func (t *table[K]) disconnect(key K) {
	s := t.shardOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[key]; e != nil && e.open > 0 {
		e.open--
	}
}

// forget forgets a key.
func (t *table[K]) forget(key K) {
	s := t.shardOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, key)
}

// len is the number of keys.
func (t *table[K]) len() (n int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.entries)
		s.mu.Unlock()
	}
	return n
}

// entry returns the key's entry, made if need be. The caller holds mu.
func (s *shard[K]) entry(key K, r *scopeRules, now time.Time) *entry {
	e := s.entries[key]
	if e == nil {
		s.tidy(now)
		if s.entries == nil {
			s.entries = make(map[K]*entry)
		}
		e = new(entry)
		s.entries[key] = e
	}
	if e.rules != r {
		e.follow(r, now)
	}
	return e
}

// tidy makes room for an entry. The caller holds mu.
func (s *shard[K]) tidy(now time.Time) {
	looked := 0
	for key, e := range s.entries {
		if e.isIdle(now) || e.open == 0 && s.most > 0 && len(s.entries) >= s.most {
			delete(s.entries, key)
		}
		if looked++; looked == glance {
			return
		}
	}
}

// isIdle reports whether the entry is as a new one would be.
func (e *entry) isIdle(now time.Time) bool {
	if e.open > 0 {
		return false
	}
	for _, bucket := range e.buckets {
		if bucket != nil && bucket.TokensAt(now) < float64(bucket.Burst()) {
			return false
		}
	}
	return true
}

// follow gives the entry the buckets that rules ask for. Those that stay keep what is in them.
func (e *entry) follow(r *scopeRules, now time.Time) {
	e.rules = r
	for t := range things {
		bucket, rule := e.buckets[t], &r.rates[t]
		switch {
		case rule.burst == 0:
			e.buckets[t] = nil
		case bucket == nil:
			e.buckets[t] = rate.NewLimiter(rule.limit, rule.burst)
		default:
			bucket.SetLimitAt(now, rule.limit)
			bucket.SetBurstAt(now, rule.burst)
		}
	}
}
