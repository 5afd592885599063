package integration

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// figure returns a metric of the node, over all labels.
func (n *node) figure(name string) (sum float64) {
	n.t.Helper()
	for series, value := range n.scrape() {
		if bare, _, _ := strings.Cut(series, "{"); bare == "pusher_hub_"+name {
			sum += value
		}
	}
	return sum
}

// bytesTo is how many bytes a node has read from the others: by its link, or, without one, from anywhere.
func (c *cluster) bytesTo(n *node) int {
	c.t.Helper()
	if n.link != nil {
		return int(n.link.toClient.Load())
	}
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(n.cmd.Process.Pid), "io"))
	if err != nil {
		c.t.Fatal(err)
	}
	var read int
	if _, err := fmt.Sscanf(string(text), "rchar: %d", &read); err != nil {
		c.t.Fatalf("reading %s: %v", text, err)
	}
	return read
}

// rosters are the users who are on presence channels in truth.
type rosters map[string]map[string]bool

func (r rosters) add(channel, user string) {
	if r[channel] == nil {
		r[channel] = make(map[string]bool)
	}
	r[channel][user] = true
}

// truth makes rosters of what connected watchers are subscribed to.
func truth(watchers ...*watcher) rosters {
	r := make(rosters)
	for _, w := range watchers {
		if !w.open() {
			continue
		}
		w.mu.Lock()
		for channel, h := range w.channels {
			if h.presence && !h.over {
				r.add(channel, w.name)
			}
		}
		w.mu.Unlock()
	}
	return r
}

// difference says what somebody believes that is not so; empty if all is right.
func difference(truth map[string]bool, found []string) string {
	var missing, ghosts []string
	for _, id := range slices.Sorted(maps.Keys(truth)) {
		if !slices.Contains(found, id) {
			missing = append(missing, id)
		}
	}
	for _, id := range found {
		if !truth[id] {
			ghosts = append(ghosts, id)
		}
	}
	if missing == nil && ghosts == nil {
		return ""
	}
	return fmt.Sprintf("missing %v, ghosts %v", missing, ghosts)
}

// expectTruth waits until every watcher, and the HTTP API of every node, knows who is on which channel.
func (c *cluster) expectTruth(t testing.TB, limit time.Duration, watchers []*watcher, nodes ...*node) {
	t.Helper()
	r := truth(watchers...)
	if nodes == nil {
		nodes = c.nodes
	}
	wrong := func() string {
		for _, w := range watchers {
			if !w.open() {
				continue
			}
			for channel, users := range r {
				if !users[w.name] {
					continue
				}
				if h := w.of(channel); h.presence && !h.over {
					if d := difference(users, h.ids()); d != "" {
						return fmt.Sprintf("%s, on %s: %s", w.name, channel, d)
					}
				}
			}
		}
		for i, n := range nodes {
			for channel, users := range r {
				if d := difference(users, slices.Sorted(maps.Keys(n.users(channel)))); d != "" {
					return fmt.Sprintf("the HTTP API of node %d, on %s: %s", i, channel, d)
				}
			}
		}
		return ""
	}
	end := time.Now().Add(limit)
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for said := wrong(); said != ""; said = wrong() {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain for true rosters; %s", limit, said)
		}
		<-poll.C
	}
}

// balance is what webhooks have told of something: how often it began and ended.
type balance struct{ begun, ended int }

// balances sums up the webhooks so far: by "<channel>" for occupied and vacated, by "<channel> <user>" for members, and by "<user>" for users.
func (r *receiver) balances() map[string]balance {
	sums := make(map[string]balance)
	for _, e := range r.events() {
		key := strings.TrimSpace(e.text("channel") + " " + e.text("user_id"))
		b := sums[key]
		switch e.text("name") {
		case "channel_occupied", "member_added", "user_online":
			b.begun++
		case "channel_vacated", "member_removed", "user_offline":
			b.ended++
		}
		sums[key] = b
	}
	return sums
}

// expectBalances waits until the webhooks have told of that, and of nothing more about the same.
func (r *receiver) expectBalances(t *testing.T, limit time.Duration, expected map[string]balance) {
	t.Helper()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for end := time.Now().Add(limit); ; <-poll.C {
		var wrong []string
		found := r.balances()
		for key, b := range expected {
			if found[key] != b {
				wrong = append(wrong, fmt.Sprintf("%q: found %d beginnings and %d ends, expected %d and %d", key, found[key].begun, found[key].ended, b.begun, b.ended))
			}
		}
		if wrong == nil {
			return
		}
		if time.Now().After(end) {
			slices.Sort(wrong)
			t.Errorf("waited %v in vain for webhooks; %s", limit, strings.Join(wrong, "; "))
			return
		}
	}
}

// webhookLines are the lines of a hub that tells r of everything without holding it back.
func webhookLines(r *receiver) string {
	return "webhooks {\n allow_private 127.0.0.1\n hold off\n endpoint " + r.URL + " {\n event_types channel_occupied channel_vacated member_added member_removed user_online user_offline\n }\n}"
}
