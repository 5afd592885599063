package nats

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

const (
	// defaultClusterPort is the port that NATS has for routes.
	defaultClusterPort = "6222"

	// minSecret is the least length of the secret, in bytes: what can be guessed protects nothing. Laravel's
	// installer makes REVERB_APP_SECRET of 20.
	minSecret = 16
)

// Embed is a nats-server that runs inside of this process, and makes one cluster with those inside of the other nodes. It has a
// port for them only: routes are encrypted, and both ends prove that they know the secret, which itself is never sent.
type Embed struct {
	// Listen is the address for the other nodes, host:port or :port, IPv6 and IPv4. Default: `:6222`.
	Listen string `json:"listen,omitempty"`

	// Routes are addresses of other nodes, host:port, or host if the port is that of Listen; this node may be among them. One that works is enough: nodes
	// tell each other of the rest. Each is tried for as long as it takes.
	Routes []string `json:"routes,omitempty"`

	// Discover are DNS names that have the addresses of all nodes, name:port, or name if the port is that of Listen: a headless service of Kubernetes, a service in a private network
	// of Railway. They are looked up again and again, so nodes can come and go. Default: `RAILWAY_PRIVATE_DOMAIN` of the environment, if
	// there are no routes either.
	Discover []string `json:"discover,omitempty"`

	// ClusterName keeps clusters apart: nodes with another name are refused. Default: `pusher_hub`.
	ClusterName string `json:"cluster_name,omitempty"`

	// Secret is what all nodes of the cluster know and nobody else, 16 bytes or more. In a config file use `{env.NAME}` or
	// `{file.PATH}`. Default: `REVERB_APP_SECRET` of the environment. Without any, the config is refused: whoever reaches the port could
	// read every event and send others.
	Secret string `json:"secret,omitempty"`
}

// provision fills in what the environment says.
func (e *Embed) provision(env func(string) string) {
	e.Listen = cmp.Or(e.Listen, ":"+defaultClusterPort)
	e.ClusterName = cmp.Or(e.ClusterName, "pusher_hub")
	e.Secret = cmp.Or(e.Secret, env("REVERB_APP_SECRET"))
	if domain := env("RAILWAY_PRIVATE_DOMAIN"); domain != "" && len(e.Routes)+len(e.Discover) == 0 {
		e.Discover = []string{domain}
	}
}

// validate refuses what could not work, or would not be safe.
func (e *Embed) validate() error {
	_, port, err := net.SplitHostPort(e.Listen)
	if err != nil || !isPort(port) {
		return fmt.Errorf("listen: found %q, expected an address such as :%s", e.Listen, defaultClusterPort)
	}
	for word, list := range map[string][]string{"routes": e.Routes, "discover": e.Discover} {
		for _, address := range list {
			if host, port := splitAddress(address, port); host == "" || !isPort(port) || strings.ContainsAny(host, "/ @") {
				return fmt.Errorf("%s: found %q, expected a name or an address, and a port if it is not that of listen, such as hub.internal:%s",
					word, address, defaultClusterPort)
			}
		}
	}
	if strings.ContainsAny(e.ClusterName, " \t") {
		return fmt.Errorf("cluster_name: found %q, expected a name without blanks", e.ClusterName)
	}
	switch {
	case e.Secret == "":
		return errors.New("secret: found nothing, expected a secret that all nodes share: without one, whoever reaches the port could join them. " +
			"Write 'secret {env.NAME}', or set REVERB_APP_SECRET")
	case len(e.Secret) < minSecret:
		return fmt.Errorf("secret: found %d bytes, expected %d or more", len(e.Secret), minSecret)
	}
	return nil
}

// key is the same for two that would make the same server.
func (e *Embed) key() string {
	return fmt.Sprintf("%q", slices.Concat([]string{e.Listen, e.ClusterName, e.Secret}, e.Routes, []string{""}, e.Discover))
}

// splitAddress splits an address that may lack the port.
func splitAddress(address, defaultPort string) (host, port string) {
	if host, port, err := net.SplitHostPort(address); err == nil {
		return host, port
	}
	return strings.Trim(address, "[]"), defaultPort
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}
