package sqlapps

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/appcache"
)

// fewRows is how many rows of a result are looked at: databases that compare without regard to case may find more than one.
const fewRows = 20

// table looks apps up in a database, whose pool is opened by the first who asks.
type table struct {
	// Static after newTable.
	address     address
	byID, byKey string // queries
	connections int

	mu     sync.Mutex
	db     *sql.DB // guarded by mu; nil before the first query
	closed bool    // guarded by mu
}

func newTable(a address, o Options, connections int) *table {
	t := &table{address: a, byID: o.QueryByID, byKey: o.QueryByKey, connections: connections}
	if t.byID == "" {
		quote, parameter := `"`, "?"
		switch a.driver {
		case postgres:
			parameter = "$1"
		case mySQL:
			quote = "`"
		}
		name := quote + strings.ReplaceAll(o.Table, ".", quote+"."+quote) + quote
		t.byID = "SELECT * FROM " + name + " WHERE " + quote + "id" + quote + " = " + parameter
		t.byKey = "SELECT * FROM " + name + " WHERE " + quote + "key" + quote + " = " + parameter
	}
	return t
}

// LoadByID returns the row with that id as the JSON that caddymodule.ParseApp reads.
func (t *table) LoadByID(ctx context.Context, id string) ([]byte, error) {
	return t.load(ctx, t.byID, "id", id)
}

// LoadByKey returns the row with that key in the same form.
func (t *table) LoadByKey(ctx context.Context, key string) ([]byte, error) {
	return t.load(ctx, t.byKey, "key", key)
}

func (t *table) load(ctx context.Context, query, column, value string) ([]byte, error) {
	db, err := t.pool()
	if err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, query, value)
	if err != nil {
		return nil, t.answer(err, value)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, t.failed(err)
	}
	wanted := nameOf(column, columns)
	if wanted == "" {
		return nil, fmt.Errorf("found no column %s among the columns %s, expected one: write AS %s in the query", column, strings.Join(columns, ", "), column)
	}
	var found row
	for n := 0; n < fewRows && rows.Next(); n++ {
		r, err := scan(rows, columns)
		if err != nil {
			return nil, t.failed(err)
		}
		if text(r[wanted]) != value {
			continue
		}
		if found != nil {
			return nil, &appcache.InvalidError{Err: fmt.Errorf("found two apps with the %s %q, expected one", column, value)}
		}
		found = r
	}
	if err := rows.Err(); err != nil {
		return nil, t.answer(err, value)
	}
	if found == nil {
		return nil, pusherhub.ErrAppNotFound
	}
	return found.app()
}

// scan reads the current row.
func scan(rows *sql.Rows, columns []string) (row, error) {
	values := make([]any, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	if err := rows.Scan(into...); err != nil {
		return nil, err
	}
	r := make(row, len(columns))
	for i, name := range columns {
		r[strings.ToLower(name)] = values[i]
	}
	return r, nil
}

// pool returns the connections to the database.
func (t *table) pool() (*sql.DB, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errors.New("the app source is closed: its config is no longer in use")
	}
	if t.db == nil {
		t.db = t.address.open()
		t.db.SetMaxOpenConns(t.connections)
		t.db.SetMaxIdleConns(t.connections)
		// so that a database that moved, or a proxy before it, is found again
		t.db.SetConnMaxIdleTime(5 * time.Minute)
		t.db.SetConnMaxLifetime(30 * time.Minute)
	}
	return t.db, nil
}

func (t *table) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.db == nil {
		return nil
	}
	if err := t.db.Close(); err != nil {
		return t.failed(err)
	}
	return nil
}

// nameOf returns the column of a result that holds the id or the key, "" if there is none. Reverb's word for the id is app_id.
func nameOf(column string, columns []string) string {
	for _, name := range columns {
		if name = strings.ToLower(name); name == column || column == "id" && name == "app_id" {
			return name
		}
	}
	return ""
}

// answer returns what an error of a query says: that there is no such app, if the column cannot hold what was asked for, such as
// "abc" in a column of numbers. Strangers choose the value, and it is no sign of a database that is away.
func (t *table) answer(err error, value string) error {
	pg, isPostgres := errors.AsType[*pgconn.PgError](err)
	my, isMySQL := errors.AsType[*mysql.MySQLError](err)
	switch {
	case isPostgres && strings.HasPrefix(pg.Code, "22") && strings.Contains(pg.Where, "$1"): // data exception, in the parameter
		return pusherhub.ErrAppNotFound
	case isMySQL && slices.Contains(notInCharset, my.Number) && strings.ContainsFunc(value, func(r rune) bool { return r > unicode.MaxASCII }):
		return pusherhub.ErrAppNotFound
	}
	return t.failed(err)
}

// notInCharset are the errors of MySQL and MariaDB about letters that the column's character set does not have.
var notInCharset = []uint16{1267, 3988}

// failed says where an error comes from.
func (t *table) failed(err error) error {
	return fmt.Errorf("asking %s for an app: %w", t.address.driver, t.address.scrub(err))
}
