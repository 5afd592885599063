package pusherhub

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// appState is the live side of an app: its sockets, channels and users. It is kept when the
// settings change and when an app source forgets and finds the app again.
type appState struct {
	hub *Hub   // static
	id  string // static

	born uint64 // static: live sides that were made later have a higher number

	app         atomic.Pointer[App]        // the current settings
	gone        atomic.Pointer[CloseError] // set under statesMu: why the app's sockets must go, as the app is not there any more; nil while it is
	connections atomic.Int64               // open sockets, those being established included
	backlog     backlog
	replays     replayCache
	once        onceCache
	counters    counters

	useMu    sync.Mutex               // held while settings and plugins change; no other lock is held when it is taken, but for the heir's
	attached atomic.Pointer[App]      // changed under useMu: the app whose plugins are at work; nil before the first and after the last
	feeds    atomic.Pointer[feeds]    // changed under useMu: the observers; nil if there are none
	heir     atomic.Pointer[appState] // changed under useMu: the live side that has the plugins now, as the app has come back; nil: this one

	conns     registry
	elsewhere elsewhere
	channels  [channelShards]shard
	users     users
}

// channelShards spreads an app's channels over locks, so that they do not wait for each other.
const channelShards = 32

var hashSeed = maphash.MakeSeed()

// shard holds some of an app's channels.
type shard struct {
	mu       sync.RWMutex
	channels map[string]*channel // guarded by mu
}

func (s *appState) shardOf(name string) *shard {
	return &s.channels[maphash.String(hashSeed, name)%channelShards]
}

// channel returns the channel if it exists: if it has a subscriber or a cached event.
func (s *appState) channel(name string) *channel {
	sh := s.shardOf(name)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.channels[name]
}

// openChannel returns the channel, made if need be, and pins it: until unpin it stays what its name means.
func (s *appState) openChannel(name string) *channel {
	sh := s.shardOf(name)
	sh.mu.RLock()
	ch := sh.channels[name]
	if ch != nil {
		ch.pins.Add(1)
	}
	sh.mu.RUnlock()
	if ch != nil {
		return ch
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	ch = sh.channels[name]
	if ch == nil {
		if sh.channels == nil {
			sh.channels = make(map[string]*channel)
		}
		ch = newChannel(s, name)
		sh.channels[name] = ch
		s.counters.channels[ch.kind.index()].Add(1)
	}
	ch.pins.Add(1)
	return ch
}

// unpin takes a pin away, and the channel with the last one.
func (s *appState) unpin(ch *channel) {
	if ch.pins.Add(-1) == 0 {
		s.dropChannel(ch)
	}
}

// dropChannel removes the channel if nothing pins it and it keeps no event.
func (s *appState) dropChannel(ch *channel) {
	sh := s.shardOf(ch.name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if ch.pins.Load() > 0 || sh.channels[ch.name] != ch || !ch.cacheEmpty() {
		return
	}
	delete(sh.channels, ch.name)
	s.counters.channels[ch.kind.index()].Add(-1)
}

// eachChannel calls visit for every channel, without a lock held.
func (s *appState) eachChannel(visit func(*channel)) {
	var some []*channel
	for i := range s.channels {
		sh := &s.channels[i]
		some = some[:0]
		sh.mu.RLock()
		for _, ch := range sh.channels {
			some = append(some, ch)
		}
		sh.mu.RUnlock()
		for _, ch := range some {
			visit(ch)
		}
	}
}

// registry finds sockets by their id.
type registry struct {
	shards [registryShards]struct {
		mu    sync.RWMutex
		conns map[string]*conn // guarded by mu
	}
}

const registryShards = 16

func (r *registry) add(c *conn) {
	sh := &r.shards[maphash.String(hashSeed, c.id)%registryShards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.conns == nil {
		sh.conns = make(map[string]*conn)
	}
	sh.conns[c.id] = c
}

func (r *registry) remove(c *conn) {
	sh := &r.shards[maphash.String(hashSeed, c.id)%registryShards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.conns, c.id)
}

// find returns the socket with that id, nil if there is none here.
func (r *registry) find(id string) *conn {
	if id == "" {
		return nil
	}
	sh := &r.shards[maphash.String(hashSeed, id)%registryShards]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.conns[id]
}

// all returns every socket.
func (r *registry) all() []*conn {
	var list []*conn
	for i := range r.shards {
		list = r.appendShard(list, i)
	}
	return list
}

// each calls visit for every socket, without a lock held.
func (r *registry) each(visit func(*conn)) {
	var some []*conn
	for i := range r.shards {
		some = r.appendShard(some[:0], i)
		for _, c := range some {
			visit(c)
		}
	}
}

func (r *registry) appendShard(list []*conn, i int) []*conn {
	sh := &r.shards[i]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	for _, c := range sh.conns {
		list = append(list, c)
	}
	return list
}
