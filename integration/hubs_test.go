package integration

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// hubSites are two public sites and a listener for publishing, all on the hub "drivers" with two apps, and a
// site with a hub of its own.
const hubSites = `
:{$PORT} {
	pusher_hub drivers {
		drain 100ms
		app riders {
			key riders-key
			secret riders-secret
		}
		app couriers {
			key couriers-key
			secret couriers-secret
			max_connections 1
		}
	}
	respond "application"
}
:{$OTHER_PORT} {
	pusher_hub drivers {
		path /sockets
	}
	respond "application"
}
:{$API_PORT} {
	bind 127.0.0.1
	pusher_hub drivers
}
:{$FOREIGN_PORT} {
	pusher_hub foreign {
		drain 100ms
		app riders {
			key riders-key
			secret riders-secret
		}
	}
}
`

func TestSitesShareOneNamedHubAndAppsAreApart(t *testing.T) {
	s := newServer(t)
	other, foreign := newServer(t), newServer(t) // for their ports
	s.Env = []string{"OTHER_PORT=" + strconv.Itoa(other.port), "FOREIGN_PORT=" + strconv.Itoa(foreign.port)}
	s.start(hubSites)

	riders := pusherhub.AppConfig{ID: "riders", Key: "riders-key", Secret: "riders-secret"}
	couriers := pusherhub.AppConfig{ID: "couriers", Key: "couriers-key", Secret: "couriers-secret"}

	here := hubtest.At(t, s.url(), riders).Dial(t)
	there := hubtest.At(t, other.url()+"/sockets", riders).Dial(t)
	courier := hubtest.At(t, s.url(), couriers).Dial(t)
	stranger := hubtest.At(t, foreign.url(), riders).Dial(t)
	for _, c := range []*hubtest.Client{here, there, courier, stranger} {
		c.Subscribe("city")
	}

	hubtest.At(t, s.apiURL(), riders).Publish("city", "moved", "1")
	for _, c := range []*hubtest.Client{here, there} {
		if f := c.Expect("moved"); f.Text() != "1" {
			t.Errorf("found %s, expected data 1", f.Raw)
		}
	}
	courier.ExpectQuiet()  // same hub and channel, another app
	stranger.ExpectQuiet() // same app and channel, another hub

	hubtest.At(t, other.url()+"/sockets", couriers).Publish("city", "moved", "2")
	courier.Expect("moved")
	here.ExpectQuiet()

	// one secret opens one app
	wrong := hubtest.At(t, s.apiURL(), pusherhub.AppConfig{ID: "riders", Key: "riders-key", Secret: "couriers-secret"})
	if status, _, _ := wrong.Do(http.MethodGet, "/channels", "", nil); status != http.StatusUnauthorized {
		t.Errorf("the other app's secret: found %d, expected 401", status)
	}
	// limits are per app, over all sites
	refused := hubtest.Open(t, other.url()+"/sockets", "couriers-key", "", nil)
	refused.ExpectError(pusherhub.CodeOverQuota)
	refused.ExpectClose(pusherhub.CodeOverQuota)
	hubtest.At(t, other.url()+"/sockets", riders).Dial(t)
}
