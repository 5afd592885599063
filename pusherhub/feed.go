package pusherhub

import "sync"

// observationQueue is what an observer may be behind before observations are dropped, or wait.
const observationQueue = 4096

// feed is what one observer of one app is still to be told. Its goroutine runs while there is something to tell.
type feed struct {
	// Static.
	hub   *Hub
	place place

	mu       sync.Mutex
	observer Observer      // guarded by mu: changes when another takes its place
	queue    []Observation // guarded by mu: from head on, not told yet
	head     int           // guarded by mu
	running  bool          // guarded by mu
	added    uint64        // guarded by mu: number of the last observation in the queue
	told     uint64        // guarded by mu: number of the last one that the observer has been told to the end
	progress sync.Cond     // announces that told has grown, or that the goroutine has ended
}

func newFeed(h *Hub, p place, observer Observer) *feed {
	f := &feed{hub: h, place: p, observer: observer}
	f.progress.L = &f.mu
	return f
}

// keeps reports whether the observer is one for which nothing is dropped.
func (f *feed) keeps() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, keeps := f.observer.(KeepingObserver)
	return keeps
}

// hand makes observer the one who is told what is still in the queue and what comes.
func (f *feed) hand(observer Observer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.observer = observer
}

// add queues o. Only an observer that does not keep loses what finds the queue full.
func (f *feed) add(o Observation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue)-f.head >= observationQueue {
		if _, keeps := f.observer.(KeepingObserver); !keeps {
			f.hub.counters.observationsDropped.Add(1)
			return
		}
	}
	f.queue = append(f.queue, o)
	f.added++
	if !f.running {
		f.running = true
		f.hub.feeding.Add(1)
		go f.run()
	}
}

// run tells the observer until nothing is left.
func (f *feed) run() {
	defer f.hub.feeding.Done()
	for {
		observer, batch := f.take()
		if batch == nil {
			return
		}
		_ = f.hub.callHook(observer, func() error {
			if keeper, keeps := observer.(KeepingObserver); keeps {
				keeper.Keep(f.hub.keepCtx, batch)
			} else {
				observer.Observe(batch[0])
			}
			return nil
		})
		f.mu.Lock()
		f.told += uint64(len(batch))
		f.progress.Broadcast()
		f.mu.Unlock()
	}
}

// take returns what the observer is told next: all that is queued if it keeps it, else one observation. With nothing left the goroutine ends.
func (f *feed) take() (observer Observer, batch []Observation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.head == observationQueue {
		f.queue, f.head = append(f.queue[:0], f.queue[f.head:]...), 0
	}
	waiting := f.queue[f.head:]
	if len(waiting) == 0 {
		f.queue, f.head, f.running = nil, 0, false
		f.progress.Broadcast()
		return nil, nil
	}
	if _, keeps := f.observer.(KeepingObserver); keeps {
		f.queue, f.head = nil, 0
		return f.observer, waiting
	}
	f.head++
	return f.observer, waiting[:1]
}

// awaitRoom waits until the queue is not full.
func (f *feed) awaitRoom() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.added-f.told >= observationQueue {
		f.progress.Wait()
	}
}

// awaitKept waits until the observer has been told all that is in the queue now.
func (f *feed) awaitKept() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for last := f.added; f.told < last; {
		f.progress.Wait()
	}
}

// awaitEnd waits until the observer has been told everything.
func (f *feed) awaitEnd() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.running {
		f.progress.Wait()
	}
}
