package pusherhub

import (
	"errors"
	"fmt"
)

// SlowReaders says what happens to a socket that reads more slowly than its channels publish.
type SlowReaders struct {
	// Policy `close` closes the socket with 4100 when its queue is over max_queue. `conflate` does the same, but on
	// the channels that Channels name an event that is still waiting in the queue gives way to the next one of the same channel and
	// event name: who reads again gets the newest and not the history. On Linux the kernel keeps next to nothing of
	// it either. Default: `close`.
	Policy string `json:"policy,omitempty"`

	// Channels are the names of the channels to conflate, `*` standing for any run of characters.
	Channels []string `json:"channels,omitempty"`
}

func (s *SlowReaders) validate() error {
	switch {
	case s == nil:
		return nil
	case s.Policy != "" && s.Policy != "close" && s.Policy != "conflate":
		return fmt.Errorf("slow_readers: found %q, expected close or conflate", s.Policy)
	case s.Policy == "conflate" && len(s.Channels) == 0:
		return errors.New("slow_readers conflate: found no channel pattern, expected at least one, such as drivers-*")
	case s.Policy != "conflate" && len(s.Channels) > 0:
		return errors.New("slow_readers close: found channel patterns, which belong to conflate")
	}
	return nil
}

// conflating reports whether events of any channel give way to newer ones.
func (a *App) conflating() bool {
	return a.cfg.SlowReaders != nil && len(a.cfg.SlowReaders.Channels) > 0
}

// conflates reports whether events of the channel give way to newer ones.
func (a *App) conflates(channel string) bool {
	if a.cfg.SlowReaders == nil {
		return false
	}
	for _, pattern := range a.cfg.SlowReaders.Channels {
		if matchWildcard(pattern, channel) {
			return true
		}
	}
	return false
}

// conflationName is what events have in common that give way to each other. No channel name holds a line feed.
func conflationName(channel, event string) string { return channel + "\n" + event }

// giveWay removes the frame, if there is one, that waits in the queue and that f replaces. The caller holds mu.
func (q *sendQueue) giveWay(f *frame) (gave bool) {
	for i, waiting := range q.frames {
		if waiting.replaces == f.replaces {
			q.size -= len(waiting.wireFor(q.deflate))
			copy(q.frames[i:], q.frames[i+1:])
			q.frames[len(q.frames)-1] = nil
			q.frames = q.frames[:len(q.frames)-1]
			return true
		}
	}
	return false
}
