//go:build linux

package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"strconv"
	"time"
)

// apiConn is a connection to the HTTP API. It does by hand what it must, because the client shares the machine with the server.
type apiConn struct {
	nc   net.Conn
	r    *bufio.Reader
	mac  hash.Hash
	wire []byte
	text []byte
}

func dialAPI(addr string) (*apiConn, error) {
	nc, err := net.DialTimeout("tcp", addr, dialPatience)
	if err != nil {
		return nil, err
	}
	return &apiConn{nc: nc, r: bufio.NewReader(nc), mac: hmac.New(sha256.New, []byte(appSecret))}, nil
}

// post sends a signed request and returns the status of the answer.
func (c *apiConn) post(path string, body []byte) (status int, err error) {
	sum := md5.Sum(body)
	query := append(c.text[:0], "auth_key="+appKey+"&auth_timestamp="...)
	query = strconv.AppendInt(query, time.Now().Unix(), 10)
	query = append(query, "&auth_version=1.0&body_md5="...)
	query = hex.AppendEncode(query, sum[:])
	c.mac.Reset()
	_, _ = io.WriteString(c.mac, "POST\n"+path+"\n") // a hash never fails
	_, _ = c.mac.Write(query)

	w := append(c.wire[:0], "POST "...)
	w = append(append(append(w, path...), '?'), query...)
	w = append(w, "&auth_signature="...)
	w = hex.AppendEncode(w, c.mac.Sum(query)[len(query):])
	w = append(w, " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "...)
	w = strconv.AppendInt(w, int64(len(body)), 10)
	w = append(append(w, "\r\n\r\n"...), body...)
	c.wire, c.text = w, query
	if err := c.nc.SetDeadline(time.Now().Add(dialPatience)); err != nil {
		return 0, err
	}
	if _, err := c.nc.Write(w); err != nil {
		return 0, err
	}
	return c.answer()
}

// answer reads an answer and drops its body.
func (c *apiConn) answer() (status int, err error) {
	length := -1
	for first := true; ; first = false {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, fmt.Errorf("reading an answer of the HTTP API: %w", err)
		}
		line = bytes.TrimRight(line, "\r\n")
		switch name, value, _ := bytes.Cut(line, []byte(" ")); {
		case first && len(value) >= 3:
			status = int(digits(value[:3]))
		case len(line) == 0:
			if length < 0 {
				return 0, errors.New("an answer of the HTTP API has no Content-Length")
			}
			_, err := c.r.Discard(length)
			return status, err
		case bytes.EqualFold(name, []byte("content-length:")):
			length = int(digits(value))
		}
	}
}

// statusError is an answer that nobody expected.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("the HTTP API answers %d", int(e)) }
