package redis

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// withoutBraces takes a hash tag out of a prefix, as Laravel's has for a Redis Cluster: the broker's keys have tags of their own.
var withoutBraces = strings.NewReplacer("{", "", "}", "")

// fromEnvironment fills in what the config leaves open. The server's user, password and database are only taken if the server
// is that of the environment, too: another one is not shown the password.
func (r *Redis) fromEnvironment(env func(string) string) error {
	if r.Prefix == "" {
		channel := env("REVERB_SCALING_CHANNEL")
		if channel == "" {
			channel = "reverb"
		}
		r.Prefix = withoutBraces.Replace(env("REDIS_PREFIX") + "pusherhub:" + channel + ":")
	}
	if r.URL != "" || len(r.Address) > 0 || len(r.Sentinel) > 0 {
		return nil
	}
	r.variables = make(map[string]string)
	hasUser, hasPassword, hasDB := false, false, false
	trimmed := func(name string) string { return strings.TrimSpace(env(name)) } // docker's --env-file leaves blanks at the end
	if r.URL = trimmed("REDIS_URL"); r.URL != "" {
		r.variables["url"], r.variables["address"] = "REDIS_URL", "REDIS_URL"
		// as in Laravel, what the URL says wins over the other variables
		if u, err := url.Parse(r.URL); err == nil {
			hasUser = u.User.Username() != ""
			_, hasPassword = u.User.Password()
			hasDB = strings.Trim(u.Path, "/") != "" || u.Query().Has("database")
		}
	} else {
		r.variables["address"] = "REDIS_HOST and REDIS_PORT"
		if err := r.addressOf(trimmed("REDIS_HOST"), trimmed("REDIS_PORT"), trimmed("REDIS_SCHEME")); err != nil {
			return err
		}
	}
	if r.Password == "" && !hasPassword {
		r.Password = env("REDIS_PASSWORD")
	}
	if r.Username == "" && !hasUser && (r.Password != "" || hasPassword) {
		r.Username = env("REDIS_USERNAME")
	}
	switch {
	case r.DB != "":
	case hasDB:
		r.variables["db"] = "REDIS_URL"
	default:
		r.variables["db"] = "REDIS_DB"
		r.DB = trimmed("REDIS_DB")
	}
	return nil
}

// errPort has nothing of what was found in it, as no error about an address has.
var errPort = errors.New("REDIS_PORT: found no number, expected one such as 6379 (Kubernetes sets REDIS_PORT to tcp://... if a service is called redis: set it for the container)")

// addressOf takes the host as Laravel's clients have it: tls:// before it, or as the scheme, is TLS.
func (r *Redis) addressOf(host, port, scheme string) error {
	if rest, ok := strings.CutPrefix(host, "tls://"); ok {
		host, scheme = rest, "tls"
	}
	host = strings.TrimPrefix(host, "tcp://")
	if host == "" {
		host = "127.0.0.1"
	}
	if port == "" {
		port = "6379"
	}
	r.Address = []string{host}
	if _, _, err := net.SplitHostPort(host); err != nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return errPort
		}
		r.Address[0] = net.JoinHostPort(strings.Trim(host, "[]"), port)
	}
	if scheme == "tls" && r.TLS == nil {
		r.TLS = new(cluster.TLS)
	}
	return nil
}
