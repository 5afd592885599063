package pusherhub

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzAPIBody sends bodies to the endpoints that read one. Each answer is a documented one, and what a
// good body publishes is a frame that any client can read.
func FuzzAPIBody(f *testing.F) {
	apps := []*App{
		fuzzApp(f, AppConfig{}),
		fuzzApp(f, AppConfig{Compat: CompatPusher}),
		fuzzApp(f, AppConfig{CoerceData: new(true), ChannelCharset: "any", MaxEventData: 20}),
	}
	endpoints := []string{"/events", "/batch_events", "/channels/private-a/events"}
	f.Add([]byte(`{"name":"e","channels":["a"],"data":"{}"}`), uint8(0), uint8(0))
	f.Add([]byte(`{"batch":[{"name":"e","channel":"a","data":"{}","info":"user_count"}]}`), uint8(1), uint8(0))
	f.Fuzz(func(t *testing.T, body []byte, which, profile uint8) {
		app := apps[int(profile)%len(apps)]
		path := endpoints[int(which)%len(endpoints)]
		published := &recordingBroker{}
		settings, err := NewSettings(Config{Apps: []*App{app}, Broker: published})
		if err != nil {
			t.Fatal(err)
		}
		hub := New()
		if err := hub.Apply(settings); err != nil {
			t.Fatal(err)
		}
		defer hub.Close()

		w := httptest.NewRecorder()
		hub.ServeHTTP(w, signedPost("/apps/1"+path, "name=e&socket_id=1.2", body))
		checkAnswer(t, w, body)
		if w.Code >= 300 && len(published.messages) > 0 {
			t.Fatalf("%q is answered with %d, but %d events went out", body, w.Code, len(published.messages))
		}
		for _, m := range published.messages {
			checkPayload(t, app, m)
		}
	})
}

// checkAnswer checks status, type and text against what the API documents.
func checkAnswer(t *testing.T, w *httptest.ResponseRecorder, body []byte) {
	t.Helper()
	answer := w.Body.Bytes()
	isJSON := w.Header().Get("Content-Type") == "application/json"
	good := false
	switch w.Code {
	case http.StatusOK:
		good = isJSON && utf8.Valid(body)
	case http.StatusAccepted:
		good = isJSON && string(answer) == "{}"
	case http.StatusUnprocessableEntity:
		var fields map[string][]string
		good = isJSON && json.Unmarshal(answer, &fields) == nil && len(fields) > 0
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		good = w.Header().Get("Content-Type") == "text/plain; charset=utf-8" && len(answer) > 0
	}
	if !good || isJSON && !json.Valid(answer) || !utf8.Valid(answer) || w.Header().Get("Content-Length") != strconv.Itoa(len(answer)) {
		t.Fatalf("%q is answered with %d %v %q", body, w.Code, w.Header(), answer)
	}
}

// checkPayload checks a frame that subscribers would get.
func checkPayload(t *testing.T, app *App, m *Message) {
	t.Helper()
	var frame struct {
		Event, Channel string
		Data           *string
	}
	decoder := json.NewDecoder(bytes.NewReader(m.Payload))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&frame); err != nil || !utf8.Valid(m.Payload) || frame.Data == nil {
		t.Fatalf("subscribers would get %q: %v", m.Payload, err)
	}
	if frame.Event != m.Event || frame.Channel != m.Channel || app.channelNameProblem(m.Channel) != "" || m.Event == "" {
		t.Fatalf("subscribers of %q would get event %q as %q", m.Channel, m.Event, m.Payload)
	}
	if strings.HasPrefix(m.Event, prefixInternal) || app.cfg.MaxEventData.exceeded(len(*frame.Data)) {
		t.Fatalf("%q should have been refused", m.Payload)
	}
}

// signedPost is a request to the API as an SDK signs it. query must be sorted and come between auth_version and socket_id.
func signedPost(path, query string, body []byte) *http.Request {
	signed := "auth_key=key&auth_timestamp=" + strconv.FormatInt(time.Now().Unix(), 10) + "&auth_version=1.0"
	if len(body) > 0 {
		sum := md5.Sum(body)
		signed += "&body_md5=" + hex.EncodeToString(sum[:])
	}
	signed += "&" + query
	signature := sign([]byte("secret"), "POST\n"+path+"\n"+signed)
	return httptest.NewRequest(http.MethodPost, path+"?"+signed+"&auth_signature="+signature, bytes.NewReader(body))
}

// recordingBroker keeps what is published.
type recordingBroker struct{ messages []*Message }

func (*recordingBroker) Open(context.Context, Node) error         { return nil }
func (*recordingBroker) Broadcast(context.Context, Command) error { return nil }
func (*recordingBroker) Close() error                             { return nil }

func (b *recordingBroker) Publish(_ context.Context, m *Message) error {
	b.messages = append(b.messages, m)
	return nil
}
