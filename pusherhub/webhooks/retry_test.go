package webhooks

import (
	"io"
	"net/http"
	"slices"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

func TestRetry(t *testing.T) {
	t.Run("T59 a request is tried for 5 minutes, with the same body and growing pauses", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{})
			r.answers(refuse)
			r.tell(occupied("lost"))
			time.Sleep(10 * time.Second)
			r.tell(occupied("next"))
			time.Sleep(4 * time.Minute)
			if r.measure("dropped_total") != 0 {
				t.Error("events were dropped before 5 minutes were over")
			}
			time.Sleep(51 * time.Second)
			r.answers(nil)
			time.Sleep(time.Minute)
			r.detach()
			r.expect(hookURL, "channel_occupied next")

			var lost []received
			for _, request := range r.all() {
				if slices.Equal(request.events(t), []string{"channel_occupied lost"}) {
					lost = append(lost, request)
				}
			}
			pauses := []int{1, 2, 4, 8, 16, 32}
			for i, request := range lost {
				if request.body != lost[0].body || request.header.Get(headerSignature) != lost[0].header.Get(headerSignature) {
					t.Errorf("try %d has the body %s, expected that of the first, %s", i+1, request.body, lost[0].body)
				}
				if i == 0 {
					continue
				}
				pause, want := request.at.Sub(lost[i-1].at), time.Minute
				if i <= len(pauses) {
					want = time.Duration(pauses[i-1]) * time.Second
				}
				if last := i == len(lost)-1; pause > want*6/5 || pause < want*4/5 && !last {
					t.Errorf("pause %d is %s, expected %s or a fifth more or less", i, pause, want)
				}
			}
			if tried := lost[len(lost)-1].at.Sub(lost[0].at); tried != 5*time.Minute {
				t.Errorf("it was tried for %s, expected 5m", tried)
			}
		})
	})

	t.Run("T59 any answer but 2xx is tried again, in order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{})
			statuses := []int{500, 302, 404, 429, 304, 204}
			r.answers(func(got received) (int, error) {
				if got.try <= len(statuses) {
					return statuses[got.try-1], nil
				}
				return 201, nil
			})
			r.tell(occupied("a"))
			time.Sleep(time.Second)
			r.tell(occupied("b"))
			time.Sleep(time.Minute)
			r.detach()
			r.expect(hookURL, "channel_occupied a", "channel_occupied b")
			if found := len(r.all()); found != 7 {
				t.Errorf("%d requests, expected 7", found)
			}
		})
	})

	t.Run("T59 a try ends after its timeout; a slow endpoint does not hold up another", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{Endpoints: []Endpoint{{URL: hookURL}, {URL: otherURL}}})
			r.answers(func(got received) (int, error) {
				if got.url == hookURL && got.try == 1 {
					time.Sleep(10*time.Second + time.Nanosecond)
				}
				return 200, nil
			})
			r.tell(occupied("a"))
			time.Sleep(time.Second)
			r.tell(occupied("b"))
			time.Sleep(time.Second)
			r.expect(otherURL, "channel_occupied a", "channel_occupied b")
			r.expect(hookURL)
			time.Sleep(10 * time.Second)
			r.expect(hookURL, "channel_occupied a", "channel_occupied b")
			if r.measure("failed_requests_total") != 1 {
				t.Error("the try did not fail")
			}
			r.detach()
		})
	})

	t.Run("T59 tries are signed with the secret that the app has then", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{})
			r.answers(func(got received) (int, error) {
				if got.try == 1 {
					return 401, nil
				}
				return 200, nil
			})
			r.tell(occupied("a"))
			time.Sleep(100 * time.Millisecond)
			r.mu.Lock()
			r.secret = "new" // a wrong signature fails the test
			r.mu.Unlock()
			r.app = newApp(t, "app", "new")
			r.attach(r.plugin)
			time.Sleep(2 * time.Second)
			r.detach()
			r.expect(hookURL, "channel_occupied a")
			if requests := r.all(); requests[0].body != requests[1].body {
				t.Errorf("the second body is %s, expected %s", requests[1].body, requests[0].body)
			}
		})
	})

	t.Run("a transport that panics has failed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{})
			r.answers(func(got received) (int, error) {
				if got.try == 1 {
					r.mu.Lock()
					defer r.mu.Unlock()
					r.requests, r.flying = append(r.requests, got), make(map[string]int)
					panic("on purpose")
				}
				return 200, nil
			})
			r.tell(occupied("a"))
			time.Sleep(2 * time.Second)
			r.detach()
			r.expect(hookURL, "channel_occupied a")
		})
	})
}

// tornAnswer takes a request and loses the connection while it says more.
type tornAnswer struct{ requests int }

func (e *tornAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	e.requests++
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(iotest.ErrReader(errRefused)), Request: r}, nil
}

// What is answered with 2xx was taken, whatever comes behind the status.
func TestTornAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endpoint := &tornAnswer{}
		p, err := New(Config{Transport: endpoint, Endpoints: []Endpoint{{URL: hookURL}}})
		if err != nil {
			t.Fatal(err)
		}
		app := newApp(t, "app", testSecret)
		p.(pusherhub.AttachHook).OnAttach(app, nil)
		o := occupied("a")
		o.App = "app"
		p.(pusherhub.Observer).Observe(o)
		time.Sleep(time.Minute)
		p.(pusherhub.AttachHook).OnDetach(t.Context(), app)
		if endpoint.requests != 1 {
			t.Errorf("found %d requests, expected 1", endpoint.requests)
		}
	})
}
