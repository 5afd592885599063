package integration

import (
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func TestCaddyfileExampleIsFormattedAndValid(t *testing.T) {
	example, text := exampleFile(t), readExample(t)
	for _, tc := range []struct {
		name string
		env  []string
	}{
		{"local", nil},
		{"domain", []string{"SITE_ADDRESS=app.example.com"}},
		{"localhost by https", []string{"SITE_ADDRESS=localhost"}},
		{"behind a load balancer", []string{
			"SITE_ADDRESS=http://:8080", edgeNetworks, "CLIENT_IP_HEADERS=X-Real-IP X-Forwarded-For",
			"CADDY_ADMIN=unix//run/caddy-admin.sock", "HUB_PUBLISH_BIND=[::]",
		}},
		// as compose files leave what nobody sets
		{"empty", []string{"TRUSTED_PROXIES=", "CLIENT_IP_HEADERS=", "HUB_PUBLISH_BIND="}},
	} {
		s := newServer(t)
		s.Env = append(slices.Clip(environmentApp), tc.env...)
		if said, err := s.command("validate", "--config", example); err != nil {
			t.Errorf("%s: caddy validate: %v\n%s", tc.name, err, said)
		}
	}
	// with --diff, fmt marks the lines that it would change and ends with an error
	s := newServer(t)
	if said, err := s.command("fmt", "--diff", example); err != nil {
		t.Errorf("caddy fmt --diff: %v\n%s", err, said)
	}
	if readExample(t) != text {
		t.Error("the example has changed")
	}
}

// Whoever reaches the publish port can guess secrets at it: it opens to other machines only when told to.
func TestCaddyfileExampleKeepsThePublishPortToItself(t *testing.T) {
	for _, tc := range []struct {
		name  string
		env   []string
		bound []string
	}{
		{"by default", nil, []string{"127.0.0.1"}},
		{"empty", []string{"HUB_PUBLISH_BIND="}, []string{"127.0.0.1"}},
		{"loopback", []string{"HUB_PUBLISH_BIND=127.0.0.1"}, []string{"127.0.0.1"}},
		{"every interface", []string{"HUB_PUBLISH_BIND=[::]"}, []string{"127.0.0.1", "::"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t)
			s.useExample(tc.env...)
			s.run(exampleFile(t))
			s.expectLine(`"msg":"serving initial configuration"`)
			if found := listening(t, s.apiPort); !slices.Equal(found, tc.bound) {
				t.Errorf("the kernel says that the publish listener is bound to %v, expected %v", found, tc.bound)
			}

			c := s.site().Dial(t)
			c.Subscribe("news")
			s.api().Publish("news", "headline", "1")
			c.Expect("headline")
			if len(tc.bound) > 1 {
				// an address that 127.0.0.1 does not cover, as that of a private network
				worker := hubtest.At(t, "http://127.0.0.2:"+strconv.Itoa(s.apiPort), pusherhub.AppConfig{ID: appID, Key: appKey, Secret: appSecret})
				worker.Publish("news", "headline", "2")
				c.Expect("headline")
			}
		})
	}
}

// Behind a load balancer that ends TLS nothing must ask it to come back by https.
func TestCaddyfileExampleServesPlainHTTPOnAPort(t *testing.T) {
	for _, form := range []string{":", "http://:"} {
		t.Run(form, func(t *testing.T) {
			s := newServer(t)
			s.startPHP()
			s.useExample()
			s.Env = append(s.Env, "SITE_ADDRESS="+form+strconv.Itoa(s.port))
			s.run(exampleFile(t))
			s.expectLine(`"msg":"serving initial configuration"`)
			page := get(t, s.url()+"/")
			expectPHP(t, page, "/")
			if page.status != http.StatusOK {
				t.Errorf("found %d, expected the demo's page", page.status)
			}
			s.site().Dial(t)
			if found := listening(t, s.tlsPort); len(found) > 0 {
				t.Errorf("the HTTPS port is open at %v, expected the site's port only", found)
			}
		})
	}
}
