package pusherhub_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// vectorServer is a server with the vectors' app, whose sockets get the vectors' socket id, 1234.1234, one at a time.
func vectorServer(t *testing.T, config pusherhub.AppConfig) *hubtest.Server {
	t.Helper()
	config.ID, config.Key, config.Secret = "3", "278d425bdf160c739803", "7ad3773142a6692b25b8"
	s := hubtest.NewPipeServer(t, config)
	s.Client = &http.Client{Transport: hubtest.Pipe{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id := r.URL.Query().Get("test_socket_id"); id != "" {
			if err := s.Hub.ServeAs(w, r, config.ID, id); err != nil {
				t.Error(err)
			}
			return
		}
		s.Hub.ServeHTTP(w, r)
	})}}
	return s
}

// dialAs connects with a socket id of the test's choice.
func dialAs(t *testing.T, s *hubtest.Server, socketID string) *hubtest.Client {
	t.Helper()
	c := s.Open(t, s.App.Key, "protocol=7&test_socket_id="+socketID, nil)
	c.Expect("pusher:connection_established")
	c.SocketID = socketID
	return c
}

// silentVectors are the frames of in-17 to in-20 and in-30: what the other subscriber of private-foobar gets, if anything.
var silentVectors = map[string]string{
	"in-17": `{"event":"client-x","channel":"private-foobar","data":"{\"a\":1}"}`,
	"in-18": `{"event":"client-x","channel":"private-foobar","data":"{\"a\":1}"}`,
	"in-19": `{"event":"client-x","channel":"private-foobar","data":null}`,
	"in-20": `{"event":"client-x","channel":"private-foobar","data":"{\"a\":1}"}`,
	"in-30": ``,
}

func TestInboundFrameVectors(t *testing.T) {
	for _, v := range pusherhub.Vectors(t, "inbound_frames") {
		t.Run("T62 "+v.ID+", row 14", func(t *testing.T) {
			s := vectorServer(t, pusherhub.AppConfig{})
			bystander := s.Dial(t)
			bystander.Subscribe("my-channel")
			joinPrivate(s, bystander, "private-foobar")
			c := dialAs(t, s, "1234.1234")
			forwarded, whispers := silentVectors[v.ID]
			if whispers {
				joinPrivate(s, c, "private-foobar")
			}
			c.Send(v.Client)
			expectAnswer(t, c, v)
			c.ExpectQuiet()
			if forwarded != "" {
				bystander.ExpectRaw(forwarded)
			}
			bystander.ExpectQuiet()
		})
	}
	t.Run("T62 in-32 after in-31", func(t *testing.T) {
		frames := make(map[string]string)
		for _, v := range pusherhub.Vectors(t, "inbound_frames") {
			frames[v.ID] = v.Client
		}
		c := dialAs(t, vectorServer(t, pusherhub.AppConfig{}), "1234.1234")
		c.Send(frames["in-31"])
		c.Expect("pusher:signin_success")
		c.Send(frames["in-32"])
		c.ExpectRaw(`{"event":"pusher_internal:subscription_succeeded","channel":"#server-to-user-12345","data":"{}"}`)
	})
}

// expectAnswer expects what the vector says in answer to its frame: a frame, nothing, or kinds of frames in words.
func expectAnswer(t *testing.T, c *hubtest.Client, v pusherhub.FrameVector) {
	t.Helper()
	switch {
	case v.Server == nil:
	case strings.HasPrefix(*v.Server, "{"):
		c.ExpectRaw(*v.Server)
	case v.ID == "in-32": // nobody is signed in
		c.ExpectRaw(subscriptionRefused("#server-to-user-12345"))
		c.ExpectRaw(connectionUnauthorized)
	case strings.Contains(*v.Server, "subscription_error") || v.ID == "in-10":
		c.Expect("pusher:subscription_error")
		c.Expect("pusher:error")
	default:
		f := c.Expect("pusher:error")
		for _, code := range []string{"4009", "4200"} {
			if strings.Contains(v.Note, code) && !strings.Contains(f.Text(), `"code":`+code) {
				t.Errorf("found %s, expected code %s", f.Raw, code)
			}
		}
	}
}

// Frames of clients that no vector holds.
func TestUnknownEvents(t *testing.T) {
	for _, event := range []string{"pusher:unknown", "pusher:", "pusher_internal:member_added", "my-event", "pusher:subscription_succeeded", "client"} {
		t.Run("T62 "+event+" in profile reverb", func(t *testing.T) {
			c := hubtest.NewPipeServer(t, pusherhub.AppConfig{}).Dial(t)
			c.Send(`{"event":"` + event + `","channel":"news","data":{}}`)
			if strings.HasPrefix(event, "pusher:") {
				c.ExpectRaw(`{"event":"pusher:error","data":"{\"code\":4200,\"message\":\"Invalid message format\"}"}`)
			}
			c.ExpectQuiet()
		})
		t.Run("T62 "+event+" in profile pusher", func(t *testing.T) {
			c := hubtest.NewPipeServer(t, pusherhub.AppConfig{Compat: "pusher"}).Dial(t)
			c.Send(`{"event":"` + event + `","channel":"news","data":{}}`)
			c.ExpectRaw(`{"event":"pusher:error","data":{"code":null,"message":"Unsupported event received on socket:'` + event + `'"}}`)
			c.ExpectQuiet()
		})
	}
}
