package cluster

import "fmt"

// Ready is nil while this node reaches the others, see [pusherhub.ReadyBroker]: it is connected, has entered what it holds, and follows what it needs.
func (b *Broker) Ready() error {
	if err := b.link.problem(b.o.ttl()); err != nil {
		return err
	}
	for _, c := range []*complaint{&b.beats, &b.writes} { // not reads: one topic may be too much
		if err := c.reason(); err != nil {
			return fmt.Errorf("%s: %w", b.o.Name, err)
		}
	}
	_, s, _ := b.link.state()
	switch {
	case s == nil:
		return b.awayError()
	case b.flushedIn.Load() != s.number:
		return fmt.Errorf("%s: what this node holds is not entered yet: %d topics are left", b.o.Name, b.holdings.pending())
	case b.followedIn.Load() != s.number:
		return fmt.Errorf("%s: what the other nodes hold is not read yet", b.o.Name)
	}
	return nil
}
