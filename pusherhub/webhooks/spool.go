package webhooks

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// The buckets of a spool's file. That of the queues has one for each URL, in which events stand by an ascending number; that of the
// states holds, by a hash, each state whose begin was told of, or whose end is held, and whose end was not queued.
var (
	bucketQueues = []byte("queues")
	bucketStates = []byte("states")
)

// syncEvery is how often the operating system is asked to write to the disk. Doing so at every change would cost each client
// that joins a channel the milliseconds that a disk takes.
const syncEvery = time.Second

// spool are queues in a file that survive the process.
type spool struct {
	path string
	db   *bbolt.DB

	mu     sync.Mutex
	counts map[string]int // guarded by mu; events by URL, none that is 0

	dirty  atomic.Bool // sync is to come
	syncMu sync.Mutex
	closed bool // guarded by syncMu
	failed func(error)
}

// write stores the change in one transaction.
func (q *spool) write(c change, _ int64) (int, error) {
	added := make(map[string]int)
	err := q.update(func(tx *bbolt.Tx) error {
		clear(added)
		for _, e := range c.events {
			for _, url := range e.urls {
				if err := push(tx, url, e.json); err != nil {
					return err
				}
				added[url]++
			}
		}
		states := tx.Bucket(bucketStates)
		for _, s := range c.begun {
			if err := states.Put(s.key(), s.encode()); err != nil {
				return err
			}
		}
		for _, s := range c.ended {
			if err := states.Delete(s.key()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for url, n := range added {
		q.counts[url] += n
	}
	return 0, nil
}

// push stores an event behind those that wait for the URL.
func push(tx *bbolt.Tx, url string, event []byte) error {
	queue, err := tx.Bucket(bucketQueues).CreateBucketIfNotExists([]byte(url))
	if err != nil {
		return err
	}
	queue.FillPercent = 0.95 // nothing is ever put in between
	number, err := queue.NextSequence()
	if err != nil {
		return err
	}
	return queue.Put(binary.BigEndian.AppendUint64(nil, number), event)
}

func (q *spool) peek(url string, room batchRoom) (events [][]byte, err error) {
	err = guard(func() error {
		return q.db.View(func(tx *bbolt.Tx) error {
			queue := tx.Bucket(bucketQueues).Bucket([]byte(url))
			if queue == nil {
				return nil
			}
			cursor := queue.Cursor()
			for k, v := cursor.First(); k != nil && room.take(len(events) == 0, len(v)); k, v = cursor.Next() {
				events = append(events, slices.Clone(v))
			}
			return nil
		})
	})
	if err == nil && len(events) == 0 {
		err = fmt.Errorf("%w: found no event, expected %d", errDamaged, q.waiting(url))
	}
	return events, err
}

func (q *spool) remove(url string, n int) error {
	err := q.update(func(tx *bbolt.Tx) error {
		queue := tx.Bucket(bucketQueues).Bucket([]byte(url))
		if queue == nil {
			return nil
		}
		cursor := queue.Cursor()
		for range n {
			if k, _ := cursor.First(); k == nil {
				break
			}
			if err := cursor.Delete(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.counts[url] -= n; q.counts[url] <= 0 {
		delete(q.counts, url)
	}
	return nil
}

func (q *spool) waiting(url string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.counts[url]
}

func (q *spool) urls() (urls []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for url := range q.counts {
		urls = append(urls, url)
	}
	return urls
}

// size returns the bytes of the file that hold something. The file itself does not shrink.
func (q *spool) size() (size int64) {
	_ = q.db.View(func(tx *bbolt.Tx) error {
		stats := q.db.Stats()
		size = tx.Size() - int64(stats.FreePageN+stats.PendingPageN)*int64(q.db.Info().PageSize)
		return nil
	})
	return size
}

// full is never true without events: only when they are delivered room is made.
func (q *spool) full(bound int64) bool {
	return bound > 0 && len(q.urls()) > 0 && q.size() >= bound
}

// states returns the states whose end was not queued, members before channels, because that is how they end.
func (q *spool) states() (members, channels []state, err error) {
	err = guard(func() error {
		return q.db.View(func(tx *bbolt.Tx) error {
			return tx.Bucket(bucketStates).ForEach(func(_, v []byte) error {
				var s state
				if err := json.Unmarshal(v, &s); err != nil {
					return fmt.Errorf("reading a state: %w", err)
				}
				if s.UserID != "" {
					members = append(members, s)
				} else {
					channels = append(channels, s)
				}
				return nil
			})
		})
	})
	return members, channels, err
}

// forgetStates removes all states.
func (q *spool) forgetStates() error {
	return q.update(func(tx *bbolt.Tx) error {
		if err := tx.DeleteBucket(bucketStates); err != nil {
			return err
		}
		_, err := tx.CreateBucket(bucketStates)
		return err
	})
}

// update runs a transaction and sees to it that it reaches the disk soon.
func (q *spool) update(run func(*bbolt.Tx) error) error {
	if err := guard(func() error { return q.db.Update(run) }); err != nil {
		return err
	}
	if q.dirty.CompareAndSwap(false, true) {
		time.AfterFunc(syncEvery, q.sync)
	}
	return nil
}

// sync has everything written to the disk.
func (q *spool) sync() {
	q.syncMu.Lock()
	defer q.syncMu.Unlock()
	if q.closed {
		return
	}
	q.dirty.Store(false)
	if err := guard(q.db.Sync); err != nil {
		q.failed(err)
	}
}

func (q *spool) close() error {
	q.syncMu.Lock()
	defer q.syncMu.Unlock()
	q.closed = true
	return guard(func() error { return errors.Join(q.db.Sync(), q.db.Close()) })
}

// guard turns a panic, by which the store says that its file is damaged, and an access beyond the file's end into an error.
func guard(run func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", errDamaged, v)
		}
	}()
	return run()
}

func (s state) encode() []byte {
	encoded, _ := json.Marshal(s) // strings cannot fail
	return encoded
}

// key returns a hash, because a user id may be longer than a key can be.
func (s state) key() []byte {
	hash := sha256.Sum256(s.encode())
	return hash[:]
}
