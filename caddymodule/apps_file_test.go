package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAppFiles(t *testing.T) {
	const want = "0815 k1 s1;b k2 0x10 true;"
	for name, text := range map[string]string{
		"list.json":   `[{"id":"0815","key":"k1","secret":"s1"},{"id":"b","key":"k2","secret":"0x10","watchlist":true}]`,
		"object.json": "\n{\"apps\":\n[{\"id\":\"0815\",\"key\":\"k1\",\"secret\":\"s1\"},\n{\"id\":\"b\",\"key\":\"k2\",\"secret\":\"0x10\",\"watchlist\":true}]}\n",
		"list.yaml":   "# apps\n- id: 0815\n  key: k1\n  secret: s1\n- {id: b, key: k2, secret: 0x10, watchlist: on}\n",
		"object.yml":  "apps:\n  - &one\n    id: 0815\n    key: k1\n    secret: s1\n  - <<: *one\n    id: b\n    key: k2\n    secret: 0x10\n    watchlist: true\n",
		"no-suffix":   `[{"id":"0815","key":"k1","secret":"s1"},{"id":"b","key":"k2","secret":"0x10","watchlist":true}]`,
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := appsIn(t, file); got != want {
				t.Errorf("found %q, expected %q", got, want)
			}
		})
	}

	t.Run("one app", func(t *testing.T) {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"1.json":      `{"id":"0815","key":"k1","secret":"s1"}`,
			"2.yaml":      "id: b\nkey: k2\nsecret: 0x10\nwatchlist: true\nprevious_secrets: [1234, 0x10]\n",
			".3.json":     `hidden`,
			"4.json~":     `an editor's`,
			"README":      `text`,
			"5.yaml.swp":  `an editor's`,
			"..data.json": `Kubernetes'`,
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := appsIn(t, dir); got != want {
			t.Errorf("found %q, expected %q", got, want)
		}
	})

	t.Run("none", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "a.json")
		if err := os.WriteFile(file, []byte("[]"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := appsIn(t, file); got != "" {
			t.Errorf("found %q", got)
		}
	})
}

// appsIn returns the apps of a file or directory in one line.
func appsIn(t *testing.T, path string) string {
	t.Helper()
	files, err := readFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	located, err := parseFiles(files)
	if err != nil {
		t.Fatal(err)
	}
	var line strings.Builder
	for _, l := range located {
		line.WriteString(l.app.ID + " " + l.app.Key + " " + l.app.Secret)
		if l.app.Watchlist != nil && *l.app.Watchlist {
			line.WriteString(" true")
		}
		line.WriteString(";")
	}
	return line.String()
}

// Every error names the file and the line.
func TestAppFilesSayWhatIsWrong(t *testing.T) {
	const one = `{"id":"a","key":"k","secret":"top-secret"}`
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"syntax", map[string]string{"a.json": "[\n" + one + ",\n{\"id\": }\n]"}, "a.json:3: invalid character '}'"},
		{"half a file", map[string]string{"a.json": "[\n" + one + ",\n{\"id\":\"b\",\n"}, "a.json:4: unexpected end of JSON input"},
		{"unknown word", map[string]string{"a.json": "[\n" + one + ",\n{\"id\":\"b\",\"sekret\":\"top-secret\"}]"}, "a.json:3: unknown option \"sekret\"; did you mean 'secret'?"},
		{"YAML syntax", map[string]string{"a.yaml": "- id: a\n  key: [\n"}, "a.yaml: yaml: line"},
		{"YAML, unknown word", map[string]string{"a.yaml": "- id: a\n  key: k\n  secret: s\n- id: b\n  maxconn: 5\n"}, "a.yaml:4: unknown option"},
		{"YAML, no app", map[string]string{"a.yaml": "- top-secret\n"}, "a.yaml:1: found no app"},
		{"YAML, twice a word", map[string]string{"a.yaml": "id: a\nid: b\n"}, "already defined at line 1"},
		{"YAML, two documents", map[string]string{"a.yaml": "id: a\n---\nid: b\n"}, "found a second document"},
		{"YAML, apps is no list", map[string]string{"a.yaml": "apps:\n  a: b\n"}, "a.yaml:2: apps: expected a list"},
		{"YAML, beside apps", map[string]string{"a.yaml": "apps: []\nfoo: 1\n"}, "words beside apps"},
		{"JSON, beside apps", map[string]string{"a.json": "{\"apps\":[],\n\"foo\":1}"}, `a.json:2: found "foo" beside apps`},
		{"JSON, apps is no list", map[string]string{"a.json": `{"apps":5}`}, "apps: expected a list"},
		{"JSON, a number", map[string]string{"a.json": `5`}, "found a number, expected an app or a list of apps"},
		{"YAML, only comments", map[string]string{"a.yaml": "# - id: a\n"}, "a.yaml: found no app, only comments"},
		{"empty", map[string]string{"a.json": " \n"}, "found an empty file"},
		{"an id twice", map[string]string{"a.json": one, "b.yaml": "\n\n- {id: a, key: other, secret: s}"}, `b.yaml:3: found app "a" again, expected it once: it is already in`},
		{"a key twice", map[string]string{"a.json": "[" + one + ",\n" + `{"id":"b","key":"k","secret":"s"}]`}, `a.json:2: app "b": found the key "k" again`},
		{"no file", nil, "found no file, expected *.json, *.yaml or *.yml"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tc.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			files, err := readFiles(dir)
			if err == nil {
				_, err = parseFiles(files)
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("found error %v, expected %s", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "top-secret") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

// What is no file, or too much of one, is refused without being read.
func TestAppFilesThatAreNone(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "a.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := readFiles(dir); err == nil || !strings.Contains(err.Error(), "a.json: found d") {
		t.Errorf("found %v", err)
	}
	if _, err := readFiles(os.DevNull); err == nil || !strings.Contains(err.Error(), "expected a regular file") {
		t.Errorf("found %v", err)
	}
	huge := filepath.Join(t.TempDir(), "huge.json")
	f, err := os.Create(huge)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(1 << 40); err != nil { // 1 TiB of nothing
		t.Fatal(err)
	}
	if _, err := readFiles(huge); err == nil || !strings.Contains(err.Error(), "found more than 64 MiB") {
		t.Errorf("found %v", err)
	}
}
