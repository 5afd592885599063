package cluster

import (
	"errors"
	"fmt"

	"github.com/onecharge/pusherhub/pusherhub"
	"google.golang.org/protobuf/encoding/protowire"
)

// What nodes send each other is a protobuf message, written and read by hand. The version comes first and
// says how the rest is to be read. Fields may be added without a new version: who does not know them skips them. What has
// a version or a kind that a node does not know, it leaves alone. So two neighbouring releases understand each other.
const envelopeVersion = 1

// The kinds of envelopes.
const (
	kindMessage = 1
	kindCommand = 2
)

// The numbers of the fields. A number that was used is never used for anything else.
const (
	fieldVersion    = 1
	fieldKind       = 2
	fieldOrigin     = 3
	fieldNumber     = 4
	fieldApp        = 5
	fieldChannel    = 6
	fieldEvent      = 7
	fieldPayload    = 8
	fieldExcept     = 9
	fieldCache      = 10
	fieldCacheUntil = 11
	fieldName       = 12
	fieldUserID     = 13
	fieldSocketID   = 14
	fieldIP         = 15
	fieldReconnect  = 16
)

var errNotUnderstood = errors.New("unknown version or kind")

// envelope is what travels: a message or a command.
type envelope struct {
	origin  string // names the process that sent it
	number  uint64 // rises with everything that the origin sends
	message *pusherhub.Message
	command *pusherhub.Command
}

// topic is where the envelope is sent to.
func (e *envelope) topic() pusherhub.Topic {
	if e.message == nil {
		return Commands
	}
	return pusherhub.Topic{App: e.message.App, Channel: e.message.Channel}
}

// encode returns the envelope's bytes.
func (e *envelope) encode() []byte {
	size := 64 + len(e.origin)
	if m := e.message; m != nil {
		size += messageSize(m)
	}
	w := fieldWriter(make([]byte, 0, size))
	w.number(fieldVersion, envelopeVersion)
	if m := e.message; m != nil {
		w.number(fieldKind, kindMessage)
		w.text(fieldOrigin, e.origin)
		w.number(fieldNumber, e.number)
		w.text(fieldApp, m.App)
		w.text(fieldChannel, m.Channel)
		w.text(fieldEvent, m.Event)
		w.bytes(fieldPayload, m.Payload)
		w.text(fieldExcept, m.Except)
		if m.Cache != nil {
			w.bytes(fieldCache, []byte(*m.Cache))
		}
		w.number(fieldCacheUntil, uint64(m.CacheUntil))
		return w
	}
	c := e.command
	w.number(fieldKind, kindCommand)
	w.text(fieldOrigin, e.origin)
	w.number(fieldNumber, e.number)
	w.text(fieldApp, c.App)
	w.text(fieldChannel, c.Channel)
	w.text(fieldName, c.Name)
	w.text(fieldUserID, c.UserID)
	w.text(fieldSocketID, c.SocketID)
	w.text(fieldIP, c.IP)
	if c.Reconnect {
		w.number(fieldReconnect, 1)
	}
	return w
}

// messageSize is about how much memory a message takes, in bytes, encoded or not.
func messageSize(m *pusherhub.Message) int {
	size := 128 + len(m.App) + len(m.Channel) + len(m.Event) + len(m.Payload) + len(m.Except)
	if m.Cache != nil {
		size += len(*m.Cache)
	}
	return size
}

// fieldWriter appends protobuf fields.
type fieldWriter []byte

// number writes a number that is not 0.
func (w *fieldWriter) number(field protowire.Number, value uint64) {
	if value != 0 {
		*w = protowire.AppendVarint(protowire.AppendTag(*w, field, protowire.VarintType), value)
	}
}

// text writes a text that is not empty.
func (w *fieldWriter) text(field protowire.Number, value string) {
	if value != "" {
		*w = protowire.AppendString(protowire.AppendTag(*w, field, protowire.BytesType), value)
	}
}

// bytes writes bytes even if there are none.
func (w *fieldWriter) bytes(field protowire.Number, value []byte) {
	*w = protowire.AppendBytes(protowire.AppendTag(*w, field, protowire.BytesType), value)
}

// decode reads an envelope. The payload is a part of data.
func decode(data []byte) (*envelope, error) {
	var e envelope
	var m pusherhub.Message
	var c pusherhub.Command
	var kind uint64
	for first := true; len(data) > 0; first = false {
		field, wireType, n := protowire.ConsumeTag(data)
		if n < 0 {
			return nil, fmt.Errorf("reading a field's number: %w", protowire.ParseError(n))
		}
		data = data[n:]
		var number uint64
		var text []byte
		switch int(wireType) {
		case int(protowire.VarintType):
			number, n = protowire.ConsumeVarint(data)
		case int(protowire.BytesType):
			text, n = protowire.ConsumeBytes(data)
		default:
			n = protowire.ConsumeFieldValue(field, wireType, data)
		}
		if n < 0 {
			return nil, fmt.Errorf("reading field %d: %w", field, protowire.ParseError(n))
		}
		data = data[n:]
		if first && (field != fieldVersion || number != envelopeVersion) {
			return nil, errNotUnderstood
		}
		switch int(field) {
		case fieldKind:
			kind = number
		case fieldOrigin:
			e.origin = string(text)
		case fieldNumber:
			e.number = number
		case fieldApp:
			m.App = string(text)
		case fieldChannel:
			m.Channel = string(text)
		case fieldEvent:
			m.Event = string(text)
		case fieldPayload:
			m.Payload = text
		case fieldExcept:
			m.Except = string(text)
		case fieldCache:
			m.Cache = new(string(text))
		case fieldCacheUntil:
			m.CacheUntil = int64(number)
		case fieldName:
			c.Name = string(text)
		case fieldUserID:
			c.UserID = string(text)
		case fieldSocketID:
			c.SocketID = string(text)
		case fieldIP:
			c.IP = string(text)
		case fieldReconnect:
			c.Reconnect = number != 0
		}
	}
	switch kind {
	case kindMessage:
		e.message = &m
	case kindCommand:
		c.App, c.Channel = m.App, m.Channel
		e.command = &c
	default:
		return nil, errNotUnderstood
	}
	return &e, nil
}

// keptMessage is the event in the data of a post that was kept; nil if there is none.
func keptMessage(data []byte) *pusherhub.Message {
	if e, err := decode(data); err == nil {
		return e.message
	}
	return nil
}
