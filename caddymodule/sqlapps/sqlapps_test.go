package sqlapps

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/caddymodule"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// soketi's table, as its documentation has it, with one column of somebody else's and our own for all other options.
const schema = `CREATE TABLE apps (
	id varchar(255) PRIMARY KEY, "key" varchar(255) NOT NULL, secret varchar(255) NOT NULL, max_connections integer NOT NULL,
	enable_client_messages smallint NOT NULL, "enabled" smallint NOT NULL, max_backend_events_per_sec integer NOT NULL,
	max_client_events_per_sec integer NOT NULL, max_read_req_per_sec integer NOT NULL, webhooks json,
	max_presence_members_per_channel integer DEFAULT NULL, max_presence_member_size_in_kb integer DEFAULT NULL,
	max_channel_name_length integer DEFAULT NULL, max_event_channels_at_once integer DEFAULT NULL, max_event_name_length integer DEFAULT NULL,
	max_event_payload_in_kb integer DEFAULT NULL, max_event_batch_size integer DEFAULT NULL, enable_user_authentication smallint NOT NULL,
	updated_at timestamp, options text)`

const insert = `INSERT INTO apps (id, "key", secret, max_connections, "enabled", enable_client_messages, max_backend_events_per_sec,
	max_client_events_per_sec, max_read_req_per_sec, webhooks, enable_user_authentication)
	VALUES ('0815', 'key-a', '0x10', 200, 1, 1, -1, -1, -1, '[]', 0)`

// database is an SQLite file with soketi's table.
type database struct {
	*sql.DB
	t    *testing.T
	file string
}

func newDatabase(t *testing.T) *database {
	t.Helper()
	file := filepath.Join(t.TempDir(), "apps.sqlite")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	d := &database{db, t, file}
	d.exec("PRAGMA journal_mode=WAL") // as Laravel has it
	d.exec(schema)
	return d
}

func (d *database) exec(statement string) {
	d.t.Helper()
	if _, err := d.Exec(statement); err != nil {
		d.t.Fatalf("%s: %v", statement, err)
	}
}

// open makes a source as Caddy does.
func open(t *testing.T, words string) *source {
	t.Helper()
	a, err := provision(t, words)
	if err != nil {
		t.Fatal(err)
	}
	src, err := a.AppSource(func(app caddymodule.App) (*pusherhub.App, error) {
		if len(app.PluginsRaw) > 0 {
			return nil, errors.New("plugins: " + string(app.PluginsRaw[0]))
		}
		return pusherhub.NewApp(app.AppConfig)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.(*source).Close(); err != nil {
			t.Error(err)
		}
	})
	return src.(*source)
}

