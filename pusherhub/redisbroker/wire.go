package redisbroker

import (
	"strconv"
	"strings"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// What a pub/sub message begins with. Others are ignored: they are of another release.
const (
	postMark   = '\x01' // a post's data follow
	changeMark = '\x02' // a change follows: netstrings, see scripts/register.lua
)

// parseChange reads a change of a topic.
func parseChange(t pusherhub.Topic, text string) (change cluster.Change, ok bool) {
	n := netstrings{text: text}
	change.Topic, change.Version = t, uint64(n.number())
	for n.more() {
		switch n.next() {
		case "c":
			change.Entries = append(change.Entries, cluster.Entry{Node: n.next(), Count: int(n.number())})
		case "m":
			e := cluster.Entry{Node: n.next()}
			e.Member.UserID, e.Member.Since, e.Member.Info = n.next(), n.number(), info(n.next())
			change.Entries = append(change.Entries, e)
		case "C":
			change.Gone = append(change.Gone, cluster.Entry{Node: n.next()})
		case "M":
			change.Gone = append(change.Gone, cluster.Entry{Node: n.next(), Member: pusherhub.Member{UserID: n.next()}})
		default:
			n.broken = true
		}
	}
	return change, !n.broken
}

// parseTransitions reads the transitions that a script made.
func parseTransitions(text string) (made []pusherhub.Transition, ok bool) {
	n := netstrings{text: text}
	for n.more() {
		t, known := parseTopic(n.next())
		n.broken = n.broken || !known
		made = append(made, pusherhub.Transition{Topic: t, Member: n.next(), Gained: n.next() == "1"})
	}
	return made, !n.broken
}

// parseMember reads what a hash of members has of a user.
func parseMember(user, value string) pusherhub.Member {
	since, rest, _ := strings.Cut(value, ":")
	m := pusherhub.Member{UserID: user, Info: info(rest)}
	m.Since, _ = strconv.ParseInt(since, 10, 64)
	return m
}

// info is a member's data; nil, if there are none.
func info(text string) []byte {
	if text == "" {
		return nil
	}
	return []byte(text)
}
