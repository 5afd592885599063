package redisbroker

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/cluster/enginetest"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// password is of the servers in these tests; nothing may show it.
const password = "s3cret-pass-wOrd"

// acl is what a user needs, as docs/brokers.md has it.
const acl = "~pusherhub:* resetchannels &pusherhub:* -@all +eval +evalsha +publish +subscribe +unsubscribe +spublish +ssubscribe +sunsubscribe" +
	" +ping +select +time +get +set +del +exists +pexpire +hget +hmget +hset +hdel +hincrby +hexists +hlen +hkeys +hgetall +hscan +hrandfield" +
	" +sadd +srem +srandmember +zadd +zrem +zscore +zcount +zrange +zrangebyscore +zremrangebyscore"

// sentinelACL is what a user of a server behind Sentinel needs beside.
const sentinelACL = " +role"

// watcherACL is what a user of the Sentinels needs.
const watcherACL = "allchannels -@all +sentinel|sentinels +sentinel|get-master-addr-by-name +subscribe +unsubscribe +ping"

// clusterACL is what a user of a cluster needs beside.
const clusterACL = " +cluster|slots +cluster|shards +asking"

// startSecure runs a server whose user hub may do what acl says, and the user default nothing without a password.
func startSecure(t *testing.T, rules string) *redisServer {
	t.Helper()
	s := startRedis(t, "--requirepass", password)
	s.cli = append(s.cli, "--no-auth-warning", "-a", password)
	if said := s.do(append([]string{"acl", "setuser", "hub", "on", ">" + password}, strings.Fields(rules)...)...); said != "OK" {
		t.Fatal(said)
	}
	return s
}

// A user with the least rights can do everything.
func TestACL(t *testing.T) {
	server := startSecure(t, acl)
	e, l := open(t, Options{URL: "redis://hub:" + password + "@" + server.address() + "/2"})
	everything(t, e, l)
	if said := server.do("acl", "log"); said != "" {
		t.Errorf("the server refused: %s", said)
	}
}

// everything calls every method.
func everything(t *testing.T, e *Engine, l *listener) {
	t.Helper()
	ctx := context.Background()
	topics := []pusherhub.Topic{channel("presence-a")}
	if err := e.Subscribe(ctx, topics); err != nil {
		t.Fatal(err)
	}
	enter(t, e, "one")
	enter(t, e, "two")
	u := counted("presence-a", 1)
	u.Members = []cluster.MemberUpdate{member("ann")}
	apply(t, e, "one", 1, u)
	apply(t, e, "two", 1, u)
	kept := post("presence-a", "kept")
	kept.Keep = time.Now().Add(time.Minute)
	send(t, e, kept, post("presence-a", "not kept"))
	l.has(t, "all that was sent", func() bool { return len(l.received) == 2 && len(l.changes) == 2 })
	if states, err := e.Read(ctx, topics); err != nil || len(states[0].Entries) != 4 || states[0].Kept == nil {
		t.Errorf("found %+v, %v", states, err)
	}
	if _, err := e.Count(ctx, topics[0]); err != nil {
		t.Error(err)
	}
	if all, err := e.Channels(ctx, "app:1", "p"); err != nil || len(all) != 1 {
		t.Errorf("found %v, %v", all, err)
	}
	if _, err := e.Beat(ctx, "one", time.Minute); err != nil {
		t.Error(err)
	}
	for _, node := range []string{"one", "two"} {
		if err := e.Resign(ctx, node); err != nil {
			t.Error(err)
		}
	}
	if made := reapAll(t, e); len(made) != 2 {
		t.Errorf("found %+v", made)
	}
	e.Unsubscribe(topics)
}

