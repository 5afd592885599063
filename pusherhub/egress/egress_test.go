package egress_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/egress"
)

// clientFor returns a client that may connect to what allow lists.
func clientFor(t *testing.T, allow ...string) *http.Client {
	t.Helper()
	transport, err := egress.NewTransport(allow)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: egress.KeepRedirect}
}

// get returns the status and the body of an answer.
func get(t *testing.T, client *http.Client, url string) (int, string, error) {
	t.Helper()
	res, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body), nil
}

// Addresses whose packets would stay at home. None of them is answered, so a test that gets through fails by itself.
func TestRefusedAddresses(t *testing.T) {
	client := clientFor(t)
	for _, host := range []string{
		"127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1",
		"169.254.169.254", // where clouds hand out credentials
		"100.64.0.1",      // CGNAT
		"192.0.0.8", "198.18.0.1", "224.0.0.1", "255.255.255.255",
		"[::]", "[::1]", "[fd12:3456::1]", "[fe80::1]", "[ff02::1]",
		"[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]", "[::127.0.0.1]",
		"[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", // NAT64 of loopback and of 169.254.169.254
		"[64:ff9b:1::10.0.0.1]", "[64:ff9b:1:ffff::1]", // its local-use prefix
		"[2002:7f00:1::1]", "[2002:a00:1::]", // 6to4 of 127.0.0.1 and 10.0.0.1
		"[2001::7f00:1]", // Teredo
	} {
		_, _, err := get(t, client, "http://"+host+":9/")
		if !errors.Is(err, egress.ErrNotPublic) {
			t.Errorf("%s: expected to be refused, got %v", host, err)
		}
	}
}

func TestRefusedNameSaysWhatItResolvedTo(t *testing.T) {
	_, _, err := get(t, clientFor(t, "10.0.0.0/8"), "http://localhost:9/")
	if !errors.Is(err, egress.ErrNotPublic) {
		t.Fatalf("expected to be refused, got %v", err)
	}
	if text := err.Error(); !strings.Contains(text, "localhost at 127.0.0.1") && !strings.Contains(text, "localhost at ::1") {
		t.Errorf("found %q, expected the name and its address", text)
	}
}

func TestAllowed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) }))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		host  string
		allow string
		ok    bool
	}{
		{"127.0.0.1", "127.0.0.1", true},
		{"127.0.0.1", "127.0.0.0/8", true},
		{"127.0.0.1", "::1", false},
		{"[::ffff:127.0.0.1]", "127.0.0.1", true},
		{"127.0.0.1", "localhost", false}, // only the name that was dialed counts
		{"localhost", "localhost", true},
		{"localhost", "LocalHost.", true},
		{"localhost", "127.0.0.0/8", true},
		{"localhost", "host", false},
		{"localhost", "*.localhost", false},
		{"localhost", "*.internal", false},
	} {
		status, _, err := get(t, clientFor(t, "elsewhere.example", tc.allow), "http://"+tc.host+":"+port)
		if ok := err == nil && status == http.StatusOK; ok != tc.ok || !ok && !errors.Is(err, egress.ErrNotPublic) {
			t.Errorf("%s with %q allowed: expected %v, got %v", tc.host, tc.allow, tc.ok, err)
		}
	}
}

func TestMalformedAllowList(t *testing.T) {
	for _, text := range []string{"", "*", "*.", "10.0.0", "10.0.0.0/33", "http://hooks.internal", "hooks.internal:80", "a b", "*.*.internal", "hooks.*", "größe.example", "fd00::/129"} {
		if _, err := egress.NewTransport([]string{text}); err == nil || !strings.Contains(err.Error(), "found \""+text+"\", expected a host") {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func TestRedirectIsAnAnswer(t *testing.T) {
	reached := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached = reached || r.URL.Path == "/other"
		http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	status, _, err := get(t, clientFor(t, "127.0.0.1"), server.URL)
	if err != nil || status != http.StatusTemporaryRedirect || reached {
		t.Errorf("got %d, %v, redirect followed: %v", status, err, reached)
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the failed handshake
	_, _, err := get(t, clientFor(t, "127.0.0.1"), server.URL)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		t.Errorf("expected the certificate to be refused, got %v", err)
	}
}

// A proxy connects for us, and would check nothing.
func TestNoProxy(t *testing.T) {
	transport, err := egress.NewTransport(nil)
	if err != nil {
		t.Fatal(err)
	}
	if transport.Proxy != nil {
		t.Error("found a proxy, expected none")
	}
}
