package natsbroker

import (
	"context"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// readTries is how often the parts of a topic are read, in the hope that none of them changes meanwhile.
const readTries = 3

// kvTree is what there is of a topic: its value, and those of its parts that hold something.
type kvTree struct {
	values []*kvTopic
	newest uint64 // the highest revision
	gone   bool   // a part is not there, so nobody knows when it was changed last
}

// tree reads a topic from a place on. Each member is read in one place: what is about to move is in the place that it moves from, and
// is changed nowhere until it has moved.
func (r *kvRegister) tree(ctx context.Context, p kvPlace) (kvTree, error) {
	entry, err := r.get(ctx, p.key())
	if err != nil || entry == nil {
		return kvTree{gone: true}, err
	}
	t, err := decodeTopic(entry.Value())
	if err != nil {
		return kvTree{}, err
	}
	all := kvTree{values: []*kvTopic{t}, newest: entry.Revision()}
	if !t.divided() {
		return all, nil
	}
	places := p.parts()
	parts := make([]kvTree, len(places))
	err = parallel(len(places), func(i int) (err error) {
		parts[i], err = r.tree(ctx, places[i])
		return err
	})
	for _, part := range parts {
		all.values = append(all.values, part.values...)
		all.newest = max(all.newest, part.newest)
		all.gone = all.gone || part.gone
	}
	return all, err
}

// state returns the entries of a topic. One value is read as it was at its version. What has parts may have changes that came after the version,
// if it changes all the time; who carries out all changes after the version has what there is in the end.
func (r *kvRegister) state(ctx context.Context, name pusherhub.Topic, last uint64) (s cluster.State, err error) {
	for try := 1; ; try++ {
		all, err := r.tree(ctx, kvPlace{name: name})
		if err != nil {
			return s, err
		}
		quiet := all.newest <= last
		switch {
		case len(all.values) == 1 && !all.gone:
			s.Version = all.newest
		case quiet && !all.gone:
			s.Version = all.newest
		case quiet || try == readTries:
			s.Version = last
		default:
			if last, err = r.last(ctx); err != nil {
				return s, err
			}
			continue
		}
		for _, t := range all.values {
			s.Entries = append(s.Entries, t.entries()...)
		}
		return s, nil
	}
}

// total returns how much of a topic there is from a place on.
func (r *kvRegister) total(ctx context.Context, p kvPlace) (total pusherhub.Holding, err error) {
	all, err := r.tree(ctx, p)
	for _, t := range all.values {
		part := t.total()
		total.Count += part.Count
		total.Members += part.Members
	}
	return total, err
}

// last returns the number of the newest write of the bucket.
func (r *kvRegister) last(ctx context.Context) (uint64, error) {
	if _, err := r.bucket(ctx); err != nil {
		return 0, err
	}
	r.mu.Lock()
	stream := r.stream
	r.mu.Unlock()
	if stream == nil {
		return 0, errLost
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return 0, r.failed("reading the state of the bucket", err)
	}
	return info.State.LastSeq, nil
}
