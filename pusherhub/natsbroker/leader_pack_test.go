package natsbroker

import (
	"reflect"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// FuzzParcel checks that pieces come out as they went in, and that no body breaks the reader.
func FuzzParcel(f *testing.F) {
	f.Add([]byte("one"), []byte{})
	f.Add([]byte{0xff, 0, '\n'}, []byte("\x05{\"ID\"}"))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		_ = unpack(one, new(question))
		sent := &question{ID: "a.1", Call: &cluster.Call{Op: cluster.OpKeep, Posts: []cluster.Post{{Topic: channel("x"), Data: one}, {Data: two}}}}
		body, err := pack(sent)
		if err != nil {
			t.Fatalf("packing: %v", err)
		}
		var found question
		if err := unpack(body, &found); err != nil {
			t.Fatalf("unpacking: %v", err)
		}
		for i, piece := range found.pieces() {
			if sent := *sent.pieces()[i]; string(*piece) != string(sent) {
				t.Errorf("found the piece %q, expected %q", *piece, sent)
			}
		}
		if found.ID != sent.ID || !reflect.DeepEqual(found.Call.Posts[0].Topic, channel("x")) {
			t.Errorf("found %+v, expected %+v", found, sent)
		}
	})
}
