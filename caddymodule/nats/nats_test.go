package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"github.com/onecharge/pusherhub/pusherhub/natsbroker"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

// parse makes the module as Caddy does.
func parse(t *testing.T, words string) (*Nats, error) {
	t.Helper()
	n := new(Nats)
	if err := n.UnmarshalCaddyfile(caddyfile.NewTestDispenser("nats " + words)); err != nil {
		return n, err
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	if err := n.Provision(ctx); err != nil {
		return n, err
	}
	if err := n.Validate(); err != nil {
		return n, err
	}
	_, err := n.Broker()
	return n, err
}

// withEnvironment sets what the module reads of it.
func withEnvironment(t *testing.T, secret, domain, url string) {
	t.Helper()
	t.Setenv("REVERB_APP_SECRET", secret)
	t.Setenv("RAILWAY_PRIVATE_DOMAIN", domain)
	t.Setenv("NATS_URL", url)
}

func TestWords(t *testing.T) {
	withEnvironment(t, "0123456789abcdefghij", "web.railway.internal", "nats://one:4222,nats://two:4222")
	t.Setenv("TEST_CLUSTER_SECRET", testSecret)
	for _, tc := range []struct {
		words    string
		expected Options
	}{
		{"", Options{Options: natsbroker.Options{Servers: []string{"nats://one:4222", "nats://two:4222"}}}},
		{"nats://a nats://b", Options{Options: natsbroker.Options{Servers: []string{"nats://a", "nats://b"}}}},
		{
			"{\n servers tls://a\n user u\n password {env.TEST_CLUSTER_SECRET}\n tls {\n server_name s\n insecure\n }\n jetstream on\n replicas 3\n prefix p\n lease 20s\n}",
			Options{Options: natsbroker.Options{
				Servers: []string{"tls://a"}, User: "u", Password: testSecret, TLS: &natsbroker.TLS{TLS: cluster.TLS{ServerName: "s", Insecure: true}},
				JetStream: "on", Replicas: 3, Prefix: "p",
			}, Lease: 20e9},
		},
		{"{\n embed\n}", Options{Embed: &Embed{
			Listen: ":6222", Discover: []string{"web.railway.internal"}, ClusterName: "pusher_hub", Secret: "0123456789abcdefghij",
		}}},
		{
			"{\n embed {\n listen [::1]:7000\n routes a b:7001\n discover hub.default.svc\n cluster_name c\n secret {env.TEST_CLUSTER_SECRET}\n }\n}",
			Options{Embed: &Embed{
				Listen: "[::1]:7000", Routes: []string{"a", "b:7001"}, Discover: []string{"hub.default.svc"}, ClusterName: "c", Secret: testSecret,
			}},
		},
	} {
		n, err := parse(t, tc.words)
		if err != nil {
			t.Errorf("%s: %v", tc.words, err)
		} else if !reflect.DeepEqual(n.Options, tc.expected) {
			t.Errorf("%s: expected %+v, got %+v", tc.words, tc.expected, n.Options)
		}
	}
}

// Quotes, which docker's --env-file leaves, are no part of a variable, as with the app's: else this node's secret would be another one.
func TestEnvironment(t *testing.T) {
	withEnvironment(t, `"`+testSecret+`"`, `"web.railway.internal"`, `"nats://one:4222"`)
	n, err := parse(t, "")
	if err != nil || !slices.Equal(n.Servers, []string{"nats://one:4222"}) {
		t.Errorf("found %v, %v", n.Servers, err)
	}
	if n, err = parse(t, "{\n embed\n}"); err != nil || n.Embed.Secret != testSecret || !slices.Equal(n.Embed.Discover, []string{"web.railway.internal"}) {
		t.Errorf("found %+v, %v", n.Embed, err)
	}
	withEnvironment(t, "null", "(null)", "null")
	if n, err = parse(t, ""); err != nil || n.Servers != nil {
		t.Errorf("found %v, %v", n.Servers, err)
	}
	if _, err = parse(t, "{\n embed\n}"); err == nil || !strings.Contains(err.Error(), "secret: found nothing") {
		t.Errorf("found %v", err)
	}
}

// A hub whose server cannot start says why, to whoever asks whether it is ready.
func TestReadyPortInUse(t *testing.T) {
	hubtest.CheckGoroutines(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	withEnvironment(t, testSecret, "", "")
	n, err := parse(t, "{\n embed {\n listen "+l.Addr().String()+"\n}\n}")
	if err != nil {
		t.Fatal(err)
	}
	ready := openBroker(t, n).Ready
	hubtest.Eventually(t, "the reason", func() bool {
		err := ready()
		return err != nil && strings.Contains(err.Error(), "address already in use")
	})
	l.Close()
	hubtest.Eventually(t, "ready", func() bool { return ready() == nil })
}

// openBroker opens the broker of a module until the test ends.
func openBroker(t *testing.T, n *Nats) pusherhub.ReadyBroker {
	t.Helper()
	b, err := n.Broker()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Open(t.Context(), nobody{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b.(pusherhub.ReadyBroker)
}

// JSON has the same words.
func TestJSON(t *testing.T) {
	n := new(Nats)
	if err := json.Unmarshal([]byte(`{"servers":["nats://a"],"lease":"20s","embed":{"routes":["b"]}}`), n); err != nil {
		t.Fatal(err)
	}
	expected := Options{Options: natsbroker.Options{Servers: []string{"nats://a"}}, Lease: 20e9, Embed: &Embed{Routes: []string{"b"}}}
	if !reflect.DeepEqual(n.Options, expected) {
		t.Errorf("expected %+v, got %+v", expected, n.Options)
	}
}

func TestWrongWords(t *testing.T) {
	withEnvironment(t, "", "", "")
	for _, tc := range []struct{ words, expected string }{
		{"{\n server nats://a\n}", `servers`},
		{"nats://a {\n servers nats://b\n}", "servers: found them twice"},
		{"ftp://u:pa55@a", "nats://"},
		{"{\n embed on\n}", `embed: found "on", expected a block or nothing`},
		{"{\n embed\n}", "embed: secret: found nothing"},
		{"{\n embed {\n secret pa55\n }\n}", "embed: secret: found 4 bytes, expected 16 or more"},
		{"{\n embed {\n secret {env.NOT_SET_HERE}\n }\n}", "{env.NOT_SET_HERE} is empty"},
		{"{\n embed {\n secret pa550123456789abc\n listen 6222\n }\n}", `embed: listen: found "6222", expected an address such as :6222`},
		{"{\n embed {\n secret pa550123456789abc\n routes nats://a:6222\n }\n}", "embed: routes: found"},
		{"{\n embed {\n secret pa550123456789abc\n discover a:b\n }\n}", "embed: discover: found"},
		{"{\n servers nats://a\n embed {\n secret pa550123456789abc\n }\n}", "servers: found it beside embed"},
		{"{\n jetstream on\n embed {\n secret pa550123456789abc\n }\n}", "jetstream: found it beside embed"},
		{"{\n jetstream maybe\n}", "jetstream"},
		{"{\n lease 1ms\n}", "lease: found 1ms, expected 1s to 1h"},
	} {
		_, err := parse(t, tc.words)
		if err == nil || !strings.Contains(err.Error(), tc.expected) {
			t.Errorf("%s: expected %s, got %v", tc.words, tc.expected, err)
		}
		if err != nil && strings.Contains(err.Error(), "pa55") {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}

// A reload that does not touch the broker leaves its server and its connection as they are; one that does starts the new server as soon
// as the old one has given the port back.
func TestReload(t *testing.T) {
	withEnvironment(t, testSecret, "", "")
	hub, port, complaints := freePort(t), freePort(t), filepath.Join(t.TempDir(), "log")
	load := func(embed, option string) {
		t.Helper()
		config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(fmt.Appendf(nil, `{
	admin off
	persist_config off
	auto_https off
	log {
		output file %s
		level WARN
	}
}
http://127.0.0.1:%s {
	pusher_hub {
		broker nats {
			embed {
				listen 127.0.0.1:%s
				%s
			}
		}
		app one {
			key key
			secret secret
			%s
		}
	}
}`, complaints, hub, port, embed, option), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := caddy.Load(config, true); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		hubtest.Eventually(t, "no server is left", func() bool { return len(running()) == 0 })
	})

	if config := caddy.Validate(validConfig(t)); config != nil {
		t.Fatal(config)
	}
	if count := len(running()); count != 0 {
		t.Fatalf("checking a config started %d servers", count)
	}

	load("", "")
	before := connected(t)
	load("", "watchlist")
	if after := connected(t); after != before {
		t.Errorf("the reload made another connection: expected %+v, got %+v", before, after)
	}
	client := hubtest.Dial(t, "http://127.0.0.1:"+hub, "key", "")
	client.Send(`{"event":"pusher:subscribe","data":{"channel":"news"}}`)
	client.Expect("pusher_internal:subscription_succeeded")
	load("cluster_name other", "watchlist")
	hubtest.Eventually(t, "only the new server", func() bool {
		now := running()
		return len(now) == 1 && now[0] != before.server
	})
	connected(t)
	log, err := os.ReadFile(complaints)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "cannot start") || strings.Contains(line, "is not connected") {
			t.Errorf("the reload complains: %s", line)
		}
	}
}

// validConfig is a config that is only checked.
func validConfig(t *testing.T) *caddy.Config {
	t.Helper()
	config := new(caddy.Config)
	if err := json.Unmarshal([]byte(`{"admin":{"disabled":true},"apps":{"http":{"servers":{"s":{"listen":["127.0.0.1:`+freePort(t)+`"],"routes":[{"handle":[
		{"handler":"pusher_hub","broker":{"broker":"nats","embed":{}},"apps":[{"id":"one","key":"key","secret":"secret"}]}]}]}}}}}`), config); err != nil {
		t.Fatal(err)
	}
	return config
}

// running returns the servers of the process.
func running() (all []*server) {
	servers.Range(func(_, s any) bool {
		all = append(all, s.(pooledServer).server)
		return true
	})
	return all
}

// connection is a broker's connection to its server.
type connection struct {
	server *server
	client uint64
}

// connected waits until there is one.
func connected(t *testing.T) (c connection) {
	t.Helper()
	hubtest.Eventually(t, "one connection to one server", func() bool {
		all := running()
		if len(all) != 1 {
			return false
		}
		c.server = all[0]
		c.server.mu.Lock()
		nats := c.server.nats
		c.server.mu.Unlock()
		if nats == nil {
			return false
		}
		clients, err := nats.Connz(nil)
		if err != nil || len(clients.Conns) != 1 {
			return false
		}
		c.client = clients.Conns[0].Cid
		return true
	})
	return c
}

// Two hubs with the same words share a server, and the last one ends it.
func TestShared(t *testing.T) {
	withEnvironment(t, testSecret, "", "")
	words := "{\n embed {\n listen 127.0.0.1:" + freePort(t) + "\n }\n}"
	var brokers []pusherhub.Broker
	for range 2 {
		n, err := parse(t, words)
		if err != nil {
			t.Fatal(err)
		}
		b, err := n.Broker()
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Open(context.Background(), nobody{}); err != nil {
			t.Fatal(err)
		}
		brokers = append(brokers, b)
	}
	for i, b := range brokers {
		if count := len(running()); count != 1 {
			t.Errorf("before closing %d: %d servers", i, count)
		}
		for range 2 {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if count := len(running()); count != 0 {
		t.Errorf("%d servers are left", count)
	}
}

// nobody is a node without clients.
type nobody struct{}

func (nobody) Deliver(*pusherhub.Message)  {}
func (nobody) Execute(pusherhub.Command)   {}
func (nobody) Roster(pusherhub.Roster)     {}
func (nobody) Report(pusherhub.Transition) {}
func (nobody) Reports() bool               { return true }
