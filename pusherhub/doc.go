// Package pusherhub is a server for the Pusher Channels protocol, version 7: a [Hub] that answers
// WebSocket handshakes and the HTTP API, made to be mounted in somebody else's HTTP server. It
// knows nothing of Caddy; package caddymodule is the mount.
//
// # The story
//
// An [App] is what a client's key and a server's secret belong to. Apps are written in the
// configuration or found by an [AppSource]. [NewSettings] checks a [Config], [Hub.Apply] takes the
// result, and from then on [Hub.Serve] recognizes what is the hub's: handler.go. Settings are immutable and
// replaced as a whole; sockets, channels, users and cached events live in the hub's appState and stay.
//
// # A socket's life
//
// upgrade.go runs the checks, completes the handshake in any case (browsers hide a failed
// one) and hands the connection to a conn. From there one goroutine reads (read.go). It alone changes what the socket
// is subscribed to and who is signed in, so it reads those fields without a lock, and when it ends it undoes
// everything. Others look at them under conn.mu, and end a subscription by calling the reader (oust.go). coder/websocket answers the handshake (hijack.go) and is done; incoming.go cuts what comes into messages and
// answers control frames. It reads from a transport (transport.go) that keeps the heartbeat with the read deadline, so
// there is no timer per socket. What the reader has to answer it writes itself when it holds no lock, without
// blocking (conn.flushReplies), so that an answer costs no goroutine.
//
// On Linux, a plain TCP socket that has sent no message for a while is parked (parking.go): its goroutine ends and its read buffer
// goes back to a pool. The hub waits for all parked sockets in one place, and whatever happens to one (bytes, its
// heartbeat, a close) starts its goroutine again. Frames to it are written as to any other, without waking it.
//
// # An event's path
//
//	POST /events → api_auth.go (signature, before the body is looked into)
//	  → idempotency.go, replays.go (what was carried out before) → api_validate.go
//	  → publish.go (hooks, backlog) → Broker → node.Deliver on each node
//	  → channel.accept: the frame is built once and numbered → channel.sweep (sweep.go), deliverer (deliver.go)
//	  → sendQueue.push on each socket, then one write each (flush.go)
//
// A publisher is done when its event stands in the channel's outbox. A deliverer, which exists only while an outbox is not
// empty (the publisher itself if the subscribers are few, otherwise a goroutine), sweeps over the subscribers in groups until it is (sweep.go).
// To each it queues all that the socket has not got when its turn comes, joined into one frame, and writes that in one non-blocking
// call. What the kernel does not take at once is left to a flusher, a goroutine that exists only while
// that socket's queue is not empty; sockets that cannot be written to without blocking (TLS) always get one. So a burst costs
// a subscriber about one system call, a slow reader costs nobody else anything, and an idle socket has nothing but its reader, a parked one not even that.
// When the machine is short of CPU, deliverers fall behind, the app's backlog fills and publishers wait.
//
// Sockets that negotiated permessage-deflate share a second form of each frame, compressed once per event (deflate.go). On
// channels that an app conflates, an event that still waits in a socket's queue gives way to the next one of its name (conflate.go).
//
// Data frames are built by the hub, immutable, and shared by all recipients. They meet pings, pongs and answers in the
// sendQueue, which keeps frames whole and lets nothing follow a close frame.
//
// # Plugins
//
// A [Plugin] is a value with a name and any of the hooks of plugin.go, which says of each what a refusal means there. Hooks are looked up when an [App]
// is made (hooks.go) and asked in the order of the app's plugins, where they happen: OnConnect in upgrade.go, OnMessage in read.go, OnSubscribe in subscribe.go,
// OnClientEvent in client_event.go, OnPublish in publish.go. Without plugins each of these is the length of a nil slice. A panic is a
// refusal, is logged and counted, and costs no socket.
//
// Observers are told by a feed (feed.go), a queue with a goroutine that exists only while there is something to tell. A feed that is full drops and counts; for a [KeepingObserver]
// whoever finds it full waits, and what a client did is kept before anybody hears of it.
//
// New settings bring new values. At each place of an app (its first, second, ... plugin of a name) the new one is attached in the presence of
// the old one, takes over what is to go on, and is told what is left in the feed; a plugin without a successor is detached when it
// was told everything (attach.go). Sockets, channels and feeds stay. Package hubtest has the suite that every plugin must pass.
//
// # Many nodes
//
// A [Broker] carries events to the other nodes of a cluster. One that is a [RosterBroker] also keeps a register of who holds what. A node
// enters what it has itself (holdings.go, user.go), under the lock under which it changes, and is told what the others have (roster.go): members
// beside the local ones in members, counts in channel.elsewhere and elsewhere, users in user.elsewhere. What a client is told follows from the two together, in one
// place and order, so no client sees a contradiction. Observers are told by the one node that the register tells (report.go). With a single node
// there is no register, and what happens here is what happened.
//
// # Seen and steered by who runs it
//
// Apps, Channels, Connections and their like (list_*.go) tell what a hub holds, page by page and without secrets. They are of this node
// alone. Disconnect, Unsubscribe and Publish (control.go) go through the broker and reach all nodes.
//
// # What must hold
//
//   - A subscriber's first frame of a channel is subscription_succeeded; events accepted after it follow in
//     the order in which they were accepted; after an unsubscribe none follows.
//   - All subscribers of a channel see its events in the same order.
//   - A member of a presence channel is either in a subscriber's snapshot or in a member_added after it, never in both and never in neither.
//   - Nobody waits for a socket: queues are bounded, and a reader that is too slow is closed with 4100.
//   - A refused socket is told why in an error frame and a close frame, and nothing it sends is acted on.
//
// # Locks
//
// In this order, each optional:
//
//	retracting → interest.mu → shard.mu → channel.mu → channel.outMu → users.mu → sendQueue.mu → conn.mu
//
// elsewhere.mu comes before a broker's own locks, and after none but retracting. tenure.mu and overlap.mu are held while the hub takes over what a broker calls it
// with, so they come after a broker's own locks and before all of these. Hub.mu, lateReports.mu (before Hub.mu, statesMu and feed.mu), registry shards, backlog.mu, feed.mu, replayCache.mu, onceCache.mu, parkingLot.mu and tally.mu are leaves. No lock is held while writing to a socket or calling a plugin,
// but for Hub.applyMu and appState.useMu, which order changes of settings, while plugins are told that they are attached. A useMu
// may be held while that of a live side is taken which the same app had earlier, and Hub.statesMu after it.
// Only interest.mu, which orders a channel's own calls, and elsewhere.mu are held while calling a broker, but for Hold, Join and Leave, which take nothing but a
// leaf lock and are called wherever things change. A broker calls the hub with its own locks held, so no other call may be made where one of the hub's is. Each goroutine and
// each request takes part in Hub.work, which Close waits for.
package pusherhub
