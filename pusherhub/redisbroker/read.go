package redisbroker

import (
	"context"
	"strconv"
	"strings"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/redis/rueidis"
)

// scanAtOnce is how many channels of a partition are asked for at a time.
const scanAtOnce = 1000

// Read is described in [cluster.Engine].
func (e *Engine) Read(ctx context.Context, topics []pusherhub.Topic) (states []cluster.State, err error) {
	l, ctx, done, err := e.begin(ctx)
	if err != nil || len(topics) == 0 {
		return nil, err
	}
	defer func() { err = done(err) }()

	calls := make([]call, len(topics))
	for i, t := range topics {
		name := topicName(t)
		calls[i] = call{readScript, []string{e.keys.meta(partitionOf(name))}, []string{name}}
	}
	states = make([]cluster.State, len(topics))
	for i, result := range run(ctx, l.client, calls...) {
		said, err := result.ToArray()
		if err != nil {
			return nil, err
		}
		if states[i], err = parseState(said); err != nil {
			return nil, err
		}
	}
	return states, nil
}

// parseState reads the answer of scripts/read.lua.
func parseState(said []rueidis.RedisMessage) (s cluster.State, err error) {
	if s.Version, err = said[0].AsUint64(); err != nil {
		return s, err
	}
	totals, err := said[1].AsStrSlice()
	if err != nil {
		return s, err
	}
	for i := 0; i+1 < len(totals); i += 2 {
		if node, ok := strings.CutPrefix(totals[i], "c"); ok {
			count, err := strconv.Atoi(totals[i+1])
			if err != nil {
				return s, errAnswer
			}
			s.Entries = append(s.Entries, cluster.Entry{Node: node, Count: count})
		}
	}
	if !said[2].IsNil() {
		if s.Kept, err = said[2].AsBytes(); err != nil {
			return s, err
		}
	}
	for i := 3; i+1 < len(said); i += 2 {
		node, err := said[i].ToString()
		if err != nil {
			return s, err
		}
		members, err := said[i+1].AsStrSlice()
		if err != nil {
			return s, err
		}
		for j := 0; j+1 < len(members); j += 2 {
			s.Entries = append(s.Entries, cluster.Entry{Node: node, Member: parseMember(members[j], members[j+1])})
		}
	}
	return s, nil
}

// Count is described in [cluster.Engine]. Cached is left out.
func (e *Engine) Count(ctx context.Context, t pusherhub.Topic) (h pusherhub.Holding, err error) {
	l, ctx, done, err := e.begin(ctx)
	if err != nil {
		return h, err
	}
	defer func() { err = done(err) }()

	name := topicName(t)
	base := e.keys.base[partitionOf(name)]
	results := l.client.DoMulti(ctx,
		l.client.B().Hget().Key(base+"t:"+name).Field("s").Build(),
		l.client.B().Hlen().Key(base+"u:"+name).Build())
	count, err := results[0].AsInt64()
	if err != nil && !rueidis.IsRedisNil(err) {
		return h, err
	}
	members, err := results[1].AsInt64()
	return pusherhub.Holding{Count: int(count), Members: int(members)}, err
}

// Channels is described in [cluster.Engine]. It does not hold up Redis however many there are, and so is not one moment's picture.
func (e *Engine) Channels(ctx context.Context, app, prefix string) (found map[string]pusherhub.Holding, err error) {
	l, ctx, done, err := e.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = done(err) }()

	found = make(map[string]pusherhub.Holding)
	cursors := make(map[int]uint64, partitions) // of the partitions that have more
	for p := range partitions {
		cursors[p] = 0
	}
	for len(cursors) > 0 {
		var asked []int
		var commands rueidis.Commands
		for p, cursor := range cursors {
			asked = append(asked, p)
			commands = append(commands, l.client.B().Hscan().Key(e.keys.base[p]+"a:"+appName(app)).Cursor(cursor).
				Match(escapeGlob(prefix)+"*").Count(scanAtOnce).Build())
		}
		for i, result := range l.client.DoMulti(ctx, commands...) {
			scanned, err := result.AsScanEntry()
			if err != nil {
				return nil, err
			}
			for j := 0; j+1 < len(scanned.Elements); j += 2 {
				count, members, _ := strings.Cut(scanned.Elements[j+1], ":")
				var h pusherhub.Holding
				h.Count, _ = strconv.Atoi(count)
				h.Members, _ = strconv.Atoi(members)
				found[scanned.Elements[j]] = h
			}
			if cursors[asked[i]] = scanned.Cursor; scanned.Cursor == 0 {
				delete(cursors, asked[i])
			}
		}
	}
	return found, nil
}

// escapeGlob makes a pattern that matches a text only.
func escapeGlob(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(text)
}
