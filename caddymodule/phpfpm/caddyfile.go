package phpfpm

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

func init() {
	httpcaddyfile.RegisterGlobalOption(appID, parseGlobalOption)
}

// parseGlobalOption reads the option, which is there once at most.
func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		return nil, d.Err("php_fpm: found it again, expected it once")
	}
	app := new(App)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: appID, Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile sets up the app from Caddyfile tokens. Syntax:
//
//	php_fpm {
//		binary <name or path>
//		socket <path>
//		user <name>
//		group <name>
//		working_directory <path>
//		max_children <number>
//		request_terminate_timeout <duration>
//		env <name> <value>
//		config <file>
//		directive <name> <value>
//		php_value <name> <value>
//		php_flag <name> on|off
//		php_admin_value <name> <value>
//		php_admin_flag <name> on|off
//		start_timeout <duration>
//		stop_timeout <duration>
//		max_failures <number> [<window>]
//		worker <command...> {
//			count <number>
//			stop_signal <signal>
//			env <name> <value>
//			working_directory <path>
//			max_failures <number> [<window>]
//		}
//	}
//
// env, directive, the four words of PHP settings, and worker may be repeated.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the option's name
	if d.NextArg() {
		return d.Errf("php_fpm: found %q, expected a block or the end of the line", d.Val())
	}
	return readBlock(d, "php_fpm", map[string]readOption{
		"binary":                    readText(&a.Binary),
		"socket":                    readText(&a.Socket),
		"user":                      readText(&a.User),
		"group":                     readText(&a.Group),
		"working_directory":         readText(&a.WorkingDirectory),
		"config":                    readText(&a.Config),
		"max_children":              readNumber(&a.MaxChildren),
		"request_terminate_timeout": readDuration(&a.RequestTerminateTimeout),
		"start_timeout":             readDuration(&a.StartTimeout),
		"stop_timeout":              readDuration(&a.StopTimeout),
		"max_failures":              readFailures(&a.MaxFailures, &a.FailureWindow),
		"env":                       readEnv(&a.Env),
		"directive":                 a.readDirective,
		"php_value":                 a.readSetting,
		"php_flag":                  a.readSetting,
		"php_admin_value":           a.readSetting,
		"php_admin_flag":            a.readSetting,
		"worker":                    a.readWorker,
	})
}

// readOption reads the line, or the block, that begins with an option.
type readOption func(*caddyfile.Dispenser) error

// repeatable are the options that may stand in a block more than once.
var repeatable = []string{"env", "directive", "php_value", "php_flag", "php_admin_value", "php_admin_flag", "worker"}

// readBlock reads a block of options.
func readBlock(d *caddyfile.Dispenser, of string, options map[string]readOption) error {
	lines := make(map[string]int)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		read, ok := options[option]
		if !ok {
			return d.Errf("unknown option '%s' of %s, expected one of %s", option, of, strings.Join(slices.Sorted(maps.Keys(options)), ", "))
		}
		if line, seen := lines[option]; seen && !slices.Contains(repeatable, option) {
			return d.Errf("%s: found it again, expected it once: it is already in line %d", option, line)
		}
		lines[option] = d.Line()
		if err := read(d); err != nil {
			return err
		}
	}
	return nil
}

// values returns what stands on the rest of the line: from least to most values.
func values(d *caddyfile.Dispenser, least, most int, expected string) ([]string, error) {
	option := d.Val()
	args := d.RemainingArgs()
	if len(args) < least || len(args) > most {
		return nil, d.Errf("%s: found %d values, expected %s", option, len(args), expected)
	}
	if d.NextBlock(d.Nesting()) {
		return nil, d.Errf("%s: found a block, expected the end of the line", option)
	}
	return args, nil
}

func readText(to *string) readOption {
	return func(d *caddyfile.Dispenser) error {
		args, err := values(d, 1, 1, "one")
		if err == nil {
			*to = args[0]
		}
		return err
	}
}

