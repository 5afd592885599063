package integration

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/caddymodule"
	"github.com/onecharge/pusherhub/pusherhub"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

var updateGoldens = flag.Bool("update-goldens", false, "write what the adapter answers into the .caddyfiletest files")

// Each file holds a Caddyfile, a line of ten dashes, and the JSON that it stands for, or a
// part of the error, as in Caddy's own tests. A file that fails shows a change of the
// grammar or of the JSON names, on which somebody's config depends.
func TestCaddyfileAdaptToJSON(t *testing.T) {
	files, err := filepath.Glob("caddyfile_adapt/*.caddyfiletest")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 12 {
		t.Fatalf("found %d files only", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			config, expected, found := strings.Cut(string(text), "----------\n")
			if !found {
				t.Fatal("there is no line of dashes")
			}
			expected = strings.TrimSpace(expected)

			adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), nil)
			for _, w := range warnings {
				t.Errorf("warning: %s", w)
			}
			var got string
			if err != nil {
				got = err.Error()
			} else {
				var indented bytes.Buffer
				if err := json.Indent(&indented, adapted, "", "\t"); err != nil {
					t.Fatal(err)
				}
				got = indented.String()
			}
			switch {
			case *updateGoldens:
				if err := os.WriteFile(file, []byte(config+"----------\n"+got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			case err != nil && (expected == "" || expected[0] == '{' || !strings.Contains(got, expected)),
				err == nil && got != expected:
				t.Errorf("expected\n%s\ngot\n%s", expected, got)
			}
		})
	}
}

// What the adapter writes has to be what the module reads, too.
func TestAdaptedJSONDecodes(t *testing.T) {
	files, err := filepath.Glob("caddyfile_adapt/*.caddyfiletest")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		config, _, _ := strings.Cut(string(text), "----------\n")
		adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), nil)
		if err != nil {
			continue
		}
		var tree any
		if err := json.Unmarshal(adapted, &tree); err != nil {
			t.Fatal(err)
		}
		decodeHandlers(t, file, tree)
	}
}

// decodeHandlers decodes every handler of ours strictly, as Caddy does.
func decodeHandlers(t *testing.T, file string, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		if v["handler"] == "pusher_hub" {
			delete(v, "handler")
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if err := caddy.StrictUnmarshalJSON(text, new(caddymodule.Handler)); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
		for _, element := range v {
			decodeHandlers(t, file, element)
		}
	case []any:
		for _, element := range v {
			decodeHandlers(t, file, element)
		}
	}
}

// greeter is a plugin with an argument and a block, for the adapter only.
type greeter struct {
	Greeting string `json:"greeting,omitempty"`
	Loud     bool   `json:"loud,omitempty"`
}

func init() {
	caddy.RegisterModule(greeter{})
}

func (greeter) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.pusher_hub.plugins.greeter", New: func() caddy.Module { return new(greeter) }}
}

func (g *greeter) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.AllArgs(&g.Greeting) {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "loud" {
			return d.Errf("greeter: found %q, expected loud", d.Val())
		}
		g.Loud = true
	}
	return nil
}

func (g *greeter) Plugin() (pusherhub.Plugin, error) { return g, nil }

func (g *greeter) Name() string { return "greeter" }

var _ caddymodule.PluginModule = (*greeter)(nil)
