package egress

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// allowed is a list of hosts and addresses, ready to be compared with.
type allowed struct {
	names  []string // whole hosts, in lower case
	below  []string // ends of hosts, with the dot: .railway.internal
	v4, v6 []netip.Prefix
}

// hostName is what can stand for a host in the list.
var hostName = regexp.MustCompile(`^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)

// digitsOnly is what looks like an address and is none, such as 10.0.0.
var digitsOnly = regexp.MustCompile(`^[0-9.]+$`)

func parseAllowed(list []string) (a allowed, err error) {
	for _, text := range list {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			var ip netip.Addr
			if ip, err = netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
				ip = ip.Unmap().WithZone("")
				prefix = netip.PrefixFrom(ip, ip.BitLen())
			}
		}
		name := canonical(text)
		switch {
		case err == nil && prefix.Addr().Is4():
			a.v4 = append(a.v4, prefix)
		case err == nil:
			a.v6 = append(a.v6, prefix)
		case digitsOnly.MatchString(text) || !hostName.MatchString(name):
			return a, fmt.Errorf("found %q, expected a host such as hooks.internal or *.internal, an address such as 10.0.0.5, or a network such as 10.0.0.0/8", text)
		case strings.HasPrefix(name, "*."):
			a.below = append(a.below, name[1:])
		default:
			a.names = append(a.names, name)
		}
	}
	return a, nil
}

// host reports whether the host of a URL is in the list, whatever its address.
func (a allowed) host(host string) bool {
	host = canonical(host)
	return slices.Contains(a.names, host) ||
		slices.ContainsFunc(a.below, func(end string) bool { return len(host) > len(end) && strings.HasSuffix(host, end) })
}

// canonical returns a host in the form in which hosts are compared (RFC 4343; a last dot only says that the name is complete).
func canonical(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }
