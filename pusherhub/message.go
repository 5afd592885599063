package pusherhub

import (
	"errors"
	"slices"
)

// clientMessage is one frame from a client. Its slices share memory with the
// read buffer: they are valid until the next message is read.
type clientMessage struct {
	event   []byte
	channel []byte // nil if missing or not a string
	data    []byte // the raw JSON value; nil if missing
}

var errNoEvent = errors.New("no event name")

// decodeClientMessage reads the envelope of a client's frame.
func decodeClientMessage(text []byte) (m clientMessage, err error) {
	var event []byte
	err = scanObject(text, func(name, value []byte) error {
		switch string(name) {
		case "event":
			event = value
		case "channel":
			m.channel, _ = stringValue(value)
		case "data":
			m.data = value
		}
		return nil
	})
	if err != nil {
		return m, err
	}
	if m.event, _ = stringValue(event); len(m.event) == 0 {
		return m, errNoEvent
	}
	return m, nil
}

// object returns data as the text of a JSON object. Some clients encode it twice:
// a string that holds the object is taken as the object. Nothing at all counts as empty.
func (m clientMessage) object() []byte {
	data := m.data
	if text, ok := stringValue(data); ok {
		data = text
	}
	if len(data) == 0 || isNull(data) || data[0] == '[' && string(slices.DeleteFunc(slices.Clone(data), isSpace)) == "[]" {
		return []byte("{}")
	}
	return data
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// subscribeData is the data of pusher:subscribe. Null counts as missing.
type subscribeData struct {
	channel     string
	auth        string
	channelData *string // nil if missing
}

var (
	errBadChannel     = errors.New("channel is missing or not a string")
	errBadAuth        = errors.New("auth is not a string")
	errBadChannelData = errors.New("channel_data is not a string")
)

// decodeSubscribe reads the data of pusher:subscribe. With an error other than
// errBadChannel, the channel is known.
func decodeSubscribe(m clientMessage) (d subscribeData, err error) {
	var channel, auth, channelData []byte
	if err := scanObject(m.object(), func(name, value []byte) error {
		switch string(name) {
		case "channel":
			channel = value
		case "auth":
			auth = value
		case "channel_data":
			channelData = value
		}
		return nil
	}); err != nil {
		return d, errBadChannel
	}
	text, ok := stringValue(channel)
	if !ok {
		return d, errBadChannel
	}
	d.channel = string(text)
	if !isNull(auth) {
		text, ok := stringValue(auth)
		if !ok {
			return d, errBadAuth
		}
		d.auth = string(text)
	}
	if !isNull(channelData) {
		text, ok := stringValue(channelData)
		if !ok {
			return d, errBadChannelData
		}
		d.channelData = new(string(text))
	}
	return d, nil
}

// member is what a presence channel knows of a user: from channel_data or, for
// signed-in users, from user_data.
type member struct {
	userID string
	info   []byte // the raw JSON of user_info; nil if missing
}

var errBadUserID = errors.New("user_id is missing, empty, or neither a string nor a number")

// decodeMember reads channel_data (idName "user_id") or user_data (idName "id").
func decodeMember(text []byte, idName string) (m member, idIsNumber bool, err error) {
	var id []byte
	if err := scanObject(text, func(name, value []byte) error {
		switch string(name) {
		case idName:
			id = value
		case "user_info":
			m.info = value
		}
		return nil
	}); err != nil {
		return m, false, err
	}
	switch {
	case isNumber(id):
		m.userID, idIsNumber = string(id), true
	default:
		text, ok := stringValue(id)
		if !ok || len(text) == 0 {
			return m, false, errBadUserID
		}
		m.userID = string(text)
	}
	if isNull(m.info) {
		m.info = nil
	}
	m.info = slices.Clone(m.info)
	return m, idIsNumber, nil
}
