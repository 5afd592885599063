package caddymodule

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"
)

// announce says in the log what a hub that went live serves, one line an app, and what somebody who sees it
// for the first time should try next. No line holds a secret.
func announce(log *zap.Logger, hub *configuredHub, sites []site) {
	for _, app := range hub.apps {
		log.Info("serving app", appFields(hub.name, app, sites)...)
	}
	if len(hub.apps) == 0 {
		log.Info("serving the apps of a source", zap.String("hub", hub.name))
		return
	}
	if base := firstBase(hub.name, sites); base != "" {
		log.Info("try it: expect 101 Switching Protocols",
			zap.String("hub", hub.name),
			zap.String("command", curl(base+"/app/"+hub.apps[0].Key())))
	}
}

// appFields returns what is served where, and the limits that people ask about.
func appFields(hub string, app *pusherhub.App, sites []site) []zap.Field {
	c := app.Config()
	var clients, local, servers []string
	for _, s := range sites {
		if s.hub != hub {
			continue
		}
		for _, origin := range s.origins {
			client := "ws" + strings.TrimPrefix(origin, "http") + s.path + "/app/" + c.Key
			if s.public {
				clients = append(clients, client)
			} else {
				local = append(local, client)
			}
			servers = append(servers, origin+s.path+"/apps/"+c.ID)
		}
	}
	if clients == nil {
		clients = local // a proxy in front, or somebody tries it at home
	}
	fields := []zap.Field{
		zap.String("hub", hub),
		zap.String("app", c.ID),
		zap.String("key", c.Key),
		zap.Strings("clients", clients),
		zap.Strings("servers", servers),
		zap.String("compat", c.Compat),
		zap.Strings("allowed_origins", c.AllowedOrigins),
		zap.String("max_connections", bound(int64(c.MaxConnections))),
		zap.String("max_message_size", bound(int64(c.MaxMessageSize))),
		zap.String("max_request_size", bound(int64(c.MaxRequestSize))),
	}
	if c.Enabled != nil && !*c.Enabled {
		fields = append(fields, zap.Bool("enabled", false))
	}
	return fields
}

func bound(n int64) string {
	if n == pusherhub.Unlimited {
		return "unlimited"
	}
	return strconv.FormatInt(n, 10)
}

// firstBase returns the URL below which a person would try the hub first: a public site rather than a
// listener for publishing, and https rather than http.
func firstBase(hub string, sites []site) (base string) {
	best := -1
	for _, s := range sites {
		for _, origin := range s.origins {
			score := 0
			if s.public {
				score += 2
			}
			if strings.HasPrefix(origin, "https:") {
				score++
			}
			if s.hub == hub && score > best {
				base, best = origin+s.path, score
			}
		}
	}
	return base
}

// curl returns a command that asks for a socket. Single quotes survive in a JSON log as they are.
func curl(target string) string {
	insecure := ""
	if u, err := url.Parse(target); err == nil && u.Scheme == "https" && internal(u.Hostname()) {
		insecure = "k" // nobody's root store knows the certificate that Caddy makes for these
	}
	return "curl -si" + insecure + " --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket'" +
		" -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' '" + target + "'"
}

// internal reports whether no public authority gives a certificate for host.
func internal(host string) bool {
	top := host[strings.LastIndexByte(host, '.')+1:]
	return net.ParseIP(host) != nil || slices.Contains([]string{"localhost", "local", "internal", "test"}, top)
}
