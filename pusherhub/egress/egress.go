// Package egress makes HTTP requests to URLs that somebody else may have chosen (webhooks, app sources) without
// lending that person our place in the network: by default no private, loopback, link-local or otherwise special
// address is connected to (server-side request forgery), whatever a name resolves to at that moment.
package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// ErrNotPublic is what a request fails with if its target is an address that the internet does not route to
// anybody in particular, and is not allowed either. Test with [errors.Is].
var ErrNotPublic = errors.New("it is not a public address, and neither it nor the host is among allow_private")

const (
	// dialTimeout bounds one connection attempt; the request's context may end it earlier.
	dialTimeout = 10 * time.Second

	// idleTimeout is how long a connection is kept for the next request. Most servers keep theirs for 60 s or longer.
	idleTimeout = 50 * time.Second

	// idlePerHost leaves room for several apps that call the same host.
	idlePerHost = 8
)

// NewTransport returns a transport that connects to public addresses only, and to what allow lists:
//
//   - hosts, as they stand in the URL: hooks.internal, localhost, or *.railway.internal for every name below railway.internal;
//   - addresses: 10.0.0.5, fd12::5;
//   - networks: 10.0.0.0/8.
//
// The address is checked when the connection is made, after DNS, so that a name which resolves to another address from
// one moment to the next gains nothing. A NAT64 address (64:ff9b::/96) counts as the IPv4 address in it; 6to4, Teredo and the rest of
// what IANA's registries of special addresses list is refused. Certificates are verified. No proxy of the environment is used: the proxy
// would connect for us, and check nothing. The error names what in allow is malformed.
//
// A transport does not follow redirects, an [http.Client] does: see [KeepRedirect].
func NewTransport(allow []string) (*http.Transport, error) {
	d, err := newDialer(allow)
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		DialContext:         d.dial,
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: dialTimeout,
		IdleConnTimeout:     idleTimeout,
		MaxIdleConnsPerHost: idlePerHost,
	}, nil
}

// KeepRedirect is an [http.Client.CheckRedirect] with which a redirect is an answer like any other: a signed body goes to
// the URL that was configured and nowhere else.
func KeepRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// dialer connects to what may be connected to. Immutable.
type dialer struct {
	allowed allowed
	guard   *ssrf.Guardian
}

func newDialer(allow []string) (d dialer, err error) {
	if d.allowed, err = parseAllowed(allow); err != nil {
		return d, err
	}
	d.guard = ssrf.New(
		ssrf.WithAnyPort(),
		ssrf.WithAllowedV4Prefixes(d.allowed.v4...),
		ssrf.WithAllowedV6Prefixes(d.allowed.v6...),
	)
	return d, nil
}

// dial connects to the host and port of a URL.
func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("dialing %q: %w", address, err)
	}
	nd := net.Dialer{Timeout: dialTimeout}
	if !d.allowed.host(host) {
		nd.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			return d.check(host, address)
		}
	}
	return nd.DialContext(ctx, network, address)
}

// check refuses an address that host resolved to.
func (d dialer) check(host, address string) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("checking the address of %s: %w", host, err)
	}
	ip := target.Addr().WithZone("")
	if d.guard.SafeAddr(ip) == nil || d.guard.SafeAddr(reached(ip)) == nil {
		return nil
	}
	if ip.String() == host {
		return fmt.Errorf("refusing to connect to %s: %w", host, ErrNotPublic)
	}
	return fmt.Errorf("refusing to connect to %s at %s: %w", host, ip, ErrNotPublic)
}

// reached returns the address at which a packet to ip arrives.
func reached(ip netip.Addr) netip.Addr {
	ip = ip.Unmap()
	if ssrf.IPv6NAT64Prefix.Contains(ip) { // RFC 6052: the IPv4 address is the end of it
		b := ip.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return ip
}
