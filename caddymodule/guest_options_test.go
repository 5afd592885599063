package caddymodule

import (
	"reflect"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

type guestFiles struct {
	File string `json:"file,omitempty"`
}

type guestBlock struct {
	guestFiles

	Names []string `json:"names,omitempty"`
}

type guestOptions struct {
	guestFiles

	Text  string             `json:"text,omitempty"`
	Limit pusherhub.Limit    `json:"limit,omitempty"`
	Block *guestBlock        `json:"block,omitempty"`
	Rest  *guestBlock        `json:"rest,omitempty"`
	Wait  pusherhub.Duration `json:"-"`

	hidden string
}

func readGuest(text string) (o guestOptions, err error) {
	d := caddyfile.NewTestDispenser("guest " + text)
	d.Next()
	return o, UnmarshalOptions(d, &o)
}

func TestGuestOptions(t *testing.T) {
	t.Setenv("TEST_HUB_GUEST", "from-env")
	o, err := readGuest("{\n file {env.TEST_HUB_GUEST}\n text a{env.TEST_HUB_GUEST}z\n limit 3\n block {\n file pl{a}in\n names {env.TEST_HUB_GUEST} b\n }\n}")
	if err != nil {
		t.Fatal(err)
	}
	o.hidden = "{env.TEST_HUB_GUEST}"
	if err := ResolveOptions(&o); err != nil {
		t.Fatal(err)
	}
	expected := guestOptions{
		guestFiles: guestFiles{File: "from-env"}, Text: "afrom-envz", Limit: 3, Block: &guestBlock{guestFiles{File: "pl{a}in"}, []string{"from-env", "b"}}, hidden: "{env.TEST_HUB_GUEST}",
	}
	if !reflect.DeepEqual(o, expected) {
		t.Errorf("found %+v, expected %+v", o, expected)
	}
}

func TestGuestOptionsErrors(t *testing.T) {
	for text, expected := range map[string]string{
		"{\n hidden x\n}":              "hidden",
		"{\n \"\" x\n}":                "option",
		"{\n wait 1s\n}":               "wait",
		"{\n - x\n}":                   "option",
		"{\n block x\n}":               `block: found "x", expected a block or nothing`,
		"{\n block {\n fil x\n}\n}":    "did you mean 'file'?",
		"{\n text {env.TEST_UNSET}\n}": "text: {env.TEST_UNSET} is empty",
		"{\n rest {\n names a {env.TEST_UNSET} b\n}\n}": "rest: names: {env.TEST_UNSET} is empty",
		"{\n rest {\n file {env.TEST_UNSET}\n}\n}":      "rest: file: {env.TEST_UNSET} is empty",
	} {
		o, err := readGuest(text)
		if err == nil {
			err = ResolveOptions(&o)
		}
		if err == nil || !strings.Contains(err.Error(), expected) {
			t.Errorf("%q: found %v, expected %q", text, err, expected)
		}
	}
}
