// Package phpfpm is the Caddy app `php_fpm`: it runs php-fpm, and programs such as queue workers, as
// children of Caddy, so that one process is what a container starts, watches and stops.
//
// # Lives
//
// An [App] lives as long as its config. What it runs does not: php-fpm and each worker has a supervisor
// (supervisor.go), which is pooled under the settings that it was started with. A reload that leaves the
// settings alone finds the supervisor in the pool, and the program notices nothing. With other settings the new
// php-fpm is started beside the old one. Both accept from the same listening socket, which belongs to us (socket.go)
// and is handed to php-fpm, so no request meets a closed door: neither then, nor while a php-fpm that died is started again.
//
// # Exit
//
// Workers are told when Caddy begins to stop, so that a job can be finished while sockets are drained. php-fpm is
// told last, when Caddy's servers have finished their requests: not in App.Stop, which runs in no certain order, but from
// caddy.OnExit (running.go). A program that cannot be kept alive ends Caddy in the same order, with exit code 3.
package phpfpm

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/onecharge/pusherhub/caddymodule/health"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
)

func init() {
	caddy.RegisterModule(App{})
}

const appID = "php_fpm"

// App runs php-fpm and other programs beside Caddy. Texts may hold the placeholders `{env.NAME}` and `{file.PATH}`.
type App struct {
	// Binary is php-fpm: a name in `PATH` or a path. Default: the newest of `php-fpm`, `php-fpm8.5` and so on that
	// is installed.
	Binary string `json:"binary,omitempty"`

	// Socket is the unix socket on which php-fpm answers. Default: `/run/php-fpm.sock`, or
	// `$XDG_RUNTIME_DIR/php-fpm.sock` if `/run` is not ours to write to.
	Socket string `json:"socket,omitempty"`

	// User is the account that PHP and the workers run as if Caddy runs as root; any other Caddy runs them as
	// itself. Default: `www-data`.
	User string `json:"user,omitempty"`

	// Group is their group. Default: the user's.
	Group string `json:"group,omitempty"`

	// WorkingDirectory is where php-fpm and the workers are started. Default: Caddy's own.
	WorkingDirectory string `json:"working_directory,omitempty"`

	// MaxChildren bounds the requests that PHP works on at once (`pm.max_children`). Default: one for each 64 MB of
	// three quarters of the memory that the container, or the machine, has.
	MaxChildren int `json:"max_children,omitempty"`

	// RequestTerminateTimeout is the time after which php-fpm kills a request. Default: never.
	RequestTerminateTimeout caddy.Duration `json:"request_terminate_timeout,omitempty"`

	// Env is added to the environment, which php-fpm and the workers otherwise have from Caddy.
	Env map[string]string `json:"env,omitempty"`

	// Directives are more lines for the pool, in php-fpm's own words.
	Directives []Directive `json:"directives,omitempty"`

	// Config is a file with php-fpm settings, such as a pool file of its own. Its words win over the defaults here, except
	// for where php-fpm listens and logs. The pool's name is `www`.
	Config string `json:"config,omitempty"`

	// StartTimeout is how long php-fpm may take until it answers. Default: `30s`.
	StartTimeout caddy.Duration `json:"start_timeout,omitempty"`

	// StopTimeout is how long workers and php-fpm may take, from the moment when Caddy begins to stop; php-fpm, which
	// is told last, always has 0.7 s. Then they are killed. Default: `8s`.
	StopTimeout caddy.Duration `json:"stop_timeout,omitempty"`

	// MaxFailures is the number of times that php-fpm may die within the failure window. Then Caddy exits with code 3, so that the
	// platform replaces the container. Default: 6.
	MaxFailures int `json:"max_failures,omitempty"`

	// FailureWindow is the time in which failures are counted. Default: `1m`.
	FailureWindow caddy.Duration `json:"failure_window,omitempty"`

	// Workers are programs that run beside php-fpm.
	Workers []*Worker `json:"workers,omitempty"`

	// Static after Provision.
	log        *zap.Logger
	settings   masterSettings
	commands   []workerSettings
	master     *atomic.Pointer[supervisor] // what it points to is set by Start
	unregister func()

	workers []string // keys in the pool; owned by Caddy's goroutine that loads and unloads configs
}

// Directive is a line of a php-fpm pool.
type Directive struct {
	// Name is php-fpm's word, such as `pm.max_requests` or `php_admin_value[memory_limit]`.
	Name string `json:"name"`

	// Value is what it is set to.
	Value string `json:"value"`
}

