package natsbroker

import (
	"time"

	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// leading is what the leader has besides what every member has. It belongs to the loop.
type leading struct {
	*memory
	claim claim

	// queue is what is said when the standby has all that is in it.
	queue []waitingReply

	standby  string // the member that is to stand by; empty: none
	ready    bool   // it has a copy, and the claim says so
	copied   uint64 // the last call in the snapshot that it was sent
	received uint64 // the last call that its copy has
	sent     time.Time
	records  []*record // for it, when the snapshot is sent

	served     time.Time // when it was certain to lead last
	doubtUntil time.Time // zero: it is certain to lead
	graceUntil time.Time // nobody is reaped before
}

type waitingReply struct {
	seq      uint64
	since    time.Time
	question question
	reply    reply
	changes  []cluster.Change
}

// doubtful says that another member may have taken over.
func (lead *leading) doubtful() bool { return !lead.doubtUntil.IsZero() }

// doubt has the leader wait for others that claim to lead.
func (lead *leading) doubt(until time.Time) {
	lead.doubtUntil = until
	lead.withoutStandby()
}

func (lead *leading) withoutStandby() {
	lead.standby, lead.ready, lead.records, lead.claim.Standby = "", false, nil, ""
}

// heardQuestion answers a question, or refuses to.
func (c *council) heardQuestion(l *link, q question) {
	lead, now := c.lead, time.Now()
	if lead == nil || lead.doubtful() {
		c.refuse(l, q)
		return
	}
	answer := waitingReply{question: q, since: now}
	switch {
	case q.Call != nil && q.Call.Op == cluster.OpReap && now.Before(lead.graceUntil):
	case q.Call != nil:
		var again bool
		answer.reply.Answer, answer.changes, again = lead.carry(now, q.ID, *q.Call)
		if !again && lead.standby != "" {
			c.record(l, &record{Claim: lead.claim, Question: q.ID, Call: lead.call, Answer: answer.reply.Answer})
		}
	case q.Read != nil:
		answer.reply.States = lead.reg.Read(now, q.Read)
	case q.Count != nil:
		answer.reply.Holding = lead.reg.Count(*q.Count)
	case q.Channels != nil:
		answer.reply.Channels = lead.reg.Channels(q.Channels.App, q.Channels.Prefix)
	}
	answer.seq = lead.seq
	lead.queue = append(lead.queue, answer)
	c.release(l)
}

// refuse tells who asked to ask somebody else.
func (c *council) refuse(l *link, q question) {
	claim, _, _ := c.view.current()
	l.say(l.node(q.asker(), q.number()), "", kindReply, &reply{Claim: claim, Refused: true})
}

// refuseAll has those who wait for an answer ask again.
func (c *council) refuseAll(l *link) {
	for _, waiting := range c.lead.queue {
		c.refuse(l, waiting.question)
	}
	c.lead.queue = nil
}

// release says what the standby has a copy of: first the changes, to those who follow the topics, then the answer.
func (c *council) release(l *link) {
	lead := c.lead
	for len(lead.queue) > 0 && (!lead.ready || lead.queue[0].seq <= lead.received) {
		said := lead.queue[0]
		lead.queue[0] = waitingReply{}
		lead.queue = lead.queue[1:]
		c.rule(l, said.seq, said.changes)
		said.reply.Claim, said.reply.Seq = lead.claim, said.seq
		l.say(l.node(said.question.asker(), said.question.number()), "", kindReply, &said.reply)
	}
}

// rule publishes changes.
func (c *council) rule(l *link, seq uint64, changes []cluster.Change) {
	for _, change := range changes {
		l.say(l.topic(change.Topic), "", kindRuling, &ruling{Claim: c.lead.claim, Seq: seq, Change: change})
	}
}

// tickLeader does what the leader does from time to time.
func (c *council) tickLeader(l *link, now time.Time) {
	lead := c.lead
	if lead.doubtful() {
		c.resume(l, now)
		return
	}
	lead.served = now
	lead.expire(now.Add(-c.times.recent))
	if lead.standby != "" {
		_, there := c.peers[lead.standby]
		late := len(lead.queue) > 0 && now.Sub(lead.queue[0].since) > c.times.receipt
		if !there || late || !lead.ready && now.Sub(lead.sent) > copyTimeout {
			c.dropStandby(l, now)
		}
	}
	c.seekStandby(l, now)
}
