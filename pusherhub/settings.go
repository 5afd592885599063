package pusherhub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Settings is the immutable, validated form of a [Config]. A hub takes one with [Hub.Apply];
// a request may be served with settings that are not applied yet ([Site.Settings]).
type Settings struct {
	number   uint64 // those that were made later have a higher one
	apps     *StaticApps
	source   AppSource // nil if the list is all there is
	broker   Broker    // nil: memory
	drain    time.Duration
	maxConns Limit
	log      *zap.Logger
}

// settingsMade counts the settings of this process.
var settingsMade atomic.Uint64

// NewSettings validates cfg.
func NewSettings(cfg Config) (*Settings, error) {
	apps, err := NewStaticApps(cfg.Apps...)
	if err != nil {
		return nil, err
	}
	s := &Settings{
		number: settingsMade.Add(1),
		apps:   apps, source: cfg.AppSource, broker: cfg.Broker,
		drain: time.Duration(cfg.Drain), maxConns: cfg.MaxConnections, log: cfg.Logger,
	}
	if len(cfg.Apps) == 0 && cfg.AppSource == nil {
		return nil, errors.New("no app: a hub needs at least one app or an app source")
	}
	if s.drain < 0 {
		return nil, fmt.Errorf("drain: found %s, expected a positive duration", s.drain)
	}
	if s.maxConns < Unlimited {
		return nil, fmt.Errorf("max_node_connections: found %d, expected a positive number or unlimited (-1)", s.maxConns)
	}
	if s.drain == 0 {
		s.drain = 6 * time.Second
	}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	return s, nil
}

// appByID finds an app for the HTTP API. local: do not ask a source that would have to ask somebody else.
func (s *Settings) appByID(ctx context.Context, id string, local bool) (*App, error) {
	return s.find(local, s.apps.byID[id], func(src AppSource) (*App, error) { return src.AppByID(ctx, id) })
}

// appByKey finds an app for a client.
func (s *Settings) appByKey(ctx context.Context, key string, local bool) (*App, error) {
	return s.find(local, s.apps.byKey[key], func(src AppSource) (*App, error) { return src.AppByKey(ctx, key) })
}

func (s *Settings) find(local bool, listed *App, ask func(AppSource) (*App, error)) (*App, error) {
	if listed != nil {
		return listed, nil
	}
	if s.source == nil {
		return nil, ErrAppNotFound
	}
	if _, lists := s.source.(AppLister); local && !lists {
		return nil, ErrAppNotFound
	}
	return ask(s.source)
}

// listed returns the apps that are known without asking, and whether that is all of them.
func (s *Settings) listed() (apps []*App, all bool) {
	apps = s.apps.list
	if s.source == nil {
		return apps, true
	}
	if lister, ok := s.source.(AppLister); ok {
		return append(slices.Clip(apps), lister.Apps()...), true
	}
	return apps, false
}
