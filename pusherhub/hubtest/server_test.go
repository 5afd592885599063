package hubtest

import (
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
)

func TestApply(t *testing.T) {
	s := NewPipeServer(t, pusherhub.AppConfig{})
	c := s.Dial(t)
	c.Subscribe("news")
	s.Apply(pusherhub.AppConfig{AcceptClientEventsFrom: "none"})
	c.Send(EventFrame("client-x", "news", "y"))
	c.ExpectError(pusherhub.CodeClientEventRejected)
	s.Apply(pusherhub.AppConfig{ID: "other", Key: "other-key"})
	c.ExpectClose(pusherhub.CodeNoSuchApp)
}
