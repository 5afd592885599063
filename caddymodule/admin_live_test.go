package caddymodule

import "testing"

// A hub of a config that is only being loaded, or checked, is none yet.
func TestAdminListsLiveHubs(t *testing.T) {
	if _, err := acquire("not yet"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := release("not yet"); err != nil {
			t.Error(err)
		}
	}()
	if found := liveHubs(); len(found) != 0 {
		t.Errorf("found %v, expected no hub", found)
	}
}
