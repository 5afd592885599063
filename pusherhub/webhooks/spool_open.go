package webhooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
	"go.uber.org/zap"
)

// lockPatience is how long one attempt to open a file waits for another process to close it.
const lockPatience = time.Second

// allocSize is by how much a file grows, in bytes.
const allocSize = 1 << 20

// errSpoolTaken is answered for a file that another process, or another hub of this one, has open.
var errSpoolTaken = errors.New("it is in use by another process or hub")

// open opens the app's queues, however long that takes for a spool, takes over what another outbox has in memory, and begins to send.
func (o *outbox) open(before *outbox) {
	var inherited change
	var ends []held
	if before != nil {
		inherited, ends = before.handOver()
	}
	queues, ended := o.openQueues()
	if queues == nil {
		o.lost(len(inherited.events), "the spool could not be opened")
		return
	}
	if _, err := queues.write(inherited, 0); err != nil {
		o.lost(len(inherited.events), err.Error())
	}
	on := make(map[state]bool)
	for _, of := range inherited.begun {
		on[of] = true
	}
	due := time.Now().Add(o.settings.Load().hold)
	o.flow.Lock()
	defer o.flow.Unlock()
	o.queues = queues
	close(o.opened)
	for _, end := range ends {
		o.holds.put(end.state, end.due)
	}
	for _, of := range ended {
		if !on[of] {
			o.holds.put(of, due)
		}
	}
	o.watchHolds()
	o.wakeAll()
}

// openQueues returns queues, and the states that may have ended unseen, because they are in a spool whose process did not end it:
// members before channels, because that is how they end. nil: the outbox has ended before the spool was open.
func (o *outbox) openQueues() (_ queues, ended []state) {
	if o.settings.Load().spool == "" {
		return newMemory(), nil
	}
	q := o.openSpool()
	if q == nil {
		return nil, nil
	}
	members, channels, err := q.states()
	if err != nil {
		o.log().Error("reading from the spool which states may have ended", zap.Error(err))
	}
	return q, append(members, channels...)
}

// openSpool tries until the file is open. nil: the outbox has ended before.
func (o *outbox) openSpool() *spool {
	for tries := 0; ; tries++ {
		path := filepath.Join(o.settings.Load().spool, url.PathEscape(o.id)+".db")
		o.makeWay(path)
		q, err := openSpool(path)
		if errors.Is(err, errDamaged) {
			aside := fmt.Sprintf("%s.corrupt-%d", path, time.Now().UnixNano())
			o.log().Error("the spool cannot be read, it is moved aside and a new one begun", zap.String("file", path), zap.String("moved_to", aside), zap.Error(err))
			if err = os.Rename(path, aside); err == nil {
				continue
			}
		}
		if err == nil {
			o.own(path)
			q.failed = func(err error) { o.log().Error("writing the spool to the disk", zap.Error(err)) }
			if tries > 0 {
				o.log().Info("the spool is open", zap.String("file", path))
			}
			return q
		}
		if tries%10 == 0 {
			o.log().Error("the spool cannot be opened, webhook events wait, and clients with them", zap.String("file", path), zap.Error(err))
		}
		if !o.pause(storePause) {
			return nil
		}
	}
}

// errDamaged is answered for a file that is no spool.
var errDamaged = errors.New("the file is damaged")

// openSpool opens a file, made if need be, which nobody else can open until it is closed.
func openSpool(path string) (q *spool, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the spool's directory: %w", err)
	}
	q = &spool{path: path, counts: make(map[string]int)}
	err = guard(func() (err error) {
		// without the list of free pages in the file, bbolt looks for them in a goroutine that a damaged file takes down with the process
		q.db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockPatience, NoSync: true, NoGrowSync: true, FreelistType: bbolt.FreelistMapType})
		if err != nil {
			return err
		}
		q.db.AllocSize = allocSize
		return q.db.Update(q.load)
	})
	if err != nil && q.db != nil {
		_ = guard(q.db.Close)
	}
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return nil, errSpoolTaken
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrChecksum), errors.Is(err, bbolterrors.ErrVersionMismatch), errors.Is(err, errDamaged):
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	case err != nil:
		return nil, err
	}
	return q, nil
}

// load makes the buckets and counts what waits. It reads everything once, to find damage now rather than when nothing can be done about it.
func (q *spool) load(tx *bbolt.Tx) error {
	states, err := tx.CreateBucketIfNotExists(bucketStates)
	if err != nil {
		return err
	}
	queues, err := tx.CreateBucketIfNotExists(bucketQueues)
	if err != nil {
		return err
	}
	err = queues.ForEachBucket(func(url []byte) error {
		return queues.Bucket(url).ForEach(func(k, v []byte) error {
			if len(k) != 8 || !json.Valid(v) {
				return fmt.Errorf("%w: found an event that is none", errDamaged)
			}
			q.counts[string(url)]++
			return nil
		})
	})
	if err != nil {
		return err
	}
	return states.ForEach(func(_, v []byte) error {
		if !json.Valid(v) {
			return fmt.Errorf("%w: found a state that is none", errDamaged)
		}
		return nil
	})
}
