package pusherhub_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// replicas are two hubs with the same app that know nothing of each other. Servers publish to the first.
type replicas struct {
	*hubtest.Server

	t     *testing.T
	other *hubtest.Server
	log   *observer.ObservedLogs
}

func newReplicas(t *testing.T, broker pusherhub.Broker) *replicas {
	core, log := observer.New(zap.WarnLevel)
	app := mustApp(t, hubtest.WithCredentials(pusherhub.AppConfig{}))
	return &replicas{
		Server: hubtest.NewPipeServerWith(t, pusherhub.Config{Apps: []*pusherhub.App{app}, Logger: zap.New(core), Broker: broker}),
		t:      t, other: hubtest.NewPipeServer(t, pusherhub.AppConfig{}), log: log,
	}
}

// leaveOut publishes events that leave out this socket.
func (r *replicas) leaveOut(socketID string, times int) {
	r.t.Helper()
	for range times {
		call{method: "POST", path: "/events", body: fmt.Sprintf(`{"name":"e","channel":"c","data":"","socket_id":%q}`, socketID), status: 200, answer: "{}"}.expect(r.t, r.Server)
	}
}

// foreign returns the ids of so many sockets of the other hub, which are closed again.
func (r *replicas) foreign(n int) (ids []string) {
	for range n {
		c := r.other.Dial(r.t)
		ids = append(ids, c.SocketID)
		c.Close()
	}
	return ids
}

// expect checks whether there is a sign, and how often the log has told of one.
func (r *replicas) expect(sign bool, lines int) {
	r.t.Helper()
	err := r.Hub.Replicas()
	found := errors.As(err, new(*pusherhub.ReplicasError))
	if found != sign || (err != nil) != sign || r.Hub.Stats().ReplicasSuspected != sign {
		r.t.Errorf("found %v, expected a sign: %t", err, sign)
	}
	if n := r.log.Len(); n != lines {
		r.t.Errorf("found %d lines in the log, expected %d: %v", n, lines, r.log.All())
	}
}

func TestReplicasAreSuspectedBySocketsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplicas(t, nil)
		ids := r.foreign(3)
		later(2 * time.Minute)
		r.leaveOut(ids[0], 1)
		r.leaveOut(ids[1], 1)
		later(2 * time.Minute)
		r.expect(false, 0)
		r.leaveOut(ids[2], 1)
		r.expect(true, 1)
		for _, words := range []string{"3 or more sockets", "do not reach the clients", "broker nats { embed ... }", "broker redis", "docs/cluster.md"} {
			if text := fmt.Sprint(r.log.All()[0].ContextMap()["error"]); !strings.Contains(text, words) {
				t.Errorf("found %q, expected it to say %q", text, words)
			}
		}
		if n := r.Hub.Stats().ForeignSockets; n != 3 {
			t.Errorf("found %d foreign sockets, expected 3", n)
		}

		again := func() {
			for _, id := range ids {
				later(time.Minute)
				r.leaveOut(id, 1)
			}
		}
		later(30 * time.Minute)
		again()
		later(59 * time.Minute)
		r.expect(true, 1) // the log has told of it less than an hour before
		later(time.Minute)
		r.expect(false, 1)
		again()
		r.expect(true, 2)
	})
}

func TestReplicasAreNotSuspected(t *testing.T) {
	for name, publish := range map[string]func(r *replicas, ids []string){
		"right after a start": func(r *replicas, ids []string) {
			for range 23 { // from 0:10 to 3:50: those after 2:00 count for less than two minutes
				later(10 * time.Second)
				r.leaveOut(ids[0], 1)
				r.leaveOut(ids[1], 1)
				r.leaveOut(ids[2], 1)
			}
		},
		"during a deploy": func(r *replicas, ids []string) {
			later(time.Hour)
			for _, id := range ids {
				r.leaveOut(id, 1)
				later(35 * time.Second)
			}
		},
		"one or two ids": func(r *replicas, ids []string) {
			later(time.Hour)
			for range 100 {
				r.leaveOut(ids[0], 1)
				r.leaveOut(ids[1], 1)
				later(time.Minute)
			}
		},
		"few among many": func(r *replicas, ids []string) {
			later(time.Hour)
			own := r.Dial(r.t)
			for range 20 {
				for _, id := range ids {
					r.leaveOut(own.SocketID, 15)
					r.leaveOut(id, 1)
				}
				later(time.Minute)
			}
		},
		"seldom": func(r *replicas, ids []string) {
			later(time.Hour)
			for range 5 {
				for _, id := range ids {
					r.leaveOut(id, 1)
					later(6 * time.Minute)
				}
			}
		},
		"own sockets, open or closed": func(r *replicas, _ []string) {
			later(time.Hour)
			for range 5 {
				c := r.Dial(r.t)
				r.leaveOut(c.SocketID, 1)
				c.Close()
				r.leaveOut(c.SocketID, 1)
				later(time.Minute)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReplicas(t, nil)
				publish(r, r.foreign(4))
				r.expect(false, 0)
			})
		})
	}
}

// With a broker that reaches the others a foreign socket is nothing special.
func TestReplicasWithABroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplicas(t, plainBroker{pusherhub.NewMemoryBroker()})
		ids := r.foreign(3)
		later(time.Hour)
		for range 5 {
			for _, id := range ids {
				r.leaveOut(id, 1)
			}
			later(time.Minute)
		}
		r.expect(false, 0)
		if n := r.Hub.Stats().ForeignSockets; n != 0 {
			t.Errorf("found %d foreign sockets, expected that nobody looks", n)
		}
	})
}

// plainBroker is a broker that is not the one of a single node.
type plainBroker struct{ pusherhub.Broker }

// Whichever endpoint names a socket to leave out, it is looked at.
func TestForeignSocketsOfEachEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplicas(t, nil)
		id := r.foreign(1)[0]
		later(2 * time.Minute)
		r.leaveOut(id, 1)
		call{method: "POST", path: "/batch_events", body: fmt.Sprintf(`{"batch":[{"name":"e","channel":"c","data":"","socket_id":%[1]q},{"name":"e","channel":"c","data":"","socket_id":%[1]q},{"name":"e","channel":"c","data":""}]}`, id), status: 200, answer: "{}"}.expect(t, r.Server)
		if status, answer, _ := r.Do("POST", "/channels/c/events", "", url.Values{"name": {"e"}, "socket_id": {id}}); status > 299 {
			t.Fatalf("found %d %s", status, answer)
		}
		if n := r.Hub.Stats().ForeignSockets; n != 4 {
			t.Errorf("found %d foreign sockets, expected 4", n)
		}
	})
}
