package appcache

import (
	"sync/atomic"

	"github.com/onecharge/pusherhub/pusherhub"
)

// counts are what a cache has done.
type counts struct {
	hits, lookups, errors, stale, refused atomic.Uint64
}

// Measures returns what the cache holds and has done.
func (c *Cache) Measures() []pusherhub.Measure {
	c.mu.Lock()
	apps, unknown := c.known.len(), c.unknown.len()
	c.mu.Unlock()
	counter := func(name, help string, v *atomic.Uint64) pusherhub.Measure {
		return pusherhub.Measure{Name: name, Help: help, Counter: true, Value: float64(v.Load())}
	}
	return []pusherhub.Measure{
		counter("hits_total", "Questions for an app that were answered from memory.", &c.counts.hits),
		counter("lookups_total", "Questions for an app that the store was asked.", &c.counts.lookups),
		counter("lookup_errors_total", "Look-ups that the store did not answer, or with something that is no app.", &c.counts.errors),
		counter("stale_total", "Questions that were answered with what was known before, because the store did not answer.", &c.counts.stale),
		counter("refused_total", "Look-ups that were refused because too many others were waiting.", &c.counts.refused),
		{Name: "cached_apps", Help: "Apps in memory.", Value: float64(apps)},
		{Name: "cached_unknown", Help: "Ids and keys in memory that no app has.", Value: float64(unknown)},
	}
}
