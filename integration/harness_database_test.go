package integration

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	_ "modernc.org/sqlite"
)

// databasePassword is in every DSN of the tests; nothing may show it.
const databasePassword = "s3cret-pass-wOrd"

// database is a server of its own in a temporary directory, or a file.
type database struct {
	url    string // as Laravel's DATABASE_URL has it
	client *sql.DB
	t      testing.TB

	// Of a server; nil for a file. What start starts is stopped with the test.
	start, stop func()

	connections string // a query for how many others are connected
}

// exec changes something, as the application would.
func (d *database) exec(statement string) {
	d.t.Helper()
	if _, err := d.client.Exec(statement); err != nil {
		d.t.Fatalf("%s: %v", statement, err)
	}
}

// connect opens the application's own connection.
func (d *database) connect(driver, dsn string) {
	d.t.Helper()
	client, err := sql.Open(driver, dsn)
	if err != nil {
		d.t.Fatal(err)
	}
	client.SetMaxOpenConns(1)
	d.client = client
	d.t.Cleanup(func() { _ = client.Close() })
	hubtest.Eventually(d.t, "the database answers", func() bool { return client.Ping() == nil })
}

// others returns how many others are connected.
func (d *database) others() (n int) {
	d.t.Helper()
	if err := d.client.QueryRow(d.connections).Scan(&n); err != nil {
		d.t.Fatal(err)
	}
	return n
}

// databaseDir returns a directory for a database, and prepares commands for whoever may run one: not root.
func databaseDir(t testing.TB) (dir string, as func(*exec.Cmd) *exec.Cmd) {
	t.Helper()
	dir, err := os.MkdirTemp("", "db") // not t.TempDir: a unix socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	as = func(cmd *exec.Cmd) *exec.Cmd {
		cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin", "HOME=" + dir, "LC_ALL=C"}
		return cmd
	}
	if os.Getuid() != 0 {
		return dir, as
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	asRoot := as
	return dir, func(cmd *exec.Cmd) *exec.Cmd {
		cmd = asRoot(cmd)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		return cmd
	}
}

// must runs a command to its end.
func must(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, said)
	}
}

// program returns the path of a program that Debian may keep out of PATH.
func program(t testing.TB, name, elsewhere string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if found, _ := filepath.Glob(filepath.Join(elsewhere, name)); len(found) > 0 {
		return found[len(found)-1]
	}
	t.Fatalf("%s is missing: integration/install.sh test installs it", name)
	return ""
}

// startPostgres runs a PostgreSQL.
func startPostgres(t testing.TB) *database {
	t.Helper()
	const bin = "/usr/lib/postgresql/*/bin"
	dir, as := databaseDir(t)
	port := freePort(t)
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte(databasePassword), 0o644); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	must(t, as(exec.Command(program(t, "initdb", bin), "-D", data, "-U", "tester", "--auth=scram-sha-256", "--pwfile="+password,
		"--no-sync", "--encoding=UTF8", "--locale=C", "--no-instructions")))
	d := &database{
		url: fmt.Sprintf("postgres://tester:%s@127.0.0.1:%d/postgres?sslmode=disable&charset=utf8", databasePassword, port), t: t,
		connections: "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
	}
	d.start = func() {
		t.Helper()
		server := startProcess(t, "postgres", as(exec.Command(program(t, "postgres", bin), "-D", data, "-c", "port="+strconv.Itoa(port),
			"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=20", "-c", "shared_buffers=1MB")))
		d.stop = func() { server.stop(syscall.SIGINT) } // TERM would wait for clients
		t.Cleanup(d.stop)
		server.expectLine("database system is ready to accept connections")
	}
	d.start()
	d.connect("pgx", strings.Replace(d.url, "&charset=utf8", "", 1))
	return d
}

// startMariaDB runs a MariaDB.
func startMariaDB(t testing.TB) *database {
	t.Helper()
	dir, as := databaseDir(t)
	port := freePort(t)
	data := filepath.Join(dir, "data")
	must(t, as(exec.Command(program(t, "mariadb-install-db", "/usr/bin"), "--no-defaults", "--datadir="+data,
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")))
	setup := filepath.Join(dir, "setup.sql")
	if err := os.WriteFile(setup, []byte("CREATE DATABASE IF NOT EXISTS hub;\n"+
		"CREATE USER IF NOT EXISTS 'tester'@'%' IDENTIFIED BY '"+databasePassword+"';\nGRANT ALL ON *.* TO 'tester'@'%';\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	d := &database{
		url: fmt.Sprintf("mysql://tester:%s@127.0.0.1:%d/hub", databasePassword, port), t: t,
		connections: "SELECT count(*) FROM information_schema.processlist WHERE id <> connection_id() AND user = 'tester'",
	}
	d.start = func() {
		t.Helper()
		server := startProcess(t, "mariadbd", as(exec.Command(program(t, "mariadbd", "/usr/sbin"), "--no-defaults", "--datadir="+data,
			"--socket="+filepath.Join(dir, "sock"), "--pid-file="+filepath.Join(dir, "pid"), "--port="+strconv.Itoa(port), "--bind-address=127.0.0.1",
			"--init-file="+setup, "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=8M", "--skip-name-resolve")))
		d.stop = func() { server.stop(syscall.SIGTERM) }
		server.expectLine("ready for connections")
	}
	d.start()
	d.connect("mysql", fmt.Sprintf("tester:%s@tcp(127.0.0.1:%d)/hub", databasePassword, port))
	return d
}

// newSQLite makes a file.
func newSQLite(t testing.TB) *database {
	t.Helper()
	file := filepath.Join(t.TempDir(), "database.sqlite")
	d := &database{url: "sqlite://" + file, t: t}
	d.connect("sqlite", file)
	d.exec("PRAGMA journal_mode=WAL")
	return d
}
