package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// One call of the engine subscribes to, or reads, so many topics at most; fewer after calls that failed, since the answer may be too much for the
// time that there is.
const followBatch = 256

// healAfter is after how many beats everything is read again, in case that a change was lost.
const healAfter = 30

// follows is what this node follows. One goroutine, the follower, has the server know of it and reads the register.
type follows struct {
	mu     sync.RWMutex
	topics map[pusherhub.Topic]*followed // guarded by mu: what is followed
	todo   map[pusherhub.Topic]struct{}  // guarded by mu: what has begun or ended since the follower looked
}

func newFollows() *follows {
	return &follows{topics: make(map[pusherhub.Topic]*followed), todo: make(map[pusherhub.Topic]struct{})}
}

// get returns what is followed; nil if it is not.
func (o *follows) get(t pusherhub.Topic) *followed {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.topics[t]
}

// add follows a topic once more.
func (o *follows) add(t pusherhub.Topic) *followed {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.topics[t]
	if f == nil {
		f = &followed{topic: t, ready: make(chan struct{})}
		o.topics[t] = f
		o.todo[t] = struct{}{}
	}
	f.times++
	return f
}

// remove follows it once less. It does not wait for calls of the node unless they are about the topic.
func (o *follows) remove(t pusherhub.Topic) (last bool) {
	o.mu.Lock()
	f := o.topics[t]
	if f == nil {
		o.mu.Unlock()
		return false
	}
	f.times--
	last = f.times == 0
	if last {
		delete(o.topics, t)
		o.todo[t] = struct{}{}
	}
	o.mu.Unlock()
	if last {
		f.end()
	}
	return last
}

// all returns everything that is followed.
func (o *follows) all() []*followed {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return slices.Collect(maps.Values(o.topics))
}

// takeTodo returns topics that have begun, so many at most, and those that have ended.
func (o *follows) takeTodo(most int) (begun []*followed, ended []pusherhub.Topic) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for t := range o.todo {
		if len(begun) == most {
			break
		}
		delete(o.todo, t)
		if f := o.topics[t]; f != nil {
			begun = append(begun, f)
		} else {
			ended = append(ended, t)
		}
	}
	return begun, ended
}

// forgetTodo forgets what has begun and ended: everything is subscribed to again.
func (o *follows) forgetTodo() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.todo)
}

// still returns those that have not ended, and their topics.
func (o *follows) still(list []*followed) (left []*followed, names []pusherhub.Topic) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	for _, f := range list {
		if o.topics[f.topic] == f {
			left = append(left, f)
			names = append(names, f.topic)
		}
	}
	return left, names
}

// follower is what the goroutine knows that follows.
type follower struct {
	b       *Broker
	conn    uint64      // the connection that subscriptions are of
	session uint64      // the session that has begun
	most    int         // how many topics the next call may have
	again   []*followed // to be subscribed to and read in this session, those that failed behind the others
	reread  []*followed // to be read again only
	slowly  bool        // with pauses, because nobody waits for it
	served  bool        // the last step was for what the hub waits for
	whole   bool        // what the register may not have had yet when it was read was read again
	healed  time.Time   // when everything was last read, or began to be
	pause   pause
}

// run follows until the broker closes.
func (w *follower) run() {
	for w.b.ctx.Err() == nil {
		_, s, changed := w.b.link.state()
		if s == nil {
			w.b.reads.disconnected()
			w.b.wait(changed, nil, 0)
			continue
		}
		w.begin(s)
		worked, err := w.step(s)
		switch {
		case err != nil:
			w.most = max(1, w.most/2)
		case worked:
			w.most = min(2*w.most, followBatch)
		}
		switch {
		case err != nil && s.ctx.Err() == nil:
			w.b.reads.note(w.b, err)
			w.b.wait(changed, nil, w.pause.next())
		case err == nil:
			w.b.reads.note(w.b, nil)
			w.pause.reset()
			if !w.behind() {
				w.b.followedIn.Store(s.number)
			}
			if !worked {
				w.b.wait(changed, w.b.followKick, w.b.o.beat()/4)
			}
		}
	}
}

