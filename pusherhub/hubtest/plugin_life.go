package hubtest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"unicode"

	"github.com/onecharge/pusherhub/pusherhub"
)

func checkName(x *trial) {
	first, second := x.plugin(), x.plugin()
	name := first.Name()
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		x.Errorf("the name is %q, expected one word", name)
	}
	if again := first.Name(); again != name {
		x.Errorf("the name is %q and then %q, expected it to stay", name, again)
	}
	if other := second.Name(); other != name {
		x.Errorf("two values have the names %q and %q, expected one", name, other)
	}
}

// Configs are also made to be checked only, and then nobody ends anything: newTrial looks for what is left.
func checkMaking(x *trial) {
	for range 3 {
		x.plugin()
	}
}

// with is an app that has these plugins.
func with(plugins ...pusherhub.Plugin) pusherhub.AppConfig {
	return pusherhub.AppConfig{Plugins: plugins}
}

// A reload brings new values, which take over from those before. Sockets stay, so a value is told of the end of sockets of whose beginning it
// was not.
func checkReloads(x *trial) {
	s := x.stage()
	first := x.plugin()
	s.apply(with(first))
	s.traffic(with())
	stays := s.settle(with())
	for _, next := range []struct {
		what string
		app  pusherhub.AppConfig
	}{
		{"the value itself, after a change of the app", pusherhub.AppConfig{MaxConnections: 1000, Plugins: []pusherhub.Plugin{first}}},
		{"a new value", with(x.plugin())},
		{"another new value", with(x.plugin())},
		{"the plugin twice in one app", with(x.plugin(), x.plugin())},
		{"none", with()},
		{"a value that finds sockets", with(x.plugin())},
	} {
		s.Logf("reload: %s", next.what)
		s.apply(next.app)
		s.traffic(with())
	}
	if stays != nil {
		s.within("a socket that leaves", stays.leave)
	}
	s.close()
}

// A hub's plugin is one value for all of its apps, which may go, and come back, while it runs.
func checkApps(x *trial) {
	s := x.stage()
	shared := x.plugin()
	app := func(id string, plugins ...pusherhub.Plugin) pusherhub.AppConfig {
		return pusherhub.AppConfig{ID: id, Key: "key-of-" + id, Secret: "secret-of-" + id, Plugins: plugins}
	}
	one, two := app("one", shared), app("two", shared)
	for _, apps := range [][]pusherhub.AppConfig{
		{one, two},
		{two},      // the other app goes with its sockets,
		{one, two}, // and is back before its OnDetach has to be done
		{two, app("one")},
		{app("two", x.plugin()), app("one", x.plugin())},
	} {
		s.apply(apps...)
		for _, live := range apps {
			s.traffic(live)
			s.settle(live)
		}
	}
	s.close() // with sockets
}

// The race detector sees what is wrong here.
func checkCrowd(x *trial) {
	const guests, visits, reloads = 8, 3, 4
	s := x.stage()
	apps := func() []pusherhub.AppConfig {
		p := x.plugin()
		return []pusherhub.AppConfig{with(p), {ID: "other", Key: "other-key", Secret: "other-secret", Plugins: []pusherhub.Plugin{p}}}
	}
	live := apps()
	s.apply(live...)
	var crowd sync.WaitGroup
	failed := make(chan error, guests*visits)
	for i := range guests {
		crowd.Go(func() {
			for range visits {
				if err := errors.Join(s.visit(live[i%2]), s.publish(live[i%2])); err != nil {
					failed <- err
				}
			}
		})
	}
	for range reloads {
		next := apps()
		measure(next[0].Plugins[0])
		s.apply(next...)
		measure(next[0].Plugins[0])
	}
	s.within("the visit of a crowd", crowd.Wait)
	select {
	case err := <-failed:
		x.Error(err)
	default:
	}
	s.close()
}

// The hub asks plugins to end when it closes, and has to go itself soon after.
func checkLateDetach(x *trial) {
	p, ok := x.plugin().(pusherhub.AttachHook)
	if !ok {
		return
	}
	app := newApps(x, []pusherhub.AppConfig{with(p)})[0]
	x.within("OnAttach", func() { p.OnAttach(app, nil) })
	callOddly(x, p)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	x.within("OnDetach with a context that is over", func() { p.OnDetach(over, app) })
}
