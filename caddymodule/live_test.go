package caddymodule_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// live is a Caddy that runs in the test's process. There can be one at a time.
type live struct {
	t    *testing.T
	dir  string
	port string // of the first site

	options string // more global options; empty: none
}

func newLive(t *testing.T) *live {
	t.Helper()
	l := &live{t: t, dir: t.TempDir(), port: freePort(t)}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping Caddy: %v", err)
		}
	})
	return l
}

// freePort returns a port that is free. It lies below the range from which the kernel takes ports for outgoing connections, so
// none of these can snatch it before it is used.
func freePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(10_000 + rand.IntN(20_000))
		if ln, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			_ = ln.Close()
			return port
		}
	}
	t.Fatal("no free port found")
	return ""
}

// load runs the sites of a Caddyfile. PORT stands for the port of the first site.
func (l *live) load(sites string) error {
	config, err := l.adapt(sites)
	if err != nil {
		return err
	}
	err = caddy.Load(config, true)
	// Caddy closes the listeners of a config that is gone, or failed, in the background, with whoever has just come to them.
	hubtest.Eventually(l.t, "one listener", func() bool { return l.listeners() <= 1 })
	return err
}

// adapt makes JSON of what load runs.
func (l *live) adapt(sites string) ([]byte, error) {
	text := fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	grace_period 1s
	default_bind 127.0.0.1
	storage file_system %s
	log {
		output file %s
	}
	%s
}
`, l.dir, l.logFile(), l.options) + strings.ReplaceAll(sites, "PORT", l.port)
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
	return config, err
}

// listeners counts the sockets that the kernel knows to listen on the first site's port.
func (l *live) listeners() int {
	port, err := strconv.Atoi(l.port)
	if err != nil {
		l.t.Fatal(err)
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil && !errors.Is(err, os.ErrNotExist) { // it is Linux's
		l.t.Fatal(err)
	}
	return strings.Count(string(table), fmt.Sprintf(":%04X 00000000:0000 0A ", port))
}

func (l *live) mustLoad(sites string) {
	l.t.Helper()
	if err := l.load(sites); err != nil {
		l.t.Fatal(err)
	}
}

func (l *live) url() string { return "http://127.0.0.1:" + l.port }

func (l *live) logFile() string { return filepath.Join(l.dir, "log") }

// publish sends a signed request and returns its status.
func (l *live) publish(app pusherhub.AppConfig, channel, data string) int {
	l.t.Helper()
	body := fmt.Sprintf(`{"name":"e","channel":%q,"data":%q}`, channel, data)
	status, _, _ := hubtest.At(l.t, l.url(), app).Do(http.MethodPost, "/events", body, nil)
	return status
}

// appBlock configures the app that publish and Dial use.
func appBlock(id string, lines ...string) string {
	return "app " + id + " {\n key key-" + id + "\n secret secret-" + id + "\n" + strings.Join(lines, "\n") + "\n}\n"
}

func appOf(id string) pusherhub.AppConfig {
	return pusherhub.AppConfig{ID: id, Key: "key-" + id, Secret: "secret-" + id}
}

func TestReload(t *testing.T) {
	l := newLive(t)
	l.mustLoad(":PORT {\n pusher_hub {\n" + appBlock("one") + "}\n respond php\n}")
	client := hubtest.Dial(t, l.url(), "key-one", "")
	client.Subscribe("news")

	t.Run("new settings reach old sockets", func(t *testing.T) {
		l.mustLoad(":PORT {\n pusher_hub {\n accept_client_events_from none\n" + appBlock("one") + "}\n respond php\n}")
		client.ExpectQuiet()
		if status := l.publish(appOf("one"), "news", "after a reload"); status != http.StatusOK {
			t.Fatalf("publishing: %d", status)
		}
		if f := client.Expect("e"); f.Text() != "after a reload" {
			t.Errorf("got %s", f.Raw)
		}
		client.Send(hubtest.EventFrame("client-x", "news", "y"))
		client.ExpectError(pusherhub.CodeClientEventRejected)
	})

	t.Run("a config that fails to start changes nothing", func(t *testing.T) {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		err = l.load(":PORT {\n pusher_hub {\n" + appBlock("two") + "}\n}\n:" +
			strconv.Itoa(taken.Addr().(*net.TCPAddr).Port) + " {\n pusher_hub\n}")
		if err == nil {
			t.Fatal("no error")
		}
		client.ExpectQuiet()
		if status := l.publish(appOf("one"), "news", "still here"); status != http.StatusOK {
			t.Errorf("publishing: %d", status)
		}
		if f := client.Expect("e"); f.Text() != "still here" {
			t.Errorf("got %s", f.Raw)
		}
		hubtest.Dial(t, l.url(), "key-one", "").Close()
	})

	t.Run("a config that cannot be provisioned changes nothing", func(t *testing.T) {
		if err := l.load(":PORT {\n pusher_hub {\n" + appBlock("two") + "}\n}\n:" + freePort(t) + " {\n pusher_hub nobody\n}"); err == nil {
			t.Fatal("no error")
		}
		client.ExpectQuiet()
	})

	t.Run("an app that is gone closes its sockets", func(t *testing.T) {
		l.mustLoad(":PORT {\n pusher_hub {\n" + appBlock("two") + "}\n}")
		client.ExpectClose(pusherhub.CodeNoSuchApp)
	})

	t.Run("a hub that is gone closes its sockets", func(t *testing.T) {
		other := hubtest.Dial(t, l.url(), "key-two", "")
		l.mustLoad(":PORT {\n respond php\n}")
		other.ExpectClose(pusherhub.CodeReconnect)
	})
}

// Two sites, one hub: one joins under a path of its own.
func TestJoin(t *testing.T) {
	l := newLive(t)
	second := freePort(t)
	l.mustLoad(":" + second + " {\n pusher_hub chat {\n path /ws\n }\n respond php\n}\n:PORT {\n pusher_hub chat {\n" + appBlock("one") + "}\n}")

	client := hubtest.Dial(t, "http://127.0.0.1:"+second+"/ws", "key-one", "")
	client.Subscribe("news")
	if status := l.publish(appOf("one"), "news", "hello"); status != http.StatusOK {
		t.Fatalf("publishing: %d", status)
	}
	client.Expect("e")

	res, err := http.Get("http://127.0.0.1:" + second + "/app/key-one")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("outside of the path: found %d, expected the next handler's 200", res.StatusCode)
	}
}

func TestLog(t *testing.T) {
	l := newLive(t)
	second := freePort(t)
	config := ":PORT {\n pusher_hub {\n" + appBlock("one") + appBlock("two") + "}\n}\n:" + second + " {\n pusher_hub\n}"
	l.mustLoad(config)
	if err := l.load(":PORT {\n pusher_hub {\n" + appBlock("three") + "}\n}\n:" + second + " {\n pusher_hub nobody\n}"); err == nil {
		t.Fatal("no error")
	}
	text, err := os.ReadFile(l.logFile())
	if err != nil {
		t.Fatal(err)
	}
	log := string(text)
	for line, times := range map[string]int{
		`"logger":"pusher_hub"`:                 3,
		`"app":"one","key":"key-one"`:           1,
		`"app":"two","key":"key-two"`:           1,
		`three`:                                 0, // its config was never live
		`/app/key-one'"`:                        1, // the command to try
		`http://127.0.0.1:` + second + `/apps/`: 2,
		`secret-`:                               0,
	} {
		if got := strings.Count(log, line); got != times {
			t.Errorf("%s: found %d times, expected %d, in\n%s", line, got, times, log)
		}
	}
}
