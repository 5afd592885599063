package natsbroker

import (
	"time"

	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// memory is a register, the leader's or the standby's copy of it, with what has been made of it lately. It belongs to the loop.
type memory struct {
	reg *cluster.Register
	seq uint64 // the last call

	call    cluster.Call     // that is carried out at the moment
	changes []cluster.Change // that it has made

	// What has been carried out lately, so that a new leader can say again what the old one may not have said to everybody.
	recent  []done
	answers map[string]cluster.Answer // by question
}

// done is a call that has been carried out.
type done struct {
	at       time.Time
	question string
	seq      uint64
	changes  []cluster.Change
}

func newMemory(now time.Time) *memory {
	m := &memory{answers: make(map[string]cluster.Answer)}
	m.reg = cluster.NewRegister(now,
		func(change cluster.Change) { m.changes = append(m.changes, change) },
		func(call cluster.Call) { m.call, m.seq = call, call.Seq })
	return m
}

// restoreMemory returns a copy of a leader's memory.
func restoreMemory(now time.Time, s cluster.Snapshot) *memory {
	m := newMemory(now)
	m.reg.Restore(now, s)
	m.seq = s.Seq
	return m
}

// carry carries out a call and returns the answer and the changes. One that has been carried out lately already is only answered.
func (m *memory) carry(now time.Time, question string, call cluster.Call) (answer cluster.Answer, changes []cluster.Change, again bool) {
	if answer, found := m.answers[question]; found {
		return answer, nil, true
	}
	m.changes = nil
	answer = m.reg.Carry(now, call)
	m.note(now, question, answer)
	return answer, m.changes, false
}

// follow does what the leader did.
func (m *memory) follow(now time.Time, r record) error {
	before := m.seq
	m.changes = nil
	if err := m.reg.Follow(now, r.Call); err != nil {
		return err
	}
	if m.seq > before {
		m.note(now, r.Question, r.Answer)
	}
	return nil
}

func (m *memory) note(now time.Time, question string, answer cluster.Answer) {
	m.recent = append(m.recent, done{now, question, m.seq, m.changes})
	m.answers[question] = answer
}

// expire forgets what was carried out before a time.
func (m *memory) expire(before time.Time) {
	old := 0
	for old < len(m.recent) && m.recent[old].at.Before(before) {
		delete(m.answers, m.recent[old].question)
		old++
	}
	clear(m.recent[:old])
	m.recent = m.recent[old:]
}
