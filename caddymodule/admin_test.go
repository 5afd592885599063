package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"

	"github.com/caddyserver/caddy/v2"
)

// admin is the hub's part of the admin API, as Caddy serves it.
type admin struct {
	t   *testing.T
	mux *http.ServeMux
}

func newAdmin(t *testing.T) admin {
	t.Helper()
	module, err := caddy.GetModule("admin.api.pusher_hub")
	if err != nil {
		t.Fatal(err)
	}
	a := admin{t, http.NewServeMux()}
	for _, route := range module.New().(caddy.AdminRouter).Routes() {
		a.mux.HandleFunc(route.Pattern, func(w http.ResponseWriter, r *http.Request) {
			err := route.Handler.ServeHTTP(w, r)
			if err == nil {
				return
			}
			refused, ok := err.(caddy.APIError) //nolint:errorlint // Caddy does not unwrap either
			if !ok {
				t.Errorf("found %#v, expected an APIError", err)
			}
			w.WriteHeader(refused.HTTPStatus)
			if refused.Message == "" {
				refused.Message = refused.Error()
			}
			_ = json.NewEncoder(w).Encode(refused)
		})
	}
	return a
}

// ask sends a request to /pusher_hub/{path} and returns the answer.
func (a admin) ask(method, path, body string) *httptest.ResponseRecorder {
	a.t.Helper()
	w := httptest.NewRecorder()
	a.mux.ServeHTTP(w, httptest.NewRequest(method, "/pusher_hub/"+path, strings.NewReader(body)))
	return w
}

// get expects 200 and reads the answer into v.
func (a admin) get(path string, v any) {
	a.t.Helper()
	w := a.ask(http.MethodGet, path, "")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		a.t.Fatalf("%s: found %d %s, expected JSON", path, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), v); err != nil {
		a.t.Fatalf("%s: %v in %s", path, err, w.Body)
	}
}

// post expects 200 and that answer, but for the node's name.
func (a admin) post(path, body, want string) {
	a.t.Helper()
	w := a.ask(http.MethodPost, path, body)
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		a.t.Fatalf("%s: %v in %s", path, err, w.Body)
	}
	delete(answer, "node")
	found, err := json.Marshal(answer)
	if err != nil || w.Code != http.StatusOK || string(found) != want {
		a.t.Errorf("%s %s: found %d %s, expected 200 %s", path, body, w.Code, found, want)
	}
}

func (a admin) refused(method, path, body string, status int, words string) {
	a.t.Helper()
	w := a.ask(method, path, body)
	var answer struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != status || !strings.Contains(answer.Error, words) {
		a.t.Errorf("%s %s: found %d %s, expected %d and %q", method, path, w.Code, w.Body, status, words)
	}
}

const adminSites = "http://:PORT {\n pusher_hub {\n"

// inApp connects a client to the app a.
func inApp(t *testing.T, l *live) (*hubtest.Server, *hubtest.Client) {
	t.Helper()
	s := hubtest.At(t, l.url(), appOf("a"))
	return s, s.Dial(t)
}

