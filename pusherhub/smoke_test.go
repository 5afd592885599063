package pusherhub_test

import (
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"testing"
)

func TestSmoke(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	a := s.Dial(t)
	a.Subscribe("news")
	s.Publish("news", "e", `{"x":1}`)
	a.ExpectRaw(`{"event":"e","channel":"news","data":"{\"x\":1}"}`)
	p := s.Join(t, "presence-x", `{"user_id":10}`)
	q := s.Join(t, "presence-x", `{"user_id":"11","user_info":{"n":1}}`)
	t.Log(p.Next().Raw)
	q.Close()
	t.Log(p.Next().Raw)
	s.Signin(t, p, `{"id":"5"}`)
	p.Send("not json")
	t.Log(p.Next().Raw)
	u := hubtest.Open(t, s.URL, "nope", "", nil)
	t.Log(u.Next().Raw)
	u.ExpectClose(4001)
	a.ExpectQuiet()
}
