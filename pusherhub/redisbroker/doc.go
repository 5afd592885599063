// Package redisbroker spreads a hub over many nodes with Redis 6.2 or later, or Valkey: one server, one behind Sentinel, or a Redis Cluster. [New] is
// all that a hub needs; [Engine] is what package cluster builds the broker on.
//
// # Connections
//
// Each node has one connection for what it sends and asks, and one for what it has subscribed to; with a Redis Cluster, one of each to every
// master. Everything has a time-out, and a server that stops answering counts as lost. All of a link is given up and made anew
// when one of its subscribing connections is lost, since what was sent in between is lost with it.
//
// # Keys
//
// A topic belongs to one of 16 partitions, by its hash. All keys of a partition have its hash tag, so that a script can change several of
// them in one step in a Redis Cluster, too; 16 are enough for the masters that clusters usually have, and few enough
// to ask all of them at once. With P for the prefix and the tag, such as `pusherhub:{7}:`, and T for a topic:
//
//	P meta        hash    e, t: the memory's name and when it began (ms); v: counts changes; n<node>: the node is known, and how many
//	                      entries it has; b<node>: its newest batch; r<node>: the same for a node that is being reaped
//	P t:T         hash    c<node>: the node's count; m<node>: the node has members; s: the sum of the counts; n: how many nodes
//	                      have a count; h: how many fields there are of the first two kinds
//	P m:<len>:<node>T hash a user's since:info, for the members that the node has
//	P u:T         hash    on how many nodes a user is
//	P h:<node>    set     the topics that the node has something of
//	P a:<app>     hash    the app's channels with their sum:members
//	P l:<node>    hash    what was answered to the node's last batch, for when it comes again; for 10 minutes
//	P r:<caller>  string  what was answered to a node that reaped, for when it asks again; for a minute
//	P x           zset    what was lost in the last minute
//	P k:T         string  the event that is kept for a channel, until it expires
//
// Partition 0 has, besides, `leases`, a zset of the nodes by the end of their leases, and `dead`, a zset of those that are being reaped. Once no
// node is left, the 16 hashes meta remain, and nothing else.
//
// Messages are published in the step that changes the keys, on the pub/sub channel P T; with a database other than 0, that has the database's
// number after the prefix, because pub/sub knows no databases. In a Redis Cluster from version 7 on it is sharded pub/sub.
//
// Keys without a time to live must not be evicted: any maxmemory-policy but allkeys-* is fine.
package redisbroker
