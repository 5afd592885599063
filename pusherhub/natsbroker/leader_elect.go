package natsbroker

import (
	"time"
)

// notify tells all what this member is.
func (c *council) notify(l *link, n notice) {
	n.Member, n.Since = c.id, c.since.UnixNano()
	if c.lead != nil && !c.lead.doubtful() && !n.Bye {
		claim := c.lead.claim
		n.Lead = &claim
	}
	l.say(l.members(), "", kindNotice, &n)
}

// heardNotice takes what a member says of itself.
func (c *council) heardNotice(l *link, n notice) {
	now := time.Now()
	if n.Bye {
		delete(c.peers, n.Member)
		c.parted(l, n.Member, now)
		return
	}
	if n.Member == c.id {
		c.echoed = now
		if n.Ask && c.closing {
			c.asked = now
		}
	} else {
		p := c.peers[n.Member]
		p.since, p.heard = n.Since, now
		c.peers[n.Member] = p
	}
	if n.Lead != nil && c.view.observe(l, *n.Lead) {
		c.standAs(*n.Lead)
	}
	switch answer := (notice{To: n.Member, Answer: n.Question}); {
	case n.Member == c.id:
	case n.Question > 0:
		c.notify(l, answer)
	case n.Ask:
		c.notify(l, notice{})
	}
	if n.To == c.id {
		c.reunion.answered(n.Member, n.Answer)
	}
	c.seekStandby(l, now)
}

// parted takes that a member has said that it ends.
func (c *council) parted(l *link, member string, now time.Time) {
	if c.lead != nil && c.lead.standby == member {
		c.dropStandby(l, now)
		c.seekStandby(l, now)
	}
	last, followed := c.view.followed()
	if !followed || last.Leader != member || member == c.id {
		return
	}
	c.view.forget(last)
	if c.standsFor(last) && !c.reunion.apart(now) {
		c.takeOver(l, now, false)
	}
}

// tick does what is to be done from time to time.
func (c *council) tick(l *link, now time.Time) {
	for id, p := range c.peers {
		if now.Sub(p.heard) > c.times.silence {
			delete(c.peers, id)
		}
	}
	switch {
	case c.reunion.apart(now):
	case c.lead != nil:
		c.tickLeader(l, now)
	default:
		c.elect(l, now)
	}
	c.notify(l, notice{Question: c.reunion.question()})
}

// elect sees to it that somebody leads.
func (c *council) elect(l *link, now time.Time) {
	last, followed := c.view.followed()
	heard := c.view.lastHeard()
	away := now.Sub(heard)
	waited := now.Sub(c.attached) // since when a leader could be heard
	silent := min(away, waited)
	switch {
	case now.Sub(c.echoed) > c.times.silence/2: // nobody can be heard, and whoever leads may be well
	case !followed:
		patience := c.times.first
		if c.missed { // it may have been away for the others, too, who have a register
			patience = c.times.absence
		}
		if waited >= patience && c.oldest() {
			c.begin(l, now)
		}
	case silent < c.times.silence:
	case c.standsFor(last):
		c.takeOver(l, now, away > 2*c.times.silence)
	default:
		c.view.forget(last)
		_, expected := c.peers[last.Standby] // it is about to take over
		back := c.attached.After(heard)      // this member was away: leader and standby may come back, too
		if patience := c.times.silence + 2*c.times.tick; !expected && !back && silent >= patience || silent >= c.times.absence {
			if c.oldest() {
				c.begin(l, now)
			}
		}
	}
}

// oldest reports whether this is the oldest of the members that are there.
func (c *council) oldest() bool {
	since := c.since.UnixNano()
	for id, p := range c.peers {
		if p.since < since || p.since == since && id < c.id {
			return false
		}
	}
	return true
}

// begin makes this member the leader with an empty register.
func (c *council) begin(l *link, now time.Time) {
	m := newMemory(now)
	empty := m.reg.Snapshot()
	c.reign(l, &leading{memory: m, claim: claim{Epoch: empty.Epoch, Born: empty.Born, Term: 1, Leader: c.id}})
}

// reign makes this member the leader.
func (c *council) reign(l *link, lead *leading) {
	c.lead, c.stand = lead, nil
	c.view.observe(l, lead.claim)
	c.notify(l, notice{})
	c.seekStandby(l, time.Now())
}

// abdicate gives up the lead if another member has a better claim.
func (c *council) abdicate(l *link) {
	if c.lead == nil {
		return
	}
	if claim, known, _ := c.view.current(); known && claim.Leader != c.id && claim.better(c.lead.claim) {
		c.refuseAll(l)
		c.lead = nil
	}
}

// resume has a leader that was away go on, if no other has taken its place. Its claim stays the same, so that of one who has, and was not heard yet, is better.
func (c *council) resume(l *link, now time.Time) {
	lead := c.lead
	if now.Before(lead.doubtUntil) {
		return
	}
	away := now.Sub(lead.served)
	lead.doubtUntil = time.Time{}
	if away > c.times.silence {
		lead.graceUntil = now.Add(c.times.grace)
	}
	c.refuseAll(l)
	c.reign(l, lead)
	c.repeat(l)
}

// afterPause sees to it that a process that stood still for a while does not act on what it believed before.
func (c *council) afterPause(l *link, now time.Time) {
	c.reunion.see(now, c.times.still)
	if !c.reunion.begin(c.peers, now) {
		return
	}
	c.attached = now
	if c.lead != nil {
		c.lead.doubt(now.Add(c.times.tick))
	}
	c.notify(l, notice{Question: c.reunion.question()})
}
