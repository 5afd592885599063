package webhooks

// queues are what waits for the endpoints of one app: for each URL, events in their order. Methods are called concurrently.
type queues interface {
	// write takes a change as a whole, or not at all. Events for a URL whose queue in memory would get larger than maxQueue bytes are
	// dropped; 0: no bound.
	write(c change, maxQueue int64) (dropped int, err error)

	// full reports whether a spool has bound bytes, so that there is no room until something was delivered; 0: no bound.
	full(bound int64) bool

	// peek returns the oldest events for a URL, as many as there is room for.
	peek(url string, room batchRoom) ([][]byte, error)

	// remove takes the oldest n events for a URL away.
	remove(url string, n int) error

	// waiting returns how many events there are for a URL.
	waiting(url string) int

	// urls returns the URLs for which events wait.
	urls() []string

	// size returns the bytes that they occupy.
	size() int64

	// close ends the use of the queues. Events in a spool stay there.
	close() error
}

// change is what an observation, or many, or the end of a hold, does to the queues of an app.
type change struct {
	events []queued
	begun  []state // if the process dies, their end is to be told
	ended  []state
}

func (c *change) empty() bool { return len(c.events)+len(c.begun)+len(c.ended) == 0 }

// queued is one event on its way into the queues of some URLs.
type queued struct {
	urls []string
	json []byte
}

// add has an event queued for all endpoints that want it.
func (c *change) add(s *settings, e event) {
	q := queued{}
	for _, t := range s.targets {
		if t.wants(e.Name, e.Channel) {
			q.urls = append(q.urls, t.url)
		}
	}
	if len(q.urls) > 0 {
		q.json = e.encode()
		c.events = append(c.events, q)
	}
}

// urls returns the URLs of all events.
func (c *change) urls() map[string]bool {
	urls := make(map[string]bool)
	for _, q := range c.events {
		for _, url := range q.urls {
			urls[url] = true
		}
	}
	return urls
}
