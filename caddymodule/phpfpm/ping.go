package phpfpm

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// The record types of FastCGI that a ping meets.
const (
	beginRequest = 1
	endRequest   = 3
	params       = 4
	stdin        = 5
	stdout       = 6
)

// ping asks php-fpm for its ping page: one FastCGI request, without a body. Caddy's own client is
// not exported, and this is all that is needed of one.
func ping(ctx context.Context, socket, path string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Second)
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := conn.Write(pingRequest(path)); err != nil {
		return err
	}
	answer, err := readAnswer(conn)
	if err != nil {
		return fmt.Errorf("reading the answer to a ping: %w", err)
	}
	if !bytes.HasSuffix(answer, []byte("pong")) {
		return fmt.Errorf("found %q, expected pong", answer)
	}
	return nil
}

// pingRequest returns the records of a GET.
func pingRequest(path string) []byte {
	var pairs []byte
	for _, pair := range [][2]string{{"SERVER_PROTOCOL", "HTTP/1.1"}, {"REQUEST_METHOD", "GET"}, {"SCRIPT_NAME", path}, {"SCRIPT_FILENAME", path}} {
		pairs = append(pairs, byte(len(pair[0])), byte(len(pair[1]))) // lengths below 128 take one byte
		pairs = append(pairs, pair[0]...)
		pairs = append(pairs, pair[1]...)
	}
	const responder = 1
	request := record(nil, beginRequest, []byte{0, responder, 0, 0, 0, 0, 0, 0})
	request = record(request, params, pairs)
	request = record(request, params, nil)
	return record(request, stdin, nil)
}

// record appends a record of request 1.
func record(to []byte, kind byte, content []byte) []byte {
	to = append(to, 1, kind, 0, 1, byte(len(content)>>8), byte(len(content)), 0, 0)
	return append(to, content...)
}

// readAnswer returns what came on stdout until the request ended.
func readAnswer(r io.Reader) (answer []byte, err error) {
	var header [8]byte
	for {
		if _, err := io.ReadFull(r, header[:]); err != nil {
			return nil, err
		}
		content := make([]byte, int(binary.BigEndian.Uint16(header[4:]))+int(header[6]))
		if _, err := io.ReadFull(r, content); err != nil {
			return nil, err
		}
		switch header[1] {
		case stdout:
			answer = append(answer, content[:len(content)-int(header[6])]...)
		case endRequest:
			return answer, nil
		}
	}
}
