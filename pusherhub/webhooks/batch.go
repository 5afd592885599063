package webhooks

import (
	"bytes"
	"strconv"
	"time"
)

// maxBody bounds the events of one request, in bytes, if it has more than one.
const maxBody = 1 << 20

// body returns the body of a request. It stays the same while the request is tried again, so that the receiver sees how old it is.
func body(now time.Time, events [][]byte) []byte {
	var b bytes.Buffer
	b.WriteString(`{"time_ms":`)
	b.WriteString(strconv.FormatInt(now.UnixMilli(), 10))
	b.WriteString(`,"events":[`)
	b.Write(bytes.Join(events, []byte(",")))
	b.WriteString(`]}`)
	return b.Bytes()
}

// batchRoom tells which events of a queue still fit into a request.
type batchRoom struct {
	events, bytes int
}

// take reports whether an event of that size fits in, and takes the room. The first one always fits.
func (r *batchRoom) take(first bool, size int) bool {
	if r.events <= 0 || !first && r.bytes < size {
		return false
	}
	r.events--
	r.bytes -= size
	return true
}
