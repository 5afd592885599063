package redisbroker

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
)

// startOld runs what answers as Redis 5 does to somebody who says HELLO: it repeats what it was told, with the password.
func startOld(t testing.TB) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", freePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				lines := bufio.NewScanner(conn)
				for lines.Scan() {
					if !strings.HasPrefix(lines.Text(), "*") {
						continue
					}
					if lines.Scan(); !lines.Scan() { // the length, then the command
						return
					}
					if lines.Text() == "HELLO" {
						_, _ = fmt.Fprintf(conn, "-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, `%s`, \r\n", password)
					} else {
						_, _ = fmt.Fprint(conn, "+OK\r\n")
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}
