package pusherhub_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// transcriptApps are the apps of the recorded server.
func transcriptApps(t *testing.T) (apps []*pusherhub.App) {
	t.Helper()
	limits := func(terminate bool) *pusherhub.RateLimiting {
		return &pusherhub.RateLimiting{MaxAttempts: 3, TerminateOnLimit: &terminate}
	}
	for name, config := range map[string]pusherhub.AppConfig{
		"app":          {ID: "app-id"},
		"app-none":     {AcceptClientEventsFrom: "none"},
		"app-all":      {AcceptClientEventsFrom: "all"},
		"app-max":      {MaxConnections: 1},
		"app-origin":   {AllowedOrigins: []string{"laravel.com"}},
		"app-ping":     {PingInterval: pusherhub.Duration(5 * time.Second), ActivityTimeout: pusherhub.Duration(5 * time.Second)},
		"app-rate":     {RateLimiting: limits(false)},
		"app-rateterm": {RateLimiting: limits(true)},
	} {
		config.Key, config.Secret = name+"-key", name+"-secret"
		if config.ID == "" {
			config.ID = name
		}
		app, err := pusherhub.NewApp(config.WithDefaults(pusherhub.AppConfig{MaxMessageSize: 10_000, MaxRequestSize: 10_000}))
		if err != nil {
			t.Fatal(err)
		}
		apps = append(apps, app)
	}
	return apps
}

// replayConn is a client of a replay. A goroutine reads its frames as they come.
type replayConn struct {
	raw        *hubtest.Raw
	recordedID string // the socket id in the transcript
	id         string // the socket id in the replay
	secret     string // of the app
	key        string

	mu   sync.Mutex
	seen []string // guarded by mu: what has come since take
}

var (
	socketIDInFrame = regexp.MustCompile(`"socket_id\\?":\\?"([0-9.]+)`)
	keyInPath       = regexp.MustCompile(`^/app/([^?]*)`)
)

// open connects as recorded.
func (p *replay) open(step transcriptStep) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://hub.example"+step.Path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	upgradeHeaders(r)
	res, err := hubtest.Pipe{Handler: p.handler}.RoundTrip(r)
	if err != nil {
		p.t.Fatal(err)
	}
	key := keyInPath.FindStringSubmatch(step.Path)[1]
	c := &replayConn{key: key, secret: strings.TrimSuffix(key, "-key") + "-secret"}
	p.conns[step.Conn] = c
	if res.StatusCode != http.StatusSwitchingProtocols {
		c.see(fmt.Sprintf("HTTP %d", res.StatusCode))
		return
	}
	c.see("upgraded")
	c.raw = hubtest.NewRaw(p.t, res.Body.(net.Conn))
	go c.read()
	synctest.Wait()
	for _, other := range p.recorded.Steps {
		if other.Conn != step.Conn || other.Dir != "recv" {
			continue
		}
		if id := socketIDInFrame.FindStringSubmatch(other.Text); id != nil {
			c.recordedID = id[1]
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if id := socketIDInFrame.FindStringSubmatch(strings.Join(c.seen, "")); id != nil {
		c.id = id[1]
	}
}

// read writes down every frame. It answers pings and close frames as clients do, except the probe of the server.
func (c *replayConn) read() {
	closed := "closed 1006 "
	for {
		f, err := c.raw.ReadFrame()
		if err != nil {
			c.see(closed)
			_ = c.raw.Close()
			return
		}
		switch f.First &^ hubtest.Fin {
		case hubtest.OpText:
			c.see(string(f.Payload))
		case hubtest.OpPing:
			c.see("ping " + string(f.Payload))
		case hubtest.OpPong:
			c.see("pong " + string(f.Payload))
		case hubtest.OpEnd:
			closed = fmt.Sprintf("closed %d %s", f.CloseCode(), f.Payload[min(2, len(f.Payload)):])
			c.try(hubtest.OpEnd, f.Payload)
		}
	}
}

func (c *replayConn) see(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, what)
}

