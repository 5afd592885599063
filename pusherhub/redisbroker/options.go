package redisbroker

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/redis/rueidis"
	"go.uber.org/zap"
)

// Options say where Redis is. The zero value is a server on this machine.
type Options struct {
	// URL is redis://user:password@host:port/db, or rediss:// for TLS. What other fields say wins.
	URL string

	// Addresses are host:port of the server, or of some nodes of a cluster. Default: that of URL, or 127.0.0.1:6379.
	Addresses []string

	// Cluster says that Addresses are of a Redis Cluster.
	Cluster bool

	// Sentinels are host:port of Sentinels, which know the server's address. Default port: 26379. Default: none.
	Sentinels []string

	// SentinelMaster is what the Sentinels call the server. Default: mymaster.
	SentinelMaster string

	// SentinelUsername and SentinelPassword are for the Sentinels themselves. Empty: they want none.
	SentinelUsername string
	SentinelPassword string

	// Username is the ACL user. Default: that of URL, or Redis' user default.
	Username string

	// Password is the user's. Default: that of URL; empty: none is sent.
	Password string

	// DB is the database. A cluster has only 0. nil: that of URL, or 0.
	DB *int

	// Prefix begins every key and pub/sub channel. Hubs on one Redis that shall not hear each other need different ones. It
	// has no braces. Default: pusherhub:.
	Prefix string

	// TLS secures the connections, also those to Sentinels. Default: none, unless URL begins with rediss; then with the system's authorities.
	TLS *cluster.TLS

	// Timeout bounds connecting, and each answer of the server. Default: 3s.
	Timeout time.Duration

	// unsharded has a cluster's messages go as before Redis 7.
	unsharded bool

	// Broker is what a broker for any server can be told. Its Name is always redis.
	Broker cluster.Options
}

const (
	defaultPrefix  = "pusherhub:"
	defaultTimeout = 3 * time.Second
	defaultMaster  = "mymaster"
	redisPort      = "6379"
	sentinelPort   = "26379"
)

// config is what Options come to. Immutable.
type config struct {
	client    rueidis.ClientOption
	cluster   bool
	unsharded bool
	tls       *cluster.TLS // nil: none
	timeout   time.Duration
	secrets   []string // what no error may have
	logger    *zap.Logger
}

// errURL has no URL in it, since that may hold a password.
var errURL = errors.New("url: expected redis://user:password@host:6379/0, or rediss:// for TLS; what is special in the password, percent-encoded")

// NewEngine makes an engine that is not open yet. It connects to nobody. Errors name the option in the Caddyfile's words.
func NewEngine(o Options) (*Engine, error) {
	if err := o.addURL(); err != nil {
		return nil, err
	}
	addresses, err := o.addresses()
	if err != nil {
		return nil, err
	}
	db := 0
	if o.DB != nil {
		db = *o.DB
	}
	switch {
	case o.Cluster && db != 0:
		return nil, fmt.Errorf("db: found %d, expected 0: a Redis Cluster has no other databases", db)
	case db < 0:
		return nil, fmt.Errorf("db: found %d, expected 0 or more", db)
	case strings.ContainsAny(o.Prefix, "{}"):
		return nil, fmt.Errorf("prefix: found %q, expected it without braces", o.Prefix)
	case o.Timeout < 0:
		return nil, fmt.Errorf("timeout: found %s, expected a positive duration", o.Timeout)
	case o.Username != "" && o.Password == "":
		return nil, errors.New("password: found none, expected that of the user in username")
	}
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Broker.Logger == nil {
		o.Broker.Logger = zap.NewNop()
	}
	id := make([]byte, 8)
	_, _ = rand.Read(id)
	config, err := o.config(addresses, db)
	if err != nil {
		return nil, err
	}
	e := &Engine{config: config, keys: newKeys(o.Prefix, db), id: hex.EncodeToString(id)}
	return e, nil
}

