package phpfpm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func asItIs(s string) string { return s }

// configOf returns what php-fpm reads for these options.
func configOf(t *testing.T, a *App) string {
	t.Helper()
	if err := a.configure(asItIs); err != nil {
		t.Fatal(err)
	}
	file, err := a.settings.write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOwnWordsComeAfterTheDefaultsAndBeforeWhatMustBe(t *testing.T) {
	own := filepath.Join(t.TempDir(), "pool.conf")
	if err := os.WriteFile(own, []byte("[www]\nlisten = 127.0.0.1:9000\npm = ondemand\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := configOf(t, &App{
		MaxChildren: 9, Config: own,
		Directives: []Directive{{"pm", "static"}, {"php_admin_flag[log_errors]", "on"}, {"php_value[date.timezone]", "Europe/Berlin; x"}},
	})
	last := -1
	for _, line := range []string{
		"pm = dynamic", "pm.max_children = 9", "listen = 127.0.0.1:9000", "pm = ondemand", "[www]", "pm = static",
		"php_admin_flag[log_errors] = on", `php_value[date.timezone] = "Europe/Berlin; x"`, "listen = /",
	} {
		at := strings.Index(text[last+1:], line)
		if at < 0 {
			t.Fatalf("found no %q after what was before it in\n%s", line, text)
		}
		last += 1 + at
	}
}

func TestPoolOfOneChildIsConsistent(t *testing.T) {
	for _, a := range []*App{{MaxChildren: 1}, {Directives: []Directive{{"pm.max_children", "1"}}}} {
		text := configOf(t, a)
		for _, line := range []string{"pm.max_children = 1\n", "pm.start_servers = 1\n", "pm.max_spare_servers = 1\n"} {
			if !strings.Contains(text, line) {
				t.Errorf("found no %q in\n%s", line, text)
			}
		}
	}
}

func TestDirectivesThatCannotBe(t *testing.T) {
	for _, tc := range []struct {
		directive Directive
		says      string
	}{
		{Directive{"listen", "/tmp/x"}, "listen is set by php_fpm itself"},
		{Directive{"[global]", "x"}, "expected a word of a php-fpm pool"},
		{Directive{"pm.max_children", "many"}, "expected a positive whole number"},
		{Directive{"chdir", "/\nuser = root"}, "line break"},
	} {
		err := (&App{Directives: []Directive{tc.directive}}).configure(asItIs)
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%v: found %v, expected an error that says %q", tc.directive, err, tc.says)
		}
	}
	if err := (&App{Config: "/nowhere/pool.conf"}).configure(asItIs); err == nil || !strings.Contains(err.Error(), "/nowhere/pool.conf") {
		t.Errorf("found %v, expected an error that names the file", err)
	}
}
