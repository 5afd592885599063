package hubtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/onecharge/pusherhub/pusherhub"
)

// guest is a client that does a bit of everything and takes whatever it is told, since a plugin may refuse anything. Its methods return errors
// instead of failing the test, for they run in goroutines.
type guest struct {
	app      *Server
	ws       *websocket.Conn
	socketID string
	answered chan struct{} // holds a token after a pong or an error
	gone     chan struct{} // closed when the hub says no more
}

// enter connects a guest; nil without an error if it is refused.
func (s *stage) enter(config pusherhub.AppConfig) (*guest, error) {
	g := &guest{
		app:      &Server{URL: s.server.URL, Client: s.server.Client, App: WithCredentials(config)},
		answered: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, "ws://hub.example/app/"+g.app.App.Key, &websocket.DialOptions{
		HTTPClient: s.server.Client,
		HTTPHeader: http.Header{"User-Agent": {"guest"}, "Origin": {"https://app.example"}},
	})
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	ws.SetReadLimit(-1)
	g.ws = ws
	f, err := g.read(ctx)
	var data struct {
		SocketID string `json:"socket_id"`
	}
	if err == nil && f.Event == "pusher:connection_established" {
		err = json.Unmarshal([]byte(f.Text()), &data)
	}
	if g.socketID = data.SocketID; err != nil || g.socketID == "" {
		_ = ws.CloseNow()
		return nil, err
	}
	go func() {
		defer close(g.gone)
		for {
			f, err := g.read(context.Background())
			if err != nil {
				return
			}
			if f.Event == "pusher:pong" || f.Event == "pusher:error" {
				select {
				case g.answered <- struct{}{}:
				default:
				}
			}
		}
	}()
	return g, nil
}

func (g *guest) read(ctx context.Context) (f Frame, err error) {
	_, text, err := g.ws.Read(ctx)
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(text, &f)
}

// act does what clients do, and waits until the hub has dealt with it.
func (g *guest) act(patience time.Duration) error {
	subscribe := func(channel, channelData string) string {
		auth := ""
		if strings.HasPrefix(channel, "private-") || strings.HasPrefix(channel, "presence-") {
			auth = g.app.Auth(&Client{SocketID: g.socketID}, channel, channelData)
		}
		return SubscribeFrame(channel, auth, channelData)
	}
	for _, text := range []string{
		subscribe("room", ""),
		subscribe("private-room", ""),
		subscribe("presence-room", `{"user_id":"7","user_info":{"name":"Ada"}}`),
		subscribe("cache-room", ""),
		g.app.SigninFrame(&Client{SocketID: g.socketID}, `{"id":"7"}`),
		subscribe("#server-to-user-7", ""),
		EventFrame("client-typing", "presence-room", map[string]bool{"on": true}),
		EventFrame("client-typing", "room", "x"),
		`{"event":"pusher:unsubscribe","data":{"channel":"room"}}`,
		`{"event":"pusher:ping","data":{}}`,
	} {
		if err := g.ws.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
			return nil // closed by the hub, which a plugin or a reload may want
		}
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-g.answered:
	case <-g.gone:
	case <-limit.C:
		return errors.New("a socket gets no answer: a hook stands in its way")
	}
	return nil
}

// leave cuts the connection, as clients do that lose their network.
func (g *guest) leave() {
	_ = g.ws.CloseNow()
	<-g.gone
}

// settle has a guest come who stays until it leaves, or until the end. Nil if it is refused.
func (s *stage) settle(config pusherhub.AppConfig) *guest {
	s.Helper()
	var g *guest
	var err error
	s.within("the coming of a socket", func() { g, err = s.enter(config) })
	if err != nil {
		s.Fatal(err)
	}
	if g != nil {
		s.Cleanup(func() { _ = g.ws.CloseNow() })
	}
	return g
}

// visit is the whole life of a guest.
func (s *stage) visit(config pusherhub.AppConfig) error {
	g, err := s.enter(config)
	if g == nil {
		return err
	}
	defer g.leave()
	return g.act(s.patience)
}

// publish publishes to channels with and without subscribers. The answer may be a refusal.
func (s *stage) publish(config pusherhub.AppConfig) error {
	app := &Server{URL: s.server.URL, App: WithCredentials(config)}
	const body = `{"name":"App\\Events\\Moved","data":"{\"lat\":52.5}","channels":["room","presence-room","cache-room","#server-to-user-7","nobody"]}`
	r, err := http.NewRequest(http.MethodPost, app.SignedURL(http.MethodPost, "/apps/"+app.App.ID+"/events", body, nil), strings.NewReader(body))
	if err != nil {
		return err
	}
	res, err := s.server.Client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	switch res.StatusCode {
	case http.StatusOK, http.StatusForbidden, http.StatusTooManyRequests:
		return nil
	}
	return fmt.Errorf("publishing: found %d %s, expected it to be accepted (200) or refused (403, 429)", res.StatusCode, text)
}

// traffic has a guest visit and something published.
func (s *stage) traffic(config pusherhub.AppConfig) {
	s.Helper()
	var err error
	s.within("the visit of a socket", func() { err = errors.Join(s.visit(config), s.publish(config)) })
	if err != nil {
		s.Fatal(err)
	}
}
