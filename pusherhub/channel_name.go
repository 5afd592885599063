package pusherhub

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ChannelKind is what a channel's name says about it. The nine kinds of the protocol are
// combinations of who may subscribe and the two properties Cache and Encrypted.
type ChannelKind struct {
	// Access says who may subscribe.
	Access ChannelAccess

	// Cache channels keep their last event for subscribers to come.
	Cache bool

	// Encrypted channels carry what only clients can read; no client events on them.
	Encrypted bool
}

// ChannelAccess says who may subscribe to a channel.
type ChannelAccess uint8

// The kinds of access.
const (
	AccessPublic   ChannelAccess = iota // anybody
	AccessPrivate                       // who shows a signature
	AccessPresence                      // who shows a signature and says who they are
	AccessUser                          // the one user who is signed in
)

// channelPrefixes in order: the first match wins. The dash belongs to the prefix.
var channelPrefixes = []struct {
	prefix string
	kind   ChannelKind
}{
	{userChannelPrefix, ChannelKind{Access: AccessUser}},
	{"private-encrypted-cache-", ChannelKind{Access: AccessPrivate, Cache: true, Encrypted: true}},
	{"private-encrypted-", ChannelKind{Access: AccessPrivate, Encrypted: true}},
	{"private-cache-", ChannelKind{Access: AccessPrivate, Cache: true}},
	{"private-", ChannelKind{Access: AccessPrivate}},
	{"presence-cache-", ChannelKind{Access: AccessPresence, Cache: true}},
	{"presence-", ChannelKind{Access: AccessPresence}},
	{"cache-", ChannelKind{Access: AccessPublic, Cache: true}},
}

// kinds are all kinds that there are.
var kinds = append([]ChannelKind{{}}, func() (named []ChannelKind) {
	for _, p := range channelPrefixes {
		named = append(named, p.kind)
	}
	return named
}()...)

// channelKinds bounds ChannelKind.index.
const channelKinds = 4 * 4

// index is a number of its own for each kind.
func (k ChannelKind) index() int {
	i := int(k.Access) * 4
	if k.Cache {
		i += 2
	}
	if k.Encrypted {
		i++
	}
	return i
}

// String returns the kind as its channels' names begin, such as private-cache; of the two kinds without a prefix of that form,
// public and user.
func (k ChannelKind) String() string {
	for _, p := range channelPrefixes {
		if p.kind == k && k.Access != AccessUser {
			return strings.TrimSuffix(p.prefix, "-")
		}
	}
	if k.Access == AccessUser {
		return "user"
	}
	return "public"
}

// MarshalText returns String.
func (k ChannelKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// KindOf tells a channel's kind from its name.
func KindOf(channel string) ChannelKind {
	for _, p := range channelPrefixes {
		if strings.HasPrefix(channel, p.prefix) {
			return p.kind
		}
	}
	return ChannelKind{}
}

// channelNameProblem says what is wrong with a channel's name, in a sentence for the client;
// nothing if it is good.
func (a *App) channelNameProblem(name string) string {
	rest, isUser := strings.CutPrefix(name, userChannelPrefix)
	switch {
	case name == "":
		return "The channel name is empty."
	case isUser:
		return userIDProblem(rest)
	case a.cfg.MaxChannelNameLength.exceeded(len(name)):
		return fmt.Sprintf("The channel name is longer than %d bytes.", a.cfg.MaxChannelNameLength)
	case name[0] == '#':
		return "Channel names starting with # are reserved."
	}
	for i := range len(name) {
		if c := name[i]; a.cfg.ChannelCharset == "strict" && !isChannelChar(c) || c < ' ' || c == 0x7f {
			return "The channel name may only hold letters, digits and _ - = @ , . ; characters."
		}
	}
	return ""
}

func isChannelChar(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_-=@,.;", c) >= 0
}

// userIDProblem says what is wrong with a user id; nothing if it is good.
func userIDProblem(id string) string {
	switch {
	case id == "":
		return "The user id is empty."
	case utf8.RuneCountInString(id) > maxUserID:
		return fmt.Sprintf("The user id is longer than %d characters.", maxUserID)
	}
	return ""
}

// validSocketID reports whether id is two runs of ASCII digits joined by a dot.
func validSocketID(id string) bool {
	left, right, found := strings.Cut(id, ".")
	return found && isDigits(left) && isDigits(right)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
