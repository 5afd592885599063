package pusherhub

import (
	"context"
	"fmt"
	"time"
)

// App is the immutable, validated form of an [AppConfig]: what a socket or an API
// request of the app is checked against. Its live state (sockets, channels, users)
// belongs to the hub and outlives it.
type App struct {
	// Static after NewApp.
	cfg     AppConfig
	secrets [][]byte // the current one first
	origins originList
	cors    originList
	hooks   hooks

	rateAttempts  int // 0: no limiter
	rateDecay     time.Duration
	rateTerminate bool
}

// NewApp checks cfg and fills in the defaults of its profile. The error names
// every option that is wrong.
func NewApp(cfg AppConfig) (*App, error) {
	cfg = cfg.WithDefaults(profileDefaults(cfg.Compat))
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("app %q: %w", cfg.ID, err)
	}
	a := &App{
		cfg:     cfg,
		secrets: [][]byte{[]byte(cfg.Secret)},
		origins: newOriginList(cfg.AllowedOrigins),
		cors:    newOriginList(cfg.APICORSOrigins),
		hooks:   resolveHooks(cfg.Plugins),
	}
	for _, old := range cfg.PreviousSecrets {
		a.secrets = append(a.secrets, []byte(old))
	}
	if r := cfg.RateLimiting; r != nil {
		a.rateAttempts, a.rateDecay, a.rateTerminate = r.MaxAttempts, time.Duration(r.Decay), isOn(r.TerminateOnLimit)
		if a.rateAttempts == 0 {
			a.rateAttempts = 60
		}
		if a.rateDecay == 0 {
			a.rateDecay = time.Minute
		}
	}
	return a, nil
}

// ID returns the app id of the HTTP API's paths.
func (a *App) ID() string { return a.cfg.ID }

// Key returns the public app key.
func (a *App) Key() string { return a.cfg.Key }

// Config returns the config with all defaults filled in. It holds the secret: never log it.
func (a *App) Config() AppConfig { return a.cfg }

// reverb reports whether the app answers as Reverb does where Reverb and Pusher differ.
func (a *App) reverb() bool { return a.cfg.Compat == CompatReverb }

func (a *App) enabled() bool { return isOn(a.cfg.Enabled) }

// isOn reads a switch: unset is off.
func isOn(b *bool) bool { return b != nil && *b }

// AppSource finds apps that are not written in the config: in a database, behind an
// endpoint. Both methods answer [ErrAppNotFound] for an app that does not exist;
// any other error means "not known at the moment" and refuses the client for now. A source returns the
// same *App until the app's settings change. Methods are called concurrently.
type AppSource interface {
	// AppByID finds an app for a request of the HTTP API.
	AppByID(ctx context.Context, id string) (*App, error)

	// AppByKey finds an app for a WebSocket client.
	AppByKey(ctx context.Context, key string) (*App, error)
}

// AppLister is an [AppSource] that knows all of its apps without asking anyone. Only
// such a source is asked about plain GET requests, and only its apps can be removed by a reload.
type AppLister interface {
	AppSource

	// Apps returns every app.
	Apps() []*App
}

// AppWatcher is an [AppSource] that notices changes of its apps by itself, while their sockets are open.
type AppWatcher interface {
	AppSource

	// Watch runs from when the source goes live until ctx ends, and calls live.Refresh with the id of each app that may have
	// changed, come or gone. It is the place for the source's background work.
	Watch(ctx context.Context, live LiveApps)
}

// LiveApps are the apps of a hub that have sockets, channels or plugins at work, as an [AppWatcher] sees them.
type LiveApps interface {
	// IDs returns the ids of those apps.
	IDs() []string

	// Refresh asks the source for the app and has its sockets, if there are any, live by what it says: new limits and secrets, 4003 if the
	// app is disabled, 4001 if it is gone. An error other than [ErrAppNotFound] changes nothing.
	Refresh(ctx context.Context, id string)
}

// StaticApps is the [AppLister] over a fixed list.
type StaticApps struct {
	byID, byKey map[string]*App
	list        []*App
}

// NewStaticApps refuses lists in which two apps share an id or a key.
func NewStaticApps(apps ...*App) (*StaticApps, error) {
	s := &StaticApps{byID: make(map[string]*App, len(apps)), byKey: make(map[string]*App, len(apps)), list: apps}
	for _, a := range apps {
		if s.byID[a.ID()] != nil {
			return nil, fmt.Errorf("two apps have the id %q", a.ID())
		}
		if other := s.byKey[a.Key()]; other != nil {
			return nil, fmt.Errorf("apps %q and %q have the same key %q", other.ID(), a.ID(), a.Key())
		}
		s.byID[a.ID()], s.byKey[a.Key()] = a, a
	}
	return s, nil
}

// AppByID returns the app with that id.
func (s *StaticApps) AppByID(_ context.Context, id string) (*App, error) {
	if a := s.byID[id]; a != nil {
		return a, nil
	}
	return nil, ErrAppNotFound
}

// AppByKey returns the app with that key.
func (s *StaticApps) AppByKey(_ context.Context, key string) (*App, error) {
	if a := s.byKey[key]; a != nil {
		return a, nil
	}
	return nil, ErrAppNotFound
}

// Apps returns the list.
func (s *StaticApps) Apps() []*App { return s.list }
