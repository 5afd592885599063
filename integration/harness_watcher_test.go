package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// crowdOf is some watchers of one test. What is wrong with what they are told is an error of the test; the first few are shown.
type crowdOf struct {
	t testing.TB

	mu       sync.Mutex
	watchers []*watcher // guarded by mu
	wrong    int        // guarded by mu
}

// newWatchers returns a crowd without anybody. Its watchers are closed with the test.
func newWatchers(t testing.TB) *crowdOf {
	w := &crowdOf{t: t}
	t.Cleanup(func() {
		for _, each := range w.all() {
			each.end()
		}
		if w.wrong > shownErrors {
			t.Errorf("%d more of such errors", w.wrong-shownErrors)
		}
	})
	return w
}

const shownErrors = 20

func (w *crowdOf) all() []*watcher {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*watcher(nil), w.watchers...)
}

func (w *crowdOf) errorf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wrong++; w.wrong <= shownErrors {
		w.t.Errorf(format, args...)
	}
}

// add makes a watcher that is not connected yet. name is its user's id, too.
func (w *crowdOf) add(name string) *watcher {
	c := &watcher{crowd: w, name: name}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watchers = append(w.watchers, c)
	return c
}

// at connects a new watcher to a node.
func (w *crowdOf) at(n *node, name string) *watcher {
	w.t.Helper()
	c := w.add(name)
	if err := c.connect(n); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// watcher is a Pusher client that keeps what it is told of each channel and checks it as it comes. Its methods are called by one
// goroutine; it reads by itself.
type watcher struct {
	crowd *crowdOf
	name  string

	// Of the connection that there is or was last.
	ws       *websocket.Conn
	socketID string
	ended    chan struct{} // closed when it has ended

	mu       sync.Mutex
	code     websocket.StatusCode // guarded by mu: how it has ended; -1 without a close frame
	channels map[string]*history  // guarded by mu
	online   map[string]string    // guarded by mu: users of the watchlist, with "online" or "offline", as it was told last
	signedIn chan struct{}        // closed by success
}

var errEnded = errors.New("the connection has ended")

// dialer connects watchers. Sockets leave its pool at once.
var dialer = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// connect connects to a node.
func (c *watcher) connect(n *node) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*hubtest.Patience)
	defer cancel()
	url := "ws" + strings.TrimPrefix(n.url(), "http") + "/app/" + appKey + "?protocol=7&client=go&version=1&flash=false"
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: dialer})
	if err != nil {
		return fmt.Errorf("connecting %s: %w", c.name, err)
	}
	ws.SetReadLimit(-1)
	var f hubtest.Frame
	var data struct {
		SocketID string `json:"socket_id"`
	}
	_, text, err := ws.Read(ctx)
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err == nil {
		err = json.Unmarshal([]byte(f.Text()), &data)
	}
	if err != nil || data.SocketID == "" {
		_ = ws.CloseNow()
		return fmt.Errorf("connecting %s: found %.200s, expected connection_established: %w", c.name, text, err)
	}
	c.mu.Lock()
	c.channels, c.online, c.code = make(map[string]*history), make(map[string]string), 0
	c.ws, c.socketID, c.ended, c.signedIn = ws, data.SocketID, make(chan struct{}), make(chan struct{})
	c.mu.Unlock()
	go c.read(ws, c.ended)
	return nil
}

// end closes the connection, if there is one, as a client does that goes away without a word.
func (c *watcher) end() {
	if c.ws != nil {
		_ = c.ws.CloseNow()
		<-c.ended
	}
}

// leave closes the connection, if there is one, with a close frame, and waits for the answer.
func (c *watcher) leave() {
	if c.ws != nil {
		_ = c.ws.Close(websocket.StatusNormalClosure, "")
		c.end()
	}
}

