package integration

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// compressingSite compresses what has at least that many bytes.
const (
	compressFrom    = 256
	compressingSite = `
:{$PORT} {
	pusher_hub {
		compression_threshold 256
		drain 100ms
	}
	respond "application"
}
`
)

// Real clients ask for permessage-deflate, get it, and understand what they get; on the wire it is less.
func TestCompressionWithRealClients(t *testing.T) {
	for _, tc := range []struct {
		name    string
		program func(t *testing.T) []string
	}{
		{"pusher-js with ws", func(*testing.T) []string { return []string{"node", "clients/compression/pusher-js.mjs"} }},
		{"pusher-js in Chromium", func(t *testing.T) []string {
			return []string{"env", "CHROMIUM=" + chromium(t), "node", "browser/compression.mjs"}
		}},
		// Debian's python3-websockets is not there for another Python
		{"Python's websockets", func(*testing.T) []string { return []string{"/usr/bin/python3", "clients/compression/strict.py"} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := startServer(t, compressingSite)
			tap := newTap(t, s.port)
			program := tc.program(t)
			cmd := exec.Command(program[0], append(program[1:], "drivers")...)
			cmd.Env = append(s.environ(), "HUB_URL="+tap.url())
			client := startProcess(t, filepath.Base(program[len(program)-1]), cmd)
			client.expectLine("subscribed")

			events := positions()
			publishOneByOneAndAtOnce(t, s.site(), events)
			client.expectLine(lastEvent)
			client.stop(syscall.SIGTERM)
			if found, expected := received(client), slices.Concat(events, events, []string{lastEvent}); !slices.Equal(found, expected) {
				t.Errorf("found %d events, %.2000q, expected these %d: %.2000q", len(found), found, len(expected), expected)
			}

			tap.close()
			expectCompressed(t, tap, 2*len(events)+1)
		})
	}
}

// received returns the events that a client has printed, one a line. Node may print a warning beside.
func received(client *process) (events []string) {
	for line := range strings.Lines(client.text()) {
		if strings.HasPrefix(line, "{") {
			events = append(events, strings.TrimSuffix(line, "\n"))
		}
	}
	return events
}

// lastEvent is published last.
const lastEvent = `{"last":true}`

// positions returns events of realistic sizes as JSON, small ones and large ones in turns.
func positions() (events []string) {
	for i, drivers := range []int{1, 3, 6, 1, 24, 48, 1} {
		var list []string
		for id := range drivers {
			list = append(list, fmt.Sprintf(`{"id":%d,"name":"Zoë 🚚","lat":52.%06d1,"lng":13.%06d1,"heading":%d}`,
				1000*i+id, 520008+id*7919, 104954+id*10472, id*37%360))
		}
		events = append(events, `{"drivers":[`+strings.Join(list, ",")+`]}`)
	}
	return events
}

// publishOneByOneAndAtOnce publishes each event, then all of them in one request, which reach a socket in one write, then lastEvent.
func publishOneByOneAndAtOnce(t *testing.T, hub *hubtest.Server, events []string) {
	t.Helper()
	type item struct {
		Name    string `json:"name"`
		Channel string `json:"channel"`
		Data    string `json:"data"`
	}
	var batch []item
	for _, data := range events {
		hub.Publish("drivers", "moved", data)
		batch = append(batch, item{"moved", "drivers", data})
	}
	body, err := json.Marshal(map[string]any{"batch": batch})
	if err != nil {
		t.Fatal(err)
	}
	if status, said, _ := hub.Do(http.MethodPost, "/batch_events", string(body), nil); status != http.StatusOK {
		t.Fatalf("POST batch_events: found %d %q", status, said)
	}
	hub.Publish("drivers", "moved", lastEvent)
}

// expectCompressed looks at what the hub sent through the tap: compression was agreed on, the large frames are compressed, all others are
// not, and what is compressed is much less.
func expectCompressed(t *testing.T, tap *tap, events int) {
	t.Helper()
	agreed, frames := tap.webSocket()
	if extension, _, _ := strings.Cut(agreed, ";"); extension != "permessage-deflate" {
		t.Errorf("found Sec-WebSocket-Extensions %q, expected permessage-deflate", agreed)
	}
	compressed, large, small, texts := 0, 0, 0, 0
	for _, f := range frames {
		isCompressed, text := inflate(t, f)
		if !strings.Contains(text, `"moved"`) {
			continue
		}
		if len(text) < compressFrom {
			small++
			if isCompressed {
				t.Errorf("%d bytes are compressed, expected that from %d on: %s", len(text), compressFrom, text)
			}
			continue
		}
		large++
		if !isCompressed {
			t.Errorf("%d bytes are not compressed, expected that from %d on: %.60s", len(text), compressFrom, text)
		}
		compressed, texts = compressed+len(f.Payload), texts+len(text)
	}
	if large == 0 || small == 0 || large+small != events {
		t.Errorf("found %d large and %d small events, expected both, %d in all", large, small, events)
	}
	if compressed > texts/2 {
		t.Errorf("%d bytes became %d, expected half at most", texts, compressed)
	}
	t.Logf("%d bytes of large events became %d on the wire", texts, compressed)
}

// inflate returns a frame's text and whether it was compressed, on its own: the hub agrees to no context takeover.
func inflate(t *testing.T, f hubtest.RawFrame) (compressed bool, text string) {
	t.Helper()
	const compressedBit = 0x40
	if f.First&compressedBit == 0 {
		return false, string(f.Payload)
	}
	// RFC 7692 takes the end of the block away; after it comes an empty last one
	const tail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"
	inflated, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(f.Payload), strings.NewReader(tail))))
	if err != nil {
		t.Errorf("%v cannot be inflated: %v", f, err)
	}
	return true, string(inflated)
}
