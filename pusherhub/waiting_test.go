package pusherhub

import "testing"

func TestQueueTellsWhatWaits(t *testing.T) {
	q := new(sendQueue)
	q.push(newFrame([]byte("0123456789")), Unlimited)
	q.pushControl(pingFrame)
	if found, want := q.bytes(), 12+len(pingFrame); found != want {
		t.Errorf("found %d bytes, expected %d", found, want)
	}
	w := new(writer)
	q.take(w)
	if found := q.bytes(); found != 0 {
		t.Errorf("found %d bytes after they were taken, expected 0", found)
	}
}
