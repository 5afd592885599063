// Package sqlapps is the app source `sql`: the apps are rows of a table in PostgreSQL, MySQL, MariaDB or SQLite. The
// table of soketi's users works as it is. It is a package of its own so that builds without it carry no database drivers:
//
//	xcaddy build --with github.com/onecharge/pusherhub/caddymodule --with github.com/onecharge/pusherhub/caddymodule/sqlapps
//
// A row has the columns id, key and secret, and any of soketi's or of the words of the Caddyfile. A column `options`, if
// there is one, holds a JSON object with any option at all, which wins over the column of the same meaning; its `plugins` are
// for this app alone. Other columns are ignored.
package sqlapps

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/onecharge/pusherhub/caddymodule"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/appcache"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() {
	caddy.RegisterModule(Apps{})
}

// Apps is the app source `sql`: a table is asked for each app, and its rows are kept for a while.
type Apps struct {
	Options

	// Static after Provision.
	address address
	log     *zap.Logger
}

// Options are the words of the source.
type Options struct {
	// Driver is `postgres`, `mysql` (MariaDB, too) or `sqlite`. Default: what the DSN begins with.
	Driver string `json:"driver,omitempty"`

	// DSN says where the database is: a URL as in Laravel's DATABASE_URL, such as `postgres://user:password@host/database`,
	// `mysql://…` or `sqlite:///path/to/file`, or what the driver itself takes. Default: `{env.DATABASE_URL}`.
	DSN string `json:"dsn,omitempty"`

	// Table holds the apps; it may have a schema: `public.apps`. Default: `apps`.
	Table string `json:"table,omitempty"`

	// QueryByID is asked instead of the table, with the app id as its one parameter (`$1` for postgres, else `?`).
	QueryByID string `json:"query_by_id,omitempty"`

	// QueryByKey is asked instead of the table, with the app key as its one parameter.
	QueryByKey string `json:"query_by_key,omitempty"`

	// TTL is how long an app is used without asking again, and so the time after which a change takes effect on
	// open sockets. Default: `1m`.
	TTL pusherhub.Duration `json:"ttl,omitempty"`

	// NegativeTTL is how long an app that was not found stays so. Default: `10s`.
	NegativeTTL pusherhub.Duration `json:"negative_ttl,omitempty"`

	// Stale is how long beyond TTL an app is served as it was while the database does not answer. Default: `1h`.
	Stale pusherhub.Duration `json:"stale,omitempty"`

	// Timeout bounds one query, connecting included. Default: `5s`.
	Timeout pusherhub.Duration `json:"timeout,omitempty"`

	// MaxConnections bounds the connections to the database. Default: 4.
	MaxConnections pusherhub.Limit `json:"max_connections,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Apps) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.pusher_hub.apps.sql", New: func() caddy.Module { return new(Apps) }}
}

// UnmarshalCaddyfile sets up the source from Caddyfile tokens. Syntax:
//
//	apps sql [<dsn>] {
//		driver postgres|mysql|sqlite
//		dsn <dsn>
//		table <table>
//		query_by_id <query>
//		query_by_key <query>
//		ttl <duration>
//		negative_ttl <duration>
//		stale <duration>
//		timeout <duration>
//		max_connections <number>
//	}
func (a *Apps) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // sql
	var dsn string
	if d.NextArg() {
		dsn = d.Val()
	}
	if d.NextArg() {
		return d.Err("sql: found another word after the DSN, expected a block") // the DSN holds a password: not shown
	}
	if err := caddymodule.UnmarshalOptions(d, &a.Options); err != nil {
		return err
	}
	if dsn != "" && a.DSN != "" {
		return d.Err("dsn: found it twice, expected it once")
	}
	a.DSN = cmp.Or(a.DSN, dsn)
	return nil
}

// Provision resolves placeholders and reads the DSN. It connects to nothing.
func (a *Apps) Provision(ctx caddy.Context) (err error) {
	a.log = ctx.Logger()
	a.DSN = cmp.Or(a.DSN, "{env.DATABASE_URL}")
	a.Table = cmp.Or(a.Table, "apps")
	if err := caddymodule.ResolveOptions(&a.Options); err != nil {
		return err
	}
	a.address, err = parseDSN(a.Driver, a.DSN)
	return err
}

// tableName is a table, perhaps with its schema.
var tableName = regexp.MustCompile(`^[\pL_][\pL\pN_$]*(\.[\pL_][\pL\pN_$]*)?$`)

// Validate refuses what could not work.
func (a *Apps) Validate() error {
	if !tableName.MatchString(a.Table) {
		return fmt.Errorf("table: found %q, expected the name of a table such as apps or public.apps", a.Table)
	}
	if (a.QueryByID == "") != (a.QueryByKey == "") {
		return errors.New("found one of query_by_id and query_by_key, expected both or neither")
	}
	for _, o := range []struct {
		word  string
		value int64
	}{
		{"ttl", int64(a.TTL)},
		{"negative_ttl", int64(a.NegativeTTL)},
		{"timeout", int64(a.Timeout)},
		{"max_connections", int64(a.MaxConnections)},
	} {
		if o.value < 0 {
			return fmt.Errorf("%s: found it unlimited or off, expected a positive value", o.word)
		}
	}
	return nil
}

// AppSource returns the source, which has connected to nothing yet.
func (a *Apps) AppSource(build caddymodule.AppBuilder) (pusherhub.AppSource, error) {
	connections := int(cmp.Or(a.MaxConnections, 4))
	t := newTable(a.address, a.Options, connections)
	return &source{
		table: t,
		Cache: appcache.New(appcache.Config{
			Loader: t,
			Build: func(text []byte) (*pusherhub.App, error) {
				app, err := caddymodule.ParseApp(text)
				if err != nil {
					return nil, err
				}
				return build(app)
			},
			TTL:         time.Duration(a.TTL),
			NegativeTTL: time.Duration(a.NegativeTTL),
			Stale:       time.Duration(a.Stale),
			Timeout:     time.Duration(a.Timeout),
			Lookups:     connections,
			Logger:      a.log,
		}),
	}, nil
}

// source is the table and what is known of its rows.
type source struct {
	*appcache.Cache
	table *table
}

// Close lets go of the connections.
func (s *source) Close() error { return errors.Join(s.Cache.Close(), s.table.close()) }

// Interface guards
var (
	_ caddymodule.AppSourceModule = (*Apps)(nil)
	_ caddyfile.Unmarshaler       = (*Apps)(nil)
	_ caddy.Provisioner           = (*Apps)(nil)
	_ caddy.Validator             = (*Apps)(nil)
)
