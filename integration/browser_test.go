package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The demo page in Chromium over https. The screenshots are for people to look at.
func TestDemoPageInChromium(t *testing.T) {
	s := startDemo(t)
	artifacts, err := filepath.Abs(artifactsDir)
	if err != nil {
		t.Fatal(err)
	}
	shots := []string{filepath.Join(artifacts, "demo-page-desktop.png"), filepath.Join(artifacts, "demo-page-phone.png")}
	for _, shot := range shots {
		if err := os.Remove(shot); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	s.runNode(t, "browser/demo-page.mjs",
		fmt.Sprintf("HUB_URL=https://127.0.0.1:%d", s.tlsPort), "CHROMIUM="+chromium(t), "ARTIFACTS="+artifacts)
	for _, shot := range shots {
		if info, err := os.Stat(shot); err != nil || info.Size() < 10_000 {
			t.Errorf("no screenshot: %v", err)
		}
	}
}

// chromium returns the browser's path; distributions name it differently.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("there is no Chromium: run ./install.sh test")
	return ""
}
