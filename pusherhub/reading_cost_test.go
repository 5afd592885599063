package pusherhub_test

import (
	"io"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// What a client says costs no memory unless it makes a difference, from the read to the answer.
func TestReadingAllocations(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	r := s.DialRaw(t, "/app/"+s.App.Key+"?protocol=7")
	r.Expect("pusher:connection_established")
	const ping, pong = `{"event":"pusher:ping","data":{}}`, `{"event":"pusher:pong","data":"{}"}`
	frame := func(first byte, payload string) string { return string(hubtest.ClientFrame(first, []byte(payload))) }
	for _, c := range []struct {
		name, sent string
		answer     int // bytes
		most       float64
	}{
		{"pusher:ping", frame(textOp, ping), 2 + len(pong), 0},
		{"pusher:ping in two frames", frame(hubtest.OpText, ping[:9]) + frame(hubtest.Fin, ping[9:]), 2 + len(pong), 0},
		{"ping frame", frame(pingOp, "are you there?"), 2 + len("are you there?"), 0},
		{"pong frame", frame(hubtest.Fin|hubtest.OpPong, "yes") + frame(pingOp, ""), 2, 0},
		{"unsubscribe", frame(textOp, `{"event":"pusher:unsubscribe","data":{"channel":"another"}}`) + frame(pingOp, ""), 2, 1},
	} {
		sent, answer := []byte(c.sent), make([]byte, c.answer)
		exchange := func() {
			if _, err := r.Write(sent); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(r.Conn, answer); err != nil {
				t.Fatal(err)
			}
		}
		least := testing.AllocsPerRun(1, exchange)
		for range 50 { // the race detector empties pools at random
			least = min(least, testing.AllocsPerRun(1, exchange))
		}
		if least > c.most {
			t.Errorf("%s: found %v allocations, expected at most %v", c.name, least, c.most)
		}
	}
}
