package redisbroker

import (
	"strconv"
	"strings"
)

// netstrings reads text that the scripts have put together: each part stands behind its length and a colon.
type netstrings struct {
	text   string
	broken bool // it was not such a text
}

func (n *netstrings) more() bool { return n.text != "" && !n.broken }

// next returns the next part; empty, if there is none.
func (n *netstrings) next() string {
	length, rest, ok := strings.Cut(n.text, ":")
	size, err := strconv.Atoi(length)
	if !ok || err != nil || size < 0 || size > len(rest) {
		n.broken = true
		return ""
	}
	n.text = rest[size:]
	return rest[:size]
}

// number returns the next part as a number.
func (n *netstrings) number() int64 {
	number, err := strconv.ParseInt(n.next(), 10, 64)
	if err != nil {
		n.broken = true
	}
	return number
}