// open reports whether there is a connection.
func (c *watcher) open() bool {
	if c.ws == nil {
		return false
	}
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// expectClose waits for the end of the connection and returns how it came: -1 without a close frame.
func (c *watcher) expectClose() int {
	select {
	case <-c.ended:
	case <-time.After(hubtest.Patience):
		c.crowd.t.Fatalf("%s is still connected", c.name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(c.code)
}

func (c *watcher) read(ws *websocket.Conn, ended chan struct{}) {
	defer close(ended)
	for {
		_, text, err := ws.Read(context.Background())
		if err != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.code = websocket.CloseStatus(err)
			return
		}
		var f hubtest.Frame
		if err := json.Unmarshal(text, &f); err != nil {
			c.crowd.errorf("%s: found %.200s, expected JSON", c.name, text)
			continue
		}
		if f.Event == "pusher:ping" {
			_ = ws.Write(context.Background(), websocket.MessageText, []byte(`{"event":"pusher:pong","data":{}}`))
			continue
		}
		c.take(f)
	}
}

// take takes one frame.
func (c *watcher) take(f hubtest.Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var wrong error
	switch h := c.channels[f.Channel]; {
	case h != nil:
		wrong = h.take(f)
	case f.Event == "pusher:signin_success":
		close(c.signedIn)
	case f.Event == "pusher_internal:watchlist_events" || f.Event == "pusher:watchlist_events":
		c.watch(f)
	case f.Event == "pusher:error" && !saysClose(f):
		wrong = errors.New("an error")
	}
	if wrong != nil {
		c.crowd.errorf("%s, socket %s: %v: %.300s", c.name, c.socketID, wrong, f.Data)
	}
}

// saysClose reports whether an error announces that the socket is closed, by somebody who means to.
func saysClose(f hubtest.Frame) bool {
	var e struct{ Code int }
	data := []byte(f.Data)
	if text := f.Text(); text != "" {
		data = []byte(text)
	}
	return json.Unmarshal(data, &e) == nil && (e.Code == pusherhub.CodeUnauthorized || e.Code == pusherhub.CodeReconnect)
}

// watch takes news about users of the watchlist. The caller holds mu.
func (c *watcher) watch(f hubtest.Frame) {
	var news struct {
		Events []struct {
			Name    string   `json:"name"`
			UserIDs []string `json:"user_ids"`
		} `json:"events"`
	}
	data := []byte(f.Data)
	if text := f.Text(); text != "" {
		data = []byte(text)
	}
	if err := json.Unmarshal(data, &news); err != nil {
		c.crowd.errorf("%s: the watchlist's events: %v: %s", c.name, err, f.Data)
	}
	for _, e := range news.Events {
		for _, id := range e.UserIDs {
			if c.online[id] == e.Name {
				c.crowd.errorf("%s was told twice that %s is %s", c.name, id, e.Name)
			}
			c.online[id] = e.Name
		}
	}
}

func (c *watcher) send(text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), hubtest.Patience)
	defer cancel()
	return c.ws.Write(ctx, websocket.MessageText, []byte(text))
}

// wait waits until something has happened on the connection.
func (c *watcher) wait(what string, happened <-chan struct{}) error {
	select {
	case <-happened:
		return nil
	case <-c.ended:
		return errEnded
	case <-time.After(3 * hubtest.Patience):
		c.crowd.errorf("%s waited in vain for %s", c.name, what)
		return errors.New("waited in vain")
	}
}

// subscribe subscribes with the right signature, to a presence channel as the user that has the watcher's name, and waits for success. info
// is the user's info there, if there is any.
func (c *watcher) subscribe(channel string, info ...string) error {
	auth, data := "", ""
	if strings.HasPrefix(channel, "presence-") {
		data = fmt.Sprintf(`{"user_id":%q,"user_info":%q}`, c.name, strings.Join(info, ""))
	}
	if data != "" || strings.HasPrefix(channel, "private-") {
		auth = appKey + ":" + hubtest.Sign(appSecret, strings.TrimSuffix(c.socketID+":"+channel+":"+data, ":"))
	}
	h := newHistory(c.name, data != "")
	c.mu.Lock()
	h.again = c.channels[channel] != nil
	c.channels[channel] = h
	c.mu.Unlock()
	if err := c.send(hubtest.SubscribeFrame(channel, auth, data)); err != nil {
		return err
	}
	return c.wait("success on "+channel, h.ready)
}

// unsubscribe ends a subscription. What was on its way is ignored.
func (c *watcher) unsubscribe(channel string) error {
	c.mu.Lock()
	c.channels[channel].over = true
	c.mu.Unlock()
	return c.send(hubtest.EventFrame("pusher:unsubscribe", "", map[string]string{"channel": channel}))
}

// signin signs the watcher's user in, with a watchlist.
func (c *watcher) signin(watchlist ...string) error {
	list, _ := json.Marshal(append([]string{}, watchlist...))
	data := fmt.Sprintf(`{"id":%q,"watchlist":%s}`, c.name, list)
	err := c.send(hubtest.EventFrame("pusher:signin", "", map[string]string{
		"auth":      appKey + ":" + hubtest.Sign(appSecret, c.socketID+"::user::"+data),
		"user_data": data,
	}))
	if err != nil {
		return err
	}
	return c.wait("the sign-in's success", c.signedIn)
}

// must subscribes to channels, without which the test makes no sense.
func (c *watcher) must(channels ...string) *watcher {
	c.crowd.t.Helper()
	for _, channel := range channels {
		if err := c.subscribe(channel); err != nil {
			c.crowd.t.Fatalf("%s subscribes to %s: %v", c.name, channel, err)
		}
	}
	return c
}

// of returns a copy of what the watcher knows of a channel; the zero history, if it has none.
func (c *watcher) of(channel string) history {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.channels[channel]; h != nil {
		return h.clone()
	}
	return history{}
}

// status is what the watcher was told last about a user of its watchlist.
func (c *watcher) status(user string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.online[user]
}
