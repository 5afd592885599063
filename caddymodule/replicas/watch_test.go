package replicas

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func TestMain(m *testing.M) { os.Exit(hubtest.Main(m)) }

func TestPlatforms(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want Platform
	}{
		"none":                       {nil, Platform{}},
		"Railway":                    {map[string]string{"RAILWAY_PRIVATE_DOMAIN": "web.railway.internal", "RAILWAY_REPLICA_ID": "1"}, Platform{host: "web.railway.internal"}},
		"Railway without a name":     {map[string]string{"RAILWAY_REPLICA_ID": "1"}, Platform{}},
		"Fly":                        {map[string]string{"FLY_APP_NAME": "shop"}, Platform{host: "shop.internal"}},
		"Fly with process groups":    {map[string]string{"FLY_APP_NAME": "shop", "FLY_PROCESS_GROUP": "app"}, Platform{host: "app.process.shop.internal"}},
		"the first dyno":             {map[string]string{"DYNO": "web.1"}, Platform{}},
		"the second dyno":            {map[string]string{"DYNO": "web.2"}, Platform{known: "this is dyno web.2"}},
		"a dyno without requests":    {map[string]string{"DYNO": "worker.2"}, Platform{}},
		"a dyno for a command":       {map[string]string{"DYNO": "run.4711"}, Platform{}},
		"something that is no dyno":  {map[string]string{"DYNO": "web.two"}, Platform{}},
		"a name that looks like one": {map[string]string{"DYNO": "web."}, Platform{}},
	} {
		if found := On(func(name string) string { return c.env[name] }); found != c.want {
			t.Errorf("%s: found %+v, expected %+v", name, found, c.want)
		}
	}
}

func TestReplicasOfAddresses(t *testing.T) {
	for _, c := range []struct {
		addrs []string
		want  int
	}{
		{nil, 0},
		{[]string{"fd12::1"}, 1},
		{[]string{"fd12::1", "10.0.0.1"}, 1},
		{[]string{"fd12::1", "fd12::1"}, 1},
		{[]string{"10.0.0.1", "::ffff:10.0.0.1"}, 1},
		{[]string{"fd12::1", "fd12::2", "10.0.0.1"}, 2},
		{[]string{"10.0.0.3", "10.0.0.2", "10.0.0.1"}, 3},
	} {
		if found := replicas(addresses(c.addrs...)); found != c.want {
			t.Errorf("%v: found %d, expected %d", c.addrs, found, c.want)
		}
	}
}

func addresses(texts ...string) (addrs []netip.Addr) {
	for _, text := range texts {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs
}

// names is a resolver whose answer the test changes.
type names struct{ answer atomic.Pointer[answer] }

type answer struct {
	addrs []netip.Addr
	err   error
	hangs bool
}

func (n *names) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	a := n.answer.Load()
	if a.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if network != "ip" || host != "web.railway.internal" {
		return nil, errors.New("asked for something else")
	}
	return a.addrs, a.err
}

func answering(addrs ...string) *names {
	n := new(names)
	n.change(addrs...)
	return n
}

func (n *names) change(addrs ...string) { n.answer.Store(&answer{addrs: addresses(addrs...)}) }

func hanging() *names {
	n := new(names)
	n.answer.Store(&answer{hangs: true})
	return n
}

// lines is what is told.
type lines struct {
	mu  sync.Mutex
	all []string // guarded by mu
}

func (l *lines) add(seen string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, seen)
}

func (l *lines) expect(t *testing.T, seen string, times int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.all, slices.Repeat([]string{seen}, times)) {
		t.Fatalf("found %q told, expected %q %d times", l.all, seen, times)
	}
}

// begin watches a platform with this resolver and returns what is told.
func begin(t *testing.T, n *names) (w *Watch, told *lines) {
	told = new(lines)
	w = Platform{host: "web.railway.internal"}.Watch(n, told.add)
	t.Cleanup(w.Stop)
	synctest.Wait()
	return w, told
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

const two = "web.railway.internal has the addresses of 2 replicas"

func TestReplicasAreToldOfWhenTheyStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := answering("fd12::1", "fd12::2")
		w, told := begin(t, n)
		pass(119 * time.Second)
		if seen := w.Seen(); seen != "" {
			t.Fatalf("found %q, expected nothing before two minutes", seen)
		}
		told.expect(t, two, 0)
		pass(2 * time.Second)
		if seen := w.Seen(); seen != two {
			t.Fatalf("found %q, expected %q", seen, two)
		}
		told.expect(t, two, 1)
		pass(59 * time.Minute)
		told.expect(t, two, 1)
		pass(2 * time.Minute)
		told.expect(t, two, 2)
		n.change("fd12::2")
		pass(time.Minute)
		if seen := w.Seen(); seen != "" {
			t.Errorf("found %q, expected nothing after one has gone", seen)
		}
	})
}

func TestADeployIsNoSign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := answering()
		w, told := begin(t, n)
		for range 5 {
			n.change("fd12::1", "fd12::2")
			pass(2 * time.Minute)
			n.change("fd12::2")
			pass(time.Minute)
		}
		if seen := w.Seen(); seen != "" {
			t.Errorf("found %q, expected nothing", seen)
		}
		told.expect(t, two, 0)
	})
}

func TestNoAnswerChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := hanging()
		w, _ := begin(t, n)
		pass(10 * time.Minute)
		n.change("10.0.0.1", "10.0.0.2")
		pass(3 * time.Minute)
		if w.Seen() != two {
			t.Fatalf("found %q, expected %q", w.Seen(), two)
		}
		n.answer.Store(&answer{err: errors.New("no such host")})
		pass(10 * time.Minute)
		if w.Seen() != two {
			t.Errorf("found %q after failures, expected %q", w.Seen(), two)
		}
	})
}

func TestStopEndsALookUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w, _ := begin(t, hanging())
		w.Stop()
		if took := time.Since(began); took != 0 {
			t.Errorf("took %v, expected no time", took)
		}
	})
}

func TestWhatTheEnvironmentSaysIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sign = "this is dyno web.2"
		told := new(lines)
		w := Platform{known: sign}.Watch(nil, told.add)
		defer w.Stop()
		if w.Seen() != sign {
			t.Errorf("found %q, expected %q", w.Seen(), sign)
		}
		synctest.Wait()
		told.expect(t, sign, 1)
		pass(24*time.Hour + time.Second)
		told.expect(t, sign, 25)
	})
}

func TestNoPlatformNoWatch(t *testing.T) {
	w := Platform{}.Watch(nil, nil)
	w.Stop()
	if w != nil || w.Seen() != "" {
		t.Errorf("found a watch that sees %q, expected none", w.Seen())
	}
}
