package caddymodule

import "testing"

func TestDidYouMean(t *testing.T) {
	known := append(append([]string{}, hubWords...), appWords...)
	for _, tc := range []struct{ word, expected string }{
		{"activty_timeout", "; did you mean 'activity_timeout'?"},
		{"max_conections", "; did you mean 'max_connections'?"},
		{"wacthlist", "; did you mean 'watchlist'?"},
		{"allowed_origin", "; did you mean 'allowed_origins'?"},
		{"drian", "; did you mean 'drain'?"},
		{"ap", "; did you mean 'app'?"},
		{"frobnicate", ""},
		{"x", ""},
		{"", ""},
	} {
		if got := didYouMean(tc.word, known); got != tc.expected {
			t.Errorf("%q: expected %q, got %q", tc.word, tc.expected, got)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b     string
		expected int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"watchlist", "wtchlst", 2},
	} {
		if got := distance(tc.a, tc.b); got != tc.expected {
			t.Errorf("%q %q: expected %d, got %d", tc.a, tc.b, tc.expected, got)
		}
		if distance(tc.a, tc.b) != distance(tc.b, tc.a) {
			t.Errorf("%q %q: not symmetric", tc.a, tc.b)
		}
	}
}
