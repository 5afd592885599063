package cluster_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// leaving is an engine that loses its connection when it is closed, as one with a server does.
type leaving struct {
	cluster.Engine
	handler cluster.Handler
}

func (e *leaving) Open(h cluster.Handler) error {
	e.handler = h
	return e.Engine.Open(h)
}

func (e *leaving) Close() error {
	err := e.Engine.Close()
	e.handler.Down(errors.New("closed"))
	return err
}

// A broker that is closed does not complain of the connection that it ends itself. One that loses it does.
func TestCloseQuietly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.DebugLevel)
		bus := cluster.NewBus()
		engine := bus.Engine()
		b := cluster.New(&leaving{Engine: engine}, cluster.Options{Logger: zap.New(core)})
		if err := b.Open(t.Context(), &reporting{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		bus.Cut(engine)
		synctest.Wait()
		if logs.FilterLevelExact(zap.WarnLevel).Len() != 1 {
			t.Errorf("found %v, expected one complaint about the loss", logs.All())
		}
		bus.Restore(engine)
		time.Sleep(10 * time.Second)
		logs.TakeAll()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if all := logs.All(); len(all) > 0 {
			t.Errorf("closing says %v", all)
		}
	})
}

// Users whose data is too large are many lines of the log if each join is one.
func TestLeftOutIsLoggedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.ErrorLevel)
		engine := &leaving{Engine: cluster.NewBus().Engine()}
		b := startBroker(t, engine, cluster.Options{Logger: zap.New(core)})
		defer func() { _ = b.Close() }()
		leaveOut := func() {
			engine.handler.LeftOut(pusherhub.Topic{App: "a", Channel: "presence-c"}, "7", errors.New("too large"))
		}
		for range 20 {
			leaveOut()
		}
		time.Sleep(5 * time.Second)
		leaveOut()
		if logs.Len() != 2 {
			t.Errorf("found %d lines in the log, expected 2", logs.Len())
		}
	})
}
