package natsbroker

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"go.uber.org/zap"
)

// Options say which NATS server a broker uses and how. They are read by [New] once and not kept changed. The JSON names are the words of the Caddyfile.
// The zero value of an option means its default.
type Options struct {
	// Servers are the URLs of servers of one NATS cluster (nats://, tls://, ws:// or wss://), of which one is enough: the others are learnt from it.
	// A URL may hold a user and a password, or a token. Default: nats://127.0.0.1:4222.
	Servers []string `json:"servers,omitempty"`

	// Prefix starts the subjects, so that several clusters can share a server. Letters, digits, `-`, `_` and dots between them. A user of the
	// NATS server needs no right but to publish and subscribe to `PREFIX.>`, and those of JetStream if that is used. Default: pusherhub.
	Prefix string `json:"prefix,omitempty"`

	// User and Password, or Token, or CredentialsFile (a user JWT with its seed), or NKeyFile (a seed) say who connects. The files are
	// read at each connect. Default: nobody in particular.
	User            string `json:"user,omitempty"`
	Password        string `json:"password,omitempty"`
	Token           string `json:"token,omitempty"`
	CredentialsFile string `json:"credentials_file,omitempty"`
	NKeyFile        string `json:"nkey_file,omitempty"`

	// TLS secures the connection. Default: only if the server or its URL asks for it, with the system's authorities.
	TLS *TLS `json:"tls,omitempty"`

	// JetStream says where the register is kept: `on` in a JetStream key-value bucket, `off` with the nodes themselves, `auto` in JetStream where the
	// server has it. Nodes of one cluster must have the same. A user without the right to ask for JetStream (`$JS.API.>`) needs `off`. Default: auto.
	JetStream string `json:"jetstream,omitempty"`

	// Replicas is how many servers keep the bucket, 1 to 5. Default: 1.
	Replicas int `json:"replicas,omitempty"`

	// partSize bounds the values of the bucket; see defaultPartSize.
	partSize int

	// InProcess connects to a server in this process instead of Servers. Default: none.
	InProcess nats.InProcessConnProvider `json:"-"`

	// Cluster are the options of the broker itself.
	Cluster cluster.Options `json:"-"`
}

// TLS says how the connection is secured.
type TLS struct {
	cluster.TLS

	// First begins with TLS before the server has said anything, for servers that are configured so (handshake_first). Default: off.
	First bool `json:"first,omitempty"`
}

// Where the register is kept ([Options].JetStream).
const (
	JetStreamAuto = "auto"
	JetStreamOn   = "on"
	JetStreamOff  = "off"
)

// defaultPrefix is the default of [Options].Prefix.
const defaultPrefix = "pusherhub"

// New returns a broker on a NATS server. It connects when it is opened. An error says which option is wrong.
func New(o Options) (*cluster.Broker, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	return cluster.New(newEngine(o), o.Cluster), nil
}

func (o Options) withDefaults() Options {
	if len(o.Servers) == 0 {
		o.Servers = []string{nats.DefaultURL}
	}
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if o.JetStream == "" {
		o.JetStream = JetStreamAuto
	}
	if o.Cluster.Name == "" {
		o.Cluster.Name = "nats"
	}
	if o.Cluster.Logger == nil {
		o.Cluster.Logger = zap.NewNop()
	}
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	o.partSize = cmp.Or(o.partSize, defaultPartSize)
	return o
}

// lease is the default of the broker's, if it has none of its own.
func (o Options) lease() time.Duration { return cmp.Or(o.Cluster.Lease, 10*time.Second) }

func (o Options) validate() error {
	for _, server := range o.Servers {
		if err := validateServer(server); err != nil {
			return err
		}
	}
	for token := range strings.SplitSeq(o.Prefix, ".") {
		if token == "" || strings.Trim(token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return fmt.Errorf("prefix: found %q, expected letters, digits, - and _, with dots between them", o.Prefix)
		}
	}
	ways := 0
	for _, way := range []string{o.User, o.Token, o.CredentialsFile, o.NKeyFile} {
		if way != "" {
			ways++
		}
	}
	switch {
	case ways > 1:
		return errors.New("found several of user, token, credentials_file and nkey_file, expected one")
	case o.Password != "" && o.User == "":
		return errors.New("password: found without user")
	case o.JetStream != JetStreamAuto && o.JetStream != JetStreamOn && o.JetStream != JetStreamOff:
		return fmt.Errorf("jetstream: found %q, expected auto, on or off", o.JetStream)
	case o.Replicas < 1 || o.Replicas > 5:
		return fmt.Errorf("replicas: found %d, expected 1 to 5", o.Replicas)
	}
	_, err := o.secured()
	return err
}

// validateServer does not tell what it found: that may hold a password.
func validateServer(server string) error {
	if !strings.Contains(server, "://") {
		server = "nats://" + server
	}
	u, err := url.Parse(server)
	if err != nil || u.Hostname() == "" {
		return errors.New("servers: found something that is no URL, expected nats://HOST:PORT")
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
		return nil
	}
	return fmt.Errorf("servers: found %q, expected nats://, tls://, ws:// or wss://", u.Scheme+"://")
}