// positive reads a number that counts something.
func positive(d *caddyfile.Dispenser, option, text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return 0, d.Errf("%s: found %q, expected a positive whole number", option, text)
	}
	return n, nil
}

func readNumber(to *int) readOption {
	return func(d *caddyfile.Dispenser) error {
		option := d.Val()
		args, err := values(d, 1, 1, "a number")
		if err != nil {
			return err
		}
		*to, err = positive(d, option, args[0])
		return err
	}
}

// duration reads a time that something takes.
func duration(d *caddyfile.Dispenser, option, text string) (caddy.Duration, error) {
	t, err := caddy.ParseDuration(text)
	if err != nil || t <= 0 {
		return 0, d.Errf("%s: found %q, expected a positive duration such as 30s", option, text)
	}
	return caddy.Duration(t), nil
}

func readDuration(to *caddy.Duration) readOption {
	return func(d *caddyfile.Dispenser) error {
		option := d.Val()
		args, err := values(d, 1, 1, "a duration")
		if err != nil {
			return err
		}
		*to, err = duration(d, option, args[0])
		return err
	}
}

func readFailures(limit *int, window *caddy.Duration) readOption {
	return func(d *caddyfile.Dispenser) error {
		option := d.Val()
		args, err := values(d, 1, 2, "a number and, if you like, the time in which so many are too many")
		if err != nil {
			return err
		}
		if *limit, err = positive(d, option, args[0]); err != nil || len(args) == 1 {
			return err
		}
		*window, err = duration(d, option, args[1])
		return err
	}
}

func readEnv(to *map[string]string) readOption {
	return func(d *caddyfile.Dispenser) error {
		args, err := values(d, 2, 2, "a name and its value")
		if err != nil {
			return err
		}
		if args[0] == "" || strings.ContainsAny(args[0], "=\x00") {
			return d.Errf("env: found %q, expected the name of a variable", args[0])
		}
		if *to == nil {
			*to = make(map[string]string)
		}
		(*to)[args[0]] = args[1]
		return nil
	}
}

func (a *App) readDirective(d *caddyfile.Dispenser) error {
	args, err := values(d, 2, 2, "a word of a php-fpm pool and its value, such as pm.max_requests 500")
	if err == nil {
		a.Directives = append(a.Directives, Directive{args[0], args[1]})
	}
	return err
}

// readSetting reads a setting of PHP, as php-fpm's php_admin_value[memory_limit] = 256M.
func (a *App) readSetting(d *caddyfile.Dispenser) error {
	kind := d.Val()
	args, err := values(d, 2, 2, "a setting of PHP and its value, such as memory_limit 256M")
	if err == nil {
		a.Directives = append(a.Directives, Directive{kind + "[" + args[0] + "]", args[1]})
	}
	return err
}

func (a *App) readWorker(d *caddyfile.Dispenser) error {
	w := &Worker{Command: d.RemainingArgs()}
	if len(w.Command) == 0 {
		return d.Err("worker: found no command, expected a program and its arguments, such as php artisan queue:work")
	}
	a.Workers = append(a.Workers, w)
	return readBlock(d, "worker", map[string]readOption{
		"count":             readNumber(&w.Count),
		"stop_signal":       w.readStopSignal,
		"env":               readEnv(&w.Env),
		"working_directory": readText(&w.WorkingDirectory),
		"max_failures":      readFailures(&w.MaxFailures, &w.FailureWindow),
	})
}

func (w *Worker) readStopSignal(d *caddyfile.Dispenser) error {
	args, err := values(d, 1, 1, "a signal such as SIGTERM")
	if err != nil {
		return err
	}
	w.StopSignal = args[0]
	if _, err := signalByName(strings.ToUpper(w.StopSignal)); err != nil {
		return d.Errf("stop_signal: %v", err)
	}
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*App)(nil)
