package integration

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// pebbleBinaries builds what integration/pebble/go.mod names, Pebble and its DNS server, and returns their directory.
var pebbleBinaries = sync.OnceValues(func() (dir string, err error) {
	if dir, err = filepath.Abs(".build"); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", dir+"/", "tool")
	cmd.Dir, cmd.Env = "pebble", append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building Pebble: %w\n%s", err, said)
	}
	return dir, nil
})

// acmeServer is Pebble, the ACME server that Let's Encrypt has for tests: it signs a certificate for whoever passes
// its challenges, for a DNS in which every name is this machine.
type acmeServer struct {
	// Env are the variables with which Caddyfile.example gets its certificates here.
	Env []string

	management string
	client     *http.Client // trusts Pebble's own certificate
	t          testing.TB
}

// startACME starts an ACME server that looks for the challenges' answers at the ports of s. Its certificates live for that long.
func (s *server) startACME(validity time.Duration) *acmeServer {
	s.t.Helper()
	binaries, err := pebbleBinaries()
	if err != nil {
		s.t.Fatal(err)
	}
	api, management, dns := loopback(freePort(s.t)), loopback(freePort(s.t)), loopback(freePort(s.t))

	// for Pebble's own HTTPS, a certificate that net/http has for tests
	web := httptest.NewTLSServer(nil)
	client := web.Client()
	web.Close()
	certificate, key := filepath.Join(s.dir, "acme.pem"), filepath.Join(s.dir, "acme-key.pem")
	writePair(s.t, web.TLS.Certificates[0], certificate, key)

	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress":           api,
		"managementListenAddress": management,
		"certificate":             certificate,
		"privateKey":              key,
		"httpPort":                s.port,
		"tlsPort":                 s.tlsPort,
		"retryAfter":              map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"default": map[string]any{
			"description": "the only one", "validityPeriod": int(validity.Seconds()),
		}},
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	file := filepath.Join(s.dir, "pebble.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		s.t.Fatal(err)
	}

	resolver := exec.Command(filepath.Join(binaries, "pebble-challtestsrv"), "-dnsserver", dns, "-defaultIPv6", "",
		"-management", loopback(freePort(s.t)), "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "")
	startProcess(s.t, "pebble-challtestsrv", resolver)
	pebble := exec.Command(filepath.Join(binaries, "pebble"), "-config", file, "-dnsserver", dns, "-strict")
	// no waiting and no refused nonces, with which Pebble tests clients
	pebble.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	startProcess(s.t, "pebble", pebble)
	// they announce their listeners before they open them
	for _, address := range []string{dns, management, api} {
		expectListener(s.t, address)
	}

	return &acmeServer{
		Env:        []string{"ACME_CA=https://" + api + "/dir", "SSL_CERT_FILE=" + certificate},
		management: "https://" + management, client: client, t: s.t,
	}
}

// roots returns whom a browser trusts, if it trusts this server.
func (a *acmeServer) roots() *x509.CertPool {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, a.management+"/roots/0", nil)
	if err != nil {
		a.t.Fatal(err)
	}
	root := doWith(a.t, a.client, r)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(root.body)) {
		a.t.Fatalf("Pebble's root: found %d %q, expected a certificate", root.status, root.body)
	}
	return pool
}

// expectListener waits until somebody listens there.
func expectListener(t testing.TB, address string) {
	t.Helper()
	hubtest.Eventually(t, "a listener at "+address, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

func loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// writePair writes a certificate and its key as PEM.
func writePair(t testing.TB, pair tls.Certificate, certificateFile, keyFile string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		certificateFile: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
		keyFile:         {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
