package natsbroker

import (
	"context"
	"time"
)

// copyTimeout bounds how long a member may take to read a snapshot.
const copyTimeout = 30 * time.Second

// standing is what a member has that stands by, or is about to. It belongs to the loop.
type standing struct {
	*memory
	claim     claim
	appointed bool // the leader has told all
	owes      bool // a receipt
}

// packed is a snapshot that is not read yet.
type packed []byte

// restoring is a snapshot that becomes a copy. To read a large one takes longer than a member may be silent, so the loop goes on meanwhile. It belongs to the
// loop.
type restoring struct {
	restored <-chan *standing // gets the copy, or nil if the snapshot was not understood; nil: none is under way
	records  []record         // that came after it
	instead  packed           // a snapshot that came after it; nil: none did
}

// seekStandby sends a snapshot to the oldest member there is, if this one leads and nobody stands by: as soon as somebody can, because without a standby
// the register dies with the leader.
func (c *council) seekStandby(l *link, now time.Time) {
	lead := c.lead
	if lead == nil || lead.doubtful() || lead.standby != "" || c.copying != nil {
		return
	}
	var oldest peer
	for id, p := range c.peers {
		if now.Before(p.slow) {
			continue
		}
		if lead.standby == "" || p.since < oldest.since || p.since == oldest.since && id < lead.standby {
			lead.standby, oldest = id, p
		}
	}
	if lead.standby != "" {
		c.copyTo(l, now)
	}
}

// copyTo sends a snapshot to the standby. What comes after it is sent as records. To encode a large one takes longer than a leader may be silent, so the
// loop goes on meanwhile.
func (c *council) copyTo(l *link, now time.Time) {
	lead := c.lead
	lead.ready, lead.copied, lead.received, lead.sent, lead.records = false, lead.seq, 0, now, nil
	c.reunion.work(true)
	subject, copied := l.node(lead.standby, "r"), &snapshot{Claim: lead.claim, Snapshot: lead.reg.Snapshot()}
	c.reunion.work(false)
	done := make(chan struct{})
	ctx, end := context.WithCancel(l.ctx)
	c.copying, c.endCopy = done, end
	c.loopDone.Go(func() {
		defer close(done)
		defer end()
		if err := l.sayUntil(ctx, subject, "", kindCopy, copied); err != nil && ctx.Err() == nil {
			l.lose(err)
		}
	})
}

// record tells the standby of a call, after the snapshot.
func (c *council) record(l *link, r *record) {
	if c.copying != nil {
		c.lead.records = append(c.lead.records, r)
		return
	}
	l.say(l.node(c.lead.standby, "r"), "", kindRecord, r)
}

// sentCopy sends what has been carried out while a snapshot was on its way. If there is another standby by now, or none, the snapshot was in vain.
func (c *council) sentCopy(l *link) {
	c.copying = nil
	if c.lead == nil {
		return
	}
	said := time.Now()
	for _, r := range c.lead.records {
		c.record(l, r)
		said = c.remind(l, said)
	}
	c.lead.records = nil
	c.seekStandby(l, time.Now())
}

// heardReceipt takes how far the copy of the standby goes.
func (c *council) heardReceipt(l *link, r receipt) {
	lead, now := c.lead, time.Now()
	if lead == nil || lead.doubtful() || r.Member != lead.standby || r.Epoch != lead.claim.Epoch || r.Term != lead.claim.Term {
		return
	}
	if r.Lacks {
		c.dropStandby(l, now)
		return
	}
	lead.received = max(lead.received, r.Seq)
	if !lead.ready && lead.received >= lead.copied {
		lead.ready, lead.claim.Standby = true, lead.standby
		c.view.observe(l, lead.claim)
		c.notify(l, notice{})
	}
	c.release(l)
}

// lacksHeir reports whether the register would be lost if this member, which is closing, ended now, although there is one that could have a copy. Whoever else has
// it, the leader or the standby, must have answered since, because it may be closing, too, or be gone without anybody having noticed.
func (c *council) lacksHeir() bool {
	if len(c.peers) == 0 {
		return false
	}
	if c.lead != nil {
		return !c.lead.ready || !c.answered(c.lead.standby)
	}
	last, followed := c.view.followed()
	return followed && c.standsFor(last) && !c.answered(last.Leader)
}

// answered reports whether a member has been heard since this one, which is closing, has asked for that.
func (c *council) answered(member string) bool {
	return !c.asked.IsZero() && !c.peers[member].heard.Before(c.asked)
}

// dropStandby goes on without a standby. All are told first: it must not take over with a copy that is behind.
func (c *council) dropStandby(l *link, now time.Time) {
	lead := c.lead
	if p, there := c.peers[lead.standby]; there { // others first
		p.slow = now.Add(c.times.silence)
		c.peers[lead.standby] = p
	}
	lead.withoutStandby()
	c.view.observe(l, lead.claim)
	c.notify(l, notice{})
	c.release(l)
}

