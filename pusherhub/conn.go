package pusherhub

import (
	"net"
	"sync"
	"time"
	"unique"
)

// conn is one established socket. Its reader goroutine, which it has whenever it is not parked, owns it: that goroutine alone changes what
// the socket is subscribed to and who is signed in, and it undoes everything when it ends. Others may
// queue frames, look at what mu guards, and ask it to close or to end a subscription (oust.go).
type conn struct {
	// Static after construction.
	hub       *Hub
	state     *appState // nil for a socket that was refused
	id        string    // the socket_id; empty for a socket that was refused
	clientIP  string
	userAgent unique.Handle[string] // many sockets share one; see agent
	since     int64                 // when the socket was made, Unix milliseconds
	request   *ConnectRequest       // for those who want to hear of its end; nil: nobody did when it began
	nc        net.Conn
	protocol  int  // the client's protocol version; 0 if it named none
	jitter    int8 // thousandths that this socket's ping interval is longer or shorter

	queue sendQueue

	mu         sync.Mutex
	closing    bool   // guarded by mu: the read deadline is that of the close
	called     bool   // guarded by mu: the read deadline is now, so that the reader looks for subscriptions that are to end
	closedWith uint16 // guarded by mu: the code of the hub's close frame, or closedByClient; 0 if neither

	// For parking (parking.go).
	fd      int         // guarded by parkingLot.mu: the descriptor under which it was parked last
	watched bool        // guarded by parkingLot.mu: the kernel knows the descriptor
	alarm   *time.Timer // guarded by parkingLot.mu: its heartbeat while it is parked

	// Changed by the reader only, under mu: it reads them without, others under mu.
	subs subscriptions
	user *user // nil: not signed in

	// Owned by the reader.
	parkable    bool
	replied     bool // reply has claimed the flusher's place: flushReplies is due
	probed      bool
	binarySeen  bool
	spoke       time.Time // when the last message came
	in          incoming
	early       []byte // arrived together with the upgrade request
	lastRead    time.Time
	probedAt    time.Time
	authorizeBy time.Time  // zero: authorized, or not asked for
	userInfo    []byte     // raw JSON of the signed-in user's user_info; nil if none
	watchlist   *watchlist // guarded by users.mu; nil: it watches nobody
	errors      window     // error frames sent, for the flood guard
	messages    window     // messages received, for the rate limiter
	events      window     // client events received
}

// app returns the app's current settings.
func (c *conn) app() *App { return c.state.app.Load() }

// send queues one frame and sees that it is written.
func (c *conn) send(f *frame) {
	c.counters().framesQueued.Add(1)
	if c.enqueue(f) {
		c.startFlush()
	}
}

// reply is send for the socket's owner, whoever holds which lock: flushReplies writes the frame a moment later.
func (c *conn) reply(f *frame) {
	c.counters().framesQueued.Add(1)
	if c.enqueue(f) {
		c.replied = true
	}
}

// flushReplies writes what the socket's owner has queued. Mostly the kernel takes it at once, which is far cheaper than starting a
// flusher. The caller holds no lock.
func (c *conn) flushReplies() {
	if !c.replied {
		return
	}
	c.replied = false
	if c.queue.raw == nil || !c.queue.flushSmall(&c.counters().bytesSent) {
		c.startFlush()
	}
}

// settle is flushReplies after something that may have been observed: those who keep observations have them before the client has its answer.
func (c *conn) settle() {
	if c.replied && c.state != nil {
		c.state.awaitKept()
	}
	c.flushReplies()
}

// enqueue queues one frame and reports whether the caller must see that it is written.
func (c *conn) enqueue(f *frame) (flush bool) {
	switch c.queue.push(f, c.app().cfg.MaxQueue) {
	case pushedIdle:
		flush = true
	case pushSlow:
		c.counters().slowReaders.Add(1)
		c.counters().framesDropped.Add(uint64(c.queue.waiting() + f.events()))
		c.sayLast(nil, closeFrame(errSlowReader.Code, errSlowReader.Reason), true)
	case pushedInstead:
		c.counters().eventsConflated.Add(1)
	case pushed, pushEnded:
	}
	return flush
}

// replyPayload queues a frame for this socket only.
func (c *conn) replyPayload(payload []byte) { c.reply(newFrame(payload)) }

// pong answers a ping.
func (c *conn) pong(payload []byte) {
	var wire [2 + maxControlSize]byte
	c.replyControl(appendFrame(wire[:0], opPong, payload))
	c.flushReplies()
}

// replyControl is reply for a control frame other than the last.
func (c *conn) replyControl(wire []byte) {
	if c.queue.pushControl(wire) == pushedIdle {
		c.replied = true
	}
}

