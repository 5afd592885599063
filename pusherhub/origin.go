package pusherhub

import (
	"net/url"
	"strings"
)

// originList decides which pages may connect. As at Reverb only the host of the Origin header is compared,
// case and all; a pattern with a scheme is compared with the whole origin.
type originList struct {
	all      bool
	patterns []string
}

func newOriginList(patterns []string) originList {
	l := originList{patterns: patterns}
	for _, p := range patterns {
		if p == "*" {
			l.all = true
		}
	}
	return l
}

// matches reports whether the origin is on the list. A missing or broken one is not, unless the list takes all.
func (l originList) matches(origin string) bool {
	if l.all {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Hostname() == "" {
		return false
	}
	for _, p := range l.patterns {
		subject := u.Hostname()
		if strings.Contains(p, "://") {
			subject = u.Scheme + "://" + u.Host
		}
		if matchWildcard(p, subject) {
			return true
		}
	}
	return false
}

// originAllowed applies allowed_origins and allow_missing_origin.
func (a *App) originAllowed(origin string) bool {
	if origin == "" && isOn(a.cfg.AllowMissingOrigin) {
		return true
	}
	return a.origins.matches(origin)
}

// matchWildcard reports whether pattern, in which * stands for any run of characters, matches all of s.
func matchWildcard(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return strings.HasSuffix(s, last)
}
