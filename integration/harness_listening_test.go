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
	"testing"
)

// listening returns the addresses at which the kernel listens on a port: one of them twice while two configs serve it.
func listening(t testing.TB, port int) (addresses []string) {
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
func kernelAddress(t testing.TB, text string) string {
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
