// Package ratelimit is a plugin of package pusherhub that bounds what apps, sockets, users and IP addresses may do.
//
// Rates are token buckets: a burst may come at once, and the rate refills it. A refusal is a [pusherhub.LimitError], which never
// makes a client give up: a handshake that is too much is closed with 4100, with which clients come back; a
// message or client event gets error 4301, a subscription an error of type LimitReached, and the socket stays; a publish
// gets 429 and Retry-After. The narrowest scope is asked first, so that one client that is over its limit takes nothing of what
// its app may do.
//
// All of it is counted per app and per node. It is kept when settings change, with the new limits.
package ratelimit
