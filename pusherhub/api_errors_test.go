package pusherhub_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// TestEventValidation holds every way in which an event can be wrong: Reverb answers 422 with all of it, Pusher 400
// with the first.
func TestEventValidation(t *testing.T) {
	const charset = "The channel name may only hold letters, digits and _ - = @ , . ; characters."
	for _, c := range []struct{ name, body, reverb, pusher string }{
		{
			"empty object", `{}`, `{"name":["The name field is required."],"data":["The data field is required."],` +
				`"channels":["The channels field is required when channel is not present."],"channel":["The channel field is required when channels is not present."]}`,
			"The name field is required.",
		},
		{"name empty", `{"name":"","data":"1","channel":"c"}`, `{"name":["The name field is required."]}`, "The name field is required."},
		{"name null", `{"name":null,"data":"1","channel":"c"}`, `{"name":["The name field is required."]}`, "The name field is required."},
		{"name a number", `{"name":1,"data":"1","channel":"c"}`, `{"name":["The name field must be a string."]}`, "The name field must be a string."},
		{
			"name internal", `{"name":"pusher_internal:x","data":"1","channel":"c"}`, `{"name":["The name field must not start with pusher_internal:."]}`,
			"The name field must not start with pusher_internal:.",
		},
		{
			"name of 201 bytes", `{"name":"` + strings.Repeat("e", 201) + `","data":"1","channel":"c"}`,
			`{"name":["The name field must not be greater than 200 characters."]}`, "The name field must not be greater than 200 characters.",
		},
		{"data missing", `{"name":"e","channel":"c"}`, `{"data":["The data field is required."]}`, "The data field is required."},
		{"data null", `{"name":"e","data":null,"channel":"c"}`, `{"data":["The data field is required."]}`, "The data field is required."},
		{"data an object", `{"name":"e","data":{"a":1},"channel":"c"}`, `{"data":["The data field must be a string."]}`, "The data field must be a string."},
		{"data a number", `{"name":"e","data":0,"channel":"c"}`, `{"data":["The data field must be a string."]}`, "The data field must be a string."},
		{"channel a number", `{"name":"e","data":"1","channel":7}`, `{"channel":["The channel field must be a string."]}`, "The channel field must be a string."},
		{"channel empty", `{"name":"e","data":"1","channel":""}`, `{"channel":["The channel name is empty."]}`, "The channel name is empty."},
		{"channel with a space", `{"name":"e","data":"1","channel":"a b"}`, `{"channel":["` + charset + `"]}`, charset},
		{"channel ends in a line", `{"name":"e","data":"1","channel":"a\n"}`, `{"channel":["` + charset + `"]}`, charset},
		{"channel with #", `{"name":"e","data":"1","channel":"#x"}`, `{"channel":["Channel names starting with # are reserved."]}`, "Channel names starting with # are reserved."},
		{"channels a string", `{"name":"e","data":"1","channels":"c"}`, `{"channels":["The channels field must be an array."]}`, "The channels field must be an array."},
		{
			"channels empty", `{"name":"e","data":"1","channels":[]}`, `{"channels":["The channels field is required when channel is not present."]}`,
			"The channels field is required when channel is not present.",
		},
		{
			"channels with a number and a bad name", `{"name":"e","data":"1","channels":["c",1,"a b"]}`,
			`{"channels.1":["The channels.1 field must be a string."],"channels.2":["` + charset + `"]}`, "The channels.1 field must be a string.",
		},
		{
			"socket_id without a dot", `{"name":"e","data":"1","channel":"c","socket_id":"123"}`,
			`{"socket_id":["The socket_id field must be two numbers joined by a dot."]}`, "The socket_id field must be two numbers joined by a dot.",
		},
		{
			"socket_id ends in a line", `{"name":"e","data":"1","channel":"c","socket_id":"1.2\n"}`,
			`{"socket_id":["The socket_id field must be two numbers joined by a dot."]}`, "The socket_id field must be two numbers joined by a dot.",
		},
		{
			"socket_id a number", `{"name":"e","data":"1","channel":"c","socket_id":1.2}`,
			`{"socket_id":["The socket_id field must be two numbers joined by a dot."]}`, "The socket_id field must be two numbers joined by a dot.",
		},
		{"info a list", `{"name":"e","data":"1","channel":"c","info":["user_count"]}`, `{"info":["The info field must be a string."]}`, "The info field must be a string."},
	} {
		runCalls(t, "T50 reverb, ", pusherhub.AppConfig{}, []call{{name: c.name, method: "POST", path: "/events", body: c.body, status: 422, answer: c.reverb}})
		runCalls(t, "T50 pusher, ", pusherhub.AppConfig{Compat: pusherhub.CompatPusher}, []call{{name: c.name, method: "POST", path: "/events", body: c.body, status: 400, answer: c.pusher}})
	}
}

