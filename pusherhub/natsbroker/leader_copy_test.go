package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// fill has a member hold so many channels.
func fill(m *member, many int) {
	for i := 0; i < many; {
		var updates []cluster.Update
		for ; len(updates) < 500; i++ {
			updates = append(updates, cluster.Update{Topic: channel(fmt.Sprint("x", i)), Counted: true, Count: 1})
		}
		m.batch++
		m.eventually("applies much", func(ctx context.Context) error {
			_, _, err := m.engine.Apply(ctx, m.node, m.batch, updates)
			return err
		})
	}
}

// overhear returns what the members of a cluster say from now on.
func overhear(t *testing.T, s *natsServer, prefix string) (next func() (subject string, f frame)) {
	t.Helper()
	nc, err := nats.Connect(s.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	heard, err := nc.SubscribeSync(prefix + ".>")
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() (string, frame) {
		t.Helper()
		m, err := heard.NextMsg(hubtest.Patience)
		if err != nil {
			t.Fatal(err)
		}
		f, err := decodeFrame(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		return m.Subject, f
	}
}

// TestRestoreLarge gives a member a large register to copy: it goes on saying that it is there, or the leader would give it up, again and again.
func TestRestoreLarge(t *testing.T) {
	s := startServer(t, nil)
	o := s.broker("large")
	e := newEngine(o)
	e.council.times.tick, e.council.times.silence = time.Millisecond, time.Hour // the leader says nothing more
	m := &member{t: t, engine: e, entries: make(map[string]int)}

	original := newMemory(time.Now())
	original.carry(time.Now(), "enter", cluster.Call{Op: cluster.OpEnter, Node: "a", TTL: time.Hour})
	var updates []cluster.Update
	for i := range 50_000 {
		updates = append(updates, cluster.Update{Topic: channel(fmt.Sprint("x", i)), Counted: true, Count: 1})
	}
	original.carry(time.Now(), "apply", cluster.Call{Op: cluster.OpApply, Node: "a", Updates: updates})
	lead := claim{Epoch: original.reg.Snapshot().Epoch, Born: 1, Term: 1, Leader: "leader"}
	body, err := pack(&snapshot{Claim: lead, Snapshot: original.reg.Snapshot()})
	if err != nil {
		t.Fatal(err)
	}

	if err := e.Open(m); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.close)
	hubtest.Eventually(t, "it is up", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.up })
	l, _, err := e.current()
	if err != nil {
		t.Fatal(err)
	}
	l.say(l.members(), "", kindNotice, &notice{Member: "leader", Since: 1, Lead: &lead})
	hubtest.Eventually(t, "it follows the leader", func() bool { return m.claim().Leader == "leader" })
	next := overhear(t, s, "large")
	if !e.council.take(l, l.node(m.id(), "r"), frame{kind: kindCopy, body: body}) {
		t.Fatal("found that the snapshot is not understood")
	}
	l.say("large.taken", "", kindNotice, &notice{})
	end := time.Now().Add(hubtest.Patience)
	for notices, taken := 0, false; time.Now().Before(end); {
		subject, f := next()
		switch {
		case subject == "large.taken":
			taken = true
		case f.kind == kindNotice && taken:
			notices++
		case f.kind == kindReceipt:
			if notices == 0 {
				t.Error("found no notice before the receipt, expected one each tick")
			}
			return
		}
	}
	t.Error("found no receipt")
}

// slowConn is a connection that takes a while for all that is long.
type slowConn struct {
	net.Conn
	slow *atomic.Bool
}

func (c slowConn) Write(data []byte) (int, error) {
	if c.slow.Load() && len(data) > 1<<14 {
		time.Sleep(20 * time.Millisecond)
	}
	return c.Conn.Write(data)
}

// slowLink connects to a server by slowConn.
type slowLink struct {
	address string
	slow    atomic.Bool
}

// InProcessConn implements [nats.InProcessConnProvider].
func (s *slowLink) InProcessConn() (net.Conn, error) {
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		return nil, err
	}
	return slowConn{conn, &s.slow}, nil
}

// TestLeaderLeavesWhileCopying closes a leader whose snapshot is on its way: it ends with that, and does not go on sending after it has said that it ends.
func TestLeaderLeavesWhileCopying(t *testing.T) {
	s := startServer(t, func(o *server.Options) { o.MaxPayload = 1 << 14 })
	link := &slowLink{address: strings.TrimPrefix(s.url(), "nats://")}
	o := s.broker("leaving")
	o.InProcess = link
	leader := newMember(t, o, nil, "a")
	leader.enter()
	fill(leader, 40_000)
	link.slow.Store(true)
	next := overhear(t, s, "leaving")
	newcomer := newMember(t, s.broker("leaving"), nil, "b")
	closed := make(chan struct{})
	for rest := -1; ; {
		switch subject, f := next(); {
		case subject == "leaving.end":
			return
		case f.kind == kindCopy && rest >= 0:
			if rest++; rest > 1 { // one may have been under way
				t.Fatal("found that the snapshot is sent after the leader has said that it ends")
			}
		case f.kind == kindCopy && f.part == 0:
			go func() { defer close(closed); leader.close() }()
		case f.kind == kindNotice:
			var n notice
			if err := unpack(f.body, &n); err != nil {
				t.Fatal(err)
			}
			if n.Bye {
				<-closed
				rest = 0
				l, _, err := newcomer.engine.current()
				if err != nil {
					t.Fatal(err)
				}
				l.say("leaving.end", "", kindNotice, &notice{})
			}
		}
	}
}

