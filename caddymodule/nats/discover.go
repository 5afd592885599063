package nats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
)

// resolver is what a [net.Resolver] does.
type resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// peers knows where the other nodes are: at addresses of the config, and where DNS says. One goroutine uses it.
type peers struct {
	resolver resolver
	fixed    []string // host:port
	names    []string // host:port
	own      netip.AddrPort

	found map[string][]netip.AddrPort // by name: what DNS said last, and what is connected though DNS does not say it any more
}

// newPeers returns the peers of a server that listens at own.
func newPeers(e *Embed, own netip.AddrPort, r resolver) *peers {
	p := &peers{resolver: r, own: own, found: make(map[string][]netip.AddrPort)}
	port := strconv.Itoa(int(own.Port())) // nodes are alike
	for _, address := range e.Routes {
		p.fixed = append(p.fixed, net.JoinHostPort(splitAddress(address, port)))
	}
	for _, name := range e.Discover {
		p.names = append(p.names, net.JoinHostPort(splitAddress(name, port)))
	}
	return p
}

// lookup asks DNS. What a name had stays if the answer is an error or empty, and an address to which there is a connection stays:
// a DNS server in trouble, or a node that does not take new clients, does not break what works.
func (p *peers) lookup(ctx context.Context, connected func(netip.Addr) bool) error {
	var errs []error
	for _, name := range p.names {
		host, portText, _ := net.SplitHostPort(name)
		port, _ := strconv.ParseUint(portText, 10, 16) // validated
		addresses, err := p.resolver.LookupNetIP(ctx, "ip", host)
		if err == nil && len(addresses) == 0 {
			err = errors.New("it has no address")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("discover %s: %w", host, err))
			continue
		}
		var found []netip.AddrPort
		for _, a := range addresses {
			found = append(found, netip.AddrPortFrom(a.Unmap(), uint16(port)))
		}
		for _, before := range p.found[name] {
			if !slices.Contains(found, before) && connected(before.Addr()) {
				found = append(found, before)
			}
		}
		p.found[name] = found
	}
	return errors.Join(errs...)
}

// routes returns the addresses to connect to, sorted, without this node's own as far as it knows them.
func (p *peers) routes() []string {
	list := slices.Clone(p.fixed)
	own := p.ownAddresses()
	for _, found := range p.found {
		for _, a := range found {
			if a.Port() != p.own.Port() || !slices.Contains(own, a.Addr()) {
				list = append(list, a.String())
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// ownAddresses returns the addresses at which the server listens.
func (p *peers) ownAddresses() []netip.Addr {
	if !p.own.Addr().IsUnspecified() {
		return []netip.Addr{p.own.Addr()}
	}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil // the server finds out when it connects to itself
	}
	var own []netip.Addr
	for _, a := range interfaces {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, prefix.Addr().Unmap())
		}
	}
	return own
}

// routeURLs makes of addresses what the server wants.
func routeURLs(addresses []string) []*url.URL {
	urls := make([]*url.URL, len(addresses))
	for i, a := range addresses {
		urls[i] = &url.URL{Scheme: "nats-route", Host: a}
	}
	return urls
}
