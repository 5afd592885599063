package pusherhub_test

import (
	"context"
	"fmt"
	"math/bits"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// Faults that other servers of this kind have or had, one test each, named after the server. Here: what
// strangers send, and requests.
func TestPeersFaultsOfInput(t *testing.T) {
	t.Run("soketi, AnyCable: frames that stop the whole server", func(t *testing.T) {
		s := hostileServer(t, pusherhub.AppConfig{})
		for _, data := range []string{"", `,"data":null`, `,"data":[]`, `,"data":{}`, `,"data":"x"`, `,"data":5`, `,"data":{"channel":null}`, `,"data":{"channel":{}}`, `,"data":{"channel":[1]}`} {
			for _, event := range []string{"pusher:subscribe", "pusher:unsubscribe", "pusher:signin", "pusher:ping", "client-x"} {
				r := attack(t, s)
				r.SendText(`{"event":"` + event + `"` + data + `}`)
				r.SendText(`{"event":"pusher:pong"}`)
				r.SendText(`{"event":"pusher:subscribe","data":{"channel":"still-working"}}`)
				for f := r.NextFrame(); !strings.Contains(string(f.Payload), "succeeded"); f = r.NextFrame() {
				}
				_ = r.Close()
			}
		}
	})

	t.Run("soketi: signed REST request with an old timestamp", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		for _, age := range []time.Duration{24 * time.Hour, 601 * time.Second, -601 * time.Second} {
			timestamp := strconv.FormatInt(time.Now().Add(-age).Unix(), 10)
			status, answer, _ := s.Do(http.MethodPost, "/events", `{"name":"e","channel":"a","data":""}`, url.Values{"auth_timestamp": {timestamp}})
			if status != http.StatusUnauthorized || !strings.HasPrefix(answer, "Timestamp expired") {
				t.Errorf("%s old: found %d %s", age, status, answer)
			}
		}
	})

	t.Run("soketi: a signature compared as text", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		c := s.Dial(t)
		good := s.Auth(c, "private-a", "")
		otherDigit := strings.NewReplacer(":0", ":1", ":1", ":2").Replace(good)
		if otherDigit == good {
			otherDigit = good[:len(s.App.Key)+1] + "0" + good[len(s.App.Key)+2:]
		}
		for _, bad := range []string{good[:len(good)-1], good + "0", strings.ToUpper(good), s.App.Key + ":", ":" + good, good[len(s.App.Key):], otherDigit, good + "\x00"} {
			c.Send(hubtest.SubscribeFrame("private-a", bad, ""))
			c.Expect("pusher:subscription_error")
			c.Next() // the same as pusher:error, until there were ten
			c.Close()
			c = s.Dial(t)
			good = s.Auth(c, "private-a", "")
		}
		c.SubscribeWith("private-a", good, "")
	})

	t.Run("soketi: socket ids from Math.random", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		const sockets = 300
		seen := make(map[string]bool)
		var ones [2][53]int
		for range sockets {
			r := s.DialRaw(t, "/app/"+s.App.Key)
			id := socketID(t, r.Expect("pusher:connection_established"))
			_ = r.Close()
			if seen[id] {
				t.Fatalf("%s came twice", id)
			}
			seen[id] = true
			for half, digits := range strings.SplitN(id, ".", 2) {
				n, err := strconv.ParseUint(digits, 10, 64)
				if err != nil || bits.Len64(n) > 53 {
					t.Fatalf("found socket_id %s, expected two numbers below 2^53", id)
				}
				for bit := range ones[half] {
					ones[half][bit] += int(n >> bit & 1)
				}
			}
		}
		for half := range ones {
			for bit, n := range ones[half] {
				if n < sockets/4 || n > sockets*3/4 { // a fair bit is outside of this once in 10^17 runs
					t.Errorf("bit %d of half %d is set in %d of %d ids: they can be guessed", bit, half, n, sockets)
				}
			}
		}
	})

	t.Run("soketi, AnyCable: large bodies read before authentication", func(t *testing.T) {
		s := hostileServer(t, pusherhub.AppConfig{MaxRequestSize: 10_000})
		before := heap()
		for range 20 {
			r := s.DialTCP(t)
			r.Send("POST /apps/" + s.App.ID + "/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
			if res := r.ReadResponse(); res.StatusCode != http.StatusRequestEntityTooLarge {
				t.Fatalf("announced 100 MB: found %s", res.Status)
			}
			_ = r.Close()
			r = s.DialTCP(t)
			r.Send("POST /apps/" + s.App.ID + "/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2711\r\n" + strings.Repeat("x", 10_001) + "\r\n")
			if res := r.ReadResponse(); res.StatusCode != http.StatusRequestEntityTooLarge {
				t.Fatalf("10 001 bytes and no end: found %s", res.Status)
			}
			_ = r.Close()
		}
		expectHeap(t, before, 1<<20)
	})

	t.Run("AnyCable: only four parameters are signed", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		path := "/apps/" + s.App.ID + "/channels"
		target := s.SignedURL(http.MethodGet, path, "", url.Values{"filter_by_prefix": {"a"}, "zeta": {"1"}})
		if status := statusOf(t, s, target); status != http.StatusOK {
			t.Errorf("signed extra parameters: found %d", status)
		}
		for _, tampered := range []string{target + "&info=user_count", strings.Replace(target, "filter_by_prefix=a", "filter_by_prefix=b", 1), strings.TrimSuffix(target, "&zeta=1")} {
			if status := statusOf(t, s, tampered); status != http.StatusUnauthorized {
				t.Errorf("%s: found %d, expected 401", tampered, status)
			}
		}
	})

	t.Run("AnyCable: body_md5 is not checked", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		target := s.SignedURL(http.MethodPost, "/apps/"+s.App.ID+"/events", `{"name":"e","channel":"a","data":"1"}`, nil)
		res, err := s.Client.Post(target, "application/json", strings.NewReader(`{"name":"e","channel":"a","data":"2"}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("another body: found %s", res.Status)
		}
	})

	t.Run("Pylon: query keys that differ in case", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		s.Dial(t).Subscribe("news-a")
		s.Dial(t).Subscribe("other")
		signed := func(query string) string {
			path := "/apps/" + s.App.ID + "/channels"
			lower := "auth_key=" + s.App.Key + "&auth_timestamp=" + strconv.FormatInt(time.Now().Unix(), 10) + "&auth_version=1.0"
			signature := hubtest.Sign(s.App.Secret, "GET\n"+path+"\n"+lower+"&filter_by_prefix=news-&filter_by_prefix=other")
			return s.URL + path + "?" + lower + "&" + query + "&auth_signature=" + signature
		}
		if status := statusOf(t, s, signed("filter_by_prefix=news-&FILTER_BY_PREFIX=other")); status != http.StatusOK {
			t.Errorf("in the order that was signed: found %d", status)
		}
		if status := statusOf(t, s, signed("FILTER_BY_PREFIX=other&filter_by_prefix=news-")); status != http.StatusUnauthorized {
			t.Errorf("in another order, which would mean something else: found %d", status)
		}
	})

	t.Run("sockudo: X-Real-IP is believed", func(t *testing.T) {
		seen := make(addresses, 1)
		s := hubtest.NewServer(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{seen}})
		s.DialRaw(t, "/app/"+s.App.Key, "X-Real-IP: 6.6.6.6", "X-Forwarded-For: 6.6.6.6", "Forwarded: for=6.6.6.6", "CF-Connecting-IP: 6.6.6.6", "True-Client-IP: 6.6.6.6")
		if got := <-seen; got != "127.0.0.1" {
			t.Errorf("found client IP %s, expected that of the connection", got)
		}
	})

	t.Run("sockudo: statistics without authentication", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		for _, path := range []string{"/usage", "/stats", "/operator/stats", "/metrics", "/up", "/debug/pprof/", "/"} {
			if status := statusOf(t, s, s.URL+path); status != http.StatusNotFound {
				t.Errorf("%s: found %d, expected 404", path, status)
			}
		}
		for _, path := range []string{"/connections", "/channels", "/channels/news", "/channels/news/stats", "/channels/presence-a/users"} {
			if status := statusOf(t, s, s.URL+"/apps/"+s.App.ID+path); status != http.StatusUnauthorized {
				t.Errorf("%s: found %d, expected 401", path, status)
			}
		}
	})

	t.Run("Mercure: injection into the stream", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		c := s.Dial(t)
		c.Subscribe("news")
		for _, text := range []string{`"},{"event":"forged"`, "a\nb\r\nc", "\u2028\u2029", `\","user_id":"1`, "\x00\x7f", "</script><!--", "\\u0022"} {
			s.Publish("news", text, text)
			if f := c.Next(); f.Event != text || f.Text() != text || f.UserID != "" || f.Channel != "news" {
				t.Errorf("published %q: found %s", text, f.Raw)
			}
		}
	})
}

// addresses is a plugin that tells who connects.
type addresses chan string

func (addresses) Name() string { return "addresses" }

func (a addresses) OnConnect(_ context.Context, r *pusherhub.ConnectRequest) error {
	a <- r.ClientIP
	return nil
}

func statusOf(t *testing.T, s *hubtest.Server, target string) (status int) {
	t.Helper()
	res, err := s.Client.Get(target)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// Faults of configurations.
func TestPeersFaultsOfConfiguration(t *testing.T) {
	t.Run("Pylon, Centrifugo: blank secrets switch verification off", func(t *testing.T) {
		for _, config := range []pusherhub.AppConfig{
			{ID: "1", Key: "k"},
			{ID: "1", Key: "k", Secret: " \t"},
			{ID: "1", Secret: "s"},
			{ID: "1", Key: " ", Secret: "s"},
			{Key: "k", Secret: "s"},
			{ID: "1", Key: "k", Secret: "s", PreviousSecrets: []string{""}},
		} {
			if _, err := pusherhub.NewApp(config); err == nil {
				t.Errorf("%+v was taken", config)
			}
		}
	})

	t.Run("Pylon: duplicate keys", func(t *testing.T) {
		app := func(id, key string) *pusherhub.App {
			a, err := pusherhub.NewApp(pusherhub.AppConfig{ID: id, Key: key, Secret: "s"})
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		for _, apps := range [][]*pusherhub.App{{app("1", "a"), app("2", "a")}, {app("1", "a"), app("1", "b")}} {
			if _, err := pusherhub.NewSettings(pusherhub.Config{Apps: apps}); err == nil {
				t.Error("two apps with one key or id were taken")
			}
		}
	})

	t.Run("sockudo: demo credentials", func(t *testing.T) {
		if _, err := pusherhub.NewSettings(pusherhub.Config{}); err == nil {
			t.Error("a hub without an app was taken")
		}
	})

	t.Run("Centrifugo: a check that is off takes others with it", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{TimestampTolerance: -1, AcceptClientEventsFrom: "all"})
		old := url.Values{"auth_timestamp": {"1577836800"}}
		if status, answer, _ := s.Do(http.MethodGet, "/channels", "", old); status != http.StatusOK {
			t.Errorf("timestamp_tolerance off: found %d %s", status, answer)
		}
		target := s.SignedURL(http.MethodGet, "/apps/"+s.App.ID+"/channels", "", old)
		if status := statusOf(t, s, target+"0"); status != http.StatusUnauthorized {
			t.Errorf("a bad signature: found %d", status)
		}
		c := s.Dial(t)
		c.Send(hubtest.SubscribeFrame("private-a", fmt.Sprintf("%s:%064d", s.App.Key, 0), ""))
		c.Expect("pusher:subscription_error")
	})
}
