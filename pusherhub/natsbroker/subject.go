package natsbroker

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/onecharge/pusherhub/pusherhub"
)

// longestToken bounds a token of a subject: a server takes lines of 4096 bytes by default, with the subject in them.
const longestToken = 512

// token makes a name, which may hold anything, part of a subject. The names of channels are up to 200 bytes and fit; of something longer, the hash does.
func token(name string) string {
	if base64.RawURLEncoding.EncodedLen(len(name)) > longestToken {
		hash := sha256.Sum256([]byte(name))
		return "=" + base64.RawURLEncoding.EncodeToString(hash[:]) // no encoded name starts with that
	}
	return base64.RawURLEncoding.EncodeToString([]byte(name))
}

// subjects are those of one cluster:
//
//	PREFIX.c.APP.CHANNEL  what is sent to a channel, and what changes in it
//	PREFIX.u.APP.USER     what changes for a user
//	PREFIX.a.APP          what changes for an app
//	PREFIX.x              commands for every node
//	PREFIX.m              what nodes say of themselves
//	PREFIX.n.NODE.*       what is said to one node
//	PREFIX.e              calls (echo.go)
//	PREFIX.e.LINK.*       their answers
type subjects struct{ prefix string }

func (s subjects) topic(t pusherhub.Topic) string {
	switch {
	case t.Channel != "":
		return s.prefix + ".c." + token(t.App) + "." + token(t.Channel)
	case t.UserID != "":
		return s.prefix + ".u." + token(t.App) + "." + token(t.UserID)
	case t.App != "":
		return s.prefix + ".a." + token(t.App)
	}
	return s.prefix + ".x"
}

// members is the subject of the nodes' notices.
func (s subjects) members() string { return s.prefix + ".m" }

// node is the subject of what is said to a node. reply is the number of the question that is answered, * for all that is said to the node.
func (s subjects) node(id, reply string) string { return s.prefix + ".n." + id + "." + reply }

// calls is the subject of calls to which everybody answers.
func (s subjects) calls() string { return s.prefix + ".e" }

// answers is the subject of answers to a call of a link.
func (s subjects) answers(link, number string) string { return s.prefix + ".e." + link + "." + number }
