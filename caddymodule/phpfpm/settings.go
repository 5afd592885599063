package phpfpm

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// The defaults of App and Worker.
const (
	defaultStartTimeout  = 30 * time.Second
	defaultStopTimeout   = 8 * time.Second
	defaultFailures      = 6
	defaultFailureWindow = time.Minute

	// A worker may have to wait for a database, and meanwhile the site works.
	defaultWorkerFailures      = 10
	defaultWorkerFailureWindow = 10 * time.Minute
)

// shared are the settings that php-fpm and the workers have in common.
type shared struct {
	Dir         string
	Env         []string
	Account     *account // nil if not root
	StopTimeout time.Duration
	Limit       failureLimit
}

// masterSettings are what php-fpm is started with. Two configs with equal ones share one php-fpm.
type masterSettings struct {
	shared

	Binary       string
	Socket       string
	StartTimeout time.Duration
	MaxChildren  int
	Config       string // text of php-fpm's config but for what newMaster adds
}

// workerSettings are what one worker is started with.
type workerSettings struct {
	shared

	Command []string
	Path    string // of the program
	Signal  string
	Number  int // tells equal workers apart
}

// resolve turns the options into settings. Everything that can be wrong before php-fpm runs is found here.
func (a *App) resolve() error {
	replacer := caddy.NewReplacer()
	text := func(s string) string { return replacer.ReplaceKnown(s, "") }

	owner, err := findAccount(text(a.User), text(a.Group))
	if err != nil {
		return err
	}
	common := shared{
		Dir: text(a.WorkingDirectory), Env: environment(a.Env, text), Account: owner,
		StopTimeout: cmp.Or(time.Duration(a.StopTimeout), defaultStopTimeout),
	}
	if err := common.check(); err != nil {
		return err
	}
	for i, w := range a.Workers {
		settings, err := w.resolve(common, text)
		if err != nil {
			return fmt.Errorf("worker %d: %w", i+1, err)
		}
		for range max(w.Count, 1) {
			settings.Number = len(a.commands)
			a.commands = append(a.commands, settings)
		}
	}

	common.Limit = failureLimit{cmp.Or(a.MaxFailures, defaultFailures), cmp.Or(time.Duration(a.FailureWindow), defaultFailureWindow)}
	a.settings = masterSettings{shared: common, StartTimeout: cmp.Or(time.Duration(a.StartTimeout), defaultStartTimeout)}
	if a.settings.Binary, err = findBinary(text(a.Binary)); err != nil {
		return err
	}
	if a.settings.Socket, err = findSocket(text(a.Socket)); err != nil {
		return err
	}
	return a.configure(text)
}

// check refuses settings with which nothing can run.
func (s *shared) check() error {
	if s.Dir == "" {
		return nil
	}
	if info, err := os.Stat(s.Dir); err != nil {
		return fmt.Errorf("working_directory: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("working_directory: %s is not a folder", s.Dir)
	}
	return nil
}

// resolve returns the settings of a worker.
func (w *Worker) resolve(common shared, text func(string) string) (workerSettings, error) {
	settings := workerSettings{shared: common, Signal: cmp.Or(strings.ToUpper(w.StopSignal), "SIGTERM")}
	settings.Limit = failureLimit{
		cmp.Or(w.MaxFailures, defaultWorkerFailures), cmp.Or(time.Duration(w.FailureWindow), defaultWorkerFailureWindow),
	}
	for _, arg := range w.Command {
		settings.Command = append(settings.Command, text(arg))
	}
	if len(settings.Command) == 0 {
		return settings, errors.New("found no command")
	}
	settings.Env = slices.Concat(settings.Env, environment(w.Env, text))
	settings.Dir = cmp.Or(text(w.WorkingDirectory), settings.Dir)
	if err := settings.check(); err != nil {
		return settings, err
	}
	if _, err := signalByName(settings.Signal); err != nil {
		return settings, fmt.Errorf("stop_signal: %w", err)
	}
	program := settings.Command[0]
	if strings.Contains(program, "/") && !filepath.IsAbs(program) {
		program = filepath.Join(settings.Dir, program)
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return settings, fmt.Errorf("finding the program: %w", err)
	}
	settings.Path = path
	return settings, nil
}

// environment returns the variables in the order of their names.
func environment(variables map[string]string, text func(string) string) (env []string) {
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		env = append(env, name+"="+text(variables[name]))
	}
	return env
}

// inherited is the environment that children have from Caddy. NOTIFY_SOCKET is Caddy's own: through it php-fpm
// would tell systemd that the service is ready, or ends.
func inherited() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "NOTIFY_SOCKET=") })
}

// binaries are php-fpm's names: that of PHP's own build, then those of Debian, the newest first.
var binaries = []string{"php-fpm", "php-fpm8.6", "php-fpm8.5", "php-fpm8.4", "php-fpm8.3", "php-fpm8.2", "php-fpm8.1"}

// findBinary returns the path of php-fpm. The folders for programs of root are often not in PATH.
func findBinary(configured string) (string, error) {
	names := binaries
	if configured != "" {
		names = []string{configured}
	}
	for _, name := range names {
		for _, folder := range []string{"", "/usr/local/sbin", "/usr/sbin"} {
			if folder != "" && strings.Contains(name, "/") {
				continue
			}
			if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
				return filepath.Abs(path)
			}
		}
	}
	if configured != "" {
		return "", fmt.Errorf("binary: found no program %s", configured)
	}
	return "", errors.New("found no php-fpm in PATH, /usr/local/sbin and /usr/sbin: install it (Debian: apt-get install php-fpm), or say where it is with 'binary <path>'")
}

// findSocket returns where php-fpm is to answer.
func findSocket(configured string) (string, error) {
	path := strings.TrimPrefix(configured, "unix/") // as php_fastcgi writes it
	if path == "" {
		runtime := os.Getenv("XDG_RUNTIME_DIR")
		switch {
		case writable("/run"):
			path = "/run/php-fpm.sock"
		case runtime != "":
			path = filepath.Join(runtime, "php-fpm.sock")
		default:
			return "", errors.New("found no place for the socket, because /run cannot be written to: say where it shall be with 'socket <path>'")
		}
	}
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("socket: found %q, expected an absolute path", configured)
	}
	if len(path) > maxSocketPath {
		return "", fmt.Errorf("socket: %s has %d bytes, but the path of a socket has %d at most", path, len(path), maxSocketPath)
	}
	return filepath.Clean(path), nil
}