// What is wrong is said in words that help, without the password.
func TestProblems(t *testing.T) {
	server := startSecure(t, acl)
	withoutCommand := startSecure(t, strings.Replace(acl, "+evalsha", "", 1))
	withoutInner := startSecure(t, strings.Replace(acl, "+hincrby", "", 1))
	otherKeys := startSecure(t, strings.Replace(acl, "~pusherhub:*", "~other:*", 1))
	otherChannels := startSecure(t, strings.Replace(acl, "&pusherhub:*", "&other:*", 1))
	clusterNode := startRedis(t, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")
	master := startRedis(t)
	replica := startRedis(t, "--replicaof", "127.0.0.1", strconv.Itoa(master.port))
	old := startOld(t)
	secured, _ := startTLS(t)
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)

	hub := func(s *redisServer) Options {
		return Options{Addresses: []string{s.address()}, Username: "hub", Password: password}
	}
	for name, c := range map[string]struct {
		o        Options
		expected []string
	}{
		"wrong password":        {Options{Addresses: []string{server.address()}, Username: "hub", Password: password + "x"}, []string{"password is wrong", "WRONGPASS"}},
		"no password":           {Options{Addresses: []string{server.address()}}, []string{"wants a password", "NOAUTH"}},
		"a command":             {hub(withoutCommand), []string{"may not do everything", "evalsha"}},
		"a command in script":   {hub(withoutInner), []string{"may not do everything", "script"}},
		"the keys":              {hub(otherKeys), []string{"may not do everything", "key"}},
		"the channels":          {hub(otherChannels), []string{"may not do everything", "channel"}},
		"a cluster's node":      {Options{Addresses: []string{clusterNode.address()}}, []string{"set the option cluster"}},
		"no cluster":            {Options{Addresses: []string{master.address()}, Cluster: true}, []string{"leave the option cluster out"}},
		"a replica":             {Options{Addresses: []string{replica.address()}}, []string{"read-only replica"}},
		"too old":               {Options{Addresses: []string{old}, Password: password}, []string{"too old", "6.2"}},
		"no Sentinel":           {Options{Sentinels: []string{master.address()}}, []string{"found a Redis, expected a Sentinel"}},
		"no such database":      {Options{Addresses: []string{master.address()}, DB: new(99)}, []string{"expected a smaller number in db"}},
		"a cluster's, and db":   {Options{Addresses: []string{clusterNode.address()}, DB: new(1)}, []string{"set the option cluster, and leave db out"}},
		"TLS to a port without": {Options{URL: "rediss://" + master.address()}, []string{master.address(), "does not answer to TLS", "redis:// instead"}},
		"no TLS":                {Options{Addresses: []string{secured.address()}}, []string{secured.address(), "ended the connection", "rediss:// instead"}},
		"no Redis":              {Options{Addresses: []string{strings.TrimPrefix(web.URL, "http://")}}, []string{"something else than a Redis", strings.TrimPrefix(web.URL, "http://")}},
		"nobody there":          {Options{Addresses: []string{"127.0.0.1:1"}}, []string{"127.0.0.1:1", "connection refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			e, _ := openOnly(t, c.o)
			var said string
			hubtest.Eventually(t, "a problem", func() bool {
				said = tryEverything(e)
				return said != "" && !strings.Contains(said, errNotYet.Error())
			})
			for _, expected := range c.expected {
				if !strings.Contains(said, expected) {
					t.Errorf("found %q, expected %q", said, expected)
				}
			}
			if strings.Contains(said, password) {
				t.Errorf("the password is in %q", said)
			}
		})
	}
}

// tryEverything returns the first problem.
func tryEverything(e *Engine) string {
	ctx := context.Background()
	if _, err := e.Enter(ctx, "one", time.Minute); err != nil {
		return err.Error()
	}
	if _, _, err := e.Apply(ctx, "one", 1, []cluster.Update{counted("a", 1)}); err != nil {
		return err.Error()
	}
	if err := e.Subscribe(ctx, []pusherhub.Topic{channel("a")}); err != nil {
		return err.Error()
	}
	return ""
}

// TLS works with a CA of one's own and the client's certificate, and not with one that nobody vouches for.
func TestTLS(t *testing.T) {
	server, of := startTLS(t)
	url := "rediss://" + server.address()
	files := of.TLS()
	e, l := open(t, Options{URL: url, TLS: &files})
	everything(t, e, l)
	blind, seen := open(t, Options{URL: url, TLS: &cluster.TLS{CertFile: of.Cert, KeyFile: of.Key, Insecure: true}})
	everything(t, blind, seen)

	strict, _ := openOnly(t, Options{URL: url})
	hubtest.Eventually(t, "the certificate is refused", func() bool { return strings.Contains(problem(strict), "certificate signed by unknown authority") })
	nameless, _ := openOnly(t, Options{URL: url, TLS: &cluster.TLS{CAFile: of.CA}})
	hubtest.Eventually(t, "the server wants a certificate", func() bool { // which it says before it hangs up, if that is heard in time
		why := problem(nameless)
		return strings.Contains(why, "certificate required") || strings.Contains(why, "reset by peer") || strings.Contains(why, "broken pipe") || strings.Contains(why, "EOF")
	})
}

// startTLS starts a server that takes TLS only, with the certificate of the files, and from clients with one of the same authority.
func startTLS(t *testing.T) (*redisServer, enginetest.Certificates) {
	t.Helper()
	of := enginetest.NewCertificates(t, t.TempDir())
	server := newRedis(t)
	server.args = append(server.args, "--port", "0", "--tls-port", strconv.Itoa(server.port),
		"--tls-cert-file", of.Cert, "--tls-key-file", of.Key, "--tls-ca-cert-file", of.CA)
	server.start()
	server.cli = append(server.cli, "--tls", "--cacert", of.CA, "--cert", of.Cert, "--key", of.Key)
	return server, of
}

