package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/rueidis"
)

var errReplica = errors.New("found a read-only replica, expected the master")

// Error is an error of the engine, in words that say what to do. It never has a password.
type Error struct {
	text  string
	cause error
}

// Error says what has happened.
func (e *Error) Error() string { return "redis: " + e.text }

// Unwrap returns only what holds no text of the server's: an end of a context.
func (e *Error) Unwrap() error { return e.cause }

const noSentinel = "found a Redis, expected a Sentinel: write its address behind address instead of sentinel"

// hints say what to do about what a server answers, by how its answer begins.
var hints = []struct{ answer, hint string }{
	{"WRONGPASS", "the user name or the password is wrong"},
	{"NOAUTH", "the server wants a password, and none is set"},
	{"NOPERM", "the user may not do everything that is needed: docs/brokers.md has the line for its ACL"},
	{"MOVED", "this is a node of a Redis Cluster: set the option cluster"},
	{"READONLY", "this is a read-only replica, expected the master"},
	{"OOM", "the server has no memory left (maxmemory)"},
	{"MISCONF", "the server cannot write to its disk, and so takes no changes"},
	{"LOADING", "the server is still loading its data"},
	{"CLUSTERDOWN", "a part of the cluster's slots has no master"},
	{"MASTERDOWN", "the replica has lost its master"},
	{"ACL failure in script", "the user may not do everything that is needed: docs/brokers.md has the line for its ACL"}, // newer ones, and Valkey
	{"The user executing the script", "the user may not do everything that is needed: docs/brokers.md has the line for its ACL"},
	{"No such master", "the Sentinels know no such master: expected its name in sentinel_master"},
	{"unknown command 'SENTINEL'", noSentinel},
	{"unknown command `SENTINEL`", noSentinel}, // 6.2
	{"DB index is out of range", "the server does not have so many databases: expected a smaller number in db"},
	{"SELECT is not allowed in cluster mode", "this is a node of a Redis Cluster: set the option cluster, and leave db out"},
	{"unknown command", "the server is too old, or somebody has taken the command from it: expected Redis 6.2 or later"},
}

// explain puts an error in words for whoever runs the server, without any password.
func (e *Engine) explain(err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	text := err.Error()
	if answer, ok := answerOf(err); ok {
		text = answer
		for _, h := range hints {
			if strings.HasPrefix(text, h.answer) {
				// an old server repeats what it does not know: our HELLO, with the password
				text, _, _ = strings.Cut(text, ", with args")
				text = fmt.Sprintf("%s (it says: %s)", h.hint, text)
				break
			}
		}
	}
	for _, secret := range e.config.secrets {
		text = strings.ReplaceAll(text, secret, "[password]")
	}
	explained := &Error{text: text}
	for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, end) {
			explained.cause = end
			explained.text = "found no answer in time, expected one (" + text + ")"
		}
	}
	return explained
}

// answerOf returns the error that a server has answered: what went wrong in a script, too, around which Redis 6.2 says where.
func answerOf(err error) (answer string, ok bool) {
	said, ok := rueidis.IsRedisErr(err)
	if !ok {
		return "", false
	}
	answer = strings.TrimPrefix(said.Error(), "ERR ")
	if _, inner, is := strings.Cut(answer, ": @user_script: "); is {
		_, inner, _ = strings.Cut(inner, ": ") // the line
		answer = strings.TrimPrefix(inner, "-")
	}
	return answer, true
}

// isReadOnly reports whether a server has refused a change because it is no master.
func isReadOnly(err error) bool {
	answer, ok := answerOf(err)
	return ok && strings.HasPrefix(answer, "READONLY")
}
