package caddymodule

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/caddyserver/xcaddy"
)

// No tool reads xcaddy.json by itself, so nothing but this test would notice that it is out of date, or that it is no
// xcaddy.Builder of the xcaddy that go.mod pins.
func TestXcaddyJSON(t *testing.T) {
	text, err := os.ReadFile("../xcaddy.json")
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	var b xcaddy.Builder
	if err := dec.Decode(&b); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	required := regexp.MustCompile(`github\.com/caddyserver/caddy/v2 (\S+)`).FindSubmatch(mod)
	if required == nil || b.CaddyVersion != string(required[1]) {
		t.Errorf("caddy_version is %s, go.mod requires %s", b.CaddyVersion, required)
	}
	module := regexp.MustCompile(`(?m)^module (\S+)$`).FindSubmatch(mod)
	if module == nil || !slices.Contains(b.Replacements, xcaddy.NewReplace(string(module[1]), ".")) {
		t.Errorf("%s is not replaced by this checkout: %+v", module, b.Replacements)
	}

	// what xcaddy builds for the image is what the checked-in main has, and the brokers, so that more replicas need no other image
	main, err := os.ReadFile("caddy/main.go")
	if err != nil {
		t.Fatal(err)
	}
	imported := []string{string(module[1]) + "/caddymodule/redis", string(module[1]) + "/caddymodule/nats"}
	var plugins []string
	for _, m := range regexp.MustCompile(`_ "(github\.com/onecharge/[^"]+)"`).FindAllSubmatch(main, -1) {
		imported = append(imported, string(m[1]))
	}
	for _, p := range b.Plugins {
		plugins = append(plugins, p.PackagePath)
	}
	slices.Sort(imported)
	slices.Sort(plugins)
	if !slices.Equal(imported, plugins) {
		t.Errorf("xcaddy.json has %v, caddy/main.go with the brokers has %v", plugins, imported)
	}
}
