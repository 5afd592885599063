package pusherhub

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// TestRecordedRequests replays what the PHP, Ruby, Python, Node, Go, Java and .NET SDKs put on the wire against a
// whole hub. Their clocks stand still, so the timestamp is not looked at.
func TestRecordedRequests(t *testing.T) {
	answers := map[string]string{
		"hs-02": `{"channels":{}}`, "hs-03": `{"channels":{}}`, "hs-04": `{"channels":{}}`, "hs-14": `{"channels":{}}`, "hs-15": `{"channels":{}}`,
		"hs-05": `{"occupied":false,"user_count":0}`,
		"hs-06": `{"users":[]}`,
		"hs-16": `{"occupied":false,"user_count":0}`,
		"hs-21": `{"batch":[{},{"user_count":0}]}`,
	}
	for _, v := range vectors[requestVector](t, "http_signing") {
		path := strings.TrimPrefix(v.Path, "/reverb")
		rt, isRoute := parseRoute(path)
		if !isRoute {
			continue // made for a signature only
		}
		if rt.appID == "" {
			rt.appID = "3"
		}
		t.Run("T47 recorded "+v.ID, func(t *testing.T) {
			app, err := NewApp(AppConfig{ID: rt.appID, Key: v.Key, Secret: v.Secret, TimestampTolerance: -1})
			if err != nil {
				t.Fatal(err)
			}
			settings, err := NewSettings(Config{Apps: []*App{app}})
			if err != nil {
				t.Fatal(err)
			}
			hub := New()
			defer func() { _ = hub.Close() }()
			if err := hub.Apply(settings); err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			r := httptest.NewRequest(v.Method, v.Path+"?"+v.Query, strings.NewReader(v.Body))
			if !hub.Serve(w, r, Site{Path: strings.TrimSuffix(v.Path, path)}) {
				t.Fatal("left to others")
			}
			want := answers[v.ID]
			if want == "" {
				want = "{}"
			}
			if w.Code != 200 || w.Body.String() != want {
				t.Errorf("%s: found %d %s, expected 200 %s", v.Note, w.Code, w.Body, want)
			}
		})
	}
}