// heardSnapshot begins a copy.
func (c *council) heardSnapshot(p packed) {
	if c.lead != nil {
		return
	}
	if c.restored != nil {
		c.restoring.records, c.instead = nil, p
		return
	}
	restored := make(chan *standing, 1)
	c.restoring = restoring{restored: restored}
	c.loopDone.Go(func() {
		var s snapshot
		if unpack(p, &s) != nil {
			restored <- nil
			return
		}
		restored <- &standing{memory: restoreMemory(time.Now(), s.Snapshot), claim: s.Claim, owes: true}
	})
}

// restoredCopy takes a copy, and does in it what the leader did meanwhile. The leader has said that it leads before it sent the snapshot: if this member
// follows nobody, or another one, it is over.
func (c *council) restoredCopy(l *link, copied *standing) {
	came := c.restoring
	c.restoring = restoring{}
	if came.instead != nil {
		if c.heardSnapshot(came.instead); c.restored != nil {
			c.restoring.records = came.records
		}
		return
	}
	if copied == nil {
		c.handler.Ignored()
		return
	}
	if claim, known, _ := c.view.current(); c.lead != nil || !known || !claim.same(copied.claim) {
		return
	}
	if c.stand != nil && c.stand.claim.same(copied.claim) && c.stand.seq >= copied.seq {
		c.stand.owes = true // an older copy was kept up
		return
	}
	c.stand = copied
	said := time.Now()
	for _, r := range came.records {
		if c.heardRecord(l, r); c.stand == nil {
			return
		}
		said = c.remind(l, said)
	}
}

// heardRecord does in the copy what the leader did.
func (c *council) heardRecord(l *link, r record) {
	if c.lead != nil || !c.view.observe(l, r.Claim) {
		return
	}
	if c.restored != nil {
		c.restoring.records = append(c.restoring.records, r)
	}
	if c.stand != nil && c.stand.claim.same(r.Claim) && c.stand.follow(time.Now(), r) == nil {
		c.stand.owes = true
		return
	}
	c.stand = nil
	if c.restored == nil { // otherwise there will be a copy
		c.acknowledge(l, receipt{Epoch: r.Claim.Epoch, Term: r.Claim.Term, Lacks: true}, r.Claim.Leader)
	}
}

// settleReceipt tells the leader how far the copy goes, when nothing more waits that would make it go further.
func (c *council) settleReceipt(l *link) {
	if c.stand == nil || !c.stand.owes || len(c.inbox) > 0 {
		return
	}
	c.stand.owes = false
	claim := c.stand.claim
	c.acknowledge(l, receipt{Epoch: claim.Epoch, Term: claim.Term, Seq: c.stand.seq}, claim.Leader)
	c.stand.expire(time.Now().Add(-c.times.recent))
}

func (c *council) acknowledge(l *link, r receipt, leader string) {
	r.Member = c.id
	l.say(l.node(leader, "r"), "", kindReceipt, &r)
}

// standAs takes what the leader says about who stands by.
func (c *council) standAs(lead claim) {
	switch {
	case c.stand == nil:
	case !c.stand.claim.same(lead), lead.Standby != c.id && (lead.Standby != "" || c.stand.appointed):
		c.stand = nil // the copy is not kept up any more
	default:
		c.stand.appointed = lead.Standby == c.id
	}
}

// standsFor reports whether this member can take the place of the leader.
func (c *council) standsFor(lead claim) bool {
	return c.stand != nil && c.stand.appointed && c.stand.claim.same(lead)
}

// takeOver makes the standby the leader. What the old leader may not have said to everybody is said again.
// away says that nobody could be heard for a while.
func (c *council) takeOver(l *link, now time.Time, away bool) {
	copied := c.stand
	lead := &leading{memory: copied.memory, claim: claim{
		Epoch: copied.claim.Epoch, Born: copied.claim.Born, Term: copied.claim.Term + 1, Base: copied.seq, Leader: c.id,
	}}
	if away {
		lead.graceUntil = now.Add(c.times.grace)
	}
	c.reign(l, lead)
	c.repeat(l)
}

// repeat publishes once more what has changed lately.
func (c *council) repeat(l *link) {
	said := time.Now()
	for _, d := range c.lead.recent {
		c.rule(l, d.seq, d.changes)
		said = c.remind(l, said)
	}
}

// remind is called in between by a loop that does much: so that nobody, itself included, takes the member for one that stands still. It returns when the others
// have been told last.
func (c *council) remind(l *link, said time.Time) time.Time {
	now := time.Now()
	c.reunion.see(now, c.times.still)
	if now.Sub(said) <= c.times.tick {
		return said
	}
	c.notify(l, notice{})
	return now
}
