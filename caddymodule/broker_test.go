package caddymodule_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/onecharge/pusherhub/caddymodule"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Diary is a broker that notes when it is opened and closed.
type Diary struct {
	Title string `json:"title,omitempty"`
}

var diary struct {
	sync.Mutex
	entries []string
}

func note(format string, args ...any) {
	diary.Lock()
	defer diary.Unlock()
	diary.entries = append(diary.entries, fmt.Sprintf(format, args...))
}

// forgetDiary takes out what brokers have noted.
func forgetDiary() {
	diary.Lock()
	defer diary.Unlock()
	diary.entries = nil
}

func init() {
	caddy.RegisterModule(Diary{})
}

func (Diary) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.pusher_hub.brokers.diary", New: func() caddy.Module { return new(Diary) }}
}

func (d *Diary) UnmarshalCaddyfile(disp *caddyfile.Dispenser) error {
	disp.Next()
	disp.Args(&d.Title)
	return nil
}

func (d *Diary) Provision(caddy.Context) error {
	d.Title = caddy.NewReplacer().ReplaceKnown(d.Title, "")
	return nil
}

func (d *Diary) Broker() (pusherhub.Broker, error) {
	return &diaryBroker{Broker: pusherhub.NewMemoryBroker(), title: d.Title}, nil
}

type diaryBroker struct {
	pusherhub.Broker
	title string
}

func (b *diaryBroker) Open(ctx context.Context, node pusherhub.Node) error {
	note("open %s", b.title)
	return b.Broker.Open(ctx, node)
}

func (b *diaryBroker) Close() error {
	note("close %s", b.title)
	return b.Broker.Close()
}

var _ caddymodule.BrokerModule = (*Diary)(nil)

// A reload keeps the broker's connections unless the broker itself is changed, also behind a placeholder.
func TestBrokerAcrossReloads(t *testing.T) {
	t.Setenv("TEST_HUB_TITLE", "one")
	l := newLive(t)
	config := func(line string) string {
		return ":PORT {\n pusher_hub {\n broker diary {env.TEST_HUB_TITLE}\n " + line + "\n" + appBlock("one") + "}\n}"
	}
	l.mustLoad(config(""))
	client := hubtest.Dial(t, l.url(), "key-one", "")
	client.Subscribe("news")

	l.mustLoad(config("watchlist"))
	if err := l.load(config("") + "\n:" + freePort(t) + " {\n pusher_hub nobody\n}"); err == nil {
		t.Fatal("no error")
	}
	t.Setenv("TEST_HUB_TITLE", "two")
	l.mustLoad(config("watchlist"))

	if status := l.publish(appOf("one"), "news", "x"); status != 200 {
		t.Errorf("publishing: %d", status)
	}
	client.Expect("e")

	l.mustLoad(":PORT {\n respond php\n}")
	client.ExpectClose(pusherhub.CodeReconnect)
	diary.Lock()
	defer diary.Unlock()
	if expected := []string{"open one", "open two", "close one"}; !slices.Equal(diary.entries[:min(len(diary.entries), 3)], expected) {
		t.Errorf("expected %q, got %q", expected, diary.entries)
	}
}
