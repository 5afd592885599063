package webhooks

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/onecharge/pusherhub/pusherhub"
)

// FuzzEvent puts what strangers may send into requests. Each is JSON, and the receiver reads what was sent.
func FuzzEvent(f *testing.F) {
	f.Add("presence-x", "client-x", `{"a":"<&>\u2028"}`, "7")
	f.Add("", "", "", "")
	f.Add("#server-to-user-7", "e", "\x00\xff", "\"")
	f.Fuzz(func(t *testing.T, channel, name, data, user string) {
		for _, kind := range append(pusherEvents, furtherEvents...) {
			o := pusherhub.Observation{Type: pusherhub.ObservationType(kind), Channel: channel, Event: name, Data: data, UserID: user, SocketID: "1.2"}
			e, told := eventOf(o)
			isUser := strings.HasPrefix(channel, "#server-to-user-")
			if told != (!isUser || o.Type == pusherhub.Undelivered) {
				t.Fatalf("%s on %q is told: %t", kind, channel, told)
			}
			var found struct {
				TimeMS int64   `json:"time_ms"`
				Events []event `json:"events"`
			}
			text := body(time.UnixMilli(1), [][]byte{e.encode(), e.encode()})
			if err := json.Unmarshal(text, &found); err != nil || found.TimeMS != 1 || len(found.Events) != 2 {
				t.Fatalf("the body is %s (%v)", text, err)
			}
			if !utf8.ValidString(channel + " " + name + " " + data + " " + user) {
				continue // replaced, as in all JSON
			}
			if told && found.Events[1].Channel != channel || e.Data != nil && *found.Events[1].Data != data {
				t.Fatalf("read %+v, expected %+v", found.Events[1], o)
			}
		}
	})
}
