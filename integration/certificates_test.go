package integration

import (
	"context"
	"crypto/tls"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// domain is the SITE_ADDRESS of a server that gets its certificate by itself. No DNS knows it.
const domain = "app.onecharge.test"

// browser trusts the certificates of an ACME server, and finds every host on this machine.
func (a *acmeServer) browser() *http.Client {
	a.t.Helper()
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, // the certificate of now, with every request
		TLSClientConfig:   &tls.Config{RootCAs: a.roots()},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
		},
	}}
}

// certificate returns the serial number of the certificate that the domain has.
func (s *server) certificate(browser *http.Client) (*big.Int, error) {
	trust := browser.Transport.(*http.Transport).TLSClientConfig.Clone()
	trust.ServerName = domain
	conn, err := tls.Dial("tcp", loopback(s.tlsPort), trust)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber, nil
}

// secureSite is the environment's app at the domain, by https and wss.
func (s *server) secureSite(browser *http.Client) *hubtest.Server {
	hub := hubtest.At(s.t, "https://"+domain+":"+strconv.Itoa(s.tlsPort), pusherhub.AppConfig{ID: appID, Key: appKey, Secret: appSecret})
	hub.Client = browser
	return hub
}

// expectCertificate waits until Caddy has got its first certificate and uses it, which it logs a moment too early, and
// returns its serial number.
func (s *server) expectCertificate(browser *http.Client) (serial *big.Int) {
	s.t.Helper()
	s.expectLog("a certificate", func(l logLine) bool {
		return l.text("msg") == "certificate obtained successfully" && l.text("identifier") == domain
	})
	hubtest.Eventually(s.t, "the certificate is in use", func() bool {
		var err error
		serial, err = s.certificate(browser)
		return err == nil
	})
	return serial
}

// A domain in SITE_ADDRESS is all that a server needs.
func TestDomainGetsItsCertificateByItself(t *testing.T) {
	s := newServer(t)
	s.startPHP()
	acme := s.startACME(90 * 24 * time.Hour)
	s.useExample(append(acme.Env, "SITE_ADDRESS="+domain)...)
	s.run(exampleFile(t))
	browser := acme.browser()
	s.expectCertificate(browser)

	ask := func(url string) answer {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		return doWith(t, browser, r)
	}
	hub := s.secureSite(browser)
	page := ask(hub.URL + "/")
	expectPHP(t, page, "https://")
	if page.status != http.StatusOK || !strings.Contains(page.body, appKey) {
		t.Errorf("https://: found %d %.300q, expected the demo's page", page.status, page.body)
	}

	plain := ask("http://" + domain + ":" + strconv.Itoa(s.port) + "/drivers?x=1")
	// without a port: to the world, HTTPS_PORT is 443
	if to := plain.header.Get("Location"); plain.status != http.StatusPermanentRedirect || to != "https://"+domain+"/drivers?x=1" {
		t.Errorf("http://: found %d to %q, expected 308 to https", plain.status, to)
	}

	c := hub.Dial(t)
	c.Subscribe("orders")
	s.api().Publish("orders", "placed", `{"n":1}`)
	if f := c.Expect("placed"); f.Text() != `{"n":1}` {
		t.Errorf("found %s, expected the published data", f.Raw)
	}
}

// Certificates live for ever shorter times, sockets for days.
func TestSocketsOutliveTheCertificate(t *testing.T) {
	s := newServer(t)
	// Caddy renews what would end within five intervals, so here at every one
	acme := s.startACME(14 * time.Second)
	s.useExample(append(acme.Env, "SITE_ADDRESS="+domain)...)
	file := filepath.Join(s.dir, "Caddyfile")
	text := strings.Replace(readExample(t), "{\n", "{\n\trenew_interval 3s\n", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(file)
	browser := acme.browser()
	before := s.expectCertificate(browser)
	hub, api := s.secureSite(browser), s.api()

	c := hub.Dial(t)
	c.Subscribe("orders")

	published := 0
	publish := func() {
		t.Helper()
		published++
		n := strconv.Itoa(published)
		api.Publish("orders", "placed", n)
		if f := c.Expect("placed"); f.Text() != n {
			t.Fatalf("found %s, expected event %s", f.Raw, n)
		}
	}
	hubtest.Eventually(t, "the certificate is renewed", func() bool {
		publish()
		return len(s.logLines(func(l logLine) bool { return l.text("msg") == "certificate renewed successfully" })) > 0
	})
	hubtest.Eventually(t, "the new certificate is in use", func() bool {
		publish()
		now, err := s.certificate(browser)
		if err != nil {
			t.Fatalf("connecting by TLS: %v", err)
		}
		return now.Cmp(before) != 0
	})

	late := hub.Dial(t)
	late.Subscribe("orders")
	publish()
	if f := late.Expect("placed"); f.Text() != strconv.Itoa(published) {
		t.Errorf("a socket with the new certificate: found %s, expected event %d", f.Raw, published)
	}
	c.ExpectQuiet()
}