// begin notices a new session: then everything is read again, and with a new connection, subscribed to before.
func (w *follower) begin(s *session) {
	if w.session == s.number {
		return
	}
	if w.conn != s.conn {
		w.b.follows.forgetTodo()
	}
	w.conn, w.session, w.whole = s.conn, s.number, !time.Now().Before(s.wholeAt)
	w.again, w.reread = w.b.follows.all(), nil
	w.healed = time.Now()
}

// behind says that there is more that was followed before and is not up to date.
func (w *follower) behind() bool { return len(w.again) > 0 || len(w.reread) > 0 && !w.slowly }

// step does one piece of the work. What the hub waits for comes first, but there may be no end of that, so it takes turns with what was followed before.
func (w *follower) step(s *session) (worked bool, err error) {
	if len(w.again) == 0 {
		w.plan(s)
	}
	var begun []*followed
	var ended []pusherhub.Topic
	if !w.served || !w.behind() {
		begun, ended = w.b.follows.takeTodo(w.most)
	}
	if len(ended) > 0 {
		w.b.engine.Unsubscribe(ended)
	}
	if w.served = len(begun) > 0; w.served {
		if err := w.subscribe(s, begun); err != nil {
			w.again = append(w.again, begun...) // behind the others, which may work
			return true, err
		}
		return true, nil
	}
	if list := w.head(w.again); len(list) > 0 {
		w.again = w.again[len(list):]
		if err := w.subscribe(s, list); err != nil {
			w.again = append(w.again, list...) // behind the others, which may work
			return true, err
		}
		return true, nil
	}
	if list := w.head(w.reread); len(list) > 0 {
		w.reread = w.reread[len(list):]
		if err := w.read(s, list); err != nil {
			w.reread = append(w.reread, list...)
			return true, err
		}
		return !w.slowly, nil
	}
	return len(ended) > 0, nil
}

// plan says what is to be read again: what the register's new memory did not have yet when it was read, and once in a while
// everything, because a server may lose a change without a word.
func (w *follower) plan(s *session) {
	now := time.Now()
	switch {
	case len(w.reread) > 0:
	case !w.whole && !now.Before(s.wholeAt), now.Sub(w.healed) > healAfter*w.b.o.beat():
		w.slowly = w.whole || now.Before(s.wholeAt)
		w.whole = !now.Before(s.wholeAt)
		w.healed = now
		w.reread = w.b.follows.all()
	}
}

func (w *follower) head(list []*followed) []*followed { return list[:min(len(list), w.most)] }

// subscribe subscribes to topics, reads them, and hands over what was read.
func (w *follower) subscribe(s *session, list []*followed) error {
	list, names := w.b.follows.still(list)
	if err := w.b.call(s.ctx, func(ctx context.Context) error { return w.b.engine.Subscribe(ctx, names) }); err != nil {
		return err
	}
	return w.read(s, list)
}

// read reads topics and hands over what was read.
func (w *follower) read(s *session, list []*followed) error {
	list, names := w.b.follows.still(slices.DeleteFunc(slices.Clone(list), func(f *followed) bool { return f.topic == Commands }))
	if len(list) == 0 {
		return nil
	}
	for _, f := range list {
		f.beginRead()
	}
	var states []State
	err := w.b.call(s.ctx, func(ctx context.Context) (err error) {
		states, err = w.b.engine.Read(ctx, names)
		return err
	})
	if err == nil && len(states) != len(names) {
		err = fmt.Errorf("reading the register: found %d answers, expected %d", len(states), len(names))
	}
	for i, f := range list {
		if err != nil {
			f.failRead(w.b)
		} else if !f.endRead(states[i], s, w.b) {
			w.reread = append(w.reread, f)
		}
	}
	return err
}
