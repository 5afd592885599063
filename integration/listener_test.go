package integration

import (
	"bufio"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
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

// listening returns the addresses at which the kernel listens on a port.
func listening(t *testing.T, port int) (addresses []string) {
	t.Helper()
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if errors.Is(err, os.ErrNotExist) {
			continue // a machine without IPv6
		}
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.Fields(lines.Text()) // "0: 0100007F:1771 00000000:0000 0A ...", 0A being LISTEN
			if len(fields) < 4 || fields[3] != "0A" {
				continue
			}
			address, found, _ := strings.Cut(fields[1], ":")
			if n, err := strconv.ParseInt(found, 16, 32); err != nil || int(n) != port {
				continue
			}
			addresses = append(addresses, kernelAddress(t, address))
		}
	}
	return addresses
}

// kernelAddress decodes an address of /proc/net/tcp: 32-bit words, the bytes of each turned around.
func kernelAddress(t *testing.T, text string) string {
	t.Helper()
	address, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	for word := range slices.Chunk(address, 4) {
		slices.Reverse(word)
	}
	return net.IP(address).String()
}
