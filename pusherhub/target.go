package pusherhub

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Target says which sockets of an app are meant: one socket, all of a user, or all of a client address. Exactly one field is set.
type Target struct {
	// SocketID is one socket.
	SocketID string

	// UserID is a user: the sockets that are signed in as this user and, if the app has terminate_by_presence, those that
	// are on a presence channel as this user.
	UserID string

	// IP is a client address, or a range of them such as 192.0.2.0/24.
	IP string
}

// check refuses a target that is none or more than one thing.
func (t Target) check() error {
	var set []string
	for _, field := range []struct{ name, value string }{{"socket_id", t.SocketID}, {"user", t.UserID}, {"ip", t.IP}} {
		if field.value != "" {
			set = append(set, field.name)
		}
	}
	switch {
	case len(set) == 0:
		return badRequest("found none of socket_id, user and ip, expected one of them")
	case len(set) > 1:
		return badRequest("found %s, expected only one of them", strings.Join(set, " and "))
	case t.SocketID != "" && !validSocketID(t.SocketID):
		return badRequest("socket_id: found %q, expected two numbers joined by a dot", t.SocketID)
	case t.IP != "":
		_, err := parseIPs(t.IP)
		return err
	}
	return nil
}

// parseIPs reads an address or a range of addresses.
func parseIPs(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		if p, err := netip.ParsePrefix(text); err == nil {
			return p.Masked(), nil
		}
	} else if ip, ok := parseIP(text); ok {
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	return netip.Prefix{}, badRequest("ip: found %q, expected an address such as 192.0.2.7 or 2001:db8::7, or a range such as 192.0.2.0/24", text)
}

// parseIP reads an address as it is compared: an IPv4 address inside of an IPv6 one is the IPv4 address, and zones do not count.
func parseIP(text string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(text)
	return ip.Unmap().WithZone(""), err == nil
}

// from reports whether the client's address is one of these.
func (c *conn) from(ips netip.Prefix) bool {
	ip, ok := parseIP(c.clientIP)
	return ok && ips.Contains(ip)
}

// sockets returns the target's sockets on this node.
func (s *appState) sockets(t Target) (list []*conn) {
	switch {
	case t.SocketID != "":
		if c := s.conns.find(t.SocketID); c != nil {
			list = append(list, c)
		}
	case t.UserID != "":
		list = s.socketsOf(t.UserID, isOn(s.app.Load().cfg.TerminateByPresence))
	case t.IP != "":
		ips, err := parseIPs(t.IP)
		if err != nil {
			return nil // of a later version
		}
		s.conns.each(func(c *conn) {
			if c.from(ips) {
				list = append(list, c)
			}
		})
	}
	return list
}

// socketsOf returns the sockets that are signed in as a user and, with byPresence, those that are on a presence channel
// as that user.
func (s *appState) socketsOf(userID string, byPresence bool) []*conn {
	list := s.users.connsOf(userID)
	if !byPresence {
		return list
	}
	known := make(map[*conn]bool, len(list))
	for _, c := range list {
		known[c] = true
	}
	s.eachChannel(func(ch *channel) {
		for _, c := range ch.socketsOf(userID) {
			if !known[c] {
				known[c] = true
				list = append(list, c)
			}
		}
	})
	return list
}

// socketsOf returns the sockets that are on a presence channel as a user.
func (ch *channel) socketsOf(userID string) (list []*conn) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.members == nil {
		return nil
	}
	if u := ch.members.byID[userID]; u != nil {
		for _, s := range u.seats {
			list = append(list, s.conn)
		}
	}
	return list
}

// RequestError is how the hub refuses what [Hub.Publish] and its like are asked for, in the words and with the status of the HTTP API.
type RequestError struct {
	// Status is one of HTTP's: 400 and above.
	Status int

	// Reason is a short sentence that names what was found and what was expected.
	Reason string

	// RetryAfter is when it is worth to try again. Zero: not known, or never.
	RetryAfter time.Duration
}

// Error returns the reason.
func (e *RequestError) Error() string { return e.Reason }

func badRequest(format string, args ...any) *RequestError {
	return &RequestError{Status: http.StatusBadRequest, Reason: fmt.Sprintf(format, args...)}
}
