package redisbroker

import (
	"hash/fnv"
	"net/url"
	"strconv"
	"strings"

	"github.com/onecharge/pusherhub/pusherhub"
)

// partitions is how many parts the register has. It must be the same on all nodes.
const partitions = 16

// keys are the names of what is in Redis. Immutable.
type keys struct {
	base    [partitions]string // of keys
	channel [partitions]string // of pub/sub channels
}

func newKeys(prefix string, db int) (k keys) {
	scope := prefix
	if db != 0 {
		scope += "db" + strconv.Itoa(db) + ":"
	}
	for p := range partitions {
		tag := "{" + strconv.Itoa(p) + "}:"
		k.base[p], k.channel[p] = prefix+tag, scope+tag
	}
	return k
}

// meta is the key that the scripts of a partition get; they find the others from it.
func (k *keys) meta(p int) string { return k.base[p] + "meta" }

// channelOf is where what concerns a topic is published.
func (k *keys) channelOf(name string) string { return k.channel[partitionOf(name)] + name }

// topicOf is the topic of a pub/sub channel.
func (k *keys) topicOf(channel string) (t pusherhub.Topic, ok bool) {
	_, name, ok := strings.Cut(channel, "}:")
	if !ok {
		return t, false
	}
	return parseTopic(name)
}

// partitionOfChannel is the partition of a pub/sub channel.
func (k *keys) partitionOfChannel(channel string) int {
	_, name, _ := strings.Cut(channel, "}:")
	return partitionOf(name)
}

// partitionOf is the partition of a topic.
func partitionOf(name string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return int(h.Sum32() % partitions)
}

// The kinds of topics, which their names begin with.
const (
	channelKind = "c"
	userKind    = "u"
	appKind     = "a"
)

// topicName is a topic's name within keys. The app is escaped, so that it has no colon.
func topicName(t pusherhub.Topic) string {
	app := appName(t.App)
	switch {
	case t.Channel != "":
		return channelKind + ":" + app + ":" + t.Channel
	case t.UserID != "":
		return userKind + ":" + app + ":" + t.UserID
	default:
		return appKind + ":" + app + ":"
	}
}

// appName is an app's name within keys.
func appName(app string) string { return url.QueryEscape(app) }

// parseTopic reverses topicName.
func parseTopic(name string) (t pusherhub.Topic, ok bool) {
	kind, rest, _ := strings.Cut(name, ":")
	app, of, ok := strings.Cut(rest, ":")
	if !ok {
		return t, false
	}
	app, err := url.QueryUnescape(app)
	if err != nil {
		return t, false
	}
	t.App = app
	switch kind {
	case channelKind:
		t.Channel = of
	case userKind:
		t.UserID = of
	case appKind:
	default:
		return t, false
	}
	return t, true
}
