package integration

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// exampleFile returns the absolute path of Caddyfile.example.
func exampleFile(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// readExample returns the text of Caddyfile.example.
func readExample(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(exampleFile(t))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// useExample sets the variables with which Caddyfile.example keeps to the server's own ports and sockets. The site
// is plain HTTP, as behind a load balancer, unless env says otherwise.
func (s *server) useExample(env ...string) {
	s.t.Helper()
	s.Env = append(append(slices.Clip(s.Env),
		"CADDY_ADMIN=unix/"+filepath.Join(s.dir, "admin.sock"),
		"SITE_ADDRESS=http://:"+strconv.Itoa(s.port),
		"HTTP_PORT="+strconv.Itoa(s.port),
		"HTTPS_PORT="+strconv.Itoa(s.tlsPort),
		"HUB_PUBLISH_PORT="+strconv.Itoa(s.apiPort),
		"APP_ROOT="+s.demoRoot(),
		"PHP_FPM=unix/"+filepath.Join(s.dir, "php.sock"),
	), env...)
}

// startExample runs Caddyfile.example as it is, with PHP behind it.
func startExample(t testing.TB, env ...string) *server {
	t.Helper()
	s := newServer(t)
	s.startPHP() // before PHP_FPM is set, which to php-fpm.sh is a binary
	s.useExample(env...)
	s.run(exampleFile(t))
	s.expectLine(`"msg":"serving initial configuration"`)
	return s
}
