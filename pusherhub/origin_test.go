package pusherhub

import "testing"

func TestOriginList(t *testing.T) {
	for _, o := range []struct {
		pattern, origin string
		want            bool
	}{
		{"*", "", true},
		{"*", "null", true},
		{"*", "https://any.example", true},
		{"example.com", "https://example.com", true},
		{"example.com", "http://example.com", true},
		{"example.com", "https://example.com:8443", true},
		{"example.com", "capacitor://example.com", true},
		{"example.com", "https://www.example.com", false},
		{"example.com", "https://example.com.evil.example", false},
		{"example.com", "https://EXAMPLE.com", false}, // case-sensitive, as at Reverb
		{"example.com", "example.com", false},         // no origin: it has no scheme
		{"example.com", "", false},
		{"example.com", "null", false},
		{"example.com", "https://", false},
		{"example.com", "https://exa mple.com", false},
		{"example.com", "%", false},
		{"*.example.com", "https://www.example.com", true},
		{"*.example.com", "https://a.b.example.com", true},
		{"*.example.com", "https://example.com", false},
		{"*.example.com", "https://evilexample.com", false},
		{"www.*.com", "https://www.example.com", true},
		{"www.*.com", "https://www.example.com.evil", false},
		{"*example*", "https://my-example.org", true},
		{"a*b*c", "https://axxbyyc", true},
		{"a*b*c", "https://axxcyyb", false},
		{"localhost", "http://localhost:3000", true},
		{"127.0.0.1", "http://127.0.0.1:8000", true},
		{"::1", "http://[::1]:8000", true},
		{"https://example.com", "https://example.com", true},
		{"https://example.com", "http://example.com", false},
		{"https://example.com", "https://example.com:8443", false},
		{"https://example.com:8443", "https://example.com:8443", true},
		{"https://*.example.com", "https://www.example.com", true},
		{"https://*.example.com", "http://www.example.com", false},
		{"*://example.com", "app://example.com", true},
		{"http://localhost:*", "http://localhost:5173", true},
		{"", "https://example.com", false},
	} {
		if found := newOriginList([]string{o.pattern}).matches(o.origin); found != o.want {
			t.Errorf("pattern %q, origin %q: found %t, expected %t", o.pattern, o.origin, found, o.want)
		}
		if found := newOriginList([]string{"other.example", o.pattern, "*.third.example"}).matches(o.origin); found != o.want {
			t.Errorf("pattern %q among others, origin %q: found %t, expected %t", o.pattern, o.origin, found, o.want)
		}
	}
	if newOriginList(nil).matches("https://example.com") {
		t.Error("an empty list matches")
	}
}

func TestMatchWildcard(t *testing.T) {
	for _, o := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"a", "a", true},
		{"a", "b", false},
		{"*", "", true},
		{"*", "abc", true},
		{"**", "abc", true},
		{"a*", "a", true},
		{"*a", "a", true},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a*ab", "ab", false},
		{"ab*ba", "aba", false},
		{"*a*b*", "xxaxxbxx", true},
		{"*a*b*", "ba", false},
		{"*aa*", "aXa", false},
		{"?", "a", false},
		{"a.c", "abc", false},
		{"[a]", "a", false},
	} {
		if found := matchWildcard(o.pattern, o.text); found != o.want {
			t.Errorf("pattern %q, text %q: found %t, expected %t", o.pattern, o.text, found, o.want)
		}
	}
}
