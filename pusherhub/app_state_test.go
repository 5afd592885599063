package pusherhub

import (
	"context"
	"testing"
)

// tenant is a plugin that counts for how many apps it works.
type tenant struct{ attached int }

func (*tenant) Name() string { return "tenant" }

func (p *tenant) OnAttach(*App, Plugin) { p.attached++ }

func (p *tenant) OnDetach(context.Context, *App) { p.attached-- }

// Who has found the live side of an app just before the app was dropped brings neither its plugins nor its sockets back.
func TestUseOfDroppedState(t *testing.T) {
	p := new(tenant)
	app, err := NewApp(AppConfig{ID: "a", Key: "k", Secret: "s", Plugins: []Plugin{p}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSettings(Config{Apps: []*App{app}})
	if err != nil {
		t.Fatal(err)
	}
	h := New()
	if err := h.Apply(s); err != nil {
		t.Fatal(err)
	}
	state := h.stateOf(s, app)
	h.dropStates(func(string) bool { return true })
	state.use(s, app)
	if e := state.refusal(); e != errNoSuchApp {
		t.Errorf("found %v, expected sockets to be closed with %v", e, errNoSuchApp)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if p.attached != 0 {
		t.Errorf("found %d more attached than detached", p.attached)
	}
}
