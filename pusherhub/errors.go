package pusherhub

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// The close and error codes of the Pusher protocol. What clients do with a code
// depends on its range: 4000-4099 they do not come back unchanged, 4100-4199 they
// come back after a second or more, 4200-4299 they come back at once. 4300 and above are for
// error frames only: closed with such a code, pusher-js never comes back.
const (
	CodeTLSOnly             = 4000
	CodeNoSuchApp           = 4001
	CodeAppDisabled         = 4003
	CodeOverQuota           = 4004
	CodeInvalidVersion      = 4006
	CodeUnsupportedProtocol = 4007
	CodeNoProtocol          = 4008
	CodeUnauthorized        = 4009
	CodeOverCapacity        = 4100
	CodeReconnect           = 4200
	CodePongTimeout         = 4201
	CodeClientEventRejected = 4301
	CodeWatchlistLimit      = 4302
)

// CloseError ends a connection: the client gets an error frame and a close frame
// with this code and reason. Plugins may refuse with one.
type CloseError struct {
	// Code is one of 4000 to 4299.
	Code int

	// Reason is a short sentence, 123 bytes at most, for the person who reads the client's log.
	Reason string
}

// Error returns the code and the reason.
func (e *CloseError) Error() string { return fmt.Sprintf("closing with %d: %s", e.Code, e.Reason) }

// LimitError is what a hook of a [Plugin] refuses with when there is too much of something. The client or server is told so with the code or
// status that makes it do the right thing at that place: slow down, or come back later.
type LimitError struct {
	// Reason is a short sentence, 123 bytes at most. Default: "Rate limit exceeded".
	Reason string

	// RetryAfter is what the HTTP API answers as Retry-After, rounded up to whole seconds. Default: 1s.
	RetryAfter time.Duration
}

// Error returns the reason.
func (e *LimitError) Error() string { return cmp.Or(e.Reason, errRateLimit.Reason) }

// The reasons that the protocol fixes.
var (
	errTLSOnly             = &CloseError{CodeTLSOnly, "Application only accepts SSL connections, reconnect using wss://"}
	errNoSuchApp           = &CloseError{CodeNoSuchApp, "Application does not exist"}
	errAppDisabled         = &CloseError{CodeAppDisabled, "Application disabled"}
	errOverQuota           = &CloseError{CodeOverQuota, "Application is over connection quota"}
	errInvalidVersion      = &CloseError{CodeInvalidVersion, "Invalid version string format"}
	errUnsupportedProtocol = &CloseError{CodeUnsupportedProtocol, "Unsupported protocol version"}
	errNoProtocol          = &CloseError{CodeNoProtocol, "No protocol version supplied"}
	errOriginNotAllowed    = &CloseError{CodeUnauthorized, "Origin not allowed"}
	errAuthorizationLate   = &CloseError{CodeUnauthorized, "Connection not authorized within timeout"}
	errSigninRefused       = &CloseError{CodeUnauthorized, "Connection not authorized."}
	errOverCapacity        = &CloseError{CodeOverCapacity, "Over capacity"}
	errDraining            = &CloseError{CodeOverCapacity, "Server restarting, please reconnect"}
	errRestarting          = &CloseError{CodeReconnect, "Server restarting, please reconnect"}
	errAskedBack           = &CloseError{CodeReconnect, textAskedBack}
	errSlowReader          = &CloseError{CodeOverCapacity, "Too slow: events are not being read"}
	errRateLimit           = &CloseError{CodeOverCapacity, "Rate limit exceeded"}
	errPongTimeout         = &CloseError{CodePongTimeout, "Pong reply not received in time"}
	errInternal            = &CloseError{CodeOverCapacity, "Internal error, please reconnect"}
)

var (
	// ErrAppNotFound is what an [AppSource] answers for an app that it does not know.
	ErrAppNotFound = errors.New("app not found")

	// ErrBrokerClosed is what a [Broker] answers after Close.
	ErrBrokerClosed = errors.New("broker is closed")

	// ErrHubClosed is what a hub answers after Close.
	ErrHubClosed = errors.New("hub is closed")
)
