//go:build image

package integration

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// imageConfig is what of the image's configuration engines and platforms act on.
type imageConfig struct {
	Size   int64
	Config struct {
		StopSignal string
		Volumes    map[string]any
		Env        []string
	}
	HealthCheck struct{ Test []string }
}

func TestImageSaysHowToRunIt(t *testing.T) {
	if err := builtImage(); err != nil {
		t.Fatal(err)
	}
	said, err := podman(t, "image", "inspect", imageName).Output()
	if err != nil {
		t.Fatal(err)
	}
	var images []imageConfig
	if err := json.Unmarshal(said, &images); err != nil || len(images) != 1 {
		t.Fatalf("reading %s: %v", said, err)
	}
	image := images[0]
	t.Logf("the image has %d MB", image.Size/1_000_000)
	if image.Config.StopSignal != "SIGTERM" {
		t.Errorf("found the stop signal %q, expected SIGTERM", image.Config.StopSignal)
	}
	if len(image.Config.Volumes) > 0 {
		t.Errorf("found volumes %v, expected none: Railway refuses them", image.Config.Volumes)
	}
	if len(image.HealthCheck.Test) == 0 {
		t.Error("found no health check")
	}
	for _, variable := range image.Config.Env {
		if strings.HasPrefix(variable, "REVERB_APP_") {
			t.Errorf("%s is in the image, expected no credentials", variable)
		}
	}
}

func TestImageServesTheDemo(t *testing.T) {
	c := runImage(t, imageName)

	command := strings.Replace(reportersCurl, "https://app.onecharge.io/app/5csvb4sew88zqnmcxuqg", c.url()+"/app/"+appKey, 1)
	curl := startProcess(t, "curl", exec.Command("sh", "-c", "exec "+command+" --no-buffer"))
	if line := curl.expectLine("HTTP/"); strings.TrimSpace(line) != "HTTP/1.1 101 Switching Protocols" {
		t.Errorf("found %q, expected HTTP/1.1 101 Switching Protocols", line)
	}
	curl.expectLine(`{"event":"pusher:connection_established"`)
	t.Logf("%s\n%s", command, curl.text())
	curl.stop(syscall.SIGTERM)

	page := get(t, c.url()+"/")
	if page.status != 200 || !strings.Contains(page.body, appKey) {
		t.Errorf("found %d %s, expected the demo's page", page.status, page.body)
	}
	if file := get(t, c.url()+"/vendor/pusher.min.js"); file.status != 200 {
		t.Errorf("found %d for pusher-js, expected 200", file.status)
	}

	// what the health check of the image asks, in the container
	c.exec("sh", "-c", imageHealthCheck(t))
	if files := c.exec("find", "/run", "-name", "*.sock"); !strings.Contains(files, "/run/caddy-admin.sock") {
		t.Errorf("found the sockets %q, expected the admin API's among them", files)
	}

	// Both ways to reload must find the addresses that the entrypoint made of PORT, and leave the socket open.
	client := c.site().Dial(t)
	client.Subscribe("drivers")
	c.signal(syscall.SIGUSR1)
	c.expectLine("successfully reloaded config from file")
	c.exec("pusher-hub-entrypoint", "caddy", "reload", "--config", "/etc/caddy/Caddyfile", "--force")
	c.expectPHP()

	c.exec("php", "/usr/share/pusher-hub/demo/publish.php", "--count=1")
	client.Expect("driver.moved")
}

// imageHealthCheck returns the image's health check.
func imageHealthCheck(t *testing.T) string {
	t.Helper()
	said, err := podman(t, "image", "inspect", "--format", "{{index .HealthCheck.Test 1}}", imageName).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(said)
}

func TestImageStartsPHPAgainAndExits(t *testing.T) {
	c := runImage(t, imageName)
	client := c.site().Dial(t)

	c.exec("pkill", "-KILL", "-o", "php-fpm")
	c.expectLine(`has to be started again`)
	c.expectReady(200)
	c.expectPHP()
	client.ExpectQuiet()

	const sockets = 300
	ends := make(chan end, sockets)
	for range sockets {
		client := c.site().Dial(t)
		go func() { ends <- readToTheEnd(t, client) }()
	}
	began := time.Now()
	c.signal(syscall.SIGTERM)
	codes := make(map[int]int)
	for range sockets {
		codes[int((<-ends).code)]++
	}
	if codes[pusherhub.CodeReconnect] != sockets {
		t.Errorf("found the close codes %v, expected 4200 for all", codes)
	}
	if code := c.wait(); code != 0 {
		t.Errorf("the container ended with %d, expected 0", code)
	}
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("the exit took %v, expected 9 s at most", took)
	} else {
		_, exit, _ := strings.Cut(c.text(), "shutting down apps")
		t.Logf("the exit took %v:\n…shutting down apps%s", took, exit)
	}
}

// The platform has to learn that PHP is gone for good: on exit 0 it would not start a new container.
func TestImageEndsNonZeroWithoutPHP(t *testing.T) {
	c := runImage(t, imageName)
	c.exec("sh", "-c", "rm /usr/local/sbin/php-fpm && pkill -KILL -o php-fpm")
	if code := c.waitFor(30 * time.Second); code == 0 {
		t.Error("the container ended with 0, expected another code")
	}
}

func TestImageWithoutRootOrAWritableRoot(t *testing.T) {
	c := runImage(t, imageName, "--user", "www-data", "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges",
		"--tmpfs", "/run", "--tmpfs", "/tmp", "--tmpfs", "/data", "--tmpfs", "/config")
	c.expectPHP()
	client := c.site().Dial(t)
	client.Subscribe("drivers")
	c.exec("php", "/usr/share/pusher-hub/demo/publish.php", "--count=1")
	client.Expect("driver.moved")
	for line := range strings.Lines(c.text()) {
		if strings.Contains(line, `"level":"error"`) {
			t.Errorf("logged: %s", line)
		}
	}
	c.signal(syscall.SIGTERM)
	if code := c.wait(); code != 0 {
		t.Errorf("the container ended with %d, expected 0", code)
	}
}

// As the README has it: two lines, and the app is served. A worker is added by a third.
func TestImageServesAnAppOfItsOwn(t *testing.T) {
	if err := builtImage(); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for file, text := range map[string]string{
		"Dockerfile":       "FROM " + imageName + "\nCOPY . /app\nCOPY php-fpm.caddyfile /etc/caddy/\n",
		"public/index.php": "<?php echo 'hello from ', __DIR__, ' in ', ini_get('opcache.enable');",
		"php-fpm.caddyfile": `php_fpm {
	worker php -r "fwrite(STDERR, 'the worker runs in ' . getcwd() . PHP_EOL); sleep(60);"
}
`,
	} {
		path := filepath.Join(folder, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := buildImage("localhost/pusher-hub-app", folder); err != nil {
		t.Fatal(err)
	}
	c := runImage(t, "localhost/pusher-hub-app")
	if page := get(t, c.url()+"/anything"); page.body != "hello from /app/public in 1" {
		t.Errorf("found %q, expected the app's page", page.body)
	}
	c.expectLine("the worker runs in /app")
	c.site().Dial(t)
}