// startFlush starts the flusher whose place the queue has just claimed. The reader waits for it in finish.
func (c *conn) startFlush() { go c.queue.flush(&c.counters().bytesSent) }

// close ends the connection: an error frame, then a close frame with the same code and
// text. Nothing that the client sends after this is looked at. The first close wins.
func (c *conn) close(e *CloseError) {
	farewell := newFrame(errorPayload(e.Code, e.Reason, "", false))
	c.sayLast([]*frame{farewell}, closeFrame(e.Code, e.Reason), false)
}

// closePongTimeout ends a silent connection. Only old clients and Reverb's expect the error frame here.
func (c *conn) closePongTimeout() {
	if c.app().reverb() || c.protocol > 0 && c.protocol <= 5 {
		c.close(errPongTimeout)
		return
	}
	c.sayLast(nil, closeFrame(errPongTimeout.Code, errPongTimeout.Reason), false)
}

// closeBack answers the peer's close frame with the same code and reason.
func (c *conn) closeBack(payload []byte) {
	if c.end(nil, appendFrame(nil, opClose, payload), false, closedByClient) {
		c.replied = true
	}
	c.flushReplies()
}

// sayLast ends the queue with a farewell and a close frame and gives the peer closeTimeout to
// read them and to answer.
func (c *conn) sayLast(farewell []*frame, closing []byte, discard bool) {
	if c.end(farewell, closing, discard, closeCodeOf(closing)) {
		c.startFlush()
	}
}

// end is sayLast but for the writing: it reports whether the caller must see to that.
func (c *conn) end(farewell []*frame, closing []byte, discard bool, with uint16) (flush bool) {
	first, start := c.queue.end(farewell, closing, discard)
	if !first {
		return false
	}
	by := time.Now().Add(closeTimeout)
	c.mu.Lock()
	c.closing, c.closedWith = true, with
	_ = c.nc.SetReadDeadline(by)
	_ = c.nc.SetWriteDeadline(by)
	c.mu.Unlock()
	c.wake()
	return start
}

func (c *conn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// closedByClient is what stands for a code in conn.closedWith.
const closedByClient = 1

// countEnd counts how an established socket ended.
func (c *conn) countEnd() {
	c.mu.Lock()
	with := c.closedWith
	c.mu.Unlock()
	switch with {
	case 0:
		c.state.counters.lostSockets.Add(1)
	case closedByClient:
		c.state.counters.clientCloses.Add(1)
	default:
		c.state.counters.closes.count(int(with))
	}
}

// counters returns the app's, or for a socket that was refused the hub's.
func (c *conn) counters() *counters {
	if c.state == nil {
		return &c.hub.counters.counters
	}
	return &c.state.counters
}

// countersOf returns the app's if it has a live side, otherwise the hub's. app may be nil.
func (h *Hub) countersOf(app *App) *counters {
	if app != nil {
		if state := h.state(app.ID()); state != nil {
			return &state.counters
		}
	}
	return &h.counters.counters
}

// window counts what happens in a fixed window of time.
type window struct {
	start time.Time
	count int
}

// allow counts one more and reports whether that is within limit per length.
func (w *window) allow(now time.Time, limit int, length time.Duration) bool {
	if now.Sub(w.start) >= length {
		w.start, w.count = now, 0
	}
	w.count++
	return w.count <= limit
}

// The flood guard: more error frames than this in a window are not sent.
const (
	errorBurst  = 10
	errorWindow = 10 * time.Second
)

// sendError tells the client of a mistake that does not end the connection, in the form that the profile
// and the option error_data ask for. channel may be empty.
func (c *conn) sendError(code int, text, channel string) {
	c.logMistake(code, text, channel)
	if c.mayComplain() {
		c.replyPayload(c.errorFor(code, text, channel))
	}
}

// mayComplain applies the flood guard.
func (c *conn) mayComplain() bool { return c.errors.allow(time.Now(), errorBurst, errorWindow) }

func (c *conn) errorFor(code int, text, channel string) []byte {
	app := c.app()
	asString := app.reverb()
	if asString {
		channel = "" // Reverb does not name it
	}
	if app.cfg.ErrorData != "auto" {
		asString = app.cfg.ErrorData == "string"
	}
	if !app.reverb() && (code == CodeUnauthorized || code == CodeReconnect) {
		code = 0 // Pusher numbers only what a client can act on
	}
	return errorPayload(code, text, channel, asString)
}

// invalidMessage answers what cannot be understood.
func (c *conn) invalidMessage() { c.sendError(CodeReconnect, textInvalidMessage, "") }
