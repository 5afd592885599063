package cluster

import (
	"container/heap"
	"crypto/rand"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// lossesLast is how long a register remembers that the loss of something was a transition ([Update].Restored).
const lossesLast = time.Minute

// newEpoch returns a name that no other memory has.
func newEpoch() string { return rand.Text() }

// lossKey names a topic, or a member of one.
type lossKey struct {
	topic pusherhub.Topic
	user  string // empty: the topic itself
}

// lossMemory knows the losses of the last minute.
type lossMemory struct {
	at    map[lossKey]int64
	queue []loss // in the order of time; some have been taken or have come again later
}

type loss struct {
	lossKey
	at int64
}

func (l *lossMemory) add(key lossKey, at int64) {
	l.at[key] = at
	l.queue = append(l.queue, loss{key, at})
}

func (l *lossMemory) has(key lossKey) bool {
	_, found := l.at[key]
	return found
}

// take forgets a loss and reports whether it was known.
func (l *lossMemory) take(key lossKey) bool {
	found := l.has(key)
	delete(l.at, key)
	return found
}

// expire forgets what was lost longer ago than a minute.
func (l *lossMemory) expire(now int64) {
	old := 0
	for old < len(l.queue) && l.queue[old].at <= now-int64(lossesLast) {
		if key := l.queue[old].lossKey; l.at[key] == l.queue[old].at {
			delete(l.at, key)
		}
		old++
	}
	if l.queue = l.queue[old:]; len(l.queue) == 0 {
		l.queue = nil // frees the array
	}
}

// keptQueue is a heap of the topics that have a kept event, by when it expires.
type keptQueue []*topic

func (q keptQueue) Len() int           { return len(q) }
func (q keptQueue) Less(i, j int) bool { return q[i].keptUntil < q[j].keptUntil }
func (q keptQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].keptPlace, q[j].keptPlace = i, j
}

func (q *keptQueue) Push(x any) {
	t := x.(*topic)
	t.keptPlace = len(*q)
	*q = append(*q, t)
}

func (q *keptQueue) Pop() any {
	last := len(*q) - 1
	t := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return t
}

// keep keeps an event of a topic until then, instead of the former.
func (s *registerState) keep(name pusherhub.Topic, data []byte, until int64) {
	t := s.topic(name)
	had := t.kept != nil
	if t.kept, t.keptUntil = data, until; data == nil {
		t.kept = []byte{}
	}
	if had {
		heap.Fix(&s.kept, t.keptPlace)
	} else {
		heap.Push(&s.kept, t)
	}
}

// expire forgets kept events and losses that are over.
func (s *registerState) expire() {
	s.losses.expire(s.at)
	for len(s.kept) > 0 && s.kept[0].keptUntil <= s.at {
		t := heap.Pop(&s.kept).(*topic)
		t.kept = nil
		s.tidyTopic(t)
	}
}
