package webhooks

import (
	"slices"
	"sync"
)

// memory are queues that end with the process.
type memory struct {
	mu    sync.Mutex
	byURL map[string]*memoryQueue // guarded by mu, as what is in them; no queue is empty
}

type memoryQueue struct {
	events [][]byte
	bytes  int64
}

func newMemory() *memory { return &memory{byURL: make(map[string]*memoryQueue)} }

func (m *memory) write(c change, maxQueue int64) (dropped int, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, q := range c.events {
		for _, url := range q.urls {
			queue := m.byURL[url]
			if queue == nil {
				queue = &memoryQueue{}
				m.byURL[url] = queue
			}
			size := int64(len(q.json))
			if maxQueue > 0 && len(queue.events) > 0 && queue.bytes+size > maxQueue {
				dropped++
				continue
			}
			queue.events = append(queue.events, q.json)
			queue.bytes += size
		}
	}
	return dropped, nil
}

func (m *memory) peek(url string, room batchRoom) (events [][]byte, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if queue := m.byURL[url]; queue != nil {
		for i, e := range queue.events {
			if !room.take(i == 0, len(e)) {
				break
			}
			events = append(events, e)
		}
	}
	return events, nil
}

func (m *memory) remove(url string, n int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	queue := m.byURL[url]
	if queue == nil {
		return nil
	}
	for _, e := range queue.events[:n] {
		queue.bytes -= int64(len(e))
	}
	if queue.events = slices.Delete(queue.events, 0, n); len(queue.events) == 0 {
		delete(m.byURL, url)
	}
	return nil
}

func (m *memory) waiting(url string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if queue := m.byURL[url]; queue != nil {
		return len(queue.events)
	}
	return 0
}

func (m *memory) urls() (urls []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for url := range m.byURL {
		urls = append(urls, url)
	}
	return urls
}

func (m *memory) size() (bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, queue := range m.byURL {
		bytes += queue.bytes
	}
	return bytes
}

func (*memory) full(int64) bool { return false }

func (*memory) close() error { return nil }

// takeAll empties the queues into a change.
func (m *memory) takeAll() (c change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for url, queue := range m.byURL {
		for _, e := range queue.events {
			c.events = append(c.events, queued{[]string{url}, e})
		}
	}
	clear(m.byURL)
	return c
}
