package caddymodule_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func TestStaticApps(t *testing.T) {
	t.Setenv("TEST_SECRET_OF_TWO", "secret-two")
	t.Setenv("REVERB_APP_ID", "")
	l := newLive(t)
	l.mustLoad(":PORT {\n pusher_hub {\n shout !\n" + appBlock("one") +
		"apps static {\n app two {\n key key-two\n secret {env.TEST_SECRET_OF_TWO}\n shout ?\n }\n }\n}\n}")
	for app, want := range map[string]string{"one": "HI!", "two": "HI!?"} {
		client := hubtest.Dial(t, l.url(), "key-"+app, "")
		client.Subscribe("news")
		if status := l.publish(appOf(app), "news", "hi"); status != http.StatusOK {
			t.Fatalf("app %s: publishing: %d", app, status)
		}
		if got := client.Expect("e").Text(); got != want {
			t.Errorf("app %s: found %q, expected %q", app, got, want)
		}
	}
}

func TestEnvApps(t *testing.T) {
	t.Setenv("REVERB_APP_ID", "env")
	t.Setenv("REVERB_APP_KEY", "key-env")
	t.Setenv("REVERB_APP_SECRET", "secret-env")
	t.Setenv("REVERB_APP_RATE_LIMITING_ENABLED", "false")
	l := newLive(t)
	l.mustLoad(":PORT {\n pusher_hub {\n rate_limiting {\n max_attempts 1\n }\n apps env\n" + appBlock("one") + "}\n}")
	for app, limited := range map[string]bool{"one": true, "env": false} {
		client := hubtest.Dial(t, l.url(), "key-"+app, "")
		client.Subscribe("a")
		client.Send(hubtest.EventFrame("client-x", "a", "1"))
		if limited { // the environment switches the limiter off for its own app only
			client.ExpectError(pusherhub.CodeClientEventRejected)
		} else {
			client.ExpectQuiet()
		}
		if status := l.publish(appOf(app), "a", "hi"); status != http.StatusOK {
			t.Errorf("app %s: publishing: %d", app, status)
		}
	}
}

