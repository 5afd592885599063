package pusherhub_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// watchFrame is the frame that states who is online and who is not; each a list such as `"7","8"`, empty if none.
func watchFrame(online, offline string) string {
	var events []string
	for _, e := range []struct{ name, ids string }{{"online", online}, {"offline", offline}} {
		if e.ids != "" {
			events = append(events, `{"name":"`+e.name+`","user_ids":[`+e.ids+`]}`)
		}
	}
	data := strings.ReplaceAll(`{"events":[`+strings.Join(events, ",")+`]}`, `"`, `\"`)
	return `{"event":"pusher_internal:watchlist_events","data":"` + data + `"}`
}

func watchlistApp() pusherhub.AppConfig {
	return pusherhub.AppConfig{Watchlist: new(true)}
}

func TestWatchlist(t *testing.T) {
	t.Run("T45 states everybody once after the sign-in", func(t *testing.T) {
		s := hubtest.NewServer(t, watchlistApp())
		s.Signin(t, s.Dial(t), `{"id":"on-1"}`)
		s.Signin(t, s.Dial(t), `{"id":"2"}`)
		w := s.Dial(t)
		s.Signin(t, w, `{"id":"w","watchlist":["off","on-1",2,"on-1","",null,"w"]}`)
		w.ExpectRaw(watchFrame(`"on-1","2","w"`, `"off"`))
		w.ExpectQuiet()
	})

	t.Run("T45 nothing to state", func(t *testing.T) {
		s := hubtest.NewServer(t, watchlistApp())
		for _, list := range []string{`[]`, `null`, `{}`, `"7"`, `7`, `[[]]`} {
			w := s.Dial(t)
			s.Signin(t, w, `{"id":"w","watchlist":`+list+`}`)
			w.ExpectQuiet()
		}
	})

	t.Run("T45 off by default", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		w := s.Dial(t)
		s.Signin(t, w, `{"id":"w","watchlist":["7"]}`)
		s.Signin(t, s.Dial(t), `{"id":"7"}`)
		w.ExpectQuiet()
	})

	t.Run("T45 online with the first socket only", func(t *testing.T) {
		s := hubtest.NewServer(t, watchlistApp())
		w := s.Dial(t)
		s.Signin(t, w, `{"id":"w","watchlist":["7"]}`)
		w.ExpectRaw(watchFrame("", `"7"`))
		s.Signin(t, s.Dial(t), `{"id":"7"}`)
		w.ExpectRaw(watchFrame(`"7"`, ""))
		s.Signin(t, s.Dial(t), `{"id":"7"}`) // a second tab
		s.Signin(t, s.Dial(t), `{"id":"8"}`) // not watched
		w.ExpectQuiet()
	})

	t.Run("T45 a new sign-in replaces the list", func(t *testing.T) {
		s := hubtest.NewServer(t, watchlistApp())
		w := s.Dial(t)
		s.Signin(t, w, `{"id":"w","watchlist":["7"]}`)
		w.Expect("pusher_internal:watchlist_events")
		s.Signin(t, w, `{"id":"w","watchlist":["8"]}`)
		w.ExpectRaw(watchFrame("", `"8"`))
		s.Signin(t, s.Dial(t), `{"id":"7"}`)
		w.ExpectQuiet()
		s.Signin(t, s.Dial(t), `{"id":"8"}`)
		w.ExpectRaw(watchFrame(`"8"`, ""))
	})

	for _, n := range []int{100, 101, 250} {
		t.Run(fmt.Sprintf("T45 %d ids", n), func(t *testing.T) {
			s := hubtest.NewServer(t, watchlistApp())
			ids := make([]string, n)
			for i := range ids {
				ids[i] = fmt.Sprintf(`"u%d"`, i)
			}
			w := s.Dial(t)
			s.Signin(t, w, `{"id":"w","watchlist":[`+strings.Join(ids, ",")+`]}`)
			w.ExpectRaw(watchFrame("", strings.Join(ids[:100], ",")))
			if n > 100 {
				w.ExpectRaw(`{"event":"pusher:error","data":"{\"code\":4302,\"message\":\"Watchlist limit exceeded. Only the first 100 user IDs are accepted.\"}"}`)
				s.Signin(t, s.Dial(t), `{"id":"u100"}`)
			}
			w.ExpectQuiet()
			s.Signin(t, s.Dial(t), `{"id":"u99"}`)
			w.ExpectRaw(watchFrame(`"u99"`, ""))
		})
	}

	t.Run("T45 limit in profile pusher", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{Watchlist: new(true), Compat: pusherhub.CompatPusher})
		w := s.Dial(t)
		s.Signin(t, w, `{"id":"w","watchlist":[0`+func() (list string) {
			for i := range 100 {
				list += fmt.Sprintf(",%d", i+1)
			}
			return list
		}()+`]}`)
		w.Expect("pusher_internal:watchlist_events")
		w.ExpectRaw(`{"event":"pusher:error","data":{"code":4302,"message":"Watchlist limit exceeded. Only the first 100 user IDs are accepted."}}`)
	})
}

// later lets time go by in a bubble.
func later(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestWatchlistOfflineHold(t *testing.T) {
	// watched returns a watcher of user 7, who is online with one socket.
	watched := func(t *testing.T) (s *hubtest.Server, w, c *hubtest.Client) {
		s = hubtest.NewPipeServer(t, watchlistApp())
		c = s.Dial(t)
		s.Signin(t, c, `{"id":"7"}`)
		w = s.Dial(t)
		s.Signin(t, w, `{"id":"w","watchlist":["7"]}`)
		w.ExpectRaw(watchFrame(`"7"`, ""))
		return s, w, c
	}

	t.Run("T45 offline 3 s after the last socket is gone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, w, c := watched(t)
			second := s.Dial(t)
			s.Signin(t, second, `{"id":"7"}`)
			c.Close()
			later(time.Minute) // the second tab is still there
			w.ExpectQuiet()
			second.Close()
			synctest.Wait()
			from := time.Now()
			w.ExpectRaw(watchFrame("", `"7"`))
			if took := time.Since(from); took != 3*time.Second {
				t.Errorf("offline after %s, expected 3s", took)
			}
		})
	})

	t.Run("T45 back within 3 s is never offline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, w, c := watched(t)
			c.Close()
			later(3*time.Second - time.Millisecond)
			other := s.Dial(t) // who asks now is told that 7 is online
			s.Signin(t, other, `{"id":"other","watchlist":["7"]}`)
			other.ExpectRaw(watchFrame(`"7"`, ""))
			s.Signin(t, s.Dial(t), `{"id":"7"}`)
			later(10 * time.Second)
			w.ExpectQuiet()
		})
	})

	t.Run("T45 each leave has its own 3 s", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, w, c := watched(t)
			second := s.Dial(t)
			s.Signin(t, second, `{"id":"7"}`)
			c.Close()
			later(2 * time.Second)
			second.Close()
			later(2 * time.Second)
			third := s.Dial(t)
			s.Signin(t, third, `{"id":"7"}`)
			third.Close()
			synctest.Wait()
			from := time.Now()
			w.ExpectRaw(watchFrame("", `"7"`))
			if took := time.Since(from); took != 3*time.Second {
				t.Errorf("offline after %s, expected 3s", took)
			}
		})
	})

	t.Run("T45 who left is told nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, w, c := watched(t)
			w.Close()
			c.Close()
			later(4 * time.Second)
			s.Signin(t, s.Dial(t), `{"id":"7"}`)
		})
	})
}
