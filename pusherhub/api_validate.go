package pusherhub

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// problems collects what is wrong with a request, field by field, in the words of Laravel's validator, which is
// what users of Reverb see.
type problems struct {
	app      *App
	fields   []string
	messages []string
	tooLarge bool // event data over the bound: 413 instead of a validation error
}

func (p *problems) add(field, format string, args ...any) {
	p.fields = append(p.fields, field)
	p.messages = append(p.messages, fmt.Sprintf(format, args...))
}

// answer returns the error that tells of the problems: 422 with all of them as JSON, or, in the profile
// pusher, 400 with the first as text.
func (p *problems) answer() *apiError {
	switch {
	case p.tooLarge:
		return &apiError{status: http.StatusRequestEntityTooLarge, text: fmt.Sprintf(textEventDataTooLarge, p.app.cfg.MaxEventData)}
	case len(p.fields) == 0:
		return nil
	case !p.app.reverb():
		return &apiError{status: http.StatusBadRequest, text: p.messages[0]}
	}
	out := []byte{'{'}
	for i, field := range p.fields {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendString(out, field), ":["...)
		out = append(appendString(out, p.messages[i]), ']')
	}
	return &apiError{status: http.StatusUnprocessableEntity, json: append(out, '}'), text: p.messages[0]}
}

// eventOf reads one event. prefix is put before the names of fields in messages, such as "batch.0.".
func (p *problems) eventOf(m map[string][]byte, prefix string) event {
	e := event{name: p.name(m["name"], prefix)}
	switch data := m["data"]; {
	case isNull(data):
		p.add(prefix+"data", "The %sdata field is required.", prefix)
	case data[0] == '"':
		text, _ := stringValue(data)
		e.data = string(text)
		p.data(len(e.data))
	case isOn(p.app.cfg.CoerceData):
		e.data = string(data)
		p.data(len(e.data))
	default:
		p.add(prefix+"data", "The %sdata field must be a string.", prefix)
	}
	e.channels = p.channels(m["channels"], m["channel"], prefix)
	e.except = p.socketID(m["socket_id"], prefix)
	if info := m["info"]; !isNull(info) {
		text, ok := stringValue(info)
		if !ok {
			p.add(prefix+"info", "The %sinfo field must be a string.", prefix)
		}
		e.info = string(text)
		p.info(e, prefix)
	}
	return e
}

// batchOf reads the member batch.
func (p *problems) batchOf(raw []byte) (events []event) {
	if isNull(raw) {
		p.add("batch", "The batch field is required.")
		return nil
	}
	err := scanArray(raw, func(item []byte) error {
		if n := len(events); !p.app.cfg.MaxBatch.exceeded(n) {
			m, bad := objectMembers(item)
			if bad != nil {
				p.add(fmt.Sprintf("batch.%d", n), "The batch.%d field must be an object.", n)
				events = append(events, event{})
				return nil
			}
			events = append(events, p.eventOf(m, fmt.Sprintf("batch.%d.", n)))
		}
		return nil
	})
	switch {
	case err != nil:
		p.add("batch", "The batch field must be an array.")
	case len(events) == 0:
		p.add("batch", "The batch field is required.")
	case p.app.cfg.MaxBatch.exceeded(len(events)):
		p.fields, p.messages = nil, nil
		p.add("batch", "The batch field must not have more than %d items.", p.app.cfg.MaxBatch)
	}
	return events
}

// name reads an event's name.
func (p *problems) name(raw []byte, prefix string) string {
	text, ok := stringValue(raw)
	switch name := string(text); {
	case isNull(raw) || ok && name == "":
		p.add(prefix+"name", "The %sname field is required.", prefix)
	case !ok:
		p.add(prefix+"name", "The %sname field must be a string.", prefix)
	case len(name) > maxEventName:
		p.add(prefix+"name", "The %sname field must not be greater than %d characters.", prefix, maxEventName)
	case strings.HasPrefix(name, prefixInternal):
		p.add(prefix+"name", "The %sname field must not start with %s.", prefix, prefixInternal)
	}
	return string(text)
}

// data checks the length of an event's data.
func (p *problems) data(length int) {
	p.tooLarge = p.tooLarge || p.app.cfg.MaxEventData.exceeded(length)
}

// channels reads the channels of an event, each once. channels wins over channel.
func (p *problems) channels(list, one []byte, prefix string) (names []string) {
	switch {
	case !isNull(list):
		count := 0
		err := scanArray(list, func(value []byte) error {
			text, ok := stringValue(value)
			field := fmt.Sprintf("%schannels.%d", prefix, count)
			if count++; p.app.cfg.MaxChannelsPerEvent.exceeded(count) {
				return nil
			}
			if !ok {
				p.add(field, "The %s field must be a string.", field)
			} else if name := string(text); !slices.Contains(names, name) {
				p.channel(field, name)
				names = append(names, name)
			}
			return nil
		})
		switch {
		case err != nil:
			p.add(prefix+"channels", "The %schannels field must be an array.", prefix)
		case count == 0:
			p.add(prefix+"channels", "The %schannels field is required when channel is not present.", prefix)
		case p.app.cfg.MaxChannelsPerEvent.exceeded(count):
			p.add(prefix+"channels", "The %schannels field must not have more than %d items.", prefix, p.app.cfg.MaxChannelsPerEvent)
		}
	case !isNull(one):
		text, ok := stringValue(one)
		if !ok {
			p.add(prefix+"channel", "The %schannel field must be a string.", prefix)
			return nil
		}
		names = []string{string(text)}
		p.channel(prefix+"channel", names[0])
	default:
		p.add(prefix+"channels", "The %schannels field is required when channel is not present.", prefix)
		p.add(prefix+"channel", "The %schannel field is required when channels is not present.", prefix)
	}
	return names
}

// channel checks the name of a channel.
func (p *problems) channel(field, name string) {
	if problem := p.app.channelNameProblem(name); problem != "" {
		p.add(field, "%s", problem)
	}
}

// socketID reads the socket that is left out.
func (p *problems) socketID(raw []byte, prefix string) string {
	if isNull(raw) {
		return ""
	}
	text, ok := stringValue(raw)
	if !ok || !validSocketID(string(text)) {
		p.add(prefix+"socket_id", "The %ssocket_id field must be two numbers joined by a dot.", prefix)
	}
	return string(text)
}

// channelList turns the comma-separated channels of a query into a JSON array.
func channelList(value string) []byte {
	out := []byte{'['}
	for i, name := range strings.Split(value, ",") {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendString(out, name)
	}
	return append(out, ']')
}