// What is no matter of fields gets the same answer in both profiles.
func TestAPIErrors(t *testing.T) {
	const noObject = "The request body is not a JSON object: "
	deep := strings.Repeat("[", 70) + strings.Repeat("]", 70)
	for _, profile := range []string{pusherhub.CompatReverb, pusherhub.CompatPusher} {
		runCalls(t, "T50 "+profile+", ", pusherhub.AppConfig{Compat: profile}, []call{
			{name: "no body", method: "POST", path: "/events", status: 400, answer: noObject + "found no JSON object."},
			{name: "no JSON", method: "POST", path: "/events", body: "name=e", status: 400, answer: noObject + "found no JSON object."},
			{name: "half JSON", method: "POST", path: "/events", body: `{"name":"e"`, status: 400, answer: noObject + "invalid JSON: it ends where ',' or '}' is expected."},
			{name: "JSON and more", method: "POST", path: "/events", body: `{}x`, status: 400, answer: noObject + "invalid JSON: found 'x' at byte 2, expected the end."},
			{name: "a list", method: "POST", path: "/events", body: `[]`, status: 400, answer: noObject + "found no JSON object."},
			{name: "too deep", method: "POST", path: "/events", body: `{"x":` + deep + `}`, status: 400, answer: noObject + "nested deeper than 64 levels."},
			{name: "no UTF-8", method: "POST", path: "/events", body: "{\"name\":\"\xff\"}", status: 400, answer: "The request body is not valid UTF-8."},
			{name: "batch no JSON", method: "POST", path: "/batch_events", body: "x", status: 400, answer: noObject + "found no JSON object."},
			{name: "name of a channel", method: "GET", path: "/channels/presence-x", status: 200, answer: `{"occupied":false}`},
			{name: "users of a public channel", method: "GET", path: "/channels/public/users", status: 400, answer: "Users can only be listed for presence channels."},
			{name: "body over 1 MiB", method: "POST", path: "/events", body: strings.Repeat(" ", 1<<20+1), status: 413, answer: "Payload too large."},
			{name: "body of 1 MiB", method: "POST", path: "/events", body: oneEvent + strings.Repeat(" ", 1<<20-len(oneEvent)), status: 200, answer: "{}"},
		})
	}
	runCalls(t, "T50 ", pusherhub.AppConfig{MaxRequestSize: 40}, []call{
		{name: "max_request_size, at the bound", method: "POST", path: "/events", body: oneEvent + "   ", status: 200, answer: "{}"},
		{name: "max_request_size, one byte over", method: "POST", path: "/events", body: oneEvent + "    ", status: 413, answer: "Payload too large."},
	})
}

