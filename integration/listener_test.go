package integration

import (
	"errors"
	"net"
	"slices"
	"strconv"
	"syscall"
	"testing"
)

// The listener for publishing carries no TLS and is for PHP alone: nobody else may reach it.
func TestPublishListenerIsClosedOnOtherInterfaces(t *testing.T) {
	s := startServer(t, publicSite+apiSite)
	s.api().Publish("news", "headline", "{}") // it is open where it should be

	for _, address := range otherAddresses(t) {
		public, err := net.Dial("tcp", net.JoinHostPort(address, strconv.Itoa(s.port)))
		if err != nil {
			t.Errorf("%s: the public site cannot be reached there, so this proves nothing: %v", address, err)
			continue
		}
		_ = public.Close()
		if api, err := net.Dial("tcp", net.JoinHostPort(address, strconv.Itoa(s.apiPort))); err == nil {
			_ = api.Close()
			t.Errorf("%s: the publish listener is open there", address)
		} else if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: found %v, expected a refused connection", address, err)
		}
	}

	if found := listening(t, s.apiPort); !slices.Equal(found, []string{"127.0.0.1"}) {
		t.Errorf("the kernel says that the publish listener is bound to %v, expected 127.0.0.1 only", found)
	}
	if found := listening(t, s.port); len(found) != 1 || !net.ParseIP(found[0]).IsUnspecified() {
		t.Errorf("the kernel says that the public site is bound to %v, expected every interface", found)
	}
}

// otherAddresses are this machine's addresses but 127.0.0.1. 127.0.0.2 is one everywhere on Linux, so the
// list is never empty.
func otherAddresses(t *testing.T) []string {
	t.Helper()
	addresses := []string{"127.0.0.2"}
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		network, ok := a.(*net.IPNet)
		if ok && !network.IP.IsLinkLocalUnicast() && network.IP.String() != "127.0.0.1" {
			addresses = append(addresses, network.IP.String())
		}
	}
	return addresses
}
