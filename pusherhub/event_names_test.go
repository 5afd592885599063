package pusherhub

import (
	"strings"
	"testing"
)

func TestEventNameVectors(t *testing.T) {
	app, err := NewApp(AppConfig{ID: "i", Key: "k", Secret: "s"})
	if err != nil {
		t.Fatal(err)
	}
	type vector struct {
		ID, Name, Source, Note string
		Valid                  bool
	}
	list := append(vectors[vector](t, "event_names"),
		vector{ID: "not internal", Name: "pusher:x", Source: "http", Valid: true},
		vector{ID: "internal", Name: "pusher_internal:member_added", Source: "http"},
		vector{ID: "client", Name: "client-x", Source: "http", Valid: true},
		vector{ID: "200 bytes", Name: strings.Repeat("é", 100), Source: "http", Valid: true},
		vector{ID: "202 bytes", Name: strings.Repeat("é", 101), Source: "http"},
	)
	for _, v := range list {
		if v.Source != "http" {
			continue // those that clients send are in the tests of client events
		}
		t.Run("T47 event name "+v.ID, func(t *testing.T) {
			p := problems{app: app}
			e := p.eventOf(map[string][]byte{"name": appendString(nil, v.Name), "data": []byte(`""`), "channel": []byte(`"c"`)}, "")
			if bad := p.answer(); (bad == nil) != v.Valid {
				t.Errorf("%s: found %+v, expected valid %v", v.Note, bad, v.Valid)
			}
			if e.name != v.Name {
				t.Errorf("found name %q, expected %q", e.name, v.Name)
			}
		})
	}
}
