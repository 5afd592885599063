package pusherhub_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// A flood of handshakes while the source is away is no flood of the log.
func TestLookUpsThatFailAreLoggedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, log := observer.New(zap.InfoLevel)
		away := &database{err: errors.New("no route to db.internal")}
		s := hubtest.NewPipeServerWith(t, pusherhub.Config{AppSource: away, Logger: zap.New(core)})
		knock := func() {
			c := openRaw(t, s, strings.Repeat("k", 1000), "", nil)
			c.expect("pusher:error")
			_ = c.Close()
		}
		for range 20 {
			knock()
		}
		time.Sleep(5 * time.Second)
		knock()
		lines := log.FilterMessage("looking up app").All()
		if len(lines) != 2 {
			t.Fatalf("found %d lines, expected 2: %v", len(lines), lines)
		}
		for i, unsaid := range []int64{0, 19} {
			fields := lines[i].ContextMap()
			if fields["not_logged_before"] != unsaid || len(fields["key"].(string)) > 110 || fields["error"] != "no route to db.internal" {
				t.Errorf("found %v", fields)
			}
		}
	})
}

// mute is a source that answers nothing while somebody waits.
type mute struct{ *watched }

func (mute) AppByID(ctx context.Context, _ string) (*pusherhub.App, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A source begins to watch at once, however long its answers about the apps of the one before take.
func TestWatchWaitsForNoLookUp(t *testing.T) {
	s := hubtest.NewServerWith(t, pusherhub.Config{AppSource: &database{app: mustApp(t, pusherhub.AppConfig{})}})
	s.Dial(t)
	source := mute{newWatched(nil)}
	apply(t, s, pusherhub.Config{AppSource: source})
	select {
	case <-source.live:
	case <-time.After(hubtest.Patience):
		t.Error("the source does not watch")
	}
}

// An app that is removed while the body of a request comes stays removed.
func TestRemovedWhileABodyComes(t *testing.T) {
	app := mustApp(t, pusherhub.AppConfig{})
	source := newWatched(app)
	s := hubtest.NewServerWith(t, pusherhub.Config{AppSource: source})
	live := <-source.live
	body, half := io.Pipe()
	r, err := http.NewRequest(http.MethodPost, s.SignedURL("POST", "/apps/app-id/events", oneEvent, nil), body)
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan int, 1)
	go func() {
		res, err := s.Client.Do(r)
		if err != nil {
			answered <- 0
			return
		}
		_ = res.Body.Close()
		answered <- res.StatusCode
	}()
	if _, err := io.WriteString(half, oneEvent[:5]); err != nil {
		t.Fatal(err)
	}
	hubtest.Eventually(t, "the app was looked up", func() bool { return source.wasAsked() > 0 })
	source.become(t, live, nil, nil)
	if _, err := io.WriteString(half, oneEvent[5:]); err != nil {
		t.Fatal(err)
	}
	_ = half.Close()
	if status := <-answered; status != http.StatusNotFound {
		t.Errorf("found status %d, expected 404", status)
	}
	if ids := live.IDs(); len(ids) != 0 {
		t.Errorf("found %q: the app is back", ids)
	}
}