func (c *replayConn) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	c.seen = nil
	return seen
}

// try sends a frame to a server that may have closed.
func (c *replayConn) try(opcode byte, payload []byte) {
	_ = c.raw.TrySend(hubtest.ClientFrame(hubtest.Fin|opcode, payload))
}

// send sends a recorded frame. What was signed for the recorded socket is signed for the new one.
func (p *replay) send(step transcriptStep) {
	c := p.conns[step.Conn]
	switch {
	case step.Control == "ping":
		c.try(hubtest.OpPing, []byte(step.Text))
	case step.Binary:
		c.try(hubtest.OpBin, []byte(step.Text))
	default:
		c.try(hubtest.OpText, []byte(c.resign(step.Text)))
	}
}

// resign replaces a signature that was good. A bad one stays as bad as it was.
func (c *replayConn) resign(text string) string {
	var frame struct {
		Data struct {
			Auth, Channel string
			ChannelData   string `json:"channel_data"`
		}
	}
	if json.Unmarshal([]byte(text), &frame) != nil || frame.Data.Auth == "" {
		return text
	}
	message := ":" + frame.Data.Channel
	if frame.Data.ChannelData != "" {
		message += ":" + frame.Data.ChannelData
	}
	if frame.Data.Auth != c.key+":"+hubtest.Sign(c.secret, c.recordedID+message) {
		return text
	}
	return strings.Replace(text, frame.Data.Auth, c.key+":"+hubtest.Sign(c.secret, c.id+message), 1)
}

// resignTarget signs a request whose body has changed.
func resignTarget(t *testing.T, step transcriptStep, body string) string {
	t.Helper()
	sum := func(text string) string {
		digest := md5.Sum([]byte(text))
		return hex.EncodeToString(digest[:])
	}
	target := strings.Replace(step.Request.Target, sum(step.Request.Body), sum(body), 1)
	unsigned, signature, found := strings.Cut(target, "&auth_signature=")
	path, query, _ := strings.Cut(unsigned, "?")
	if !found || signature == "" || !strings.HasPrefix(query, "auth_key=app-key&auth_timestamp=") {
		t.Fatalf("the transcript's request %s is not signed in the usual way", step.Request.Target)
	}
	return unsigned + "&auth_signature=" + hubtest.Sign("app-secret", step.Request.Method+"\n"+path+"\n"+query)
}

// asRecorded puts the recorded socket ids in the place of the replay's.
func (p *replay) asRecorded(seen []string) []string {
	for i := range seen {
		for _, c := range p.conns {
			if c.id != "" && c.recordedID != "" {
				seen[i] = strings.ReplaceAll(seen[i], c.id, c.recordedID)
			}
		}
	}
	return seen
}

// The frames of the hub's errors.

func failure(code int, text string) string {
	return fmt.Sprintf(`{"event":"pusher:error","data":"{\"code\":%d,\"message\":%s}"}`, code, strings.ReplaceAll(fmt.Sprintf("%q", text), `"`, `\"`))
}

func refused(code int, text string) []string {
	return []string{
		fmt.Sprintf(`{"event":"pusher:error","data":{"code":%d,"message":%q}}`, code, text),
		fmt.Sprintf("closed %d %s", code, text),
	}
}

func unauthorized(channel string) []string {
	const text = "Connection is unauthorized"
	return []string{
		fmt.Sprintf(`{"event":"pusher:subscription_error","channel":%q,"data":{"type":"AuthError","error":%q,"status":401,"code":4009}}`, channel, text),
		failure(4009, text),
	}
}

func badName(channel, text string) []string {
	named := ""
	if channel != "" {
		named = fmt.Sprintf(`"channel":%q,`, channel)
	}
	return []string{
		fmt.Sprintf(`{"event":"pusher:subscription_error",%s"data":{"type":"InvalidChannel","error":%q,"status":400}}`, named, text),
		failure(4200, text),
	}
}
