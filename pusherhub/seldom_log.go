package pusherhub

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// seldomPause is the least time between two lines of the same kind whose cause others decide how often to give: strangers, say, or an outage.
const seldomPause = 5 * time.Second

// seldomLog writes one kind of line to the log, at most one each seldomPause. The zero value has written nothing yet.
type seldomLog struct {
	mu     sync.Mutex
	quiet  time.Time // guarded by mu: no line before
	unsaid int       // guarded by mu: lines that were left out since the last one
}

// error logs an error, with how many were left out before it, or leaves it out.
func (l *seldomLog) error(log *zap.Logger, message string, fields ...zap.Field) {
	l.mu.Lock()
	now := time.Now()
	if now.Before(l.quiet) {
		l.unsaid++
		l.mu.Unlock()
		return
	}
	unsaid := l.unsaid
	l.quiet, l.unsaid = now.Add(seldomPause), 0
	l.mu.Unlock()
	log.Error(message, append(fields, zap.Int("not_logged_before", unsaid))...)
}
