package natsbroker

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// dialTimeout bounds the connect to one server.
	dialTimeout = 2 * time.Second

	// writeTimeout bounds a write to the server. What is not written until then makes the connection lost.
	writeTimeout = 5 * time.Second

	// A server that answers none of so many pings in a row is gone: a cut that nobody reports is seen after pingEvery times (unanswered + 1).
	pingEvery  = 2 * time.Second
	unanswered = 2
)

// dialer opens the network connections, so that ctx ends those that are under way.
type dialer struct{ ctx context.Context }

func (d dialer) Dial(network, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: dialTimeout}).DialContext(d.ctx, network, address)
}

// connect makes a connection to a server, which does not connect again: the engine does, with a new one. failed is called with what goes wrong
// in it, more than once maybe, and after all else with nats.ErrConnectionClosed.
func (o Options) connect(ctx context.Context, more []string, failed func(error)) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name("pusherhub"),
		nats.NoReconnect(),
		nats.Timeout(dialTimeout),
		nats.SetCustomDialer(dialer{ctx}),
		nats.FlusherTimeout(writeTimeout),
		nats.ReconnectOnFlusherError(), // without reconnect, it closes
		nats.PingInterval(pingEvery),
		nats.MaxPingsOutstanding(unanswered),
		nats.CustomInboxPrefix(o.Prefix + ".i"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { failed(err) }),
		nats.ClosedHandler(func(nc *nats.Conn) {
			if err := nc.LastError(); err != nil {
				failed(err)
			}
			failed(nats.ErrConnectionClosed)
		}),
	}
	secured, err := o.secured()
	if err != nil {
		return nil, err
	}
	options = append(options, secured...)
	switch {
	case o.User != "":
		options = append(options, nats.UserInfo(o.User, o.Password))
	case o.Token != "":
		options = append(options, nats.Token(o.Token))
	case o.CredentialsFile != "":
		options = append(options, nats.UserCredentials(o.CredentialsFile))
	case o.NKeyFile != "":
		signed, err := nats.NkeyOptionFromSeed(o.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading nkey_file: %w", err)
		}
		options = append(options, signed)
	}
	if o.InProcess != nil {
		options = append(options, nats.InProcessServer(o.InProcess))
	}
	servers := slices.Concat(o.Servers, o.withUser(more))
	nc, err := nats.Connect(strings.Join(servers, ","), options...)
	if err != nil {
		return nil, fmt.Errorf("connecting to NATS: %w", err)
	}
	return nc, nil
}

// withUser gives servers that others have told of, which are of the same NATS cluster, the user or the token of the first URL that has one.
func (o Options) withUser(more []string) (servers []string) {
	var user *url.Userinfo
	for _, server := range o.Servers {
		if !strings.Contains(server, "://") {
			server = "nats://" + server
		}
		if u, err := url.Parse(server); err == nil && u.User != nil {
			user = u.User
			break
		}
	}
	for _, server := range more {
		if u, err := url.Parse(server); err == nil && user != nil {
			u.User = user
			server = strings.ReplaceAll(u.String(), ",", "%2C") // a comma ends a server
		}
		servers = append(servers, server)
	}
	return servers
}

// secured returns the options of TLS.
func (o Options) secured() ([]nats.Option, error) {
	if o.TLS == nil {
		return nil, nil
	}
	config, err := o.TLS.Config()
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	options := []nats.Option{nats.Secure(config)}
	if o.TLS.First {
		options = append(options, nats.TLSHandshakeFirst())
	}
	return options, nil
}
