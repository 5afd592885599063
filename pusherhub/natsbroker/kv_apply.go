package natsbroker

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"golang.org/x/sync/errgroup"
)

// Apply implements [register]. Topics are written side by side. A node that is reaped meanwhile may leave something behind, which the reapers
// find when they look again (see [kvRegister.Reap]).
func (r *kvRegister) Apply(ctx context.Context, node string, batch uint64, updates []cluster.Update) (made []pusherhub.Transition, known bool, err error) {
	nodes, err := r.nodes(ctx)
	if err != nil {
		return nil, false, err
	}
	if !slices.Contains(nodes.Live, node) {
		return nil, false, nil
	}
	groups := byTopic(updates)
	results := make([][]pusherhub.Transition, len(groups))
	err = parallel(len(groups), func(i int) error {
		a := &kvApply{kvRegister: r, node: node, batch: batch}
		place := kvPlace{name: groups[i][0].Topic}
		made, err := a.at(ctx, place, groups[i])
		results[i] = transitionsOf(place.name, made)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return slices.Concat(results...), true, nil
}

// byTopic groups updates, each topic at the place of its first one: a batch writes a topic once.
func byTopic(updates []cluster.Update) (groups [][]cluster.Update) {
	places := make(map[pusherhub.Topic]int, len(updates))
	for _, u := range updates {
		place, found := places[u.Topic]
		if !found {
			place = len(groups)
			places[u.Topic] = place
			groups = append(groups, nil)
		}
		groups[place] = append(groups[place], u)
	}
	return groups
}

// parallel calls do for each index, some at a time, and returns the first error.
func parallel(n int, do func(i int) error) error {
	var all errgroup.Group
	all.SetLimit(kvParallel)
	for i := range n {
		all.Go(func() error { return do(i) })
	}
	return all.Wait()
}

// topicWrite is a change of a topic that is being made. The rules are those of [cluster.Register].
type topicWrite struct {
	topic *kvTopic
	node  string
	now   time.Time

	made          []kvMade
	changed, gone []kvName
	dirty         bool
}

func (w *topicWrite) update(u cluster.Update) {
	lost := false
	if u.Counted {
		lost = w.setCount(max(u.Count, 0), u.Restored)
	}
	for _, m := range u.Members {
		if m.Gone {
			w.dropMember(m)
		} else {
			w.setMember(m)
		}
	}
	if lost {
		w.made = append(w.made, kvMade{})
	}
}

// setCount reports whether the topic is lost.
func (w *topicWrite) setCount(count int, restored bool) (lost bool) {
	held := w.topic.held("")
	h := w.topic.own(w.node)
	had := h.Count > 0
	if changed := h.Count != count; changed {
		h.Count = count
		w.dirty = true
		if count > 0 {
			w.changed = append(w.changed, kvName{Node: w.node})
		} else {
			w.gone = append(w.gone, kvName{Node: w.node})
		}
	}
	switch {
	case count > 0 && !held:
		w.gain("", restored)
	case count == 0 && !w.topic.held(""):
		return w.lose("", had, restored)
	}
	return false
}

func (w *topicWrite) setMember(m cluster.MemberUpdate) {
	held := w.topic.held(m.UserID)
	h := w.topic.own(w.node)
	member := kvMember{User: []byte(m.UserID), Info: m.Info, Since: m.Since}
	if i := h.member(m.UserID); i < 0 {
		h.Members = append(h.Members, member)
	} else if old := h.Members[i]; old.Since != m.Since || !bytes.Equal(old.Info, m.Info) {
		h.Members[i] = member
	} else {
		return
	}
	w.dirty = true
	w.changed = append(w.changed, kvName{Node: w.node, User: member.User})
	if !held {
		w.gain(m.UserID, m.Restored)
	}
}

func (w *topicWrite) dropMember(m cluster.MemberUpdate) {
	h := w.topic.own(w.node)
	i := h.member(m.UserID)
	if i >= 0 {
		h.Members = slices.Delete(h.Members, i, i+1)
		w.dirty = true
		w.gone = append(w.gone, kvName{Node: w.node, User: []byte(m.UserID)})
	}
	if !w.topic.held(m.UserID) && w.lose(m.UserID, i >= 0, m.Restored) {
		w.made = append(w.made, kvMade{Member: []byte(m.UserID)})
	}
}

// gain notes a gain. One that is restored has been gained in a former memory already, unless this one has seen it lost since.
func (w *topicWrite) gain(user string, restored bool) {
	i := w.loss(user)
	if i >= 0 {
		w.topic.Losses = slices.Delete(w.topic.Losses, i, i+1)
	}
	if !restored || i >= 0 {
		w.made = append(w.made, kvMade{Member: []byte(user), Gained: true})
	}
}

// lose reports whether it is a transition that the node gives up what nobody else holds. had says that the register knew that it held it.
func (w *topicWrite) lose(user string, had, restored bool) bool {
	i := w.loss(user)
	if !had && (!restored || i >= 0) {
		return false
	}
	loss := kvLoss{Member: []byte(user), At: w.now.UnixMilli()}
	if i >= 0 {
		w.topic.Losses[i] = loss
	} else {
		w.topic.Losses = append(w.topic.Losses, loss)
	}
	w.dirty = true
	return true
}

// loss returns the index of a loss that is remembered; -1: none.
func (w *topicWrite) loss(user string) int {
	return slices.IndexFunc(w.topic.Losses, func(l kvLoss) bool {
		return string(l.Member) == user && w.now.Sub(time.UnixMilli(l.At)) <= lossMemory
	})
}
