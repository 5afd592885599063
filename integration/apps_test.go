package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// soketisTable is the table that soketi's users have. SMALLINT stands for what is TINYINT in their MySQL.
const soketisTable = `CREATE TABLE apps (
	id VARCHAR(255) NOT NULL PRIMARY KEY, "key" VARCHAR(255) NOT NULL, secret VARCHAR(255) NOT NULL,
	max_connections INTEGER NOT NULL, enable_client_messages SMALLINT NOT NULL, enabled SMALLINT NOT NULL,
	max_backend_events_per_sec INTEGER NOT NULL, max_client_events_per_sec INTEGER NOT NULL, max_read_req_per_sec INTEGER NOT NULL,
	webhooks JSON, max_presence_members_per_channel INTEGER NULL, max_presence_member_size_in_kb INTEGER NULL,
	max_channel_name_length INTEGER NULL, max_event_channels_at_once INTEGER NULL, max_event_name_length INTEGER NULL,
	max_event_payload_in_kb INTEGER NULL, max_event_batch_size INTEGER NULL, enable_user_authentication SMALLINT NOT NULL)`

const insertApp = `INSERT INTO apps (id, "key", secret, max_connections, enable_client_messages, enabled,
	max_backend_events_per_sec, max_client_events_per_sec, max_read_req_per_sec, webhooks, max_channel_name_length, enable_user_authentication)
	VALUES ('1', 'table-key', 'table-secret', 200, 1, 1, -1, -1, -1, '[]', 50, 0)`

// tableApp is the app of the table.
var tableApp = pusherhub.AppConfig{ID: "1", Key: "table-key", Secret: "table-secret"}

// Apps of a database are added, changed, disabled and removed while sockets are open, and outlive an outage.
func TestAppsOfADatabase(t *testing.T) {
	for _, tc := range []struct {
		name string
		open func(testing.TB) *database
	}{
		{"PostgreSQL", startPostgres},
		{"MariaDB", startMariaDB},
		{"SQLite", func(t testing.TB) *database { return newSQLite(t) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := tc.open(t)
			quoted := func(statement string) string {
				if tc.name == "MariaDB" {
					return strings.ReplaceAll(statement, `"`, "`")
				}
				return statement
			}
			d.exec(quoted(soketisTable))
			s := newServer(t)
			s.Binary = caddyAppsBinary(t)
			s.Env = []string{"DATABASE_URL=" + d.url}
			const source = "apps sql {\n\t\t\tttl 100ms\n\t\t\tnegative_ttl 50ms\n\t\t\tstale 1h\n\t\t}"
			s.start(limited(source) + apiSite)
			hub := hubtest.At(t, s.apiURL(), tableApp)

			hubtest.Open(t, s.url(), "table-key", "", nil).ExpectClose(pusherhub.CodeNoSuchApp)
			d.exec(quoted(insertApp))
			enter := func() (c *hubtest.Client) {
				t.Helper()
				hubtest.Eventually(t, "the app is served", func() bool {
					c = hubtest.Open(t, s.url(), "table-key", "", nil)
					return c.Next().Event == "pusher:connection_established"
				})
				return c
			}
			c := enter()
			c.Subscribe("news")
			hub.Publish("news", "headline", "1")
			c.Expect("headline")
			hubtest.Open(t, s.url(), "TABLE-KEY", "", nil).ExpectClose(pusherhub.CodeNoSuchApp) // though MariaDB finds a row

			d.exec("UPDATE apps SET enable_client_messages = 0")
			hubtest.Eventually(t, "client events are refused", func() bool {
				c.Send(hubtest.EventFrame("client-typing", "news", "x"))
				c.Send(`{"event":"pusher:ping"}`)
				return c.Next().Event == "pusher:error"
			})
			c.Expect("pusher:pong")
			d.exec("ALTER TABLE apps ADD COLUMN options VARCHAR(255) NULL")
			d.exec(`UPDATE apps SET options = '{"accept_client_events_from":"all"}'`)
			hubtest.Eventually(t, "client events are allowed", func() bool {
				c.Send(hubtest.EventFrame("client-typing", "news", "x"))
				c.Send(`{"event":"pusher:ping"}`)
				if c.Next().Event == "pusher:pong" {
					return true
				}
				c.Expect("pusher:pong")
				return false
			})

			d.exec("UPDATE apps SET enabled = 0")
			c.ExpectClose(pusherhub.CodeAppDisabled)
			d.exec("UPDATE apps SET enabled = 1")
			c = enter()
			d.exec("DELETE FROM apps")
			c.ExpectClose(pusherhub.CodeNoSuchApp)
			d.exec(quoted(insertApp))
			c = enter()
			c.Subscribe("news")

			if d.stop != nil {
				d.stop()
				s.expectLine("apps cannot be looked up")
				hubtest.Dial(t, s.url(), "table-key", "").Close()
				hub.Publish("news", "headline", "2")
				c.Expect("headline")
				hubtest.Open(t, s.url(), "somebody-else", "", nil).ExpectClose(pusherhub.CodeOverCapacity)
				d.start()
				s.expectLine("apps can be looked up again")
				hubtest.Eventually(t, "the database answers", func() bool { return d.client.Ping() == nil })
				hubtest.Eventually(t, "an unknown key is one again", func() bool {
					refusal := hubtest.Open(t, s.url(), "somebody-else", "", nil).Next()
					return strings.Contains(refusal.Raw, strconv.Itoa(pusherhub.CodeNoSuchApp))
				})
			}

			// a reload takes over, and then the source is gone, with its connections
			if said, err := s.reload(limited("watchlist\n\t\t"+source) + apiSite); err != nil {
				t.Fatalf("reloading: %v\n%s", err, said)
			}
			hub.Publish("news", "headline", "3")
			c.Expect("headline")
			if said, err := s.reload(limited("app 1 {\n\t\t\tkey table-key\n\t\t\tsecret table-secret\n\t\t}") + apiSite); err != nil {
				t.Fatalf("reloading: %v\n%s", err, said)
			}
			hub.Publish("news", "headline", "4")
			c.Expect("headline")
			if d.connections != "" {
				hubtest.Eventually(t, "no connection is left", func() bool { return d.others() == 0 })
			}
			if text := s.text(); strings.Contains(text, databasePassword) || strings.Contains(text, "table-secret") {
				t.Error("a secret is in the log")
			}
		})
	}
}