func TestAdminLists(t *testing.T) {
	a, l := newAdmin(t), newLive(t)
	var hubs struct {
		Hubs []struct{ Name string }
	}
	if a.get("hubs", &hubs); len(hubs.Hubs) != 0 {
		t.Fatalf("found %+v before there is a config", hubs)
	}
	l.mustLoad(adminSites + appBlock("a") + appBlock("b", "enabled off") + "}\n}\n")
	s, c := inApp(t, l)
	const odd = "private-a=b,c@d.e;f"
	c.SubscribeWith(odd, s.Auth(c, odd, ""), "")
	data := `{"user_id":"é/1?"}`
	c.SubscribeWith("presence-x", s.Auth(c, "presence-x", data), data)

	if a.get("hubs", &hubs); len(hubs.Hubs) != 1 || hubs.Hubs[0].Name != "default" {
		t.Errorf("found %+v, expected the hub default", hubs)
	}
	var apps struct {
		Node, Next string
		Apps       []struct {
			ID, Key     string
			Enabled     bool
			Connections int
			Channels    int
		}
	}
	a.get("hubs/default/apps?limit=1", &apps)
	if apps.Node == "" || apps.Next != "a" || fmt.Sprint(apps.Apps) != "[{a key-a true 1 2}]" {
		t.Errorf("found %+v", apps)
	}
	apps.Next = ""
	if a.get("hubs/default/apps?after=a", &apps); apps.Next != "" || fmt.Sprint(apps.Apps) != "[{b key-b false 0 0}]" {
		t.Errorf("found %+v", apps)
	}

	var channels struct{ Channels []struct{ Name string } }
	a.get("hubs/default/apps/a/channels?prefix=private-&kind=private", &channels)
	if len(channels.Channels) != 1 || channels.Channels[0].Name != odd {
		t.Errorf("found %+v, expected %s", channels, odd)
	}
	var channel struct {
		Name          string
		Subscriptions int
		Members       []string
	}
	if a.get("hubs/default/apps/a/channels/"+url.PathEscape(odd), &channel); channel.Name != odd || channel.Subscriptions != 1 {
		t.Errorf("found %+v", channel)
	}
	if a.get("hubs/default/apps/a/channels/presence-x", &channel); fmt.Sprint(channel.Members) != "[é/1?]" {
		t.Errorf("found %+v", channel)
	}

	var connections struct {
		Connections []struct {
			SocketID string `json:"socket_id"`
			UserID   string `json:"user_id"`
			IP       string
		}
	}
	for _, filter := range []string{"", "?user=" + url.QueryEscape("é/1?"), "?ip=127.0.0.0/8", "?channel=" + url.QueryEscape(odd)} {
		connections.Connections = nil
		a.get("hubs/default/apps/a/connections"+filter, &connections)
		if found := fmt.Sprint(connections.Connections); found != "[{"+c.SocketID+" é/1? 127.0.0.1}]" {
			t.Errorf("%s: found %s", filter, found)
		}
	}
	if a.get("hubs/default/apps/a/connections?user=nobody", &connections); len(connections.Connections) != 0 {
		t.Errorf("found %+v, expected none", connections)
	}
	var connection struct{ Channels []struct{ Channel string } }
	if a.get("hubs/default/apps/a/connections/"+c.SocketID+"?limit=1", &connection); fmt.Sprint(connection.Channels) != "[{presence-x}]" {
		t.Errorf("found %+v", connection)
	}
	if w := a.ask(http.MethodHead, "hubs/default/apps/a", ""); w.Code != http.StatusOK {
		t.Errorf("HEAD: found %d", w.Code)
	}
}

func TestAdminActions(t *testing.T) {
	a, l := newAdmin(t), newLive(t)
	l.mustLoad(adminSites + "subscription_error_frames subscription_error\n" + appBlock("a") + "}\n}\n")
	s, c := inApp(t, l)
	_, witness := inApp(t, l)
	s.Signin(t, c, `{"id":"7"}`)
	c.Subscribe("news")
	witness.Subscribe("news")

	a.post("hubs/default/apps/a/publish", `{"name":"e","channel":"news","data":"text"}`, `{"channels":1}`)
	a.post("hubs/default/apps/a/publish", `{"name":"e","channels":["news","other"],"data":{"a": [1]},"socket_id":"`+witness.SocketID+`"}`, `{"channels":2}`)
	c.ExpectRaw(`{"event":"e","channel":"news","data":"text"}`)
	c.ExpectRaw(`{"event":"e","channel":"news","data":"{\"a\":[1]}"}`)
	witness.ExpectRaw(`{"event":"e","channel":"news","data":"text"}`)

	a.post("hubs/default/apps/a/unsubscribe", `{"user":7,"channel":"news"}`, `{"subscriptions":1}`)
	c.Expect("pusher:subscription_error")
	a.post("hubs/default/apps/a/disconnect", `{"user":"7","reconnect":true}`, `{"sockets":1}`)
	c.ExpectClose(4200)
	witness.ExpectQuiet()
	a.post("hubs/default/apps/a/disconnect", `{"ip":"127.0.0.1"}`, `{"sockets":1}`)
	witness.ExpectClose(4009)
	a.post("hubs/default/apps/a/disconnect", `{"socket_id":"1.2"}`, `{"sockets":0}`)
}

