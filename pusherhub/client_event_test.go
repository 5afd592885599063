package pusherhub_test

import (
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// whisper is the text of a client event. rest is put behind the channel, such as `,"data":1`.
func whisper(channel, rest string) string {
	return `{"event":"client-x","channel":"` + channel + `"` + rest + `}`
}

// pair returns two sockets on the channel private-x.
func pair(t *testing.T, config pusherhub.AppConfig) (s *hubtest.Server, a, b *hubtest.Client) {
	t.Helper()
	s = hubtest.NewServer(t, config)
	a, b = s.Dial(t), s.Dial(t)
	joinPrivate(s, a, "private-x")
	joinPrivate(s, b, "private-x")
	return s, a, b
}

func TestClientEvents(t *testing.T) {
	t.Run("T28 not echoed", func(t *testing.T) {
		s, a, b := pair(t, pusherhub.AppConfig{})
		third := s.Dial(t)
		joinPrivate(s, third, "private-x")
		a.Send(whisper("private-x", `,"data":"hi"`))
		for _, c := range []*hubtest.Client{b, third} {
			c.ExpectRaw(`{"event":"client-x","channel":"private-x","data":"hi"}`)
			c.ExpectQuiet()
		}
		a.ExpectQuiet()
	})
	t.Run("T28 in the order in which they were sent", func(t *testing.T) {
		_, a, b := pair(t, pusherhub.AppConfig{})
		for _, digit := range "0123456789" {
			a.Send(whisper("private-x", `,"data":"`+string(digit)+`"`))
		}
		for _, digit := range "0123456789" {
			b.ExpectRaw(`{"event":"client-x","channel":"private-x","data":"` + string(digit) + `"}`)
		}
	})
	t.Run("T29 user_id only on presence, string, unforgeable, row 21", func(t *testing.T) {
		s, a, b := pair(t, pusherhub.AppConfig{})
		const forged = `,"data":"d","user_id":"spoofed","extra":{"socket_id":"1.1"}`
		a.Send(whisper("private-x", forged))
		b.ExpectRaw(`{"event":"client-x","channel":"private-x","data":"d"}`)
		join(s, a, `{"user_id":10}`)
		a.Next()
		join(s, b, `{"user_id":"11"}`)
		b.Next()
		a.Next()
		a.Send(whisper("presence-room", forged))
		b.ExpectRaw(`{"event":"client-x","channel":"presence-room","data":"d","user_id":"10"}`)
		s.Signin(t, a, `{"id":"99"}`) // who is signed in is another matter
		a.Send(whisper("private-x", forged))
		b.ExpectRaw(`{"event":"client-x","channel":"private-x","data":"d"}`)
		a.Send(whisper("presence-room", forged))
		b.ExpectRaw(`{"event":"client-x","channel":"presence-room","data":"d","user_id":"10"}`)
	})
	for _, v := range pusherhub.Vectors(t, "event_names") {
		if v.Source == "http" {
			continue // those that servers publish are in the tests of the API
		}
		t.Run("only client- at the start is forwarded: "+v.ID, func(t *testing.T) {
			_, a, b := pair(t, pusherhub.AppConfig{})
			a.Send(`{"event":"` + v.Name + `","channel":"private-x","data":"d"}`)
			if v.Valid {
				b.ExpectRaw(`{"event":"` + v.Name + `","channel":"private-x","data":"d"}`)
				return
			}
			if strings.HasPrefix(v.Name, "pusher:") {
				a.ExpectError(4200)
			}
			a.ExpectQuiet()
			b.ExpectQuiet()
		})
	}
	t.Run("names of 200 bytes and of 201, and no channel", func(t *testing.T) {
		_, a, b := pair(t, pusherhub.AppConfig{})
		long := "client-" + strings.Repeat("x", 193)
		a.Send(`{"event":"` + long + `","channel":"private-x","data":"d"}`)
		b.ExpectRaw(`{"event":"` + long + `","channel":"private-x","data":"d"}`)
		a.Send(`{"event":"` + long + `x","channel":"private-x","data":"d"}`)
		a.ExpectError(4200)
		a.Send(`{"event":"client-x","data":"d"}`)
		a.ExpectError(4200)
		b.ExpectQuiet()
	})
}

func TestClientEventData(t *testing.T) {
	for _, form := range []string{"", "string", "verbatim"} {
		_, a, b := pair(t, pusherhub.AppConfig{ClientEventData: form})
		for _, o := range []struct{ name, in, asString, verbatim string }{
			{"object", `{"a": 1, "b":"\u00e9<"}`, `"{\"a\": 1, \"b\":\"\\u00e9<\"}"`, `{"a": 1, "b":"\u00e9<"}`},
			{"empty object", `{}`, `"{}"`, `{}`},
			{"array", `[1,[2]]`, `"[1,[2]]"`, `[1,[2]]`},
			{"string", `"plain"`, `"plain"`, `"plain"`},
			{"string that holds JSON", `"{\"a\":1}"`, `"{\"a\":1}"`, `"{\"a\":1}"`},
			{"string with escapes", `"\u00e9\/\n"`, `"\u00e9\/\n"`, `"\u00e9\/\n"`},
			{"empty string", `""`, `""`, `""`},
			{"number", `12345678901234567890.10`, `"12345678901234567890.10"`, `12345678901234567890.10`},
			{"zero", `0`, `"0"`, `0`},
			{"true", `true`, `"true"`, `true`},
			{"false", `false`, `"false"`, `false`},
			{"null", `null`, `null`, `null`},
			{"missing", ``, `null`, `null`},
		} {
			t.Run("T30 "+o.name+" with client_event_data "+form+", row 22", func(t *testing.T) {
				rest, want := "", o.asString
				if o.in != "" {
					rest = `,"data":` + o.in
				}
				if form == "verbatim" {
					want = o.verbatim
				}
				a.Send(whisper("private-x", rest))
				b.ExpectRaw(`{"event":"client-x","channel":"private-x","data":` + want + `}`)
			})
		}
	}
}

// clientEventCase says what a client event is answered with: an error's text, or nothing if it arrives.
type clientEventCase struct {
	name, channel string
	subscribed    bool
	text          string
	code          int
}

func (o clientEventCase) run(t *testing.T, config pusherhub.AppConfig) {
	s := hubtest.NewServer(t, config)
	a, b := s.Dial(t), s.Dial(t)
	join := func(c *hubtest.Client, user string) {
		data := ""
		if strings.HasPrefix(o.channel, "presence-") {
			data = `{"user_id":"` + user + `"}`
		}
		c.SubscribeWith(o.channel, s.Auth(c, o.channel, data), data)
	}
	join(b, "b")
	if o.subscribed {
		join(a, "a")
		a.Send(`{"event":"pusher:ping"}`)
		for a.Next().Event != "pusher:pong" { // past cache_miss
		}
	}
	b.Send(`{"event":"pusher:ping"}`)
	for b.Next().Event != "pusher:pong" {
	}
	a.Send(whisper(o.channel, `,"data":"d"`))
	if o.text == "" {
		for f := b.Next(); f.Event != "client-x"; f = b.Next() {
			if f.Event != "pusher_internal:member_added" {
				t.Fatalf("found %s, expected client-x", f.Raw)
			}
		}
		a.ExpectQuiet()
		return
	}
	f := a.Expect("pusher:error")
	data := string(f.Data)
	if config.Compat != "pusher" {
		data = f.Text()
	}
	code := "null"
	if o.code != 0 {
		code = "4009"
		if o.code == 4301 {
			code = "4301"
		}
	}
	if want := `{"code":` + code + `,"message":"` + o.text + `"}`; data != want {
		t.Errorf("found %s, expected data %s", f.Raw, want)
	}
	a.ExpectQuiet()
	s.Publish(o.channel, "marker", "")
	for f := b.Next(); f.Event != "marker"; f = b.Next() {
		if f.Event == "client-x" {
			t.Errorf("%s was delivered", f.Raw)
		}
	}
}

func TestWhoMaySendClientEvents(t *testing.T) {
	const (
		notMember = "The client is not a member of the specified channel."
		off       = "The app does not have client messaging enabled."
		notHere   = "Client events are not allowed on this channel."
		onPublic  = "Client event rejected - only supported on private and presence channels"
	)
	for _, o := range []struct {
		config pusherhub.AppConfig
		cases  []clientEventCase
	}{
		{pusherhub.AppConfig{}, []clientEventCase{
			{"T31 non-member refused", "private-x", false, notMember, 4009},
			{"T31 non-member refused", "presence-x", false, notMember, 4009},
			{"T31 non-member refused", "news", false, notMember, 4009},
			{"T32 mode members", "private-x", true, "", 0},
			{"T32 mode members", "presence-x", true, "", 0},
			{"T32 mode members", "private-cache-x", true, "", 0},
			{"T32 mode members", "presence-cache-x", true, "", 0},
			{"T32 mode members, row 19", "news", true, "", 0},
			{"T33 encrypted refused", "private-encrypted-x", true, notHere, 4009},
			{"T33 encrypted refused", "private-encrypted-cache-x", true, notHere, 4009},
		}},
		{pusherhub.AppConfig{ClientEventsOnPublic: new(false)}, []clientEventCase{
			{"option client_events_on_public off", "news", true, onPublic, 4009},
			{"option client_events_on_public off", "private-x", true, "", 0},
		}},
		{pusherhub.AppConfig{AcceptClientEventsFrom: "all"}, []clientEventCase{
			{"T32 mode all", "private-x", false, "", 0},
			{"T32 mode all", "news", false, "", 0},
			{"T32 mode all", "news", true, "", 0},
			{"T33 encrypted refused in mode all", "private-encrypted-x", false, notHere, 4009},
		}},
		{pusherhub.AppConfig{AcceptClientEventsFrom: "none"}, []clientEventCase{
			{"T32 mode none", "private-x", true, off, 4301},
			{"T32 mode none", "news", false, off, 4301},
		}},
		{pusherhub.AppConfig{Compat: "pusher"}, []clientEventCase{
			{"T31 non-member refused in profile pusher", "private-x", false, "Cannot broadcast client event (connection not subscribed to channel private-x)", 0},
			{"T32 mode members in profile pusher", "private-x", true, "", 0},
			{"T32 public in profile pusher, row 19", "news", true, onPublic, 0},
			{"T33 encrypted refused in profile pusher", "private-encrypted-x", true, notHere, 0},
		}},
		{pusherhub.AppConfig{Compat: "pusher", ClientEventsOnPublic: new(true), AcceptClientEventsFrom: "none"}, []clientEventCase{
			{"T32 mode none in profile pusher", "news", true, off, 4301},
		}},
	} {
		for _, c := range o.cases {
			t.Run(c.name+" on "+c.channel, func(t *testing.T) { c.run(t, o.config) })
		}
	}
	t.Run("T32 mode all: who is not on a presence channel has no user_id", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{AcceptClientEventsFrom: "all"})
		b := s.Join(t, "presence-room", `{"user_id":"11"}`)
		a := s.Dial(t)
		a.Send(whisper("presence-room", `,"data":"d","user_id":"11"`))
		b.ExpectRaw(`{"event":"client-x","channel":"presence-room","data":"d"}`)
	})
	t.Run("T33 user channels refused", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{AcceptClientEventsFrom: "all"})
		a := s.Dial(t)
		s.Signin(t, a, `{"id":"7"}`)
		a.Subscribe("#server-to-user-7")
		a.Send(whisper("#server-to-user-7", ``))
		if text := a.ExpectError(4009); text != notHere {
			t.Errorf("found %q", text)
		}
	})
}

