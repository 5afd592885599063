package pusherhub

import (
	"strconv"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string. Only what JSON demands is escaped (not <, >, &),
// and bytes that are not UTF-8 become U+FFFD.
func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r != utf8.RuneError || size != 1 {
				i += size
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		switch {
		case c >= utf8.RuneSelf:
			dst = append(dst, "\ufffd"...)
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// appendEvent appends the frame of an event: data is the JSON text of the data member, userID is
// left out when empty, and so is channel.
func appendEvent[T string | []byte](dst []byte, event, channel string, data T, userID string) []byte {
	dst = append(dst, `{"event":`...)
	dst = appendString(dst, event)
	if channel != "" {
		dst = append(dst, `,"channel":`...)
		dst = appendString(dst, channel)
	}
	dst = append(dst, `,"data":`...)
	dst = append(dst, data...)
	if userID != "" {
		dst = append(dst, `,"user_id":`...)
		dst = appendString(dst, userID)
	}
	return append(dst, '}')
}

// eventPayload is the text of an event whose data is a string.
func eventPayload(event, channel, data string) []byte {
	quoted := appendString(make([]byte, 0, len(data)+len(data)/8+2), data)
	return appendEvent(make([]byte, 0, len(quoted)+len(event)+len(channel)+40), event, channel, quoted, "")
}

// establishedPayload is the first frame of every socket.
func establishedPayload(socketID string, activityTimeout int) []byte {
	data := append([]byte(`{"socket_id":`), appendString(nil, socketID)...)
	data = append(data, `,"activity_timeout":`...)
	data = strconv.AppendInt(data, int64(activityTimeout), 10)
	data = append(data, '}')
	return eventPayload(eventConnectionEstablished, "", string(data))
}

// errorPayload is a pusher:error frame. A code of 0 is written as null; asString wraps
// data in a string, as Reverb does.
func errorPayload(code int, message, channel string, asString bool) []byte {
	data := []byte(`{"code":`)
	if code == 0 {
		data = append(data, "null"...)
	} else {
		data = strconv.AppendInt(data, int64(code), 10)
	}
	data = append(data, `,"message":`...)
	data = appendString(data, message)
	data = append(data, '}')
	if asString {
		data = appendString(nil, data)
	}
	return appendEvent(nil, eventError, channel, data, "")
}

// subscriptionErrorPayload tells a client on the channel that its subscription was refused. A code
// of 0 is left out.
func subscriptionErrorPayload(channel string, e *subscriptionError) []byte {
	data := append([]byte(`{"type":`), appendString(nil, e.kind)...)
	data = append(data, `,"error":`...)
	data = appendString(data, e.text)
	data = append(data, `,"status":`...)
	data = strconv.AppendInt(data, int64(e.status), 10)
	if e.code != 0 {
		data = append(data, `,"code":`...)
		data = strconv.AppendInt(data, int64(e.code), 10)
	}
	data = append(data, '}')
	return appendEvent(nil, eventSubscriptionError, channel, data, "")
}

// memberAddedPayload tells the members of a presence channel of a new one. Without user_info it says {}.
func memberAddedPayload(channel, userID string, info []byte) []byte {
	data := append([]byte(`{"user_id":`), appendString(nil, userID)...)
	data = append(data, `,"user_info":`...)
	data = append(data, orEmpty(info)...)
	data = append(data, '}')
	return eventPayload(eventMemberAdded, channel, string(data))
}

// memberRemovedPayload tells the members of a presence channel who left.
func memberRemovedPayload(channel, userID string) []byte {
	data := append([]byte(`{"user_id":`), appendString(nil, userID)...)
	return eventPayload(eventMemberRemoved, channel, string(append(data, '}')))
}

// orEmpty returns user_info as JSON; app code breaks on null, so a missing one is {}.
func orEmpty(info []byte) []byte {
	if info == nil {
		return []byte("{}")
	}
	return info
}

// subscriptionCountPayload tells the subscribers how many they are.
func subscriptionCountPayload(channel string, count int) []byte {
	return eventPayload(eventSubscriptionCount, channel, `{"subscription_count":`+strconv.Itoa(count)+`}`)
}

// signinSuccessPayload repeats user_data as the server understood it.
func signinSuccessPayload(userData string) []byte {
	data := append([]byte(`{"user_data":`), appendString(nil, userData)...)
	return eventPayload(eventSigninSuccess, "", string(append(data, '}')))
}

// watchlistPayload states which watched users are online and which are not. It returns nil if there is nothing to state.
func watchlistPayload(online, offline []string) []byte {
	data := []byte(`{"events":[`)
	empty := len(data)
	for _, entry := range []struct {
		name string
		ids  []string
	}{{"online", online}, {"offline", offline}} {
		if len(entry.ids) == 0 {
			continue
		}
		if len(data) > empty {
			data = append(data, ',')
		}
		data = append(data, `{"name":"`+entry.name+`","user_ids":[`...)
		for i, id := range entry.ids {
			if i > 0 {
				data = append(data, ',')
			}
			data = appendString(data, id)
		}
		data = append(data, "]}"...)
	}
	if len(data) == empty {
		return nil
	}
	return eventPayload(eventWatchlist, "", string(append(data, "]}"...)))
}
