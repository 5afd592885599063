package natsbroker

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// A kept event, or a part of one, begins with the time until which it is kept, in Unix milliseconds, and a byte that says what follows.
const keptHead = 9

const (
	keptWhole = 'w' // the event
	keptParts = 'p' // the number of parts in 4 bytes, and their id
	keptPart  = 't' // a part of the event
)

// keptRoom is what the rest of a message may take beside a value.
const keptRoom = 1 << 10

// keep implements [register]. What is too long for one value is written in parts, which end by themselves.
func (r *kvRegister) keep(ctx context.Context, t pusherhub.Topic, data []byte, until time.Time) error {
	if room := int(r.js.Conn().MaxPayload()) - keptRoom; room > 0 && len(data) > room {
		id := rand.Text()
		parts := slices.Collect(slices.Chunk(data, room))
		err := parallel(len(parts), func(i int) error {
			return r.putKept(ctx, partKey(id, i), until, keptPart, parts[i])
		})
		if err != nil {
			return err
		}
		list := append(binary.BigEndian.AppendUint32(nil, uint32(len(parts))), id...)
		return r.putKept(ctx, topicKey(keptKeys, t), until, keptParts, list)
	}
	return r.putKept(ctx, topicKey(keptKeys, t), until, keptWhole, data)
}

func partKey(id string, i int) string { return partKeys + id + "." + strconv.Itoa(i) }

func (r *kvRegister) putKept(ctx context.Context, key string, until time.Time, kind byte, data []byte) error {
	kv, err := r.bucket(ctx)
	if err != nil {
		return err
	}
	value := make([]byte, 0, keptHead+len(data))
	value = binary.BigEndian.AppendUint64(value, uint64(until.UnixMilli()))
	value = append(append(value, kind), data...)
	if _, err := kv.Put(ctx, key, value); err != nil {
		return r.failed("keeping an event", err)
	}
	return nil
}

// kept returns the event that is kept for a channel; nil: none.
func (r *kvRegister) kept(ctx context.Context, t pusherhub.Topic) ([]byte, error) {
	entry, err := r.get(ctx, topicKey(keptKeys, t))
	if err != nil || entry == nil || expired(entry.Value(), time.Now()) {
		return nil, err
	}
	value := entry.Value()
	switch kind, data := value[keptHead-1], value[keptHead:]; {
	case kind == keptWhole:
		return data, nil
	case kind == keptParts && len(data) > 4:
		return r.join(ctx, string(data[4:]), int(binary.BigEndian.Uint32(data)))
	}
	return nil, fmt.Errorf("reading a kept event: found something that this version does not know")
}

// join puts the parts of an event together; nil, if one of them is gone.
func (r *kvRegister) join(ctx context.Context, id string, count int) (data []byte, err error) {
	for i := range count {
		entry, err := r.get(ctx, partKey(id, i))
		if err != nil || entry == nil || len(entry.Value()) < keptHead {
			return nil, err
		}
		data = append(data, entry.Value()[keptHead:]...)
	}
	return data, nil
}

// expired reports whether the value of a kept event is to be kept no more.
func expired(value []byte, now time.Time) bool {
	return len(value) < keptHead || now.UnixMilli() >= int64(binary.BigEndian.Uint64(value))
}
