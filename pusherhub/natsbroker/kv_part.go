package natsbroker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

const (
	// defaultPartSize is how many bytes of members one value has, or about that, before they move into parts. A join costs a write of that size at most, and a
	// message of it to each node that follows the channel.
	defaultPartSize = 32 << 10

	// fewUsers stay together although they are large, as long as they take half of what a value may be at most.
	fewUsers = 8

	// partDepth is how often members can be moved. After that, a value grows as far as the server lets it.
	partDepth = 6

	partDigits = "0123456789abcdef"
)

// kvPhase says where the members of a value are.
type kvPhase int

const (
	phaseWhole  kvPhase = iota // in the value
	phaseMoving                // in the value, which stays as it is until its parts have them, too
	phaseMoved                 // in the parts
	phaseEnding                // nowhere, as it seems: the parts are gone, and so will this value be if nobody comes back
)

// kvPlace is where a value is: the topic itself, or a part of it. The parts of a place have one more digit; each user belongs into the one
// that the hash of the id says.
type kvPlace struct {
	name pusherhub.Topic
	path string // digits of the hash
}

// mayHaveParts reports whether a topic may: others have no members.
func mayHaveParts(name pusherhub.Topic) bool {
	return pusherhub.KindOf(name.Channel).Access == pusherhub.AccessPresence
}

// placeOf returns the place of a key.
func placeOf(key string, name pusherhub.Topic) kvPlace {
	path := strings.TrimPrefix(key, topicKey(topicKeys, name))
	return kvPlace{name, strings.TrimPrefix(path, ".")}
}

func (p kvPlace) key() string {
	key := topicKey(topicKeys, p.name)
	if p.path != "" {
		key += "." + p.path
	}
	return key
}

func (p kvPlace) parts() (list []kvPlace) {
	for _, digit := range partDigits {
		list = append(list, kvPlace{p.name, p.path + string(digit)})
	}
	return list
}

// partOf returns the index of the part that a user belongs into.
func (p kvPlace) partOf(user string) int {
	hash := sha256.Sum256([]byte(user))
	return strings.IndexByte(partDigits, hex.EncodeToString(hash[:])[len(p.path)])
}

// divide returns what of the updates is about the topic itself, and what about the members of each part.
func (p kvPlace) divide(updates []cluster.Update) (counts []cluster.Update, members [len(partDigits)][]cluster.Update) {
	for _, u := range updates {
		for _, m := range u.Members {
			part := &members[p.partOf(m.UserID)]
			if *part == nil {
				*part = []cluster.Update{{Topic: p.name}}
			}
			(*part)[0].Members = append((*part)[0].Members, m)
		}
		if u.Members = nil; u.Counted {
			counts = append(counts, u)
		}
	}
	return counts, members
}

// divided reports whether the members are in parts.
func (t *kvTopic) divided() bool { return t.Phase == phaseMoved || t.Phase == phaseEnding }

// weight is about how many bytes the members take.
func (t *kvTopic) weight() (bytes int) {
	for _, h := range t.Holdings {
		for _, m := range h.Members {
			bytes += 40 + (len(m.User)+len(m.Info))*4/3
		}
	}
	return bytes
}

// partsOf returns what the parts of t get. Each of them remembers the batches that t had seen.
func (t *kvTopic) partsOf(p kvPlace) (parts [len(partDigits)]*kvTopic) {
	for i := range parts {
		parts[i], _ = topicOf(p.name, nil) // fails only for a value
		for _, d := range t.Done {
			d.Made = slices.DeleteFunc(slices.Clone(d.Made), func(m kvMade) bool {
				return len(m.Member) == 0 || p.partOf(string(m.Member)) != i
			})
			parts[i].Done = append(parts[i].Done, d)
		}
	}
	for _, h := range t.Holdings {
		for _, m := range h.Members {
			own := parts[p.partOf(string(m.User))].own(h.Node)
			own.Members = append(own.Members, m)
		}
	}
	for _, l := range t.Losses {
		if len(l.Member) > 0 {
			part := parts[p.partOf(string(l.Member))]
			part.Losses = append(part.Losses, l)
		}
	}
	return parts
}

// moved leaves out what the parts have.
func (t *kvTopic) moved() {
	t.Phase, t.Changed, t.Gone = phaseMoved, nil, nil
	for i := range t.Holdings {
		t.Holdings[i].Members = nil
	}
	for i := range t.Done {
		t.Done[i].Made = slices.DeleteFunc(t.Done[i].Made, func(m kvMade) bool { return len(m.Member) > 0 })
	}
	t.Losses = slices.DeleteFunc(t.Losses, func(l kvLoss) bool { return len(l.Member) > 0 })
}

// move moves the members of a value that is in phaseMoving into parts. Several nodes may do that at a time: all of them write the same, and
// nobody changes a part before the value says that its members have moved, which it says when all parts are there.
func (r *kvRegister) move(ctx context.Context, p kvPlace) error {
	entry, err := r.get(ctx, p.key())
	if err != nil || entry == nil {
		return err
	}
	t, err := decodeTopic(entry.Value())
	if err != nil || t.Phase != phaseMoving {
		return err
	}
	kv, err := r.bucket(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	values, places := t.partsOf(p), p.parts()
	err = parallel(len(places), func(i int) error {
		value, err := values[i].encode(now)
		if err != nil {
			return err
		}
		if _, err := kv.Create(ctx, places[i].key(), value); err != nil && !isConflict(err) {
			return r.failed("writing "+places[i].key(), err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.moved()
	value, err := t.encode(now)
	if err != nil {
		return err
	}
	if _, err := kv.Update(ctx, p.key(), value, entry.Revision()); err != nil && !isConflict(err) {
		return r.failed("writing "+p.key(), err)
	}
	return nil
}

// tidy ends a value without members whose parts are all gone. First it says so, so that who comes back to a part takes that back before; when
// everybody who had not read it yet has ended, the value goes.
func (r *kvRegister) tidy(ctx context.Context, entry jetstream.KeyValueEntry, t *kvTopic, now time.Time) error {
	p := placeOf(entry.Key(), t.name())
	for _, part := range p.parts() {
		if there, err := r.get(ctx, part.key()); err != nil || there != nil {
			return err
		}
	}
	if t.Phase == phaseEnding {
		if now.Sub(entry.Created()) > lookAgain {
			return r.drop(ctx, entry.Key(), entry.Revision())
		}
		return nil
	}
	t.Phase, t.Changed, t.Gone = phaseEnding, nil, nil
	value, err := t.encode(time.Now())
	if err != nil {
		return err
	}
	kv, err := r.bucket(ctx)
	if err != nil {
		return err
	}
	if _, err := kv.Update(ctx, entry.Key(), value, entry.Revision()); err != nil && !isConflict(err) {
		return r.failed("writing "+entry.Key(), err)
	}
	return nil
}