func provision(t *testing.T, words string) (*Apps, error) {
	t.Helper()
	a := new(Apps)
	if err := a.UnmarshalCaddyfile(caddyfile.NewTestDispenser("sql " + words)); err != nil {
		return nil, err
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	if err := a.Provision(ctx); err != nil {
		return nil, err
	}
	return a, a.Validate()
}

func TestSoketisTable(t *testing.T) {
	d := newDatabase(t)
	d.exec(insert)
	t.Setenv("DATABASE_URL", "sqlite://"+d.file)
	src := open(t, "")
	app, err := src.AppByKey(t.Context(), "key-a")
	if err != nil {
		t.Fatal(err)
	}
	if c := app.Config(); c.ID != "0815" || c.Secret != "0x10" || c.MaxConnections != 200 || c.AcceptClientEventsFrom != "members" ||
		c.MaxClientEventsPerSecond != pusherhub.Unlimited || !*c.Enabled {
		t.Errorf("found %+v", c)
	}
	if same, err := src.AppByID(t.Context(), "0815"); same != app || err != nil {
		t.Errorf("found %v %v", same, err)
	}
	for _, nobody := range []string{"KEY-A", "key-b", "' OR 1=1 --", `"`} {
		if _, err := src.AppByKey(t.Context(), nobody); !errors.Is(err, pusherhub.ErrAppNotFound) {
			t.Errorf("%s: found %v", nobody, err)
		}
	}
}

func TestColumns(t *testing.T) {
	d := newDatabase(t)
	d.exec(insert)
	for _, tc := range []struct{ name, set, want string }{
		{"soketi's limits", "max_presence_members_per_channel=5, max_presence_member_size_in_kb=2, max_channel_name_length=50, max_event_channels_at_once=3, max_event_payload_in_kb=7, max_event_batch_size=4, enable_user_authentication=1, enable_client_messages=0, max_client_events_per_sec=9", ""},
		{"any option", `options='{"compat":"pusher","max_connections":3,"allowed_origins":["a.test"]}'`, ""},
		{"plugins", `options='{"plugins":[{"plugin":"p"}]}'`, `plugins: {"plugin":"p"}`},
		{"soketi's webhooks", `options=NULL, webhooks='[{"url":"https://a.test","event_types":["cache_miss"]}]'`, `plugins: {"endpoints":[{"event_types":["cache_miss"],"url":"https://a.test"}],"plugin":"webhooks"}`},
		{"soketi's limit of publishes", `webhooks=NULL, max_backend_events_per_sec=70`, `plugins: {"per_app":{"publishes":70},"plugin":"rate_limit"}`},
		{"options is no JSON", `max_backend_events_per_sec=-1, options='{'`, "options: expected a JSON object"},
		{"options is misspelt", `options='{"compta":"x"}'`, "did you mean 'compat'?"},
		{"webhooks is no JSON", `options='', webhooks='x'`, "webhooks: found"},
		{"a limit is 0", `webhooks='', max_connections=0`, "max_connections: found 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d.exec("UPDATE apps SET " + tc.set)
			app, err := open(t, d.file+" {\n driver sqlite\n}").AppByID(t.Context(), "0815")
			if tc.want != "" {
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Fatalf("found %v, expected %s", err, tc.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c := app.Config()
			if c.MaxPresenceMembers != 5 || c.MaxMemberBytes != 2048 || c.MaxChannelNameLength != 50 || c.MaxChannelsPerEvent != 3 || c.MaxEventData != 7168 ||
				c.MaxBatch != 4 || !*c.UserAuthentication || c.AcceptClientEventsFrom != "none" || c.MaxClientEventsPerSecond != 9 {
				t.Errorf("found %+v", c)
			}
			if strings.Contains(tc.set, "options") && (c.Compat != "pusher" || c.MaxConnections != 3 || c.AllowedOrigins[0] != "a.test") {
				t.Errorf("found %+v", c)
			}
		})
	}
}

func TestOwnQueriesAndTables(t *testing.T) {
	d := newDatabase(t)
	d.exec(insert)
	d.exec(`CREATE TABLE "Tenants" (nr integer, token text, secret text, origins text)`)
	d.exec(`INSERT INTO "Tenants" VALUES (7, 'tenant-key', 's', '["*.a.test"]')`)
	columns := "SELECT nr AS id, token AS key, secret, origins AS allowed_origins FROM Tenants WHERE "
	src := open(t, d.file+" {\n driver sqlite\n query_by_id \""+columns+"CAST(nr AS text) = ?\"\n query_by_key \""+columns+"token = ?\"\n}")
	byKey, err := src.AppByKey(t.Context(), "tenant-key")
	if err != nil {
		t.Fatal(err)
	}
	if byKey.ID() != "7" || byKey.Config().AllowedOrigins[0] != "*.a.test" {
		t.Errorf("found %+v", byKey.Config())
	}

	// a database that takes capitals for small letters finds two
	d.exec("UPDATE apps SET key = 'KEY-A'")
	d.exec(strings.Replace(insert, "0815", "2", 1))
	lax := open(t, d.file+" {\n driver sqlite\n query_by_id \"SELECT * FROM apps WHERE id = ?\"\n query_by_key \"SELECT * FROM apps WHERE lower(key) = lower(?)\"\n}")
	for key, id := range map[string]string{"KEY-A": "0815", "key-a": "2"} {
		if app, err := lax.AppByKey(t.Context(), key); err != nil || app.ID() != id {
			t.Errorf("%s: found %v %v, expected app %s", key, app, err, id)
		}
	}
	d.exec("DELETE FROM apps WHERE id = '2'")
	d.exec("UPDATE apps SET key = 'key-a'")

	d.exec(`ALTER TABLE apps RENAME TO "soketi_apps"`)
	if _, err := open(t, d.file+" {\n driver sqlite\n table main.soketi_apps\n}").AppByID(t.Context(), "0815"); err != nil {
		t.Error(err)
	}
	d.exec(`UPDATE soketi_apps SET id = 'b'`)
	d.exec(insert[:12] + "soketi_apps" + insert[16:])
	if _, err := open(t, d.file+" {\n driver sqlite\n table soketi_apps\n}").AppByKey(t.Context(), "key-a"); err == nil || !strings.Contains(err.Error(), `found two apps with the key "key-a"`) {
		t.Errorf("found %v", err)
	}
	if _, err := open(t, d.file+" {\n driver sqlite\n}").AppByID(t.Context(), "b"); err == nil || !strings.Contains(err.Error(), "no such table: apps") {
		t.Errorf("found %v", err)
	}
}

// A query that returns no key is a mistake, and not a table without that app.
func TestQueryWithoutTheColumn(t *testing.T) {
	d := newDatabase(t)
	d.exec(insert)
	src := open(t, d.file+" {\n driver sqlite\n query_by_id \"SELECT id AS app_id, key, secret FROM apps WHERE id = ?\"\n query_by_key \"SELECT id, key AS token, secret FROM apps WHERE key = ?\"\n}")
	if _, err := src.AppByKey(t.Context(), "key-a"); err == nil || !strings.Contains(err.Error(), "among the columns id, token, secret") {
		t.Errorf("found %v", err)
	}
	if app, err := src.AppByID(t.Context(), "0815"); err != nil || app.ID() != "0815" {
		t.Errorf("found %v %v", app, err)
	}
}

// What tables of others hold in columns of our own words.
func TestSwitchesAreNumbers(t *testing.T) {
	d := newDatabase(t)
	d.exec(insert)
	d.exec("ALTER TABLE apps ADD COLUMN tls_only BOOLEAN")
	d.exec("UPDATE apps SET tls_only = 1")
	app, err := open(t, d.file+" {\n driver sqlite\n}").AppByID(t.Context(), "0815")
	if err != nil || !*app.Config().TLSOnly {
		t.Errorf("found %v %v", app, err)
	}
}

// A change of what is not ours is no change of the app.
func TestOtherColumnsAreIgnored(t *testing.T) {
	d := newDatabase(t)
	d.exec(insert)
	src := open(t, d.file+" {\n driver sqlite\n ttl 1ms\n}")
	hub := hubtest.NewServerWith(t, pusherhub.Config{AppSource: src})
	hubtest.Dial(t, hub.URL, "key-a", "")
	app, err := src.AppByID(t.Context(), "0815")
	if err != nil {
		t.Fatal(err)
	}
	lookups := func() float64 { return src.Measures()[1].Value }
	d.exec("UPDATE apps SET updated_at = '2030-01-01 00:00:00', webhooks = ' [ ] '")
	before := lookups()
	hubtest.Eventually(t, "the row was read again", func() bool { return lookups() > before+2 })
	if same, err := src.AppByID(t.Context(), "0815"); same != app || err != nil {
		t.Errorf("found another app, %v", err)
	}
}

// Apps are added, changed, disabled and removed while sockets are open.
func TestLiveApps(t *testing.T) {
	d := newDatabase(t)
	hub := hubtest.NewServerWith(t, pusherhub.Config{AppSource: open(t, d.file+" {\n driver sqlite\n ttl 20ms\n negative_ttl 20ms\n}")})
	hubtest.Open(t, hub.URL, "key-a", "", nil).ExpectClose(pusherhub.CodeNoSuchApp)
	d.exec(insert)
	enter := func() (c *hubtest.Client) {
		t.Helper()
		hubtest.Eventually(t, "the app is served", func() bool {
			c = hubtest.Open(t, hub.URL, "key-a", "", nil)
			return c.Next().Event == "pusher:connection_established"
		})
		return c
	}
	c := enter()
	c.Subscribe("x")
	d.exec("UPDATE apps SET enable_client_messages = 0")
	hubtest.Eventually(t, "client events are refused", func() bool {
		c.Send(hubtest.EventFrame("client-x", "x", "1"))
		c.Send(`{"event":"pusher:ping"}`)
		return c.Next().Event == "pusher:error"
	})
	d.exec("UPDATE apps SET enabled = 0")
	c.ExpectClose(pusherhub.CodeAppDisabled)
	d.exec("UPDATE apps SET enabled = 1")
	c = enter()
	d.exec("DELETE FROM apps")
	c.ExpectClose(pusherhub.CodeNoSuchApp)
}

func TestWhatIsWrong(t *testing.T) {
	for _, tc := range []struct{ words, want string }{
		{"", "{env.DATABASE_URL} is empty"},
		{"mysql://u:top-secret@h/d more", "found another word after the DSN"},
		{"mysql://u:top-secret@h/d {\n dsn x\n}", "dsn: found it twice"},
		{"mysql://u:top-secret@h/d {\n tabel apps\n}", "did you mean 'table'?"},
		{"mysql://u:top-secret@h/d {\n table \"apps; DROP TABLE x\"\n}", `table: found "apps; DROP TABLE x"`},
		{"mysql://u:top-secret@h/d {\n query_by_id \"SELECT 1\"\n}", "found one of query_by_id and query_by_key"},
		{"mysql://u:top-secret@h/d {\n max_connections unlimited\n}", "max_connections: found it unlimited"},
	} {
		t.Setenv("DATABASE_URL", "")
		_, err := provision(t, tc.words)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: found %v, expected %s", tc.words, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "top-secret") {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}
