//go:build linux

package main

import (
	"context"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Coder is coder/websocket behind net/http as anybody would write it: what a hub in Go costs at least if it does nothing of
// its own.
type Coder struct {
	mu      sync.Mutex
	sockets []*websocket.Conn // guarded by mu: those at fanPath
}

// What the bare server does with messages.
const (
	echoPath = "/echo" // after a greeting, a socket gets its own back
	fanPath  = "/fan"  // all others get them
)

// Listen starts the server and returns its address.
func (c *Coder) Listen(_ None, addr *string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	*addr = l.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc(echoPath, c.echo)
	mux.HandleFunc(fanPath, c.fan)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }() // until the process ends
	return nil
}

// Collect collects garbage.
func (c *Coder) Collect(None, *None) error {
	runtime.GC()
	return nil
}

func (c *Coder) echo(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = ws.CloseNow() }()
	ctx := context.Background()
	greeting := make([]byte, 120) // as long as a hub's
	for i := range greeting {
		greeting[i] = 'x'
	}
	if ws.Write(ctx, websocket.MessageText, greeting) != nil {
		return
	}
	for {
		kind, message, err := ws.Read(ctx)
		if err != nil || ws.Write(ctx, kind, message) != nil {
			return
		}
	}
}

func (c *Coder) fan(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = ws.CloseNow() }()
	c.mu.Lock()
	c.sockets = append(c.sockets, ws)
	c.mu.Unlock()
	ctx := context.Background()
	for {
		kind, message, err := ws.Read(ctx)
		if err != nil {
			return
		}
		c.mu.Lock()
		for _, other := range c.sockets {
			if other != ws && other.Write(ctx, kind, message) != nil {
				c.mu.Unlock()
				return
			}
		}
		c.mu.Unlock()
	}
}
