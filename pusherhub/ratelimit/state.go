package ratelimit

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// state is what is counted of one app. It outlives settings.
type state struct {
	rules atomic.Pointer[rules]

	sockets table[string]
	users   table[string]
	ips     table[address]
	app     table[struct{}]

	counted idSet // the sockets whose connection is counted
	refused [scopes][things]atomic.Uint64
}

func newState() *state {
	s := new(state)
	s.users.limit(maxKeys)
	s.ips.limit(maxKeys)
	return s
}

// who is whom something is counted for. What is empty is not known.
type who struct{ socket, user, ip string }

// address is an IP address as a key.
type address [16]byte

// addressOf reads an IP address: an IPv4 address in either form, or the first 64 bits of an IPv6 address.
func addressOf(text string) (address, bool) {
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return address{}, false
	}
	key := address(ip.As16())
	if !ip.Unmap().Is4() {
		clear(key[8:])
	}
	return key, true
}

// allow takes demands out of every scope that limits them, or says what there is too little of.
func (s *state) allow(w who, demands ...demand) error {
	var asked set
	for _, d := range demands {
		asked |= setOf(d.thing)
	}
	r := s.rules.Load()
	if r.things&asked == 0 {
		return nil
	}
	now := time.Now()
	for sc := range scopes {
		rules := &r.scopes[sc]
		if rules.things&asked == 0 {
			continue
		}
		var lack thing
		var wait time.Duration
		ok := true
		switch {
		case sc == perSocket && w.socket != "":
			lack, wait, ok = s.sockets.take(w.socket, rules, now, demands...)
		case sc == perUser && w.user != "":
			lack, wait, ok = s.users.take(w.user, rules, now, demands...)
		case sc == perIP:
			if ip, known := addressOf(w.ip); known {
				lack, wait, ok = s.ips.take(ip, rules, now, demands...)
			}
		case sc == perApp:
			lack, wait, ok = s.app.take(struct{}{}, rules, now, demands...)
		}
		if !ok {
			return s.refuse(r, sc, lack, wait)
		}
	}
	return nil
}

func (s *state) refuse(r *rules, sc scope, lack thing, wait time.Duration) error {
	s.refused[sc][lack].Add(1)
	return &pusherhub.LimitError{Reason: r.scopes[sc].rates[lack].reason, RetryAfter: wait}
}

// connect counts a socket if there is room for it.
func (s *state) connect(c *pusherhub.ConnectRequest) error {
	r := s.rules.Load()
	if r.things&setOf(connections) == 0 {
		return nil
	}
	now := time.Now()
	ip, known := addressOf(c.ClientIP)
	if known && !s.ips.connect(ip, &r.scopes[perIP], now) {
		return s.refuse(r, perIP, connections, 0)
	}
	if !s.app.connect(struct{}{}, &r.scopes[perApp], now) {
		if known {
			s.ips.disconnect(ip)
		}
		return s.refuse(r, perApp, connections, 0)
	}
	s.counted.add(c.SocketID)
	return nil
}

// disconnect forgets a socket.
func (s *state) disconnect(c *pusherhub.ConnectRequest) {
	s.sockets.forget(c.SocketID)
	if !s.counted.remove(c.SocketID) {
		return // it came when there was no limit
	}
	if ip, known := addressOf(c.ClientIP); known {
		s.ips.disconnect(ip)
	}
	s.app.disconnect(struct{}{})
}

// measures appends the app's figures: refusals of each limit that there is, or that refused something before it was lifted.
func (s *state) measures(list []pusherhub.Measure, app string) []pusherhub.Measure {
	r := s.rules.Load()
	for sc := range scopes {
		for t := range things {
			n := s.refused[sc][t].Load()
			if n == 0 && r.scopes[sc].things&setOf(t) == 0 {
				continue
			}
			list = append(list, pusherhub.Measure{
				Name: sc.String() + "_" + t.String() + "_refused_total", Help: "Refusals by the limit " + sc.String() + " " + t.String() + ".",
				Counter: true, App: app, Value: float64(n),
			})
		}
	}
	return append(list, pusherhub.Measure{
		Name: "keys", Help: "Sockets, users and IP addresses that something is counted of at the moment.",
		App: app, Value: float64(s.sockets.len() + s.users.len() + s.ips.len()),
	})
}