func TestAppSourcesThatAreWrong(t *testing.T) {
	t.Setenv("REVERB_APP_ID", "one")
	t.Setenv("REVERB_APP_KEY", "key-one")
	t.Setenv("REVERB_APP_SECRET", "")
	file := filepath.Join(t.TempDir(), "apps.json")
	if err := os.WriteFile(file, []byte(`[{"id":"one","key":"k","secret":"s"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	const unshown = "not-to-be-shown"
	for _, tc := range []struct{ name, config, want string }{
		{"static, none", "apps static", "apps static: found no app"},
		{"static, a word", "apps static {\n foo\n}", "static: found \"foo\", expected app <id> { ... }"},
		{"static, twice", appBlock("one") + "apps static {\n" + appBlock("one") + "}", `two apps have the id "one"`},
		{"env, half", "apps env", "REVERB_APP_SECRET is unset or empty"},
		{"env, a word", "apps env foo", `env: found "foo"`},
		{"file, nothing", "apps file", "file: found nothing, expected the path"},
		{"file, missing", "apps file /nowhere/apps.json", "no such file"},
		{"file, a word", "apps file x {\n intervall 2s\n}", "did you mean 'interval'?"},
		{"file, twice", appBlock("one") + "apps file " + file, `two apps have the id "one"`},
		{"misspelt", "apps flie x", "did you mean 'file'?"},
		{"sql", "apps sql {\n dsn " + unshown + "\n}", "add it with xcaddy build --with github.com/onecharge/pusherhub/caddymodule/sqlapps"},
		{"http", "apps http https://a.test {\n secret " + unshown + "\n}", "add it with xcaddy build --with github.com/onecharge/pusherhub/caddymodule/httpapps"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := newLive(t).load(":PORT {\n pusher_hub {\n" + tc.config + "\n}\n}")
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("found error %v, expected %s", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), unshown) {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

// write replaces a file at once, as a careful program does.
func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// Apps in files are added, changed, disabled and removed while sockets are open.
func TestFileApps(t *testing.T) {
	l := newLive(t)
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.json"), filepath.Join(dir, "two.yaml")
	const appOne = `{"id":"one","key":"key-one","secret":"secret-one"`
	write(t, one, appOne+`}`)
	l.mustLoad(":PORT {\n pusher_hub {\n apps file " + dir + " {\n interval 10ms\n }\n}\n}")
	client := hubtest.Dial(t, l.url(), "key-one", "")
	client.Subscribe("news")
	logged := func(what string) {
		t.Helper()
		hubtest.Eventually(t, what+" is in the log", func() bool {
			text, err := os.ReadFile(l.logFile())
			return err == nil && strings.Contains(string(text), what)
		})
	}

	// added
	hubtest.Open(t, l.url(), "key-two", "", nil).ExpectClose(pusherhub.CodeNoSuchApp)
	write(t, two, "id: two\nkey: key-two\nsecret: secret-two\n")
	logged(`"changed":["two"]`)
	second := hubtest.Dial(t, l.url(), "key-two", "")

	// a plugin of its own, while the other app is left alone
	write(t, one, appOne+`,"plugins":[{"plugin":"shout","mark":"?"}]}`)
	logged(`"changed":["one"]`)
	if status := l.publish(appOf("one"), "news", "hi"); status != http.StatusOK {
		t.Fatalf("publishing: %d", status)
	}
	if got := client.Expect("e").Text(); got != "HI?" {
		t.Errorf("found %q", got)
	}

	// whatever is wrong changes nothing
	for i, wrong := range []string{`{"id":"on`, appOne + `,"plugins":[{"plugin":"unheard_of"}]}`, appOne + `,"compat":"neither"}`} {
		write(t, one, wrong)
		hubtest.Eventually(t, "it is reported with file and line", func() bool {
			text, err := os.ReadFile(l.logFile())
			return err == nil && strings.Count(string(text), "the files are wrong") == i+1 && strings.Count(string(text), "one.json:1: ") == i+1
		})
		hubtest.Dial(t, l.url(), "key-one", "").Close()
	}
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	logged("no such file or directory")
	client.ExpectQuiet()
	second.ExpectQuiet()
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}

	// disabled, removed
	write(t, one, appOne+`,"enabled":false}`)
	client.ExpectClose(pusherhub.CodeAppDisabled)
	second.ExpectQuiet()
	if err := os.Remove(two); err != nil {
		t.Fatal(err)
	}
	second.ExpectClose(pusherhub.CodeNoSuchApp)
	write(t, one, appOne+`}`)
	hubtest.Eventually(t, "the app is back", func() bool {
		return l.publish(appOf("one"), "news", "hi") == http.StatusOK
	})

	// a file that is wrong is no config
	write(t, one, `{"id":"one"}`)
	if err := l.load(":PORT {\n pusher_hub {\n apps file " + dir + "\n}\n}"); err == nil || !strings.Contains(err.Error(), "one.json:1: app \"one\": key is missing") {
		t.Errorf("found %v", err)
	}
}

// Kubernetes swaps a whole directory by a symlink.
func TestFileAppsBehindSymlinks(t *testing.T) {
	l := newLive(t)
	dir := t.TempDir()
	version := func(name, text string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "apps.json"), text)
		if err := os.Symlink(name, filepath.Join(dir, "..data.new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data.new"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("..1", `[{"id":"one","key":"key-one","secret":"secret-one"}]`)
	if err := os.Symlink("..data/apps.json", filepath.Join(dir, "apps.json")); err != nil {
		t.Fatal(err)
	}
	l.mustLoad(":PORT {\n pusher_hub {\n apps file " + filepath.Join(dir, "apps.json") + " {\n interval 10ms\n }\n}\n}")
	client := hubtest.Dial(t, l.url(), "key-one", "")
	version("..2", `[]`)
	client.ExpectClose(pusherhub.CodeNoSuchApp)
}

// soketi's limit of events becomes one of rate_limit.
func TestSoketisLimitOfPublishes(t *testing.T) {
	l := newLive(t)
	file := filepath.Join(t.TempDir(), "apps.json")
	write(t, file, `[{"id":"one","key":"key-one","secret":"secret-one","maxBackendEventsPerSecond":2}]`)
	l.mustLoad(":PORT {\n pusher_hub {\n apps file " + file + "\n}\n}")
	statuses := make(map[int]bool)
	for range 20 {
		statuses[l.publish(appOf("one"), "news", "hi")] = true
	}
	if len(statuses) != 2 || !statuses[http.StatusOK] || !statuses[http.StatusTooManyRequests] {
		t.Errorf("found %v, expected 200 and 429", statuses)
	}
}
