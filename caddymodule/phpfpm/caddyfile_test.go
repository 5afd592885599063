package phpfpm

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func TestCaddyfile(t *testing.T) {
	var found App
	err := found.UnmarshalCaddyfile(caddyfile.NewTestDispenser(`php_fpm {
		binary php-fpm8.4
		socket /run/php/php-fpm.sock
		user app
		group web
		working_directory /app
		max_children 20
		request_terminate_timeout 1m
		env APP_ENV production
		env APP_KEY {env.KEY}
		config /etc/pool.conf
		directive pm.max_requests 500
		php_value memory_limit 256M
		php_admin_flag log_errors on
		start_timeout 5s
		stop_timeout 20s
		max_failures 3 2m
		worker php artisan queue:work --tries=3 {
			count 2
			stop_signal sigint
			env QUEUE high
			working_directory /srv
			max_failures 4
		}
		worker php artisan schedule:work
	}`))
	if err != nil {
		t.Fatal(err)
	}
	expected := App{
		Binary: "php-fpm8.4", Socket: "/run/php/php-fpm.sock", User: "app", Group: "web", WorkingDirectory: "/app",
		MaxChildren: 20, RequestTerminateTimeout: caddy.Duration(time.Minute),
		Env: map[string]string{"APP_ENV": "production", "APP_KEY": "{env.KEY}"}, Config: "/etc/pool.conf",
		Directives:   []Directive{{"pm.max_requests", "500"}, {"php_value[memory_limit]", "256M"}, {"php_admin_flag[log_errors]", "on"}},
		StartTimeout: caddy.Duration(5 * time.Second), StopTimeout: caddy.Duration(20 * time.Second),
		MaxFailures: 3, FailureWindow: caddy.Duration(2 * time.Minute),
		Workers: []*Worker{
			{
				Command: []string{"php", "artisan", "queue:work", "--tries=3"}, Count: 2, StopSignal: "sigint",
				Env: map[string]string{"QUEUE": "high"}, WorkingDirectory: "/srv", MaxFailures: 4,
			},
			{Command: []string{"php", "artisan", "schedule:work"}},
		},
	}
	if !reflect.DeepEqual(found, expected) {
		t.Errorf("found %+v, expected %+v", found, expected)
	}
}

func TestCaddyfileErrors(t *testing.T) {
	for text, says := range map[string]string{
		"php_fpm unix//run/x.sock":                            "expected a block",
		"php_fpm {\n max_childs 3\n}":                         "unknown option 'max_childs' of php_fpm, expected one of binary, config, directive",
		"php_fpm {\n user a\n user b\n}":                      "user: found it again",
		"php_fpm {\n max_children none\n}":                    `max_children: found "none", expected a positive whole number`,
		"php_fpm {\n start_timeout 3\n}":                      "expected a positive duration",
		"php_fpm {\n socket\n}":                               "socket: found 0 values, expected one",
		"php_fpm {\n socket /a {\n x\n }\n}":                  "socket: found a block",
		"php_fpm {\n env A=B c\n}":                            "expected the name of a variable",
		"php_fpm {\n php_admin_value memory_limit\n}":         "a setting of PHP and its value",
		"php_fpm {\n worker\n}":                               "worker: found no command",
		"php_fpm {\n worker php x {\n cuont 2\n }\n}":         "unknown option 'cuont' of worker",
		"php_fpm {\n worker php x {\n stop_signal NOW\n }\n}": `stop_signal: found "NOW", expected a signal such as SIGTERM`,
		"php_fpm {\n max_failures 3 soon\n}":                  "expected a positive duration",
	} {
		err := new(App).UnmarshalCaddyfile(caddyfile.NewTestDispenser(text))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: found %v, expected an error that says %q", text, err, says)
		}
	}
}
