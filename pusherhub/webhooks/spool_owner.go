package webhooks

import "sync"

// spoolOwners are the outboxes of this process that have a file open, *outbox by path.
var spoolOwners sync.Map

// own says that the outbox has the file open, until it closes its queues.
func (o *outbox) own(path string) { spoolOwners.Store(path, o) }

// disown says that the outbox is about to close the file.
func (o *outbox) disown(path string) { spoolOwners.CompareAndDelete(path, o) }

// makeWay has another outbox of this process that has the file open, and is on its way out, leave what it could not deliver yet to this
// one, and waits until it has closed the file. Otherwise a dead endpoint would keep it, and everybody waiting, for as long as it is tried again.
func (o *outbox) makeWay(path string) {
	owner, _ := spoolOwners.Load(path)
	other, ok := owner.(*outbox)
	if !ok || !isClosed(other.closing) {
		return
	}
	other.cancel()
	select {
	case <-other.closed:
	case <-o.ctx.Done():
	}
}
