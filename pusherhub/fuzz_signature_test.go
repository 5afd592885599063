package pusherhub

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// FuzzRequestSignature signs a request as an SDK does, which must be accepted, and edits it without the secret. An
// edited request may pass only if it means the same: the string that was signed, and nothing else.
func FuzzRequestSignature(f *testing.F) {
	f.Add("events", "info=user_count", []byte(`{}`), uint8(0), uint8(3), uint8(4), "x")
	f.Add("events", "channels[0]=a&channels[1]=b", []byte(`{}`), uint8(4), uint8(8), uint8(11), "%5B7%5D")
	f.Add("events", "info=a=b", []byte(`{}`), uint8(0), uint8(4), uint8(5), "%3D") // signs as before, but has no info
	app := fuzzApp(f, AppConfig{})
	now := time.Unix(1_800_000_000, 0)
	f.Fuzz(func(t *testing.T, path, query string, body []byte, part, from, to uint8, insert string) {
		signed := fuzzRequest{path: "/apps/1/" + path, body: body}
		sum := md5.Sum(body)
		signed.query = query + "&auth_key=key&auth_timestamp=" + strconv.FormatInt(now.Unix(), 10) +
			"&auth_version=1.0&body_md5=" + hex.EncodeToString(sum[:])
		canonical, unambiguous := signed.canonical(part&4 != 0)
		signature := sign([]byte("secret"), canonical)
		signed.query += "&auth_signature=" + signature

		meant, refused := signed.verify(app, now)
		if unambiguous != (refused == nil) {
			t.Fatalf("signed %q over %q: found refusal %+v, expected success: %t", signed, canonical, refused, unambiguous)
		}
		if !unambiguous {
			return
		}
		edited := signed
		switch part % 3 {
		case 0:
			edited.query = edit(signed.query, from, to, insert)
		case 1:
			edited.path = edit(signed.path, from, to, insert)
		case 2:
			edited.body = []byte(edit(string(signed.body), from, to, insert))
		}
		got, refused := edited.verify(app, now)
		if refused != nil {
			return
		}
		if string(edited.body) != string(signed.body) || !slices.Contains(signedPaths(edited.url(), ""), signed.path) {
			t.Fatalf("signed %q, but %q passes", signed, edited)
		}
		if inOrder(got) != inOrder(meant) {
			t.Fatalf("signed %q, but %q passes and means %q", signed, edited, got)
		}
	})
}

// fuzzRequest is a POST request on its way to verifyRequest.
type fuzzRequest struct {
	path, query string
	body        []byte
}

func (r fuzzRequest) url() *url.URL { return &url.URL{Path: r.path, RawQuery: r.query} }

func (r fuzzRequest) verify(app *App, now time.Time) (params, *apiError) {
	return app.verifyRequest(http.MethodPost, signedPaths(r.url(), ""), r.query, r.body, now)
}

// canonical is what an SDK signs: PHP's joins list[0]=a&list[1]=b to list=a,b. It reports false if the query cannot be
// signed without ambiguity.
func (r fuzzRequest) canonical(asPHP bool) (text string, unambiguous bool) {
	type pair struct{ name, value string }
	var pairs []pair
	for part := range strings.SplitSeq(r.query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, errName := url.QueryUnescape(name)
		value, errValue := url.QueryUnescape(value)
		if errName != nil || errValue != nil || strings.ContainsAny(name, "=&\r\n") || strings.ContainsAny(value, "&\r\n") {
			return "", false
		}
		name = strings.ToLower(name)
		if list, _, isList := strings.Cut(name, "["); isList && asPHP {
			if i := slices.IndexFunc(pairs, func(p pair) bool { return p.name == list }); i >= 0 {
				pairs[i].value += "," + value
				continue
			}
			name = list
		}
		if name != "auth_signature" {
			pairs = append(pairs, pair{name, value})
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	text = http.MethodPost + "\n" + r.path + "\n"
	for i, p := range pairs {
		if i > 0 {
			text += "&"
		}
		text += p.name + "=" + p.value
	}
	return text, true
}

// inOrder is what parameters mean: the order of different names does not matter, that of equal ones does. The signature itself
// means nothing.
func inOrder(p params) string {
	p = slices.DeleteFunc(slices.Clone(p), func(q param) bool { return q.name == "auth_signature" })
	slices.SortStableFunc(p, func(a, b param) int { return strings.Compare(a.name, b.name) })
	return fmt.Sprintf("%q", p)
}

// edit replaces the bytes between two places by others.
func edit(s string, from, to uint8, insert string) string {
	a, b := min(int(from), len(s)), min(int(to), len(s))
	return s[:min(a, b)] + insert + s[max(a, b):]
}
