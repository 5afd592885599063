package pusherhub_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// moreMalformed are frames beside those of the vectors.
var moreMalformed = map[string]string{
	"100,000 brackets":           strings.Repeat("[", 100_000),
	"30,000 brackets":            strings.Repeat("[", 30_000),
	"nested event":               `{"event":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
	"nested data of a ping":      `{"event":"pusher:ping","data":` + strings.Repeat(`{"a":`, 5000) + `1` + strings.Repeat(`}`, 5000) + `}`,
	"nested data in a string":    `{"event":"pusher:subscribe","data":"` + strings.Repeat("[", 10_000) + `"}`,
	"nested channel_data":        `{"event":"pusher:subscribe","data":{"channel":"presence-a","auth":"x:y","channel_data":"` + strings.Repeat("[", 5000) + `"}}`,
	"lone surrogate in a name":   `{"event":"pusher:subscribe","data":{"channel":"\ud800"}}`,
	"null byte in a name":        `{"event":"pusher:subscribe","data":{"channel":"a\u0000b"}}`,
	"raw control character":      "{\"event\":\"pusher:\x01\"}",
	"byte order mark":            "\ufeff{\"event\":\"pusher:ping\"}",
	"trailing comma":             `{"event":"pusher:ping",}`,
	"two objects":                `{"event":"pusher:ping"}{"event":"pusher:ping"}`,
	"single quotes":              `{'event':'pusher:ping'}`,
	"number with a leading zero": `{"event":"pusher:ping","data":01}`,
	"unfinished escape":          `{"event":"\u12"}`,
	"unfinished string":          `{"event":"pusher:ping`,
	"white space":                "   \n",
	"format verbs":               `{"event":"%s%n%d","channel":"%x"}`,
	"huge number":                `{"event":"pusher:subscribe","data":{"channel":1e999999999}}`,
	"channel of an unsubscribe":  `{"event":"pusher:unsubscribe","data":{"channel":{}}}`,
	"sign-in with numbers":       `{"event":"pusher:signin","data":{"auth":1,"user_data":2}}`,
	"server's own event":         `{"event":"pusher_internal:subscription_succeeded","channel":"news","data":"{}"}`,
}

func TestMalformedFrames(t *testing.T) {
	frames := make(map[string]string)
	for _, v := range pusherhub.Vectors(t, "malformed_frames.frames") {
		frames[v.ID+" "+v.What] = v.Client
	}
	maps.Copy(frames, moreMalformed)
	for _, compat := range []string{"reverb", "pusher"} {
		s := hubtest.NewServer(t, pusherhub.AppConfig{Compat: compat})
		bystander := s.Dial(t)
		bystander.Subscribe("news")
		for name, frame := range frames {
			t.Run("T62 malformed "+name+" in profile "+compat, func(t *testing.T) {
				c := openRaw(t, s, s.App.Key, "", nil)
				c.expectEstablished()
				c.send(frame)
				_, _ = c.Write(hubtest.ClientFrame(hubtest.Fin|opText, []byte(`{"event":"pusher:ping"}`))) // it may be closed
				errors, closed := 0, false
				for done := false; !done; {
					switch opcode, payload := c.next(); {
					case opcode == opClose:
						closed, done = true, true
					case strings.Contains(string(payload), `"pusher:error"`):
						errors++
					case strings.Contains(string(payload), "pusher:pong"):
						done = true
					case !strings.Contains(string(payload), "pusher:subscription_error") && !strings.Contains(string(payload), "__proto__"):
						t.Errorf("found %s", payload)
					}
				}
				if errors > 1 {
					t.Errorf("found %d error frames, expected one at most", errors)
				}
				if tooLarge := len(frame) > 32<<10; closed != tooLarge {
					t.Errorf("found closed %t, expected %t", closed, tooLarge)
				}
				bystander.ExpectQuiet()
			})
		}
		s.Publish("news", "e", "still here")
		bystander.ExpectRaw(`{"event":"e","channel":"news","data":"still here"}`)
	}
}
