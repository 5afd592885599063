package health_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/onecharge/pusherhub/caddymodule/health"
)

func fails(reason string) func() error { return func() error { return errors.New(reason) } }

func TestProblemsAreTheChecksThatFail(t *testing.T) {
	if found := health.Problems(); len(found) != 0 {
		t.Fatalf("found %v, expected nothing before anything is registered", found)
	}
	for _, unregister := range []func(){
		health.Register("redis", fails("no connection")),
		health.Register("php-fpm", fails("starting")),
		health.Register("hub", func() error { return nil }),
	} {
		defer unregister()
	}
	expected := []health.Problem{{"php-fpm", "starting"}, {"redis", "no connection"}}
	if found := health.Problems(); !slices.Equal(found, expected) {
		t.Errorf("found %v, expected %v", found, expected)
	}
}

func TestTheSameNameTwice(t *testing.T) {
	old := health.Register("php-fpm", fails("starting"))
	current := health.Register("php-fpm", fails("starting"))
	if found := health.Problems(); len(found) != 1 {
		t.Errorf("found %v, expected the reason once", found)
	}
	old()
	old()
	if found := health.Problems(); len(found) != 1 {
		t.Errorf("found %v, expected the other one's to be left", found)
	}
	current()
	if found := health.Problems(); len(found) != 0 {
		t.Errorf("found %v, expected nothing", found)
	}
}
