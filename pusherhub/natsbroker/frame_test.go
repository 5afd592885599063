package natsbroker

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"google.golang.org/protobuf/encoding/protowire"
)

// FuzzFrame checks that a body comes out as it went in, in parts or not, and that no data breaks the reader.
func FuzzFrame(f *testing.F) {
	f.Add([]byte("body"), 1<<20)
	f.Add(bytes.Repeat([]byte("x"), 5000), 1000)
	f.Add(frame{kind: kindPost, part: 3, parts: 2, stream: "s"}.encode(), 200)
	f.Fuzz(func(t *testing.T, body []byte, limit int) {
		var parts assembler
		if read, err := decodeFrame(body); err == nil {
			_, _, _ = parts.add(read, time.Now())
		}
		limit = max(limit, frameOverhead+len(body)/1000+1)
		var whole frame
		frames := encodeFrames(kindPost, body, streamName("A", 7), limit)
		for i, data := range frames {
			if len(data) > limit {
				t.Fatalf("found a frame of %d bytes, expected %d at most", len(data), limit)
			}
			read, err := decodeFrame(data)
			if err != nil {
				t.Fatalf("reading a frame: %v", err)
			}
			var complete bool
			if whole, complete, err = parts.add(read, time.Now()); err != nil || complete != (i == len(frames)-1) {
				t.Fatalf("part %d of %d: found complete %t, error %v", i, len(frames), complete, err)
			}
		}
		if whole.kind != kindPost || !bytes.Equal(whole.body, body) {
			t.Errorf("found %d bytes of kind %d, expected the body", len(whole.body), whole.kind)
		}
	})
}

// TestFramesOfOthers reads what other releases may write.
func TestFramesOfOthers(t *testing.T) {
	newer := protowire.AppendBytes(protowire.AppendTag(frame{kind: kindPost, body: []byte("x")}.encode(), 99, protowire.BytesType), []byte("more"))
	if f, err := decodeFrame(newer); err != nil || string(f.body) != "x" {
		t.Errorf("found %q and %v, expected that a field that is not known is skipped", f.body, err)
	}
	other := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), frameVersion+1)
	if _, err := decodeFrame(other); err == nil {
		t.Error("found that another version is read")
	}
	if _, err := decodeFrame(nil); err == nil {
		t.Error("found that nothing is read")
	}
}

// TestAssembler puts together parts of several bodies that come in between each other.
func TestAssembler(t *testing.T) {
	var a assembler
	now := time.Now()
	bodies := map[string][]byte{"one": bytes.Repeat([]byte("1"), 950), "two": bytes.Repeat([]byte("2"), 930)}
	one, two := encodeFrames(kindPost, bodies["one"], "one", 228), encodeFrames(kindPost, bodies["two"], "two", 228)
	add := func(data []byte) (frame, bool, error) {
		f, err := decodeFrame(data)
		if err != nil {
			t.Fatalf("reading a frame: %v", err)
		}
		return a.add(f, now)
	}
	for i := range one {
		for name, frames := range map[string][][]byte{"one": one, "two": two} {
			f, complete, err := add(frames[i])
			if last := i == len(frames)-1; err != nil || complete != last || last && !bytes.Equal(f.body, bodies[name]) {
				t.Errorf("%s, part %d: found %q, %t, %v", name, i, f.body, complete, err)
			}
		}
	}
	if _, _, err := add(one[1]); err == nil {
		t.Error("found that a part without a beginning is taken")
	}
	_, _, _ = add(one[0])
	if _, _, err := add(one[2]); err == nil {
		t.Error("found that a part after a gap is taken")
	}
	_, _, _ = add(one[0])
	now = now.Add(2 * assemblyLasts)
	_, _, _ = add(two[0])
	if len(a.open) != 1 || a.size != len(bodies["two"][:100]) {
		t.Errorf("found %d bodies with %d bytes, expected that the old one is dropped", len(a.open), a.size)
	}
}

// FuzzSubject checks that any name makes a subject that NATS takes, and another name another one.
func FuzzSubject(f *testing.F) {
	f.Add("app", "presence-a.b*c>d e", "private-\x00\n")
	f.Add("", strings.Repeat("x", 400), strings.Repeat("x", 401))
	f.Fuzz(func(t *testing.T, app, one, two string) {
		s := subjects{"p"}
		topics := []pusherhub.Topic{{App: app, Channel: one}, {App: app, Channel: two}, {App: app, UserID: one}, {App: app}, {}}
		found := make(map[string]pusherhub.Topic)
		for _, topic := range topics {
			subject := s.topic(topic)
			if other, taken := found[subject]; taken && other != topic && app != "" {
				t.Errorf("found the subject of %+v for %+v", other, topic)
			}
			found[subject] = topic
			if strings.ContainsAny(subject, "*> \t\r\n") || len(subject) > 3*longestToken || app != "" && strings.Contains(subject, "..") {
				t.Errorf("found the subject %q of %+v", subject, topic)
			}
		}
	})
}
