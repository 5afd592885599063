package pusherhub_test

import (
	"context"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// stuckSource is a source that does not answer about any other app before the test ends.
type stuckSource struct {
	lateSource
	asked, answered chan struct{} // closed when it was asked about another, and has answered
}

func (s stuckSource) AppByID(ctx context.Context, id string) (*pusherhub.App, error) {
	if id == s.app.ID() {
		return s.app, nil
	}
	close(s.asked)
	<-ctx.Done()
	close(s.answered)
	return nil, ctx.Err()
}

// An app that cannot be found now holds up no other.
func TestReportBesideLate(t *testing.T) {
	recorder := hubtest.NewRecorder()
	b := newRegistrar()
	source := stuckSource{lateSource{mustApp(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{recorder}})}, make(chan struct{}), make(chan struct{})}
	s := hubtest.NewServerWith(t, pusherhub.Config{AppSource: source, Broker: b})
	s.Dial(t)
	recorder.Next(t)
	b.node.Report(pusherhub.Transition{Topic: pusherhub.Topic{App: "stuck", Channel: "x"}})
	<-source.asked
	b.node.Report(pusherhub.Transition{Topic: onChannel("x")})
	recorder.Expect(t, pusherhub.Observation{Type: pusherhub.ChannelVacated, App: hubtest.AppID, Channel: "x"})
	select {
	case <-source.answered:
		t.Error("x was vacated only when the source had answered about the other app")
	default:
	}
}

// lastReports is a broker that has something to report until it is closed.
type lastReports struct{ *registrar }

func (b lastReports) Close() error {
	b.node.Report(pusherhub.Transition{Topic: onChannel("x")})
	return b.registrar.Close()
}

// What a broker reports until it is closed is observed: no other node is told of it.
func TestReportUntilTheBrokerIsClosed(t *testing.T) {
	recorder := hubtest.NewRecorder()
	app := mustApp(t, hubtest.WithCredentials(pusherhub.AppConfig{Plugins: []pusherhub.Plugin{recorder}}))
	s := hubtest.NewServerWith(t, pusherhub.Config{Apps: []*pusherhub.App{app}, Broker: lastReports{newRegistrar()}})
	s.Dial(t)
	if err := s.Hub.Close(); err != nil {
		t.Fatal(err)
	}
	for _, o := range recorder.Rest() {
		if o.Type == pusherhub.ChannelVacated {
			return
		}
	}
	t.Error("found no observation of what was reported")
}
