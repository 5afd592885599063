package pusherhub

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// requestVector is a signed request of the HTTP API as it is on the wire.
type requestVector struct {
	ID, Method, Path, Key, Secret string
	Body                          string
	Query                         string `json:"query_on_wire"`
	Now                           int64
	Expect                        string
	ExpectStatus                  int `json:"expect_status"`
	Note                          string
}

// verify checks the vector's signature as a site does that is mounted under /reverb.
func (v requestVector) verify(t *testing.T, config AppConfig) (params, *apiError) {
	t.Helper()
	config.ID, config.Key, config.Secret = "3", v.Key, v.Secret
	app, err := NewApp(config)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(v.Path + "?" + v.Query)
	if err != nil {
		t.Fatal(err)
	}
	return app.verifyRequest(v.Method, signedPaths(u, "/reverb"), u.RawQuery, []byte(v.Body), time.Unix(v.Now, 0))
}

func TestRequestSignatureVectors(t *testing.T) {
	list := append(vectors[requestVector](t, "http_signing"), vectors[requestVector](t, "http_signing_negative_and_time")...)
	for _, profile := range []string{CompatReverb, CompatPusher} {
		for _, v := range list {
			t.Run("T46 "+v.ID+" "+profile, func(t *testing.T) {
				_, e := v.verify(t, AppConfig{Compat: profile})
				switch {
				case v.Expect == "accept":
					if e != nil {
						t.Errorf("%s: refused with %d %s, signed %q", v.Note, e.status, e.text, e.signed)
					}
				case e == nil: // "boundary" is refused, too
					t.Errorf("%s: accepted", v.Note)
				case e.status != 401:
					t.Errorf("%s: found status %d, expected 401", v.Note, e.status)
				}
			})
		}
	}
}

func TestTimestampToleranceOff(t *testing.T) {
	for _, v := range vectors[requestVector](t, "http_signing_negative_and_time") {
		if strings.HasPrefix(v.ID, "hst-") {
			t.Run("T46 timestamp_tolerance off "+v.ID, func(t *testing.T) {
				if _, e := v.verify(t, AppConfig{TimestampTolerance: -1}); e != nil {
					t.Errorf("refused with %s", e.text)
				}
			})
		}
	}
}

// SDKs differ in how they escape what they signed unescaped.
func TestRequestSignatureSpellings(t *testing.T) {
	byID := make(map[string]requestVector)
	for _, v := range vectors[requestVector](t, "http_signing") {
		byID[v.ID] = v
	}
	for _, s := range []struct{ name, id, old, new, param, value string }{
		{"space as plus", "hs-15", "Something%20else", "Something+else", "name", "Something else"},
		{"comma escaped", "hs-05", "user_count,subscription_count", "user_count%2Csubscription_count", "info", "user_count,subscription_count"},
		{"array of PHP", "hs-16", "", "", "info", "user_count,cache"},
		{"array of PHP, brackets unescaped", "hs-16", "%5B", "[", "info", "user_count,cache"},
		{"array of Ruby", "hs-17", "", "", "channels", "a,b"},
		{"capitals", "hs-12", "", "", "query", "params"},
		{"double ampersand", "hs-01", "&auth_version", "&&auth_version", "auth_version", "1.0"},
	} {
		t.Run("T46 "+s.name, func(t *testing.T) {
			v := byID[s.id]
			v.Query = strings.ReplaceAll(v.Query, s.old, s.new)
			p, e := v.verify(t, AppConfig{})
			if e != nil {
				t.Fatalf("refused with %s, signed %q", e.text, e.signed)
			}
			if found := p.value(s.param); found != s.value {
				t.Errorf("found %s=%q, expected %q", s.param, found, s.value)
			}
		})
	}
}

// A value that could pass for a border between parameters would be signed like another request.
func TestRequestSignatureBorders(t *testing.T) {
	for _, query := range []string{"a=1%26b=2", "a%26b=1", "a=%0A", "a=%0d", "%0aa=1", "a=%zz", "%=1"} {
		t.Run("T46 malformed query "+query, func(t *testing.T) {
			v := requestVector{Method: "GET", Path: "/apps/3/channels", Key: "k", Secret: "s", Query: query + "&auth_key=k"}
			if _, e := v.verify(t, AppConfig{}); e == nil || e.status != 400 {
				t.Errorf("found %v, expected status 400", e)
			}
		})
	}
}
