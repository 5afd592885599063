package cluster

import (
	"bytes"
	"strings"

	"github.com/onecharge/pusherhub/pusherhub"
)

// A node's id is the name of its process, its origin, and a number that rises with every lease that the process takes. So what a process
// has entered under its next id takes the place of what it had entered under the last, whoever hears of what first.
const idSeparator = "-"

// originOf is the process that a node id belongs to.
func originOf(node string) string {
	if i := strings.LastIndex(node, idSeparator); i >= 0 {
		return node[:i]
	}
	return node
}

// others is what the other nodes hold of one topic, as far as this node has heard. It is kept by origin.
type others struct {
	counts  map[string]share
	members map[string]map[string]share // by user
}

// share is what one node holds: a count, or a member.
type share struct {
	node   string
	count  int
	member pusherhub.Member
}

// put takes over an entry, unless it is of an earlier lease than what is there.
func (o *others) put(e Entry) {
	at := &o.counts
	if user := e.Member.UserID; user != "" {
		if o.members == nil {
			o.members = make(map[string]map[string]share)
		}
		shares := o.members[user]
		at = &shares
		defer func() { o.members[user] = shares }()
	}
	if *at == nil {
		*at = make(map[string]share)
	}
	origin := originOf(e.Node)
	if there, found := (*at)[origin]; !found || there.node <= e.Node {
		(*at)[origin] = share{e.Node, e.Count, e.Member}
	}
}

// drop takes out an entry, if it is still that node's.
func (o *others) drop(e Entry) {
	shares := o.counts
	if e.Member.UserID != "" {
		shares = o.members[e.Member.UserID]
	}
	origin := originOf(e.Node)
	if there, found := shares[origin]; found && there.node == e.Node {
		delete(shares, origin)
	}
	if e.Member.UserID != "" && len(shares) == 0 {
		delete(o.members, e.Member.UserID)
	}
}

// count is the sum of the counts.
func (o *others) count() (sum int) {
	for _, s := range o.counts {
		sum += s.count
	}
	return sum
}

// member is a member as the node has it that has had it for longest.
func (o *others) member(user string) (oldest pusherhub.Member, found bool) {
	var of string
	for _, s := range o.members[user] {
		if !found || s.member.Since < oldest.Since || s.member.Since == oldest.Since && s.node < of {
			oldest, of, found = s.member, s.node, true
		}
	}
	return oldest, found
}

// all returns all members.
func (o *others) all() []pusherhub.Member {
	list := make([]pusherhub.Member, 0, len(o.members))
	for user := range o.members {
		m, _ := o.member(user)
		list = append(list, m)
	}
	return list
}

// keep adds what there was before for every process that is not in o, so that nobody is taken for gone who may not have been entered again yet.
func (o *others) keep(before *others) {
	for origin, s := range before.counts {
		if _, found := o.counts[origin]; !found {
			o.put(Entry{Node: s.node, Count: s.count})
		}
	}
	for user, shares := range before.members {
		for origin, s := range shares {
			if _, found := o.members[user][origin]; !found {
				o.put(Entry{Node: s.node, Member: s.member})
			}
		}
	}
}

// apply carries out a change, leaving out the entries of this node's own process, and says what is different for a hub. ok is false if nothing is.
func (o *others) apply(c Change, self string) (r pusherhub.Roster, ok bool) {
	before := make(map[string]*pusherhub.Member)
	count := o.count()
	note := func(e Entry) (own bool) {
		if originOf(e.Node) == self {
			return true
		}
		if user := e.Member.UserID; user != "" {
			if _, noted := before[user]; !noted {
				before[user] = nil
				if m, found := o.member(user); found {
					before[user] = &m
				}
			}
		}
		return false
	}
	for _, e := range c.Gone {
		if !note(e) {
			o.drop(e)
		}
	}
	for _, e := range c.Entries {
		if !note(e) {
			o.put(e)
		}
	}
	r.Topic, r.Count = c.Topic, o.count()
	for user, was := range before {
		is, found := o.member(user)
		switch {
		case !found && was != nil:
			r.Gone = append(r.Gone, user)
		case found && (was == nil || was.Since != is.Since || !bytes.Equal(was.Info, is.Info)):
			r.Members = append(r.Members, is)
		}
	}
	return r, r.Count != count || len(r.Gone)+len(r.Members) > 0
}
