package caddymodule

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/onecharge/pusherhub/pusherhub"
)

const (
	// metricsApps is how many apps of a hub have metrics of their own. The others are added up, so that an app source that finds
	// thousands of apps does not make a hundred times as many time series.
	metricsApps = 100

	// otherApps is the label of the others.
	otherApps = "other"
)

// appLabels decides which apps of a hub have a label of their own: the first that come. Who has one keeps it while the app is there, and
// who is among the others stays there, because a counter must not fall when an app changes sides.
type appLabels struct {
	mu     sync.Mutex
	own    map[string]bool               // guarded by mu: the apps with a label of their own, by id
	others map[string]pusherhub.AppStats // guarded by mu: the last figures of each of the others
	gone   pusherhub.AppStats            // guarded by mu: what others had counted that are gone

	someGone bool // guarded by mu: there were such
}

// sort returns the figures of a hub by the label app. What concerns no app has an empty label.
func (l *appLabels) sort(stats *pusherhub.Stats) map[string]*pusherhub.AppStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(stats.Apps)
	byLabel := make(map[string]*pusherhub.AppStats)
	add := func(label string, of pusherhub.AppStats) {
		if byLabel[label] == nil {
			byLabel[label] = new(pusherhub.AppStats)
		}
		byLabel[label].Add(of)
	}
	add("", stats.NoApp)
	for _, id := range slices.Sorted(maps.Keys(stats.Apps)) {
		of := stats.Apps[id]
		l.place(id)
		if !l.own[id] {
			l.others[id] = of
		}
		add(l.label(id), of)
	}
	if len(l.others) > 0 || l.someGone {
		add(otherApps, l.gone)
	}
	return byLabel
}

// of returns the label of an app that sort has seen, or of none.
func (l *appLabels) of(id string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.label(id)
}

// label is of for who holds mu.
func (l *appLabels) label(id string) string {
	if id == "" || l.own[id] {
		return strings.ToValidUTF8(id, "�")
	}
	return otherApps
}

// place gives an app its side. The caller holds mu.
func (l *appLabels) place(id string) {
	if l.own == nil {
		l.own, l.others = make(map[string]bool), make(map[string]pusherhub.AppStats)
	}
	if _, isOther := l.others[id]; !isOther && !l.own[id] && len(l.own) < metricsApps {
		l.own[id] = true
	}
}

// forget makes room for the labels of apps that are gone, and keeps what the others among them had counted. The caller holds mu.
func (l *appLabels) forget(there map[string]pusherhub.AppStats) {
	for id := range l.own {
		if _, is := there[id]; !is {
			delete(l.own, id)
		}
	}
	for id, last := range l.others {
		if _, is := there[id]; !is {
			delete(l.others, id)
			last.Connections, last.Subscriptions, last.Channels, last.ChannelsByKind = 0, 0, 0, nil
			l.gone.Add(last)
			l.someGone = true
		}
	}
}
