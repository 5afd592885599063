package natsbroker

import (
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

const manyKeys = 3000

// newLook returns a register with more keys than a look at it has ready at a time.
func newLook(t *testing.T) *kvRegister {
	t.Helper()
	s := startServer(t, withJetStream(t))
	nc, err := nats.Connect(s.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	r := newKVRegister(js, s.broker("look"), silent{}, new(kvUnsure))
	t.Cleanup(r.stop)
	err = parallel(manyKeys, func(i int) error {
		_, err := r.put(t.Context(), fmt.Sprint(topicKeys, i), []byte("1"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A look at the bucket that ends early leaves nothing behind.
func TestLookEndsEarly(t *testing.T) {
	r := newLook(t)
	hubtest.CheckGoroutines(t)
	before := r.js.Conn().Stats().InMsgs
	err := r.each(t.Context(), topicKeys+">", func(jetstream.KeyValueEntry) error {
		hubtest.Eventually(t, "more has come than is ready", func() bool { return r.js.Conn().Stats().InMsgs-before > manyKeys/2 })
		return errEnough
	})
	if !errors.Is(err, errEnough) {
		t.Errorf("found %v, expected %v", err, errEnough)
	}
}

// What was seen before the connection was lost is not taken for all that there is.
func TestLookCutShort(t *testing.T) {
	r := newLook(t)
	seen := 0
	err := r.each(t.Context(), topicKeys+">", func(jetstream.KeyValueEntry) error {
		if seen++; seen == 1 {
			r.js.Conn().Close()
		}
		return nil
	})
	if err == nil {
		t.Errorf("found no error after %d keys of %d", seen, manyKeys)
	}
}
