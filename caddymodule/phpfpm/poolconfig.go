package phpfpm

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	pool     = "www"
	pingPath = "/php-fpm-ping"

	// retireTimeout is how long a php-fpm that was replaced in a reload may work on its last requests.
	retireTimeout = time.Minute
)

// ours are the words that decide how php-fpm and its supervisor find each other.
var ours = []string{
	"listen", "listen.owner", "listen.group", "listen.mode", "listen.acl_users", "listen.acl_groups",
	"user", "group", "ping.path", "ping.response", "pm.status_listen",
}

// word is how php-fpm writes the names of its settings, with PHP's own in brackets.
var word = regexp.MustCompile(`^[a-z_.]+(\[[A-Za-z0-9_.]+\])?$`)

// plain is a value that needs no quotes. To php-fpm "on" in quotes is no switch.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:%+-]*$`)

// configure writes the part of php-fpm's config that follows from the options.
func (a *App) configure(text func(string) string) error {
	settings := &a.settings
	settings.MaxChildren = a.MaxChildren
	var lines []string
	for _, d := range a.Directives {
		value := text(d.Value)
		switch {
		case slices.Contains(ours, d.Name):
			return fmt.Errorf("directive: %s is set by php_fpm itself; its own options are binary, socket, user and group", d.Name)
		case !word.MatchString(d.Name):
			return fmt.Errorf("directive: found %q, expected a word of a php-fpm pool such as pm.max_requests", d.Name)
		case strings.ContainsAny(value, "\"\r\n\x00"):
			return fmt.Errorf("directive: the value of %s has a quote or a line break in it", d.Name)
		case d.Name == "pm.max_children":
			n, err := strconv.Atoi(value)
			if err != nil || n <= 0 {
				return fmt.Errorf("directive: found pm.max_children %q, expected a positive whole number", value)
			}
			settings.MaxChildren = n
		}
		if !plain.MatchString(value) {
			value = `"` + value + `"`
		}
		lines = append(lines, d.Name+" = "+value+"\n")
	}
	if settings.MaxChildren == 0 {
		settings.MaxChildren = poolSize(availableMemory(), len(a.commands))
	}

	var b strings.Builder
	fmt.Fprintf(&b, "[global]\nlog_limit = 65535\nprocess_control_timeout = %ds\n", int(retireTimeout.Seconds()))
	fmt.Fprintf(&b, "\n[%s]\nclear_env = no\npm = dynamic\npm.max_children = %d\n", pool, settings.MaxChildren)
	fmt.Fprintf(&b, "pm.start_servers = %d\npm.min_spare_servers = 1\npm.max_spare_servers = %d\n",
		min(2, settings.MaxChildren), max(min(2, settings.MaxChildren), settings.MaxChildren/4))
	if t := time.Duration(a.RequestTerminateTimeout); t > 0 {
		fmt.Fprintf(&b, "request_terminate_timeout = %d\n", max(1, int(t.Seconds())))
	}
	if path := text(a.Config); path != "" {
		// the text and not the name: a reload takes what was changed in the file, and keeps php-fpm if nothing was
		own, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("config: %w", err)
		}
		fmt.Fprintf(&b, "\n%s\n\n[%s]\n", own, pool)
	}
	b.WriteString(strings.Join(lines, ""))
	settings.Config = b.String()
	return nil
}

// write puts php-fpm's config into its private folder. What php-fpm and its supervisor need to find each other comes
// last, so that it wins.
func (s *masterSettings) write(folder string) (file string, err error) {
	var b strings.Builder
	b.WriteString(s.Config)
	fmt.Fprintf(&b, "\n[global]\ndaemonize = no\nerror_log = /proc/self/fd/2\n")
	fmt.Fprintf(&b, "\n[%s]\ncatch_workers_output = yes\ndecorate_workers_output = no\n", pool)
	// php-fpm never opens listen: it inherits our socket under that name, and removes a file of that name when it ends
	fmt.Fprintf(&b, "listen = %s\nping.path = %s\npm.status_listen = %s\n", listenName(folder), pingPath, pingSocket(folder))
	if s.Account != nil {
		fmt.Fprintf(&b, "user = %s\n", s.Account.User)
		if s.Account.Group != "" {
			fmt.Fprintf(&b, "group = %s\n", s.Account.Group)
		}
	}
	file = filepath.Join(folder, "php-fpm.conf")
	return file, os.WriteFile(file, []byte(b.String()), 0o600)
}

// listenName is what php-fpm calls the socket that it inherits.
func listenName(folder string) string { return filepath.Join(folder, "www.sock") }

// pingSocket is where php-fpm answers pings. It belongs to this php-fpm alone, has a process of its own, and so
// answers while all children of the pool are busy, and while another php-fpm accepts from the same socket.
func pingSocket(folder string) string { return filepath.Join(folder, "ping.sock") }
