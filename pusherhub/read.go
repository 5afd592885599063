package pusherhub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
	"go.uber.org/zap"
)

// readBuffers hold the message that is being read; a socket that is silent has none.
var readBuffers = sync.Pool{New: func() any { return new([]byte) }}

// serve reads until the socket is parked, or until the connection ends and then undoes everything that the socket did. It
// is the socket's one goroutine.
func (c *conn) serve() {
	parked := false
	defer func() {
		if !parked {
			c.finish()
			c.hub.leave()
		}
	}()
	defer func() {
		if p := recover(); p != nil {
			c.hub.logger().Error("socket goroutine panicked", zap.String("socket_id", c.id), zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			c.close(errInternal)
		}
	}()
	if c.state != nil {
		c.armHeartbeat(time.Now())
	}
	for {
		if c.in.buf == nil {
			c.takeBuffer()
		}
		opcode, compressed, err := c.in.next()
		if errors.Is(err, errQuiet) {
			if parked = c.park(); parked {
				return
			}
			continue
		}
		if err == nil {
			err = c.readMessage(opcode, compressed)
		}
		if err != nil {
			c.readFailed(err)
			return
		}
		c.settle()
	}
}

// readMessage reads one message to its end and handles it.
func (c *conn) readMessage(opcode byte, compressed bool) error {
	c.spoke = c.lastRead
	var r io.Reader = &c.in
	if compressed {
		z := inflate(r)
		defer inflaters.Put(z)
		r = z
	}
	buf := readBuffers.Get().(*[]byte)
	defer readBuffers.Put(buf)
	limit := 0
	if !c.isClosing() {
		limit = int(c.app().cfg.MaxMessageSize)
	}
	text, whole, err := readUpTo(r, (*buf)[:0], limit)
	*buf = text
	if whole {
		err = c.in.skip() // compressed data may end before its message does
	}
	switch {
	case err != nil:
		return err
	case !whole:
		c.sayLast(nil, closeFrame(int(websocket.StatusMessageTooBig), textMessageTooLarge), false)
		return c.in.skip()
	case c.isClosing():
	case opcode == opBinary:
		c.binary()
	case !utf8.Valid(text):
		c.sayLast(nil, closeFrame(int(websocket.StatusInvalidFramePayloadData), "Text is not valid UTF-8"), false)
	default:
		c.handle(text)
	}
	return nil
}

// readUpTo reads r to its end into buf, or reports that it holds more than limit bytes.
func readUpTo(r io.Reader, buf []byte, limit int) (text []byte, whole bool, err error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):min(cap(buf), limit+1)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > limit:
			return buf, false, nil
		case err == io.EOF:
			return buf, true, nil
		case err != nil:
			return buf, false, err
		}
	}
}

// binary answers the first binary frame with an error; who goes on is not a Pusher client.
func (c *conn) binary() {
	if c.binarySeen {
		c.sayLast(nil, closeFrame(int(websocket.StatusUnsupportedData), textBinary), false)
		return
	}
	c.binarySeen = true
	c.sendError(CodeReconnect, textBinary, "")
}

// handle acts on one frame from the client.
func (c *conn) handle(text []byte) {
	c.counters().messagesReceived.Add(1)
	if !c.admitted(len(text)) {
		return
	}
	c.state.awaitRoom()
	m, err := decodeClientMessage(text)
	if err != nil {
		if c.withinRate() {
			c.invalidMessage()
		}
		return
	}
	switch string(m.event) {
	case eventPing:
		c.reply(pongTextFrame)
		return
	case eventPong:
		return
	}
	if !c.withinRate() {
		return
	}
	switch event := string(m.event); {
	case event == eventSubscribe:
		c.subscribe(m)
	case event == eventUnsubscribe:
		c.unsubscribe(m)
	case event == eventSignin:
		c.signin(m)
	case strings.HasPrefix(event, prefixClientEvent):
		c.clientEvent(m)
	case strings.HasPrefix(event, prefixPusher) && c.app().reverb():
		c.invalidMessage()
	case !c.app().reverb():
		c.sendError(CodeReconnect, fmt.Sprintf(textUnsupportedEvent, m.event), "")
	}
}

// messageRequests are reused, so that asking costs no garbage.
var messageRequests = sync.Pool{New: func() any { return new(MessageRequest) }}

// admitted asks the message hooks and tells the client if one of them refuses.
func (c *conn) admitted(size int) bool {
	app := c.app()
	if len(app.hooks.onMessage) == 0 {
		return true
	}
	r := messageRequests.Get().(*MessageRequest)
	defer messageRequests.Put(r)
	for _, hook := range app.hooks.onMessage {
		*r = MessageRequest{App: c.state.id, SocketID: c.id, ClientIP: c.clientIP, Size: size}
		if c.user != nil {
			r.UserID = c.user.id
		}
		if err := c.hub.callHook(hook, func() error { return hook.OnMessage(context.Background(), r) }); err != nil {
			e := c.hub.refusal(hook, err, CodeClientEventRejected, errMessageRefused)
			c.sendError(e.Code, e.Reason, "")
			return false
		}
	}
	return true
}

var errMessageRefused = &CloseError{CodeUnauthorized, "Message refused"}

// withinRate applies Reverb's limiter, which counts everything but pings and pongs.
func (c *conn) withinRate() bool {
	app := c.app()
	if app.rateAttempts == 0 || c.messages.allow(time.Now(), app.rateAttempts, app.rateDecay) {
		return true
	}
	if app.rateTerminate {
		c.close(errRateLimit)
	} else {
		c.sendError(CodeClientEventRejected, textRateLimit, "")
	}
	return false
}

// readFailed ends a connection that cannot be read any more. What the peer still sends is read
// and dropped: closing on unread bytes would reset the connection before the peer has read our last words.
func (c *conn) readFailed(err error) {
	if errors.Is(err, errPeerClosed) {
		return
	}
	closing := closeFrame(int(websocket.StatusProtocolError), "Protocol error") // of no use to who is not there any more
	with := closeCodeOf(closing)
	if isLoss(err) {
		with = 0
	}
	if c.end(nil, closing, false, with) {
		c.startFlush()
	}
	c.flushReplies()
	var scratch [512]byte
	for {
		if _, err := c.nc.Read(scratch[:]); err != nil {
			return
		}
	}
}

// isLoss reports whether reading failed because of the connection and not because of what came.
func isLoss(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe)
}

// finish leaves everything that the socket was part of and closes it.
func (c *conn) finish() {
	if c.state != nil {
		c.countEnd()
		c.leaveAll()
	}
	c.sayLast(nil, nil, false) // what is queued may still go out, within closeTimeout
	c.flushReplies()           // of a reader that panicked
	c.queue.wait()
	_ = c.nc.Close()
}
