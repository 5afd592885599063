package phpfpm

import (
	"errors"
	"sync/atomic"
	"testing"
)

// appWith returns an app whose php-fpm is in that state, or was not started.
func appWith(master *supervisor) *App {
	a := &App{master: new(atomic.Pointer[supervisor])}
	a.master.Store(master)
	return a
}

func TestCheckLooksAtThePHPThatServes(t *testing.T) {
	good, bad := &supervisor{}, &supervisor{state: errors.New("it ended with exit code 1")}
	for _, tc := range []struct {
		name         string
		live, loaded *App
		says         string
	}{
		{"before the first start", nil, appWith(nil), "it has not been started yet"},
		{"it answers", nil, appWith(good), ""},
		{"it does not", nil, appWith(bad), "it ended with exit code 1"},
		{"the old one serves during a reload", appWith(good), appWith(nil), ""},
		{"the old one does not serve", appWith(bad), appWith(good), ""},
		{"none serves", appWith(bad), appWith(bad), "it ended with exit code 1"},
	} {
		live.Store(tc.live)
		if err := tc.loaded.check(); (err == nil) != (tc.says == "") || err != nil && err.Error() != tc.says {
			t.Errorf("%s: found %v, expected %q", tc.name, err, tc.says)
		}
	}
	live.Store(nil)
}
