package pusherhub

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

var strictChannelName = regexp.MustCompile(`\A[A-Za-z0-9_\-=@,.;]+\z`)

// FuzzChannelName checks that names are judged as documented, and that a good one survives the
// ways that a name travels: in a frame and in a URL.
func FuzzChannelName(f *testing.F) {
	strict := map[string]*App{}
	for _, compat := range []string{CompatReverb, CompatPusher} {
		strict[compat] = fuzzApp(f, AppConfig{Compat: compat})
	}
	lax := fuzzApp(f, AppConfig{ChannelCharset: "any"})
	f.Add("private-orders.1")
	f.Fuzz(func(t *testing.T, name string) {
		kind := KindOf(name)
		if kind.Encrypted && kind.Access != AccessPrivate {
			t.Fatalf("KindOf(%q): found %+v: only private channels are encrypted", name, kind)
		}
		userID, isUser := strings.CutPrefix(name, userChannelPrefix)
		for compat, app := range strict {
			good := strictChannelName.MatchString(name) && len(name) <= int(app.cfg.MaxChannelNameLength)
			if isUser {
				good = userID != "" && utf8.RuneCountInString(userID) <= maxUserID
			}
			if problem := app.channelNameProblem(name); (problem == "") != good {
				t.Fatalf("%q in profile %s: found problem %q, expected a good name: %t", name, compat, problem, good)
			}
		}
		if strict[CompatReverb].channelNameProblem(name) == "" && lax.channelNameProblem(name) != "" {
			t.Fatalf("%q is good when names are strict and bad when they are not", name)
		}
		var back string
		frame := appendString(nil, name)
		if err := json.Unmarshal(frame, &back); err != nil || !utf8.Valid(frame) || utf8.ValidString(name) && back != name {
			t.Fatalf("%q in a frame: found %q, %v", name, frame, err)
		}
		if name == "" {
			return
		}
		rt, found := parseRoute("/apps/1/channels/" + url.PathEscape(name))
		if !found || rt.subject != name || rt.endpoint != getChannel {
			t.Fatalf("%q in a URL: found %+v", name, rt)
		}
	})
}

func fuzzApp(t testing.TB, cfg AppConfig) *App {
	t.Helper()
	cfg.ID, cfg.Key, cfg.Secret = "1", "key", "secret"
	app, err := NewApp(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return app
}
