package redisbroker

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

const (
	// applyAtOnce is how many entries one script changes, if they are of more than one topic: Redis does nothing else meanwhile.
	applyAtOnce = 256

	// rememberBatch is how long an answer is kept for a batch that comes again.
	rememberBatch = 10 * time.Minute
)

var errAnswer = errors.New("redis: found an answer of a script that cannot be read, expected that all nodes have releases next to each other")

// part is what one script has to do for a batch. The same batch is always divided in the same way.
type part struct {
	partition int
	entries   int
	args      []string
}

// divide divides a batch: by partition, and what is too much for one script.
func (e *Engine) divide(l *link, node string, batch uint64, updates []cluster.Update) (parts []*part) {
	var open [partitions]*part
	var chunks [partitions]int
	for _, u := range updates {
		name := topicName(u.Topic)
		p := partitionOf(name)
		if open[p] == nil || open[p].entries >= applyAtOnce {
			open[p] = &part{partition: p, args: []string{
				l.publish, e.keys.channel[p], node, strconv.FormatUint(batch, 10), strconv.Itoa(chunks[p]), milliseconds(rememberBatch),
			}}
			chunks[p]++
			parts = append(parts, open[p])
		}
		count := -1
		if u.Counted {
			count = max(u.Count, 0)
		}
		args := append(open[p].args, name, flag(u.Restored), strconv.Itoa(count), strconv.Itoa(len(u.Members)))
		for _, m := range u.Members {
			args = append(args, m.UserID, flag(m.Gone), flag(m.Restored), strconv.FormatInt(m.Since, 10), string(m.Info))
		}
		open[p].args = args
		open[p].entries += 1 + len(u.Members)
	}
	return parts
}

func flag(set bool) string {
	if set {
		return "1"
	}
	return "0"
}

// Apply is described in [cluster.Engine]. If another node reaps this one meanwhile, some partitions may know it and others not: what was entered into
// the former is returned, and reaped.
func (e *Engine) Apply(ctx context.Context, node string, batch uint64, updates []cluster.Update) (made []pusherhub.Transition, known bool, err error) {
	l, ctx, done, err := e.begin(ctx)
	if err != nil {
		return nil, false, err
	}
	defer func() { err = done(err) }()

	parts := e.divide(l, node, batch, updates)
	calls := make([]call, len(parts))
	for i, part := range parts {
		calls[i] = call{applyScript, []string{e.keys.meta(part.partition)}, part.args}
	}
	known = true
	for i, result := range run(ctx, l.client, calls...) {
		said, err := result.ToArray()
		if err != nil {
			return nil, false, err
		}
		if yes, _ := said[0].AsInt64(); yes != 1 {
			known = false
			continue
		}
		name, _ := said[1].ToString()
		version, _ := said[2].AsUint64()
		e.saw(parts[i].partition, name, version)
		e.entered(parts[i].partition, node, batch)
		answer, _ := said[3].ToString()
		transitions, ok := parseTransitions(answer)
		if !ok {
			return nil, false, errAnswer
		}
		made = append(made, transitions...)
	}
	return made, known, nil
}
