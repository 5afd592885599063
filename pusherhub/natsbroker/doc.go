// Package natsbroker is a broker on NATS: [New] makes a [cluster.Broker] with an engine of this package.
//
// # The bus
//
// Each topic has its own subject (subject.go), so a node's connection carries nothing of channels that nobody on the node has subscribed to. There is one connection,
// with one goroutine that reads all subscriptions in the order in which messages come (link.go). When it is lost, or drops something because the node is slow, the
// engine (engine.go) makes a new one, and the broker subscribes and reads everything again. Messages are frames (frame.go): one that is longer than the server allows goes in parts.
// In a cluster of servers, a subscription is confirmed when the other nodes have answered a call (echo.go).
//
// # The register
//
// It is kept by the nodes themselves (leader.go), or in a JetStream bucket.
//
// # Locks
//
// link.mu, view.mu, council.mu, echoes.mu, kvUnsure.mu and engine.mu guard what stands below them. None of them is held while another one of them is taken, nor during a call of the handler.
package natsbroker
