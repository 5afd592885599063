package redisbroker

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// nobody is a node without clients.
type nobody struct{}

func (nobody) Deliver(*pusherhub.Message)  {}
func (nobody) Execute(pusherhub.Command)   {}
func (nobody) Roster(pusherhub.Roster)     {}
func (nobody) Report(pusherhub.Transition) {}
func (nobody) Reports() bool               { return true }

// A server that never let this node in is named as the reason, in the log and as long as it lasts, without the password.
func TestNeverConnected(t *testing.T) {
	server := startRedis(t, "--requirepass", password)
	core, logs := observer.New(zapcore.WarnLevel)
	b, err := New(Options{Addresses: []string{server.address()}, Password: password + "x", Broker: cluster.Options{Logger: zap.New(core)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Open(t.Context(), nobody{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	says := func(expected string) func() bool {
		return func() bool {
			err := b.Ready()
			return err != nil && strings.Contains(err.Error(), expected)
		}
	}
	hubtest.Eventually(t, "the password is named as the reason", says("the password is wrong"))
	if logs.Len() != 1 {
		t.Errorf("found %d lines in the log, expected 1", logs.Len())
	}
	server.stop()
	hubtest.Eventually(t, "the reason of now is named", says("connection refused"))
	said := b.Ready().Error()
	for _, entry := range logs.All() {
		said += entry.Message
		for _, field := range entry.Context {
			if err, ok := field.Interface.(error); ok {
				said += err.Error()
			}
		}
	}
	if !strings.Contains(said, "WRONGPASS") || strings.Contains(said, password) {
		t.Errorf("found %q", said)
	}
}

// While no event can be kept, the log says so once.
func TestUnkeptIsLoggedOnce(t *testing.T) {
	server := startRedis(t)
	core, logs := observer.New(zapcore.WarnLevel)
	e, _ := open(t, Options{URL: "redis://" + server.address(), Broker: cluster.Options{Logger: zap.New(core)}})
	kept := post("cache-a", "x")
	kept.Keep = time.Now().Add(time.Hour)
	for round := range 2 {
		server.do("config", "set", "maxmemory", "1")
		send(t, e, kept, post("a", "y"), kept)
		send(t, e, kept)
		server.do("config", "set", "maxmemory", "0")
		send(t, e, kept)
		if found := logs.Len(); found != round+1 {
			t.Errorf("found %d lines in the log after round %d, expected %d", found, round, round+1)
		}
	}
}

// A server that takes everything and answers nothing does not hold up the end of a broker: neither before nor while that is noticed, nor
// while a broker connects.
func TestCloseWithoutAnswers(t *testing.T) {
	server := startRedis(t)
	start := func() *cluster.Broker {
		b, err := New(Options{Addresses: []string{server.address()}})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Open(t.Context(), nobody{}); err != nil {
			t.Fatal(err)
		}
		return b
	}
	expectEnd := func(b *cluster.Broker) {
		t.Helper()
		ended := make(chan error, 1)
		go func() { ended <- b.Close() }()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(8 * time.Second): // Caddy waits for 10
			t.Fatal("the end does not come")
		}
	}
	busy := start()
	hubtest.Eventually(t, "it is ready", func() bool { return busy.Ready() == nil })
	server.pause()
	busy.Hold(channel("a"), 1)
	if err := busy.Publish(context.Background(), &pusherhub.Message{App: "a", Channel: "a"}); err != nil {
		t.Error(err)
	}
	connecting := start()
	expectEnd(busy)
	expectEnd(connecting)
	if err := connecting.Publish(context.Background(), &pusherhub.Message{}); !errors.Is(err, pusherhub.ErrBrokerClosed) {
		t.Errorf("found %v", err)
	}
	server.resume()
}

// What goes wrong in a script is explained, too, however the server's version wraps it.
func TestProblemsInScripts(t *testing.T) {
	server := startRedis(t)
	e, _ := open(t, Options{Addresses: []string{server.address()}})
	for answer, expected := range map[string]string{
		"ERR Error running script (call to f_be53): @user_script:72: @user_script: 72: -OOM command not allowed when used memory > 'maxmemory'.": "redis: the server has no memory left (maxmemory) (it says: OOM",
		"ERR Error running script (call to f_be53): @user_script:5: @user_script: 5: -READONLY You can't write against a read only replica.":     "redis: this is a read-only replica",
		"ERR The user executing the script can't run this command or subcommand script: 5ad1, on @user_script:72.":                               "redis: the user may not do everything",
		"ERR ACL failure in script: User hub has no permissions to run the 'hincrby' command script: 3a25, on @user_script:72.":                  "redis: the user may not do everything",
		"OOM command not allowed when used memory > 'maxmemory'. script: 0b3f, on @user_script:11.":                                              "redis: the server has no memory left (maxmemory) (it says: OOM",
		"ERR something else": "redis: something else",
	} {
		err := e.link.client.Do(t.Context(), e.link.client.B().Eval().Script("return {err = ARGV[1]}").Numkeys(0).Arg(answer).Build()).Error()
		if said := e.explain(err).Error(); !strings.HasPrefix(said, expected) {
			t.Errorf("found %q, expected %q", said, expected)
		}
		if wanted := strings.Contains(answer, "READONLY"); isReadOnly(err) != wanted {
			t.Errorf("%s: found that it is of a replica: %v", answer, !wanted)
		}
	}
}