func TestClientEventNotCached(t *testing.T) {
	t.Run("T34 not cached, row 18", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		a := s.Dial(t)
		joinPrivate(s, a, "private-cache-x")
		a.Expect("pusher:cache_miss")
		s.Publish("private-cache-x", "published", "p")
		a.Expect("published")
		a.Send(whisper("private-cache-x", `,"data":"w"`))
		a.ExpectQuiet()
		b := s.Dial(t)
		joinPrivate(s, b, "private-cache-x")
		b.ExpectRaw(`{"event":"published","channel":"private-cache-x","data":"p"}`)
		b.ExpectQuiet()
	})
}

func TestClientEventLimits(t *testing.T) {
	for _, o := range []struct {
		name   string
		config pusherhub.AppConfig
		frame  string
	}{
		{"profile reverb", pusherhub.AppConfig{MaxClientEventsPerSecond: 10}, `{"event":"pusher:error","data":"{\"code\":4301,\"message\":\"Rate limit exceeded\"}"}`},
		{"profile pusher, 10 by default", pusherhub.AppConfig{Compat: "pusher"}, `{"event":"pusher:error","channel":"private-x","data":{"code":4301,"message":"Rate limit exceeded"}}`},
	} {
		t.Run("T35 rate limit 4301 without close: "+o.name, bubble(func(t *testing.T) {
			s := hubtest.NewPipeServer(t, o.config)
			a, b := s.Dial(t), s.Dial(t)
			joinPrivate(s, a, "private-x")
			joinPrivate(s, b, "private-x")
			for range 3 { // seconds
				for range 10 {
					a.Send(whisper("private-x", ``))
					b.Expect("client-x")
				}
				a.Send(whisper("private-x", ``))
				a.ExpectRaw(o.frame)
				b.ExpectQuiet()
				later(time.Second)
			}
			a.ExpectQuiet()
		}))
	}
	t.Run("T35 unlimited in profile reverb", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		a, b := s.Dial(t), s.Dial(t)
		joinPrivate(s, a, "private-x")
		joinPrivate(s, b, "private-x")
		for range 200 {
			a.Send(whisper("private-x", ``))
			b.Expect("client-x")
		}
		a.ExpectQuiet()
	}))
	for _, o := range []struct {
		name, data string
		fits       bool
	}{
		{"text of 10240 bytes", `"` + strings.Repeat("é", 5120) + `"`, true},
		{"text of 10240 bytes, escaped", `"` + strings.Repeat(`\n`, 10240) + `"`, true},
		{"text of 10241 bytes", `"` + strings.Repeat("x", 10241) + `"`, false},
		{"object of 10240 bytes", `{"x":"` + strings.Repeat("x", 10240-8) + `"}`, true},
		{"object of 10241 bytes", `{"x":"` + strings.Repeat("x", 10241-8) + `"}`, false},
	} {
		t.Run("option max_event_data counts decoded bytes: "+o.name, func(t *testing.T) {
			_, a, b := pair(t, pusherhub.AppConfig{Compat: "pusher"})
			a.Send(whisper("private-x", `,"data":`+o.data))
			if o.fits {
				b.Expect("client-x")
				return
			}
			if text := a.ExpectError(4301); text != "The event data exceeds the allowed maximum of 10240 bytes." {
				t.Errorf("found %q", text)
			}
			b.ExpectQuiet()
		})
	}
}
