package sqlapps

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestDSN(t *testing.T) {
	for _, tc := range []struct{ driver, dsn, want string }{
		{"", "postgres://u:p@h:5432/d", postgres},
		{"", "postgresql://u:p@h/d?sslmode=require&charset=utf8&pgbouncer=true", postgres},
		{"", "pgsql://u:p@h/d", postgres},
		{"pgsql", "host=/run/postgresql dbname=d user=u", postgres},
		{"", "mysql://u:p%40ss@h/d", mySQL},
		{"", "mariadb://u@h:3307/d?sslmode=require", mySQL},
		{"", "mysql://u@localhost/d?unix_socket=/run/mysqld/mysqld.sock", mySQL},
		{"mariadb", "u:p@tcp(h:3306)/d?tls=true", mySQL},
		{"", "sqlite:///var/lib/app/database.sqlite", sqLite},
		{"", "sqlite:database/database.sqlite", sqLite},
		{"sqlite", "/var/lib/app/database.sqlite", sqLite},
	} {
		a, err := parseDSN(tc.driver, tc.dsn)
		if err != nil || a.driver != tc.want {
			t.Errorf("%s %s: found %s %v, expected %s", tc.driver, tc.dsn, a.driver, err, tc.want)
			continue
		}
		db := a.open() // which connects to nothing
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// No error shows the DSN or its password.
func TestDSNThatIsWrong(t *testing.T) {
	for _, tc := range []struct{ driver, dsn, want string }{
		{"", "", "dsn: found nothing"},
		{"", "top-secret", "driver: found nothing"},
		{"oracle", "top-secret", `driver: found "oracle", expected postgres, mysql or sqlite`},
		{"mysql", "postgres://u:top-secret@h/d", "driver: found mysql, but dsn begins with postgres"},
		{"", "postgres://u:top-secret@h:port/d", "dsn: expected a URL such as postgres://"},
		{"postgres", "nonsense top-secret", "dsn: expected a URL such as postgres://"},
		{"", "mysql://u:top-secret@h", "dsn: expected a URL such as mysql://"},
		{"", "mysql://u:top-secret@h:port/d", "dsn: expected a URL such as mysql://"},
		{"mysql", "u:top-secret@h", "dsn: expected a URL such as mysql://"},
		{"", "mysql://u:top-secret@h/d?sslmode=perhaps", `dsn: sslmode: found "perhaps"`},
		{"", "sqlite://", "dsn: expected the path of a file"},
		{"", "sqlite::memory:", "dsn: expected the path of a file"},
	} {
		_, err := parseDSN(tc.driver, tc.dsn)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %s: found %v, expected %s", tc.driver, tc.dsn, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "top-secret") {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}

func TestErrorsAreScrubbed(t *testing.T) {
	for _, dsn := range []string{"mysql://u:p%20w@127.0.0.1:1/d", "postgres://u:p%20w@127.0.0.1:1/d?connect_timeout=1"} {
		a, err := parseDSN("", dsn)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"cannot connect to " + dsn, "password 'p w' is wrong", "tried p%20w"} {
			clean := a.scrub(errors.New(text)).Error()
			if strings.Contains(clean, "p w") || strings.Contains(clean, "p%20w") || !strings.Contains(clean, "***") {
				t.Errorf("found %q", clean)
			}
		}
		table := newTable(a, Options{Table: "apps"}, 1)
		_, err = table.LoadByID(t.Context(), "a")
		if err == nil || !strings.Contains(err.Error(), "asking "+a.driver+" for an app: ") || strings.Contains(err.Error(), "p w") {
			t.Errorf("found %v", err)
		}
		if err := table.close(); err != nil {
			t.Error(err)
		}
	}
}

// A file that is not there is not made.
func TestSQLiteIsReadOnly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "no such #file?.sqlite")
	a, err := parseDSN("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	table := newTable(a, Options{Table: "apps"}, 1)
	if _, err := table.LoadByID(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "unable to open database file") {
		t.Errorf("found %v", err)
	}
	if err := table.close(); err != nil {
		t.Error(err)
	}
	if found, _ := filepath.Glob(filepath.Dir(file) + "/*"); len(found) > 0 {
		t.Errorf("found %q", found)
	}
}
