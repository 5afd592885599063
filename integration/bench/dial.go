//go:build linux

package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Target is a server that sockets connect to.
type Target struct {
	Addr string
	Path string // of the handshake; empty: plain TCP without one
	TLS  bool
}

// isHub reports whether the server is a hub.
func (t Target) isHub() bool { return strings.HasPrefix(t.Path, "/app/") }

// dialPatience bounds a dial and each answer before a socket is ready.
const dialPatience = 30 * time.Second

// socket is one client's end of a connection.
type socket struct {
	nc     net.Conn
	parser frameParser
	id     string   // the socket_id, if the server is a hub
	texts  [][]byte // messages that were read and not yet looked at
	buf    []byte
}

// dial connects, shakes hands and waits for the greeting, if the server has one. from is the last byte of the address of 127.0.0.x to come from.
func dial(t Target, from byte) (*socket, error) {
	d := net.Dialer{Timeout: dialPatience, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, from)}}
	nc, err := d.Dial("tcp", t.Addr)
	if err != nil {
		return nil, err
	}
	s := &socket{nc: nc, parser: frameParser{keep: true}, buf: make([]byte, 2048)}
	if t.TLS {
		s.nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	}
	if err := s.begin(t); err != nil {
		_ = s.nc.Close()
		return nil, err
	}
	return s, nil
}

func (s *socket) begin(t Target) error {
	if t.Path == "" {
		return nil
	}
	if err := s.shakeHands(t); err != nil {
		return fmt.Errorf("shaking hands with %s: %w", t.Addr, err)
	}
	if t.Path == echoPath {
		_, err := s.next()
		return err
	}
	if !t.isHub() {
		return nil
	}
	greeting, err := s.await("pusher:connection_established")
	if err != nil {
		return err
	}
	const before = `{\"socket_id\":\"`
	_, rest, _ := bytes.Cut(greeting, []byte(before))
	id, _, found := bytes.Cut(rest, []byte(`\"`))
	if !found {
		return fmt.Errorf("the greeting has no socket_id: %s", greeting)
	}
	s.id = string(id)
	return nil
}

func (s *socket) shakeHands(t Target) error {
	request := "GET " + t.Path + " HTTP/1.1\r\nHost: " + t.Addr + "\r\nUser-Agent: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if err := s.nc.SetReadDeadline(time.Now().Add(dialPatience)); err != nil {
		return err
	}
	if _, err := io.WriteString(s.nc, request); err != nil {
		return err
	}
	got := 0
	for {
		n, err := s.nc.Read(s.buf[got:])
		if err != nil {
			return err
		}
		got += n
		head, rest, whole := bytes.Cut(s.buf[:got], []byte("\r\n\r\n"))
		if whole {
			if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
				return fmt.Errorf("the server says %q", head)
			}
			s.take(rest)
			return nil
		}
		if got == len(s.buf) {
			return errors.New("the answer has no end")
		}
	}
}

// take cuts bytes into messages.
func (s *socket) take(b []byte) {
	s.parser.feed(b, func(op byte, payload []byte) {
		switch op {
		case opText:
			s.texts = append(s.texts, append([]byte(nil), payload...))
		case opPing:
			_, _ = s.nc.Write(pongFrame) // a dead socket shows in Read
		}
	})
}

var pongFrame = appendClientFrame(nil, opPong, nil)

// next returns the next message.
func (s *socket) next() ([]byte, error) {
	for len(s.texts) == 0 {
		n, err := s.nc.Read(s.buf)
		if err != nil {
			return nil, err
		}
		s.take(s.buf[:n])
	}
	text := s.texts[0]
	s.texts = s.texts[1:]
	return text, nil
}

// await returns the next message of that event and drops what comes before it.
func (s *socket) await(event string) ([]byte, error) {
	if err := s.nc.SetReadDeadline(time.Now().Add(dialPatience)); err != nil {
		return nil, err
	}
	for {
		text, err := s.next()
		if err != nil {
			return nil, fmt.Errorf("waiting for %s: %w", event, err)
		}
		switch {
		case bytes.HasPrefix(text, []byte(`{"event":"`+event+`"`)):
			return text, nil
		case bytes.HasPrefix(text, []byte(`{"event":"pusher:error"`)):
			return nil, fmt.Errorf("waiting for %s: the server says %s", event, text)
		}
	}
}

// subscribe joins channels, several at a time, and waits until it is on all of them.
func (s *socket) subscribe(user string, channels ...string) error {
	const together = 64
	for len(channels) > 0 {
		n := min(together, len(channels))
		var wire []byte
		for _, channel := range channels[:n] {
			wire = append(wire, subscribeFrame(s.id, channel, user)...)
		}
		if _, err := s.nc.Write(wire); err != nil {
			return err
		}
		for range n {
			if _, err := s.await("pusher_internal:subscription_succeeded"); err != nil {
				return err
			}
		}
		channels = channels[n:]
	}
	return nil
}

// close says goodbye as a browser does and waits until the server has answered.
func (s *socket) close() error {
	defer func() { _ = s.nc.Close() }()
	if err := s.nc.SetReadDeadline(time.Now().Add(dialPatience)); err != nil {
		return err
	}
	if _, err := s.nc.Write(appendClientFrame(nil, opClose, []byte{1000 >> 8, 1000 & 0xff})); err != nil {
		return err
	}
	for {
		if _, err := s.nc.Read(s.buf); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}
