package natsbroker

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// choose returns the register for a connection: in JetStream, if the options or the server say so.
func (e *engine) choose(l *link) (register, error) {
	if e.options.JetStream == JetStreamOff {
		return e.council.attach(l)
	}
	js, err := jetstream.New(l.nc)
	if err != nil {
		return nil, fmt.Errorf("using JetStream: %w", err)
	}
	ctx, cancel := context.WithTimeout(l.ctx, flushTimeout)
	defer cancel()
	_, err = js.AccountInfo(ctx)
	switch {
	case err == nil:
		if err := l.subscribe(l.members()); err != nil { // to hear of nodes that do without JetStream
			return nil, err
		}
		return newKVRegister(js, e.options, e.handler, &e.unsure), nil
	case e.options.JetStream == JetStreamAuto && withoutJetStream(err):
		return e.council.attach(l)
	}
	// a server that has JetStream and is just starting is asked again: the nodes must not keep two registers
	return nil, fmt.Errorf("using JetStream: %w", err)
}

// withoutJetStream reports whether the server does not have JetStream, or not for this user.
func withoutJetStream(err error) bool {
	return errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount)
}
