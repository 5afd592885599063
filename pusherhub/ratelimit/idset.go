package ratelimit

import (
	"hash/maphash"
	"sync"
)

// idSet is a set of socket ids.
type idSet struct {
	shards [tableShards]struct {
		mu  sync.Mutex
		ids map[string]struct{} // guarded by mu
	}
}

func (s *idSet) add(id string) {
	sh := &s.shards[maphash.String(seed, id)%tableShards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.ids == nil {
		sh.ids = make(map[string]struct{})
	}
	sh.ids[id] = struct{}{}
}

// remove reports whether the id was there.
func (s *idSet) remove(id string) bool {
	sh := &s.shards[maphash.String(seed, id)%tableShards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	_, found := sh.ids[id]
	delete(sh.ids, id)
	return found
}