// Worker is a program that runs beside php-fpm, such as `php artisan queue:work`, as the same user.
type Worker struct {
	// Command is the program and its arguments. No shell reads them.
	Command []string `json:"command"`

	// Count is how many of it run. Default: 1.
	Count int `json:"count,omitempty"`

	// StopSignal asks it to end. Default: `SIGTERM`.
	StopSignal string `json:"stop_signal,omitempty"`

	// Env is added to the environment of the app.
	Env map[string]string `json:"env,omitempty"`

	// WorkingDirectory is where it is started. Default: the app's.
	WorkingDirectory string `json:"working_directory,omitempty"`

	// MaxFailures is the number of times that it may end with an error within the failure window. Then Caddy exits
	// with code 3. Default: 10.
	MaxFailures int `json:"max_failures,omitempty"`

	// FailureWindow is the time in which failures are counted. Default: `10m`.
	FailureWindow caddy.Duration `json:"failure_window,omitempty"`
}

// live is the app of the config that is live.
var live atomic.Pointer[App]

// CaddyModule returns the Caddy module information.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  appID,
		New: func() caddy.Module { return new(App) },
	}
}

// Provision finds out what is to be run, and starts nothing.
func (a *App) Provision(ctx caddy.Context) error {
	a.log, a.master = ctx.Logger(), new(atomic.Pointer[supervisor])
	if err := a.resolve(); err != nil {
		return err
	}
	app, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("finding the events app: %w", err)
	}
	for _, name := range []string{"started", "stopping"} {
		if err := app.(*caddyevents.App).On(name, a); err != nil {
			return fmt.Errorf("subscribing to %s: %w", name, err)
		}
	}
	// here and not in Start: Caddy starts its apps in no certain order, and the site may already be asked
	a.unregister = health.Register("php-fpm", a.check)
	return nil
}

// check is nil while PHP answers: ours, or the one that is still live during a reload.
func (a *App) check() error {
	if serving := live.Load(); serving != nil && serving != a {
		if master := serving.master.Load(); master != nil && master.status() == nil {
			return nil
		}
	}
	master := a.master.Load()
	if master == nil {
		return errors.New("it has not been started yet")
	}
	return master.status()
}

// Start starts php-fpm, unless it already runs with these settings, and waits until it answers.
func (a *App) Start() error {
	master, err := a.settings.acquire(a.log)
	if err != nil {
		return err
	}
	a.master.Store(master)
	return nil
}

// Handle reacts to Caddy's own events. Only `started` says that a config is live.
func (a *App) Handle(_ context.Context, e caddy.Event) error {
	switch e.Name() {
	case "started":
		return a.goLive()
	case "stopping":
		if caddy.Exiting() {
			beginExit(time.Now())
		}
	}
	return nil
}

// goLive starts the workers, which nobody misses in a config that is refused after all, and lets everything that
// was running before log as this config says.
func (a *App) goLive() error {
	a.master.Load().log.Store(a.log)
	live.Store(a)
	everLive.Store(true)
	var errs []error
	for _, command := range a.commands {
		worker, key, err := command.acquire(a.log)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		worker.log.Store(a.log)
		a.workers = append(a.workers, key)
	}
	return errors.Join(errs...)
}

// ExitTime is how long the exit may take for what the app runs, from the moment when Caddy begins to stop.
func (a *App) ExitTime() time.Duration { return a.settings.StopTimeout }

// Stop does nothing: what no config wants any more is stopped in Cleanup, and at the exit everything in its turn.
func (a *App) Stop() error { return nil }

// Cleanup gives back what the config took. It also runs for configs that failed half way.
func (a *App) Cleanup() error {
	if a.unregister != nil {
		a.unregister()
	}
	var errs []error
	for _, key := range a.workers {
		errs = append(errs, release(key))
	}
	a.workers = nil
	if a.master == nil {
		return errors.Join(errs...)
	}
	if master := a.master.Swap(nil); master != nil {
		live.CompareAndSwap(a, nil)
		errs = append(errs, release(master.key))
	}
	return errors.Join(errs...)
}

// Interface guards
var (
	_ caddy.App           = (*App)(nil)
	_ caddy.Provisioner   = (*App)(nil)
	_ caddy.CleanerUpper  = (*App)(nil)
	_ caddyevents.Handler = (*App)(nil)
)