func TestAPIMethods(t *testing.T) {
	for _, e := range []struct{ path, allow string }{
		{"/events", "POST"},
		{"/batch_events", "POST"},
		{"/channels/c/events", "POST"},
		{"/users/7/terminate_connections", "POST"},
		{"/channels", "GET"},
		{"/channels/c", "GET"},
		{"/channels/presence-c/users", "GET"},
		{"/channels/c/stats", "GET"},
		{"/connections", "GET"},
	} {
		t.Run("T50 405 "+e.path, func(t *testing.T) {
			s := hubtest.NewServer(t, pusherhub.AppConfig{})
			for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
				if method == e.allow {
					continue
				}
				header := call{method: method, path: e.path, status: 405, answer: "Method not allowed."}.expect(t, s)
				if found := header.Get("Allow"); found != e.allow {
					t.Errorf("%s: found Allow %q, expected %q", method, found, e.allow)
				}
			}
		})
	}
}

func TestAPIUnknownRoutes(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	for _, path := range []string{
		"", "/", "/apps", "/apps/", "/apps/app-id", "/apps/app-id/", "/apps/app-id/x", "/apps/app-id/events/", "/apps/app-id/channels/",
		"/apps/app-id/channels/a/b", "/apps/app-id/channels//users", "/apps/app-id/channels/a/users/1", "/apps/app-id/users/7", "/apps/app-id/users//terminate_connections",
		"/apps//events", "/users/7", "/users//terminate_connections", "/up", "/app", "/app/", "/app/x/y", "/events", "//apps/app-id/channels", "/apps/app-id/channels/a/b/users",
	} {
		t.Run("T50 404 "+path, func(t *testing.T) {
			target := s.SignedURL("GET", path, "", nil)
			if status, answer := send(t, s, "GET", target, ""); status != 404 || answer != "Not found." {
				t.Errorf("found %d %s, expected 404 Not found.", status, answer)
			}
			r, err := http.NewRequest("GET", target, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if _, answer, handled := serve(s.Hub, r, pusherhub.Site{}); handled || answer != "" {
				t.Errorf("found handled %v and %q, expected to be left to others", handled, answer)
			}
		})
	}
}

func TestAPIUp(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	for _, c := range []struct {
		method, path string
		handled      bool
	}{
		{"GET", "/reverb/up", true}, {"HEAD", "/reverb/up", true}, {"POST", "/reverb/up", false}, {"GET", "/up", false},
	} {
		t.Run("T50 reverb_up "+c.method+" "+c.path, func(t *testing.T) {
			r, err := http.NewRequest(c.method, c.path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			status, answer, handled := serve(s.Hub, r, pusherhub.Site{Path: "reverb", ReverbUp: true})
			if handled != c.handled || handled && (status != 200 || answer != `{"health":"OK"}`) {
				t.Errorf("found %v %d %s", handled, status, answer)
			}
		})
	}
}

func TestAPIDisabledApp(t *testing.T) {
	for _, profile := range []string{pusherhub.CompatReverb, pusherhub.CompatPusher} {
		t.Run("T50 403 "+profile, func(t *testing.T) {
			s := hubtest.NewServer(t, pusherhub.AppConfig{Compat: profile, Enabled: new(false)})
			call{method: "POST", path: "/events", body: oneEvent, status: 403, answer: "Application disabled"}.expect(t, s)
			call{method: "GET", path: "/channels", status: 403, answer: "Application disabled"}.expect(t, s)
			// Who cannot sign learns nothing about the app.
			call{method: "GET", path: "/channels", params: url.Values{"auth_key": {"x"}}, status: 401, answer: signatureInvalid}.expect(t, s)
		})
	}
}

func TestAPICompressedBody(t *testing.T) {
	t.Run("T50 415", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		for encoding, want := range map[string]int{"gzip": 415, "br": 415, "identity": 200} {
			r, err := http.NewRequest("POST", s.SignedURL("POST", "/apps/app-id/events", oneEvent, nil), strings.NewReader(oneEvent))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Encoding", encoding)
			res, err := s.Client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("%s: found %d, expected %d", encoding, res.StatusCode, want)
			}
		}
	})
}
