package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// buildWithPlugin builds Caddy with a plugin that nobody has published, as somebody would who is writing it: by xcaddy, with xcaddy's flags.
func buildWithPlugin(t *testing.T, module, dir string) (file string) {
	t.Helper()
	text, err := os.ReadFile("../xcaddy.json")
	if err != nil {
		t.Fatal(err)
	}
	var recipe struct {
		CaddyVersion string `json:"caddy_version"`
	}
	if err := json.Unmarshal(text, &recipe); err != nil {
		t.Fatal(err)
	}
	file, err = filepath.Abs(filepath.Join(".build", "caddy-"+filepath.Base(dir)))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "tool", "xcaddy", "build", recipe.CaddyVersion, "--output", file,
		"--with", "github.com/onecharge/pusherhub/caddymodule",
		"--with", module+"@v0.0.0="+dir,
		"--replace", "github.com/onecharge/pusherhub=..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building Caddy with %s: %v\n%s", module, err, said)
	}
	return file
}

// muting are the demo's sites with the plugin's word in them.
func muting(user string) string {
	return strings.Replace(demoSites, "watchlist\n", "watchlist\n\t\tmute "+user+"\n", 1)
}

// The README's example of a plugin does what the README says, in a build that somebody else would make.
func TestPluginExample(t *testing.T) {
	s := newServer(t)
	s.Binary = buildWithPlugin(t, "example.com/mute", "./plugin-example")
	s.startPHP()
	s.start(muting("2"))
	s.runNode(t, "clients/mute.mjs")

	t.Run("a reload changes who is muted and keeps the sockets", func(t *testing.T) {
		room := make(map[int]*hubtest.Client)
		for user := 1; user <= 2; user++ {
			room[user] = s.site().Join(t, "presence-room", fmt.Sprintf(`{"user_id":"%d"}`, user))
		}
		room[1].Expect("pusher_internal:member_added")
		expect := func(muted, free int) {
			t.Helper()
			room[muted].Send(hubtest.EventFrame("client-typing", "presence-room", "x"))
			if text := room[muted].ExpectError(pusherhub.CodeClientEventRejected); text != "You are muted" {
				t.Errorf("found %q, expected the plugin's words", text)
			}
			room[free].Send(hubtest.EventFrame("client-typing", "presence-room", "x"))
			room[muted].Expect("client-typing")
			room[free].ExpectQuiet()
		}
		expect(2, 1)
		if said, err := s.reload(muting("1")); err != nil {
			t.Fatalf("reloading: %v\n%s", err, said)
		}
		expect(1, 2)
	})

	t.Run("a wrong word in the Caddyfile is named", func(t *testing.T) {
		if said, err := s.reload(muting("")); err == nil || !strings.Contains(said, "mute") {
			t.Errorf("found %v and %s, expected an error about mute", err, said)
		}
	})
}
