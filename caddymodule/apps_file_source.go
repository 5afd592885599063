package caddymodule

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"
)

// fileSource is the list of apps that some files hold.
type fileSource struct {
	// Static.
	path     string
	interval time.Duration
	build    AppBuilder
	log      *zap.Logger

	current          atomic.Pointer[fileList]
	changes, refused atomic.Uint64
	wrong            atomic.Bool // the files are not what is in use
}

// fileList is what the files held at one moment.
type fileList struct {
	*pusherhub.StaticApps

	state string                               // of the files
	made  map[[sha256.Size]byte]*pusherhub.App // by the app's text, so that an app stays the same as long as that does
}

// AppByID returns the app with that id.
func (s *fileSource) AppByID(ctx context.Context, id string) (*pusherhub.App, error) {
	return s.current.Load().AppByID(ctx, id)
}

// AppByKey returns the app with that key.
func (s *fileSource) AppByKey(ctx context.Context, key string) (*pusherhub.App, error) {
	return s.current.Load().AppByKey(ctx, key)
}

// Apps returns every app.
func (s *fileSource) Apps() []*pusherhub.App { return s.current.Load().Apps() }

// make makes the apps of the files. Those whose text is not new are not made again.
func (s *fileSource) make(files []appFile) (*fileList, error) {
	located, err := parseFiles(files)
	if err != nil {
		return nil, err
	}
	var before map[[sha256.Size]byte]*pusherhub.App
	if current := s.current.Load(); current != nil {
		before = current.made
	}
	list := &fileList{state: stateOf(files), made: make(map[[sha256.Size]byte]*pusherhub.App, len(located))}
	var (
		apps []*pusherhub.App
		errs []error
	)
	for _, l := range located {
		sum := sha256.Sum256(l.text)
		made := before[sum]
		if made == nil {
			if made, err = s.build(l.app); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", l.where, err))
				continue
			}
		}
		list.made[sum] = made
		apps = append(apps, made)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	list.StaticApps, err = pusherhub.NewStaticApps(apps...)
	return list, err
}

// Watch looks at the files until ctx ends.
func (s *fileSource) Watch(ctx context.Context, live pusherhub.LiveApps) {
	tick := time.NewTicker(s.interval)
	defer tick.Stop()
	last := ""    // the state of the files at the last look
	refused := "" // the state that was reported as wrong
	for {
		files, err := readFiles(s.path)
		state := stateOf(files)
		if err != nil {
			state = err.Error()
		}
		settled := state == last
		last = state
		switch {
		case state == s.current.Load().state:
			refused = ""
			s.wrong.Store(false)
		case settled && state != refused:
			if err == nil {
				err = s.change(ctx, files, live)
			}
			if err != nil {
				refused = state
				s.report(err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// change puts what the files hold into effect.
func (s *fileSource) change(ctx context.Context, files []appFile, live pusherhub.LiveApps) error {
	next, err := s.make(files)
	if err != nil {
		return err
	}
	before := s.current.Swap(next)
	s.changes.Add(1)
	s.wrong.Store(false)
	var changed []string
	for _, app := range slices.Concat(before.Apps(), next.Apps()) {
		was, _ := before.AppByID(ctx, app.ID())
		is, _ := next.AppByID(ctx, app.ID())
		if was != is && !slices.Contains(changed, app.ID()) {
			changed = append(changed, app.ID())
		}
	}
	s.log.Info("apps changed", zap.String("path", s.path), zap.Strings("changed", changed), zap.Int("apps", len(next.Apps())))
	for _, id := range changed {
		live.Refresh(ctx, id)
	}
	return nil
}

// report says what is wrong with the files.
func (s *fileSource) report(err error) {
	s.refused.Add(1)
	s.wrong.Store(true)
	s.log.Error("the apps in use stay as they are, because the files are wrong", zap.String("path", s.path), zap.Error(err))
}

// Measures returns how the files did.
func (s *fileSource) Measures() []pusherhub.Measure {
	wrong := 0.0
	if s.wrong.Load() {
		wrong = 1
	}
	return []pusherhub.Measure{
		{Name: "file_changes_total", Help: "Changes of the files that were taken.", Counter: true, Value: float64(s.changes.Load())},
		{Name: "file_errors_total", Help: "Changes of the files that were not taken because something is wrong with them.", Counter: true, Value: float64(s.refused.Load())},
		{Name: "file_wrong", Help: "1 while the files cannot be taken, so that earlier apps stay in use.", Value: wrong},
		{Name: "file_apps", Help: "Apps in use.", Value: float64(len(s.Apps()))},
	}
}

// Interface guards
var (
	_ pusherhub.AppLister  = (*fileSource)(nil)
	_ pusherhub.AppWatcher = (*fileSource)(nil)
	_ pusherhub.Measurer   = (*fileSource)(nil)
)
