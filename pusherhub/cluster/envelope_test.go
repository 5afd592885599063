package cluster

import (
	"encoding/hex"
	"reflect"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
)

// goldenEnvelopes are what version 1 looks like. Nodes of neighbouring releases read each other's, so these bytes do not change; a field may be added behind.
var goldenEnvelopes = []struct {
	name     string
	envelope envelope
	bytes    string
}{
	{
		"message",
		envelope{origin: "O", number: 300, message: &pusherhub.Message{
			App: "1", Channel: "cache-c", Event: "e", Payload: []byte(`{}`), Except: "1.2", Cache: new("d"), CacheUntil: 1000,
		}},
		"08011001" + "1a014f" + "20ac02" + "2a0131" + "320763616368652d63" + "3a0165" + "42027b7d" + "4a03312e32" + "520164" + "58e807",
	},
	{
		"message with what may be empty",
		envelope{origin: "O", number: 1, message: &pusherhub.Message{App: "1", Channel: "c", Event: "e", Payload: []byte{}, Cache: new("")}},
		"08011001" + "1a014f" + "2001" + "2a0131" + "320163" + "3a0165" + "4200" + "5200",
	},
	{
		"command",
		envelope{origin: "O", number: 2, command: &pusherhub.Command{
			Name: "n", App: "1", UserID: "u", SocketID: "1.2", IP: "::1", Channel: "c", Reconnect: true,
		}},
		"08011002" + "1a014f" + "2002" + "2a0131" + "320163" + "62016e" + "6a0175" + "7203312e32" + "7a033a3a31" + "800101",
	},
}

func TestEnvelopeGolden(t *testing.T) {
	for _, golden := range goldenEnvelopes {
		t.Run(golden.name, func(t *testing.T) {
			if found := hex.EncodeToString(golden.envelope.encode()); found != golden.bytes {
				t.Errorf("encoded %s,\nexpected %s", found, golden.bytes)
			}
			data, err := hex.DecodeString(golden.bytes)
			if err != nil {
				t.Fatal(err)
			}
			found, err := decode(data)
			if err != nil {
				t.Fatalf("decoding: %v", err)
			}
			if !reflect.DeepEqual(*found, golden.envelope) {
				t.Errorf("decoded %+v, expected %+v", *found, golden.envelope)
			}
		})
	}
}

func TestEnvelopeOfAnotherRelease(t *testing.T) {
	for _, test := range []struct {
		name, bytes string
		understood  bool
	}{
		{"unknown fields of every type are skipped", "08011001" + "1a014f2001" + "9806ff01" + "a2060161" + "ad0600000000" + "b1060000000000000000", true},
		{"an unknown version", "08021001" + "1a014f2001", false},
		{"no version", "1001" + "1a014f2001", false},
		{"an unknown kind", "08011009" + "1a014f2001", false},
		{"no kind", "0801" + "1a014f2001", false},
		{"nothing", "", false},
		{"cut off", "08011001" + "1a044f", false},
		{"something else", "7b7d", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			data, err := hex.DecodeString(test.bytes)
			if err != nil {
				t.Fatal(err)
			}
			e, err := decode(data)
			if (err == nil) != test.understood {
				t.Fatalf("decoding: %+v, %v; expected it to be understood: %v", e, err, test.understood)
			}
			if test.understood && (e.origin != "O" || e.number != 1 || e.message == nil) {
				t.Errorf("decoded %+v, expected message 1 of O", e)
			}
		})
	}
}

func FuzzEnvelope(f *testing.F) {
	for _, golden := range goldenEnvelopes {
		f.Add(golden.envelope.encode())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := decode(data)
		if err != nil {
			return
		}
		again, err := decode(e.encode())
		if err != nil {
			t.Fatalf("decoding what was encoded: %v", err)
		}
		if e.message != nil && e.message.Payload == nil {
			e.message.Payload = []byte{}
		}
		if !reflect.DeepEqual(again, e) {
			t.Fatalf("decoded %+v, expected %+v", again, e)
		}
	})
}