// config sets up the client: one connection for commands to each server, no cache, and nothing tried again behind our back.
func (o *Options) config(addresses []string, db int) (config, error) {
	c := config{cluster: o.Cluster, unsharded: o.unsharded, tls: o.TLS, timeout: o.Timeout, logger: o.Broker.Logger}
	var secure *tls.Config // says that there is TLS; it is made anew at each connect
	if o.TLS != nil {
		var err error
		if secure, err = o.TLS.Config(); err != nil {
			return c, fmt.Errorf("tls: %w", err)
		}
	}
	for _, secret := range []string{o.Password, o.SentinelPassword} {
		if secret != "" {
			c.secrets = append(c.secrets, secret)
		}
	}
	dialer := net.Dialer{Timeout: o.Timeout, KeepAlive: time.Second} // with pings as often
	c.client = rueidis.ClientOption{
		InitAddress:       addresses,
		Username:          o.Username,
		Password:          o.Password,
		SelectDB:          db,
		ClientName:        "pusherhub",
		ClientSetInfo:     rueidis.DisableClientSetInfo,
		TLSConfig:         secure,
		Dialer:            dialer,
		ConnWriteTimeout:  o.Timeout,
		ForceSingleClient: !o.Cluster,
		DisableRetry:      true,
		DisableCache:      true,
		AlwaysPipelining:  true, // so that a call that takes too long does not cost the connection
		PipelineMultiplex: -1,
		BlockingPipeline:  -1,
		// the defaults are half a megabyte each
		ReadBufferEachConn:  64 << 10,
		WriteBufferEachConn: 64 << 10,
		ClusterOption:       rueidis.ClusterOption{ShardsRefreshInterval: 10 * time.Second, MaxMovedRedirections: 5},
		Sentinel: rueidis.SentinelOption{
			Dialer:                  dialer,
			TLSConfig:               secure,
			MasterSet:               o.SentinelMaster,
			Username:                o.SentinelUsername,
			Password:                o.SentinelPassword,
			ClientName:              "pusherhub",
			TopologyRefreshInterval: 5 * time.Second,
		},
	}
	return c, nil
}

// addURL fills in what URL says and nothing else does.
func (o *Options) addURL() error {
	if o.URL == "" {
		return nil
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Fragment != "" || strings.Contains(u.RequestURI(), "@") {
		return errURL // with an @ behind the host, that is the beginning of a password, and the rest follows
	}
	switch u.Scheme {
	case "rediss", "valkeys", "tls":
		if o.TLS == nil {
			o.TLS = new(cluster.TLS)
		}
	case "redis", "valkey", "tcp":
	default:
		return errURL
	}
	if len(o.Addresses) == 0 {
		o.Addresses = []string{u.Host}
	}
	if password, ok := u.User.Password(); ok && o.Password == "" {
		o.Password = password
	}
	if o.Username == "" && o.Password != "" {
		o.Username = u.User.Username()
	}
	db := strings.Trim(u.Path, "/")
	if db == "" {
		db = u.Query().Get("database") // as Laravel has it
	}
	if db != "" && o.DB == nil {
		number, err := strconv.Atoi(db)
		if err != nil {
			return fmt.Errorf("url: found the database %q, expected its number", db)
		}
		o.DB = &number
	}
	return nil
}

// addresses returns where to connect to first.
func (o *Options) addresses() (addresses []string, err error) {
	list, word, port := o.Addresses, "address", redisPort
	switch {
	case len(o.Sentinels) > 0:
		if len(o.Addresses) > 0 || o.Cluster {
			return nil, errors.New("sentinel: found it beside address, url or cluster, expected it alone: Sentinels know where the server is")
		}
		if o.SentinelMaster == "" {
			o.SentinelMaster = defaultMaster
		}
		list, word, port = o.Sentinels, "sentinel", sentinelPort
	case o.SentinelMaster != "" || o.SentinelUsername != "" || o.SentinelPassword != "":
		return nil, errors.New("sentinel: found no address of a Sentinel, expected one or more, since there are other options for them")
	case len(list) == 0:
		list = []string{"127.0.0.1"}
	case len(list) > 1 && !o.Cluster:
		return nil, fmt.Errorf("address: found %d of them, expected one; or the option cluster beside them", len(list))
	}
	for _, text := range list {
		host, number, err := net.SplitHostPort(text)
		if err != nil {
			host, number = strings.Trim(text, "[]"), port
		}
		if n, err := strconv.Atoi(number); err != nil || n < 1 || n > 65535 || host == "" || strings.ContainsAny(host, "/@") {
			// it may hold a password: never shown
			return nil, fmt.Errorf("%s: expected a host, or a host and a port, such as redis.internal:%s", word, port)
		}
		addresses = append(addresses, net.JoinHostPort(host, number))
	}
	return addresses, nil
}
