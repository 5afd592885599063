package redisbroker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// Sentinel says where the master is, also after it has died.
func TestSentinel(t *testing.T) {
	auth := []string{"--requirepass", password, "--masterauth", password}
	master := startRedis(t, auth...)
	replica := startRedis(t, append(auth, "--replicaof", "127.0.0.1", strconv.Itoa(master.port))...)
	for _, s := range []*redisServer{master, replica} {
		s.cli = append(s.cli, "--no-auth-warning", "-a", password)
		s.do(append([]string{"acl", "setuser", "hub", "on", ">" + password}, strings.Fields(acl+sentinelACL)...)...)
	}
	hubtest.Eventually(t, "the replica is ready", func() bool { return strings.Contains(replica.do("info", "replication"), "master_link_status:up") })

	sentinel := newRedis(t)
	file := filepath.Join(sentinel.dir, "sentinel.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, `port %d
bind 127.0.0.1
dir %s
requirepass %s
sentinel monitor hub 127.0.0.1 %d 1
sentinel auth-pass hub %s
sentinel down-after-milliseconds hub 500
sentinel failover-timeout hub 5000
`, sentinel.port, sentinel.dir, password, master.port, password), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel.args = []string{file, "--sentinel"}
	sentinel.start()
	sentinel.cli = append(sentinel.cli, "--no-auth-warning", "-a", password)
	hubtest.Eventually(t, "the sentinel knows the replica", func() bool {
		return strings.Contains(sentinel.do("sentinel", "replicas", "hub"), strconv.Itoa(replica.port))
	})

	sentinel.do(append([]string{"acl", "setuser", "watcher", "on", ">" + password}, strings.Fields(watcherACL)...)...)
	e, l := open(t, Options{
		Sentinels: []string{sentinel.address()}, SentinelMaster: "hub", SentinelUsername: "watcher", SentinelPassword: password,
		Username: "hub", Password: password, Timeout: time.Second,
	})
	ctx := context.Background()
	topics := []pusherhub.Topic{channel("a")}
	enter(t, e, "one")
	apply(t, e, "one", 1, counted("a", 1))
	hubtest.Eventually(t, "the replica has it", func() bool { return strings.Contains(replica.do("--scan"), "t:c:") })
	master.stop()
	l.has(t, "the loss is noticed", func() bool { return len(l.downs) == 1 })
	l.has(t, "the new master is found", func() bool { return l.up })
	if err := e.Subscribe(ctx, topics); err != nil {
		t.Fatal(err)
	}
	if pulse, err := e.Beat(ctx, "one", time.Minute); err != nil || !pulse.Known || pulse.Holdings != 1 {
		t.Errorf("found %+v, %v", pulse, err)
	}
	send(t, e, post("a", "x"))
	l.has(t, "the message", func() bool { return len(l.received) == 1 })

	misnamed, _ := openOnly(t, Options{Sentinels: []string{sentinel.address()}, SentinelPassword: password, Password: password})
	hubtest.Eventually(t, "no Sentinel knows such a master", func() bool {
		return strings.Contains(problem(misnamed), "the Sentinels know no such master")
	})
	direct, _ := openOnly(t, Options{Addresses: []string{sentinel.address()}, Password: password})
	hubtest.Eventually(t, "that is a Sentinel", func() bool {
		return strings.Contains(problem(direct), "found a Sentinel, expected a Redis")
	})
}

// problem says why an engine is not connected.
func problem(e *Engine) string {
	_, err := e.Beat(context.Background(), "x", time.Minute)
	if err == nil {
		return ""
	}
	return err.Error()
}