func TestAdminRefuses(t *testing.T) {
	a, l := newAdmin(t), newLive(t)
	l.mustLoad(adminSites + appBlock("a") + appBlock("off", "enabled off") + "}\n}\n")
	const app = "hubs/default/apps/a/"
	for _, tc := range []struct {
		method, path, body string
		status             int
		words              string
	}{
		{"GET", "nothing", "", 404, "found /pusher_hub/nothing, expected one of /pusher_hub/hubs, "},
		{"GET", "hubs/", "", 404, "expected one of"},
		{"GET", "hubs/x/apps", "", 404, `hub: found "x", expected one of: default`},
		{"GET", "hubs/default/apps/x", "", 404, `app: found "x", expected one of: a, off`},
		{"GET", app + "channels/x", "", 404, `channel "x" has no subscriber on this node`},
		{"GET", app + "connections/1.2", "", 404, `socket "1.2" is not on this node`},
		{"GET", app + "connections?usr=7", "", 400, `parameter: found "usr", expected one of: user, ip, channel, after, limit`},
		{"GET", "hubs?limit=1", "", 400, `parameter: found "limit", expected none`},
		{"GET", app + "connections?user=7&user=8", "", 400, "user: found 2 times, expected once"},
		{"GET", app + "connections?limit=0", "", 400, `limit: found "0", expected 1 to 1000`},
		{"GET", app + "connections?limit=all", "", 400, `limit: found "all", expected 1 to 1000`},
		{"GET", app + "connections?ip=x", "", 400, `ip: found "x", expected an address`},
		{"GET", app + "channels?kind=x", "", 400, `kind: found "x", expected one of`},
		{"GET", app + "channels?prefix=%zz", "", 400, "query: "},
		{"PUT", "hubs", "", 405, "method: found PUT, expected GET, HEAD"},
		{"GET", app + "disconnect", "", 405, "method: found GET, expected POST"},
		{"POST", app + "disconnect", "", 400, `body: found nothing, expected JSON such as {"user": "7"}`},
		{"POST", app + "disconnect", "{}", 400, "found none of socket_id, user and ip"},
		{"POST", app + "disconnect", `{"usr":"7"}`, 400, `unknown field "usr"`},
		{"POST", app + "disconnect", `{"user":"7"}{}`, 400, "found something behind the JSON value"},
		{"POST", app + "disconnect", `{"user":["7"]}`, 400, "body: "},
		{"POST", app + "disconnect", `{"user":"7","ip":"127.0.0.1"}`, 400, "found user and ip, expected only one of them"},
		{"POST", app + "unsubscribe", `{"user":"7"}`, 400, `channel: found ""`},
		{"POST", app + "publish", `{"name":"e","channel":"c"}`, 400, "data: found nothing"},
		{"POST", app + "publish", `{"name":"e","data":"x"}`, 422, "channels field is required"},
		{"POST", app + "publish", `{"data":"x","channel":"c"}`, 422, "The name field is required."},
		{"POST", app + "publish", strings.Repeat(" ", 11<<20), 413, "found more than"},
		{"POST", "hubs/default/apps/off/publish", `{"name":"e","data":"x","channel":"c"}`, 403, "Application disabled"},
	} {
		a.refused(tc.method, tc.path, tc.body, tc.status, tc.words)
	}
	if allow := a.ask("DELETE", "hubs", "").Header().Get("Allow"); allow != "GET, HEAD" {
		t.Errorf("found Allow %q, expected GET, HEAD", allow)
	}
	if w := a.ask("OPTIONS", app+"publish", ""); w.Code != http.StatusNoContent || w.Header().Get("Allow") != "POST" {
		t.Errorf("OPTIONS: found %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

// No answer holds a secret, whatever is asked for.
func TestAdminKeepsSecrets(t *testing.T) {
	a, l := newAdmin(t), newLive(t)
	l.mustLoad(adminSites + "app a {\n key key-a\n secret secret-a secret-before\n}\n}\n}\n")
	s, c := inApp(t, l)
	c.SubscribeWith("private-x", s.Auth(c, "private-x", ""), "")
	signature := strings.TrimPrefix(s.Auth(c, "private-x", ""), "key-a:")
	for _, path := range []string{
		"hubs", "hubs/default/apps", "hubs/default/apps/a", "hubs/default/apps/a/channels", "hubs/default/apps/a/channels/private-x",
		"hubs/default/apps/a/connections", "hubs/default/apps/a/connections/" + c.SocketID, "hubs/default/apps/x",
	} {
		w := a.ask(http.MethodGet, path, "")
		for _, secret := range []string{"secret-", signature} {
			if strings.Contains(w.Body.String(), secret) {
				t.Errorf("%s: found %q in %s", path, secret, w.Body)
			}
		}
	}
}

// The API finds the hubs of the config that is live, whichever was there when it was made.
func TestAdminAfterReload(t *testing.T) {
	a, l := newAdmin(t), newLive(t)
	l.mustLoad("http://:PORT {\n pusher_hub one {\n" + appBlock("a") + "}\n}\n")
	l.mustLoad("http://:PORT {\n pusher_hub two {\n" + appBlock("b") + "}\n}\n")
	a.refused(http.MethodGet, "hubs/one/apps", "", http.StatusNotFound, `hub: found "one", expected one of: two`)
	var app struct{ ID string }
	if a.get("hubs/two/apps/b", &app); app.ID != "b" {
		t.Errorf("found %+v, expected b", app)
	}
}
