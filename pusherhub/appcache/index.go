package appcache

import (
	"crypto/sha256"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/onecharge/pusherhub/pusherhub"
)

// entry is an app that was found.
type entry struct {
	app       *pusherhub.App
	sum       [sha256.Size]byte // of the text that it was built of, which holds the secret
	confirmed time.Time         // when the store had it so
	expires   time.Time         // when it is asked for again

	// Of an app whose last look-up failed.
	failed  bool
	retry   time.Time         // not asked for before
	refused [sha256.Size]byte // of the text that could not be built
}

// index holds a bounded number of apps by id and by key. Not safe for concurrent use.
type index struct {
	byID  *simplelru.LRU[string, *entry]
	byKey map[string]*entry
}

func newIndex(size int) index {
	x := index{byKey: make(map[string]*entry)}
	x.byID = newLRU(size, func(_ string, e *entry) { x.dropKey(e) })
	return x
}

// find returns the app that q asks for, nil if it is not there, and counts it as used.
func (x index) find(q question) *entry {
	if q.byKey {
		e := x.byKey[q.name]
		if e != nil {
			x.byID.Get(e.app.ID())
		}
		return e
	}
	e, _ := x.byID.Get(q.name)
	return e
}

// put adds an app in place of the one that had its id. One that had its key is not found by it any more, and is asked for
// again by its id.
func (x index) put(e *entry) {
	x.byID.Remove(e.app.ID())
	if other := x.byKey[e.app.Key()]; other != nil {
		other.expires = time.Time{}
	}
	x.byKey[e.app.Key()] = e
	x.byID.Add(e.app.ID(), e)
}

func (x index) drop(e *entry) { x.byID.Remove(e.app.ID()) }

// dropKey forgets the key of an app, unless another app has it by now.
func (x index) dropKey(e *entry) {
	if x.byKey[e.app.Key()] == e {
		delete(x.byKey, e.app.Key())
	}
}

func (x index) len() int { return x.byID.Len() }

// refusals holds a bounded number of questions that had no app for an answer. Not safe for concurrent use.
type refusals struct {
	lru *simplelru.LRU[question, refusal]
}

type refusal struct {
	err   error
	until time.Time
}

func newRefusals(size int) refusals { return refusals{newLRU[question, refusal](size, nil)} }

// find returns the error that q is still answered with, nil if there is none.
func (r refusals) find(q question, now time.Time) error {
	if found, ok := r.lru.Get(q); ok && now.Before(found.until) {
		return found.err
	}
	return nil
}

func (r refusals) add(q question, err error, ttl time.Duration) {
	r.lru.Add(q, refusal{err: err, until: time.Now().Add(ttl)})
}

func (r refusals) forget(q question) { r.lru.Remove(q) }

func (r refusals) len() int { return r.lru.Len() }

// newLRU returns a list of a size that is at least one, which is all that can go wrong.
func newLRU[K comparable, V any](size int, onEvict func(K, V)) *simplelru.LRU[K, V] {
	lru, err := simplelru.NewLRU(max(size, 1), onEvict)
	if err != nil {
		panic(err)
	}
	return lru
}
