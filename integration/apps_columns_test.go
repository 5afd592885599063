package integration

import (
	"net/http"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// Strangers may ask for what a column cannot hold. That is no app, and not a database that is away.
func TestColumnsThatCannotHoldAnything(t *testing.T) {
	for _, tc := range []struct {
		name, table string
		open        func(testing.TB) *database
	}{
		{"PostgreSQL", `CREATE TABLE apps (id BIGINT PRIMARY KEY, "key" UUID, secret TEXT, tls_only BOOLEAN)`, startPostgres},
		{"MariaDB", "CREATE TABLE apps (id BIGINT PRIMARY KEY, `key` VARCHAR(255), secret TEXT, tls_only BOOLEAN) CHARACTER SET latin1", startMariaDB},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const key = "11111111-1111-1111-1111-111111111111"
			d := tc.open(t)
			d.exec(tc.table)
			d.exec("INSERT INTO apps VALUES (1, '" + key + "', 'table-secret', FALSE)")
			s := newServer(t)
			s.Binary = caddyAppsBinary(t)
			s.Env = []string{"DATABASE_URL=" + d.url}
			s.start(limited("apps sql") + apiSite)
			hubtest.Dial(t, s.url(), key, "").Close()
			hubtest.Open(t, s.url(), "%F0%9F%98%80", "", nil).ExpectClose(pusherhub.CodeNoSuchApp)
			res, err := http.Post(s.apiURL()+"/apps/99999999999999999999x/events?auth_key=k&auth_signature=s", "application/json", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusNotFound {
				t.Errorf("found status %d, expected 404", res.StatusCode)
			}
			if strings.Contains(s.text(), "cannot be looked up") {
				t.Error("it is taken for an outage")
			}
		})
	}
}
