package sqlapps

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
)

// The databases.
const (
	postgres = "postgres"
	mySQL    = "mysql"
	sqLite   = "sqlite"
)

// schemes are the names of the databases, as drivers and before the colon of a URL: ours, Laravel's and those of platforms.
var schemes = map[string]string{
	"postgres": postgres, "postgresql": postgres, "pgsql": postgres,
	"mysql": mySQL, "mariadb": mySQL, "mysql2": mySQL,
	"sqlite": sqLite, "sqlite3": sqLite,
}

// address is a database that can be opened.
type address struct {
	driver  string // one of the databases
	open    func() *sql.DB
	secrets []string // what must not be in an error
}

// parseDSN reads a DSN. Errors do not show it.
func parseDSN(name, dsn string) (a address, err error) {
	scheme, _, isURL := strings.Cut(dsn, ":")
	fromURL := schemes[scheme]
	if a.driver = fromURL; name != "" {
		if a.driver = schemes[name]; a.driver == "" {
			return a, fmt.Errorf("driver: found %q, expected postgres, mysql or sqlite", name)
		}
	}
	switch {
	case dsn == "":
		return a, errors.New("dsn: found nothing, expected where the database is, such as {env.DATABASE_URL}")
	case a.driver == "":
		return a, fmt.Errorf("driver: found nothing, and dsn does not begin with one of %s: expected driver postgres, mysql or sqlite",
			strings.Join(slices.Sorted(maps.Keys(schemes)), ", "))
	case isURL && fromURL != "" && fromURL != a.driver:
		return a, fmt.Errorf("driver: found %s, but dsn begins with %s", name, scheme)
	}
	a.secrets = []string{dsn}
	switch a.driver {
	case postgres:
		err = a.parsePostgres(dsn)
	case mySQL:
		err = a.parseMySQL(dsn, fromURL != "")
	case sqLite:
		err = a.parseSQLite(dsn, fromURL != "")
	}
	return a, err
}

// parsePostgres reads a URL, or the key=value form of libpq.
func (a *address) parsePostgres(dsn string) error {
	if scheme, rest, ok := strings.Cut(dsn, "://"); ok && schemes[scheme] != "" {
		// what Laravel and other frameworks put there and a server would refuse
		dsn = "postgres://" + withoutParameters(rest, "charset", "prefix", "prefix_indexes", "schema", "pgbouncer", "connection_limit")
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return errors.New("dsn: expected a URL such as postgres://user:password@host:5432/database, or host=… dbname=…")
	}
	// no prepared statements: they are lost behind PgBouncer, and stale when a column is added to the table
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	a.hide(config.Password)
	a.open = func() *sql.DB { return stdlib.OpenDB(*config) }
	return nil
}

// parseMySQL reads a URL, or the form of the Go driver: user:password@tcp(host:3306)/database.
func (a *address) parseMySQL(dsn string, isURL bool) error {
	wrong := errors.New("dsn: expected a URL such as mysql://user:password@host:3306/database")
	config := mysql.NewConfig()
	if !isURL {
		parsed, err := mysql.ParseDSN(dsn)
		if err != nil {
			return wrong
		}
		config = parsed
	} else {
		u, err := url.Parse(dsn)
		if err != nil || strings.Trim(u.Path, "/") == "" {
			return wrong
		}
		config.User = u.User.Username()
		config.Passwd, _ = u.User.Password()
		config.DBName = strings.Trim(u.Path, "/")
		config.Net, config.Addr = "tcp", u.Host
		if u.Port() == "" {
			config.Addr = net.JoinHostPort(u.Hostname(), "3306")
		}
		query := u.Query()
		if socket := query.Get("unix_socket"); socket != "" {
			config.Net, config.Addr = "unix", socket
		}
		if err := tlsOf(query, config); err != nil {
			return err
		}
	}
	config.Logger = &mysql.NopLogger{} // it would write to stderr
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return wrong
	}
	a.hide(config.Passwd)
	a.open = func() *sql.DB { return sql.OpenDB(connector) }
	return nil
}

// tlsOf reads what platforms put into a MySQL URL to say how safe it is to be.
func tlsOf(query url.Values, config *mysql.Config) error {
	for _, word := range []string{"tls", "sslmode", "ssl-mode", "ssl_mode"} {
		switch value := strings.ToLower(query.Get(word)); value {
		case "":
		case "false", "disable", "disabled":
			config.TLSConfig = "false"
		case "preferred", "prefer":
			config.TLSConfig = "preferred"
		case "require", "required", "skip-verify":
			config.TLSConfig = "skip-verify"
		case "true", "verify_ca", "verify-ca", "verify_identity", "verify-full":
			config.TLSConfig = "true"
		default:
			return fmt.Errorf("dsn: %s: found %q, expected disable, prefer, require or verify-full", word, value)
		}
	}
	return nil
}

// parseSQLite reads a path, or a URL: sqlite:///absolute/path, sqlite:relative/path.
func (a *address) parseSQLite(dsn string, isURL bool) error {
	path := dsn
	if isURL {
		_, path, _ = strings.Cut(dsn, ":")
		path, _, _ = strings.Cut(strings.TrimPrefix(path, "//"), "?")
		var err error
		if path, err = url.PathUnescape(path); err != nil {
			return errors.New("dsn: expected a URL such as sqlite:///path/to/database.sqlite")
		}
	}
	if path == "" || strings.Contains(path, ":memory:") {
		return errors.New("dsn: expected the path of a file, such as sqlite:///path/to/database.sqlite")
	}
	// read-only, so that a wrong path is an error and not a new file; an application that writes is waited for
	name := "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=ro&_pragma=busy_timeout(5000)"
	a.secrets = nil
	a.open = func() *sql.DB { return sql.OpenDB(connector{name}) }
	return nil
}

// connector opens an SQLite file.
type connector struct{ name string }

// Connect opens the file.
func (c connector) Connect(context.Context) (driver.Conn, error) { return c.Driver().Open(c.name) }

// Driver returns the driver.
func (c connector) Driver() driver.Driver { return &sqlite.Driver{} }

// hide notes a password in the forms in which an error could show it.
func (a *address) hide(password string) {
	if password != "" {
		a.secrets = append(a.secrets, password, url.QueryEscape(password), url.PathEscape(password))
	}
}

// scrub returns the error without secrets.
func (a *address) scrub(err error) error {
	text := err.Error()
	clean := text
	for _, secret := range a.secrets {
		clean = strings.ReplaceAll(clean, secret, "***")
	}
	if clean == text {
		return err
	}
	return errors.New(clean)
}

// withoutParameters drops parameters of a URL's query and leaves the rest as it is.
func withoutParameters(address string, names ...string) string {
	base, query, found := strings.Cut(address, "?")
	if !found {
		return address
	}
	var kept []string
	for parameter := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(parameter, "=")
		if parameter != "" && !slices.Contains(names, name) {
			kept = append(kept, parameter)
		}
	}
	if len(kept) == 0 {
		return base
	}
	return base + "?" + strings.Join(kept, "&")
}