// endpointPage is a user's endpoint in PHP, with nothing but what the documentation says.
const endpointPage = `<?php
$signed = $_SERVER['REQUEST_METHOD'] . "\n" . $_SERVER['REQUEST_URI'] . "\n" . $_SERVER['HTTP_X_PUSHER_HUB_TIMESTAMP'];
if (!hash_equals(hash_hmac('sha256', $signed, getenv('HUB_SECRET')), $_SERVER['HTTP_X_PUSHER_HUB_SIGNATURE'])
	|| abs(time() - (int) $_SERVER['HTTP_X_PUSHER_HUB_TIMESTAMP']) > 300) {
	http_response_code(403);
	exit;
}
foreach (json_decode(file_get_contents(getenv('APPS')), true) as $app) {
	if ($app['id'] === ($_GET['id'] ?? null) || $app['key'] === ($_GET['key'] ?? null)) {
		header('Content-Type: application/json');
		echo json_encode($app);
		exit;
	}
}
http_response_code(404);
`

func TestAppsBehindAnEndpoint(t *testing.T) {
	s := newServer(t)
	s.Binary = caddyAppsBinary(t)
	port := strconv.Itoa(freePort(t))
	apps, page := filepath.Join(s.dir, "apps.json"), filepath.Join(s.dir, "endpoint.php")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(apps+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(apps+".new", apps); err != nil {
			t.Fatal(err)
		}
	}
	put("[]")
	if err := os.WriteFile(page, []byte(endpointPage), 0o600); err != nil {
		t.Fatal(err)
	}
	php := exec.Command("php", "-S", "127.0.0.1:"+port, page)
	php.Env = append(os.Environ(), "HUB_SECRET=shared-by-both", "APPS="+apps)
	startProcess(t, "php", php).expectLine("started")

	s.Env = []string{"HUB_SECRET=shared-by-both"}
	s.start(limited("apps http http://127.0.0.1:"+port+"/hub/apps?v=1 {\n\t\t\tsecret {env.HUB_SECRET}\n\t\t\tttl 100ms\n\t\t\tnegative_ttl 50ms\n\t\t}") + apiSite)
	hubtest.Open(t, s.url(), "table-key", "", nil).ExpectClose(pusherhub.CodeNoSuchApp)
	put(`[{"id":"1","key":"table-key","secret":"table-secret"}]`)
	var c *hubtest.Client
	hubtest.Eventually(t, "the app is served", func() bool {
		c = hubtest.Open(t, s.url(), "table-key", "", nil)
		return c.Next().Event == "pusher:connection_established"
	})
	c.Subscribe("news")
	hubtest.At(t, s.apiURL(), tableApp).Publish("news", "headline", "1")
	c.Expect("headline")
	put(`[{"id":"1","key":"table-key","secret":"table-secret","enabled":false}]`)
	c.ExpectClose(pusherhub.CodeAppDisabled)
	if strings.Contains(s.text(), "shared-by-both") {
		t.Error("the secret is in the log")
	}
}

// A build without a source says how to get it.
func TestAppSourceThatIsNotInTheBuild(t *testing.T) {
	s := newServer(t)
	for word, pkg := range map[string]string{"sql": "sqlapps", "http https://a.test": "httpapps"} {
		said, err := s.command("validate", "--adapter", "caddyfile", "--config", s.write(limited("apps "+word)))
		if want := "xcaddy build --with github.com/onecharge/pusherhub/caddymodule/" + pkg; err == nil || !strings.Contains(said, want) {
			t.Errorf("apps %s: found %v and %q, expected %q", word, err, said, want)
		}
	}
}