// TestPublishLost expects that the rest of something long is not sent on a link that is lost: nobody could connect again before.
func TestPublishLost(t *testing.T) {
	s := startServer(t, func(o *server.Options) { o.MaxPayload = 1 << 10 })
	l, err := dialLink(t.Context(), s.broker("lost"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	l.lose(errSplit)
	if err := l.publish("lost.x", "", kindPost, make([]byte, 1<<14)); !errors.Is(err, errSplit) {
		t.Errorf("found the error %v, expected %v", err, errSplit)
	}
	if sent := l.nc.Stats().OutMsgs; sent > 0 {
		t.Errorf("found %d messages sent, expected none", sent)
	}
}

// TestManyRecords has a leader send so many records after a snapshot that it takes longer than one that does nothing: it knows that it did not stand still.
func TestManyRecords(t *testing.T) {
	s := startServer(t, nil)
	l, err := dialLink(t.Context(), s.broker("records"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	c := newCouncil(s.broker("records"))
	c.times.still = 50 * time.Millisecond
	c.lead = &leading{memory: newMemory(time.Now()), standby: "b"}
	var updates []cluster.Update
	for i := range 500 {
		updates = append(updates, cluster.Update{Topic: channel(fmt.Sprint("x", i)), Counted: true, Count: 1})
	}
	for range 1000 {
		c.lead.records = append(c.lead.records, &record{Call: cluster.Call{Op: cluster.OpApply, Updates: updates}})
	}
	c.reunion.see(time.Now(), c.times.still)
	c.sentCopy(l)
	if c.reunion.see(time.Now(), c.times.still); c.reunion.apart(time.Now()) {
		t.Error("found that it takes itself for one that stood still")
	}
}

// TestExpectedStandby expects that a member knows of whom a leader's place is expected to be taken, also if it knew the leader before there was a standby.
func TestExpectedStandby(t *testing.T) {
	_, standby, other := three(t)
	other.beat()
	for _, m := range []*member{standby, other} {
		if last, _ := m.engine.council.view.followed(); last.Standby != standby.id() {
			t.Errorf("node %s: found the standby %q, expected %q", m.node, last.Standby, standby.id())
		}
	}
}

// TestRestore has what comes while a snapshot becomes a copy: records, another snapshot, and one of a member that does not lead.
func TestRestore(t *testing.T) {
	s := startServer(t, nil)
	l, err := dialLink(t.Context(), s.broker("restore"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	c, original := newCouncil(s.broker("restore")), newMemory(time.Now())
	c.handler = silent{}
	lead := claim{Epoch: "e", Term: 1, Leader: "leader"}
	c.view.observe(l, lead)
	snapshotOf := func(by claim) packed {
		t.Helper()
		body, err := pack(&snapshot{Claim: by, Snapshot: original.reg.Snapshot()})
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	work := func() {
		original.carry(time.Now(), fmt.Sprint(original.seq), cluster.Call{Op: cluster.OpEnter, Node: fmt.Sprint(original.seq), TTL: time.Hour})
		c.heardRecord(l, record{Claim: lead, Call: original.call})
	}
	restored := func() { c.restoredCopy(l, <-c.restored) }
	expect := func() {
		t.Helper()
		if c.stand == nil || c.restored != nil {
			t.Fatal("found no copy")
		}
		if found, expected := c.stand.reg.Snapshot(), original.reg.Snapshot(); !reflect.DeepEqual(found, expected) {
			t.Errorf("found the copy %+v, expected %+v", found, expected)
		}
	}

	c.heardSnapshot(snapshotOf(lead))
	work()
	c.heardSnapshot(snapshotOf(lead))
	work()
	restored()
	work()
	restored()
	expect()
	work()
	expect()

	c.heardSnapshot(snapshotOf(lead)) // of who has been told that something is missing, although nothing is
	work()
	restored()
	expect()

	c.heardSnapshot(snapshotOf(claim{Epoch: "e", Leader: "former"}))
	work()
	restored()
	expect()

	c.heardSnapshot(packed("no snapshot"))
	work()
	restored()
	expect()
}
