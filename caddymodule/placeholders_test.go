package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
)

func TestResolve(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_HUB_SECRET", "from-env")
	stored := pusherhub.AppConfig{
		ID: "id", Key: "{env.TEST_HUB_SECRET}", Secret: "{file." + file + "}",
		PreviousSecrets: []string{"{env.TEST_HUB_SECRET}", "pl{a}in", "{", "{}", "a{env.TEST_HUB_SECRET}z"},
	}
	got, err := resolve(stored)
	if err != nil {
		t.Fatal(err)
	}
	if got.Key != "from-env" || got.Secret != "from-file" {
		t.Errorf("got key %q, secret %q", got.Key, got.Secret)
	}
	if all := strings.Join(got.PreviousSecrets, " "); all != "from-env pl{a}in { {} afrom-envz" {
		t.Errorf("got previous secrets %q", all)
	}
	if stored.Key != "{env.TEST_HUB_SECRET}" || stored.PreviousSecrets[0] != "{env.TEST_HUB_SECRET}" {
		t.Errorf("the stored config was changed: %+v", stored)
	}
}

func TestResolveErrors(t *testing.T) {
	t.Setenv("TEST_HUB_BLANK", " ")
	for _, tc := range []struct {
		config   pusherhub.AppConfig
		expected string
	}{
		{pusherhub.AppConfig{Secret: "{env.TEST_HUB_UNSET}"}, "secret: {env.TEST_HUB_UNSET} is empty: set the environment variable or fill the file that it names"},
		{pusherhub.AppConfig{Key: "{env.TEST_HUB_BLANK}"}, "key: {env.TEST_HUB_BLANK} is empty"},
		{pusherhub.AppConfig{Secret: "{file./does/not/exist}"}, "secret: {file./does/not/exist} is empty"},
		{pusherhub.AppConfig{PreviousSecrets: []string{"ok", "{env.TEST_HUB_UNSET}"}}, "previous_secrets: {env.TEST_HUB_UNSET} is empty"},
		{pusherhub.AppConfig{Secret: "{enf.SECRET}"}, "secret: found {enf.SECRET}, which is no placeholder that is known here: expected {env.NAME} or {file.PATH}"},
	} {
		_, err := resolve(tc.config)
		if err == nil || !strings.Contains(err.Error(), tc.expected) {
			t.Errorf("expected %q, got %v", tc.expected, err)
		}
	}
}
