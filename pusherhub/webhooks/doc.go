// Package webhooks tells a backend what happens in an app, with signed HTTP requests as Pusher Channels sends them. It is a plugin
// and uses nothing that another plugin could not use.
//
// The way of an event: the hub observes something and tells the plugin (plugin.go), which turns it into an event (event.go), unless it is the
// end of a state that may come back: that is held for a while (hold.go). The outbox of the app (outbox.go) writes the event to the
// queue of each endpoint that wants it (filter.go), in memory (memory.go) or in a file (spool.go). A sender for each endpoint (sender.go)
// takes from its queue what fits into one request (batch.go), posts it (post.go), tries again if need be (backoff.go), and then removes it from the queue.
//
// # What is promised
//
// Each endpoint gets its events in the order in which they happened, with one request at a time; an endpoint that is slow or
// broken does not hold up others. A request is tried again with the same body until it is answered with 2xx, or RetryFor is over. The signature is
// made anew for each try, with the secret that the app has then: who replaces a secret loses nothing.
//
// Without a spool, events wait in memory. They are dropped, and counted, when an endpoint's queue is full, when it failed for too long, when
// it is no longer configured, or when the process ends before it took them. An app that is detached (the hub closes, or the app or plugin is taken out of the
// configuration) has its held events sent at once, and what is queued as long as the context lasts. With a spool, whoever opens the file
// again in the same process takes over at once.
//
// With a spool, what the hub was told is kept survives the process, be it killed or not: events are delivered at least once. They are dropped and counted only when an
// endpoint failed for too long or is no longer configured. Which channels were occupied, and by which members, is stored too: after a crash, those that do not
// return within Hold are told as vacated and removed. While the spool is full, cannot be opened (another process has it), or cannot be
// written to, the hub waits, and its clients with it; the log says so.
//
// The operating system is asked to write the spool to the disk once a second, not at every change: a killed process loses nothing, but a
// machine that loses power may lose the last second or leave a file that cannot be read. Such a file is never deleted: it
// is moved aside, to a name that ends in .corrupt and the time, and a new one is begun.
//
// # Locks
//
// outbox.flow is held while the holds and queues of an app change together, across writes to the spool; outbox.mu and the locks of the
// queues are held for moments and come after it. plugin.mu comes before outbox.mu, and is never held together with outbox.flow.
package webhooks
