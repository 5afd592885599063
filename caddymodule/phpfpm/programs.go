package phpfpm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
)

// programs holds the supervisors by what they were started with. A reload starts the new config before it cleans up
// the old one, so a program that both have goes on undisturbed.
var programs = caddy.NewUsagePool()

// acquire returns the program that runs with these settings, or start's. release gives it back.
func acquire(settings any, kind string, start func(key string) (*supervisor, error)) (*supervisor, string, error) {
	canonical, err := json.Marshal(settings)
	if err != nil {
		return nil, "", fmt.Errorf("encoding the settings of %s: %w", kind, err)
	}
	key := kind + " " + string(canonical)
	pooled, _, err := programs.LoadOrNew(key, func() (caddy.Destructor, error) { return start(key) })
	if err != nil {
		return nil, "", err
	}
	return pooled.(*supervisor), key, nil
}

func release(key string) error {
	_, err := programs.Delete(key)
	return err
}

// acquire returns a php-fpm with these settings that answers.
func (m *masterSettings) acquire(log *zap.Logger) (*supervisor, error) {
	s, _, err := acquire(m, "php-fpm", func(key string) (*supervisor, error) { return m.start(key, log) })
	return s, err
}

// start starts php-fpm and waits until it answers.
func (m *masterSettings) start(key string, log *zap.Logger) (_ *supervisor, err error) {
	var undo []func() error
	defer func() {
		if err != nil {
			err = errors.Join(err, undoAll(undo))
		}
	}()
	shared, err := acquireSocket(m.Socket, m.Account)
	if err != nil {
		return nil, err
	}
	undo = append(undo, func() error { return releaseSocket(m.Socket) })
	inherited, err := shared.listener.File()
	if err != nil {
		return nil, fmt.Errorf("sharing the socket: %w", err)
	}
	undo = append(undo, inherited.Close)
	folder, err := os.MkdirTemp("", "php-fpm-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for php-fpm's config: %w", err)
	}
	undo = append(undo, func() error { return os.RemoveAll(folder) })
	if name := pingSocket(folder); len(name) > maxSocketPath {
		return nil, fmt.Errorf("the temporary folder's name is too long for a socket: %s", name)
	}
	config, err := m.write(folder)
	if err != nil {
		return nil, fmt.Errorf("writing php-fpm's config: %w", err)
	}

	cleanup := undo
	undo = nil // from here on by the supervisor
	log.Info("starting php-fpm", zap.String("binary", m.Binary), zap.String("socket", m.Socket), zap.Int("max_children", m.MaxChildren))
	return supervise(program{
		name: "php-fpm", key: key,
		command: func() *exec.Cmd { return m.command(config, folder, inherited) },
		ready:   func(ctx context.Context) error { return ping(ctx, pingSocket(folder), pingPath) },
		readyIn: m.StartTimeout,
		// graceful; SIGTERM is not
		quitSignal:  syscall.SIGQUIT,
		stopTimeout: m.StopTimeout, limit: m.Limit,
		write: writeMasterLine,
		fatal: failProcess,
		cleanup: func() {
			if err := undoAll(cleanup); err != nil {
				caddy.Log().Named(appID).Error("cleaning up after php-fpm", zap.Error(err))
			}
		},
	}, log)
}

// undoAll calls the functions from the last to the first.
func undoAll(undo []func() error) (err error) {
	for _, f := range slices.Backward(undo) {
		err = errors.Join(err, f())
	}
	return err
}

// command returns php-fpm with its socket as file 3.
func (m *masterSettings) command(config, folder string, socket *os.File) *exec.Cmd {
	args := []string{"--nodaemonize", "--fpm-config", config}
	if m.Account != nil && m.Account.UID == 0 {
		args = append(args, "--allow-to-run-as-root")
	}
	cmd := exec.Command(m.Binary, args...) //nolint:gosec // the config's
	cmd.Dir = m.Dir
	cmd.Env = slices.Concat(inherited(), m.Env, []string{"FPM_SOCKETS=" + listenName(folder) + "=3"})
	cmd.ExtraFiles = []*os.File{socket}
	// php-fpm itself stays root and gives its children the account of the config
	apply(cmd, nil, syscall.SIGTERM)
	return cmd
}

// acquire returns a worker with these settings that runs, or is being restarted.
func (w *workerSettings) acquire(log *zap.Logger) (*supervisor, string, error) {
	return acquire(w, "worker", func(key string) (*supervisor, error) { return w.start(key, log) })
}

func (w *workerSettings) start(key string, log *zap.Logger) (*supervisor, error) {
	quit, err := signalByName(w.Signal)
	if err != nil {
		return nil, err
	}
	command := strings.Join(append([]string{filepath.Base(w.Command[0])}, w.Command[1:]...), " ")
	return supervise(program{
		name: "worker '" + command + "'", key: key,
		command: func() *exec.Cmd { return w.command(quit) },
		owner:   w.Account, quitSignal: quit, early: true, mayEnd: true,
		stopTimeout: w.StopTimeout, limit: w.Limit,
		write:   func(log *zap.Logger, line string) { writeWorkerLine(log, command, line) },
		cleanup: func() {},
		fatal:   failProcess,
	}, log)
}

// command returns the worker's command, to be run by the account that PHP has.
func (w *workerSettings) command(quit syscall.Signal) *exec.Cmd {
	cmd := exec.Command(w.Path, w.Command[1:]...) //nolint:gosec // the config's
	cmd.Args[0] = w.Command[0]
	cmd.Dir = w.Dir
	cmd.Env = inherited()
	if w.Account != nil {
		cmd.Env = append(cmd.Env, "HOME="+w.Account.Home, "USER="+w.Account.User, "LOGNAME="+w.Account.User)
	}
	cmd.Env = append(cmd.Env, w.Env...)
	apply(cmd, w.Account, quit)
	return cmd
}

var _ caddy.Destructor = (*supervisor)(nil)
