package integration

import (
	"net"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// limited is publicSite with more options for its hub.
func limited(options string) string {
	return strings.Replace(publicSite, "drain 100ms", "drain 100ms\n\t\t"+options, 1)
}

func TestReloadKeepsSocketsAndAppliesNewLimits(t *testing.T) {
	t.Run("T71 a reload keeps sockets", func(t *testing.T) {
		s := startServer(t, publicSite+apiSite)
		c, other := s.site().Dial(t), s.site().Dial(t)
		c.Subscribe("news")
		other.Subscribe("news")

		if said, err := s.reload(limited("max_connections 2\n\t\taccept_client_events_from none") + apiSite); err != nil {
			t.Fatalf("reloading: %v\n%s", err, said)
		}

		// the sockets and their subscriptions are still there
		s.api().Publish("news", "headline", "1")
		c.Expect("headline")
		other.Expect("headline")
		// and live under the new limits: for themselves,
		c.Send(hubtest.EventFrame("client-typing", "news", "x"))
		c.Expect("pusher:error")
		other.ExpectQuiet()
		// and for those who come
		refused := hubtest.Open(t, s.url(), appKey, "", nil)
		refused.ExpectClose(pusherhub.CodeOverQuota)

		if said, err := s.reload(publicSite + apiSite); err != nil {
			t.Fatalf("reloading: %v\n%s", err, said)
		}
		c.Send(hubtest.EventFrame("client-typing", "news", "x"))
		other.Expect("client-typing")
		s.site().Dial(t)
	})
}

func TestRejectedConfigChangesNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()

	for _, tc := range []struct{ name, sites, says string }{
		// the three moments at which Caddy can find out
		{"misspelt", limited("max_conections 1"), "did you mean 'max_connections'?"},
		{"no secret", limited("app x {\n\t\t\tkey x\n\t\t\tsecret {env.NOT_SET}\n\t\t}"), "NOT_SET"},
		{"port in use", limited("max_connections 1\n\t\taccept_client_events_from none") + "http://" + taken.Addr().String() + " {\n\tbind 127.0.0.1\n}\n", "address already in use"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := startServer(t, publicSite+apiSite)
			c, other := s.site().Dial(t), s.site().Dial(t)
			c.Subscribe("news")
			other.Subscribe("news")

			said, err := s.reload(tc.sites + apiSite)
			if err == nil || !strings.Contains(said, tc.says) {
				t.Fatalf("found error %v and %q, expected a refusal that says %q", err, said, tc.says)
			}
			s.api().Publish("news", "headline", "1")
			c.Expect("headline")
			other.Expect("headline")
			c.Send(hubtest.EventFrame("client-typing", "news", "x"))
			other.Expect("client-typing")
			s.site().Dial(t)
		})
	}
}

func TestReloadWithoutAnAppClosesItsSocketsOnly(t *testing.T) {
	const apps = "app old {\n\t\t\tkey old-key\n\t\t\tsecret old-secret\n\t\t}"
	const kept = "app new {\n\t\t\tkey new-key\n\t\t\tsecret new-secret\n\t\t}"
	s := startServer(t, limited(apps+"\n\t\t"+kept))
	gone := hubtest.Dial(t, s.url(), "old-key", "")
	stays := hubtest.Dial(t, s.url(), "new-key", "")

	if said, err := s.reload(limited(kept)); err != nil {
		t.Fatalf("reloading: %v\n%s", err, said)
	}
	gone.ExpectError(pusherhub.CodeNoSuchApp)
	gone.ExpectClose(pusherhub.CodeNoSuchApp)
	stays.ExpectQuiet()

	// and with the hub itself gone, its sockets look for another server
	if said, err := s.reload(":{$PORT} {\n\trespond application\n}\n"); err != nil {
		t.Fatalf("reloading: %v\n%s", err, said)
	}
	stays.ExpectClose(pusherhub.CodeReconnect)
}