// A certificate that is renewed counts at the next connect.
func TestTLSRenewed(t *testing.T) {
	server, of := startTLS(t)
	own := enginetest.NewCertificates(t, t.TempDir()) // of an authority that the server does not know
	files := own.TLS()
	e, l := openOnly(t, Options{URL: "rediss://" + server.address(), TLS: &files})
	hubtest.Eventually(t, "the server's certificate is refused", func() bool { return strings.Contains(problem(e), "certificate signed by unknown authority") })
	for to, from := range map[string]string{own.CA: of.CA, own.Cert: of.Cert, own.Key: of.Key} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	l.has(t, "the engine is connected", func() bool { return l.up })
	everything(t, e, l)
}

// Whatever goes over the bus and into the log is without the password.
func TestSecrets(t *testing.T) {
	server := startSecure(t, acl)
	monitor := &logged{}
	cmd := exec.Command("redis-cli", append(server.cli, "monitor")...)
	cmd.Stdout = monitor
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(cmd) })
	hubtest.Eventually(t, "the monitor", func() bool { return strings.Contains(monitor.String(), "OK") })

	core, logs := observer.New(zapcore.DebugLevel)
	e, l := open(t, Options{URL: "redis://hub:" + password + "@" + server.address(), Broker: cluster.Options{Logger: zap.New(core)}})
	everything(t, e, l)
	server.do("config", "set", "maxmemory", "1")
	kept := post("a", "no room")
	kept.Keep = time.Now().Add(time.Hour)
	send(t, e, kept)
	hubtest.Eventually(t, "the monitor has seen it", func() bool { return strings.Contains(monitor.String(), "no room") })
	if logs.Len() == 0 {
		t.Error("nothing was logged")
	}
	said := monitor.String()
	for _, entry := range logs.All() {
		said += entry.Message + entry.ContextMap()["reason"].(string)
	}
	if strings.Contains(said, password) {
		t.Error("the password was shown")
	}
}

func TestOptions(t *testing.T) {
	for name, c := range map[string]struct {
		o        Options
		expected string
	}{
		"a URL of something else":   {Options{URL: "http://u:" + password + "@h"}, "url: expected redis://"},
		"a URL that is none":        {Options{URL: "redis://u:" + password + "@h:x%"}, "url: expected redis://"},
		"a database that is none":   {Options{URL: "redis://u:" + password + "@h/x"}, `url: found the database "x"`},
		"a password with a slash":   {Options{URL: "redis://u:1/" + password + "@h"}, "url: expected redis://"},
		"one with a question mark":  {Options{URL: "redis://u:1?" + password + "@h"}, "url: expected redis://"},
		"a URL as address":          {Options{Addresses: []string{"redis://u:" + password + "@h"}}, "address: expected a host"},
		"two addresses":             {Options{Addresses: []string{"a", "b"}}, "address: found 2 of them"},
		"a master of nobody":        {Options{SentinelMaster: "x"}, "sentinel: found no address"},
		"both":                      {Options{Cluster: true, Sentinels: []string{"x"}}, "sentinel: found it beside"},
		"a cluster with a database": {Options{Cluster: true, DB: new(1)}, "db: found 1, expected 0"},
		"a database below none":     {Options{DB: new(-1)}, "db: found -1"},
		"braces":                    {Options{Prefix: "{x}"}, `prefix: found "{x}"`},
		"a negative timeout":        {Options{Timeout: -1}, "timeout: found"},
		"a user without password":   {Options{Username: "x"}, "password: found none"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewEngine(c.o)
			if err == nil || !strings.Contains(err.Error(), c.expected) {
				t.Fatalf("found %v, expected %q", err, c.expected)
			}
			if strings.Contains(err.Error(), password) {
				t.Errorf("the password is in %v", err)
			}
		})
	}
	e, err := NewEngine(Options{URL: "rediss://hub:p%40ss@redis.internal/3", Prefix: "x:"})
	if err != nil {
		t.Fatal(err)
	}
	o := e.config.client
	if o.Username != "hub" || o.Password != "p@ss" || o.SelectDB != 3 || o.TLSConfig == nil || !slices.Equal(o.InitAddress, []string{"redis.internal:6379"}) {
		t.Errorf("found user %q, password %q, db %d, addresses %q", o.Username, o.Password, o.SelectDB, o.InitAddress)
	}
	if e, err = NewEngine(Options{URL: "redis://hub@h", Password: "p"}); err != nil || e.config.client.Username != "hub" {
		t.Errorf("found user %q, %v, expected hub: only the password is elsewhere", e.config.client.Username, err)
	}
	if e, err = NewEngine(Options{URL: "redis://h/3", DB: new(0)}); err != nil || e.config.client.SelectDB != 0 {
		t.Errorf("found db %d, %v, expected 0: it is not only the URL's", e.config.client.SelectDB, err)
	}
	if e, err = NewEngine(Options{}); err != nil || !slices.Equal(e.config.client.InitAddress, []string{"127.0.0.1:6379"}) {
		t.Errorf("found %v", err)
	}
	if err := e.Close(); err != nil { // never opened
		t.Error(err)
	}
}
