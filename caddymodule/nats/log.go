package nats

import (
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// linesPerMinute bounds how often the same is said: a node that cannot be reached is complained about once a second.
const linesPerMinute = 5

// What the two ends of a route say if their keys are not the same, and so, their secrets. The server's package has no error for it.
const (
	badCertificate   = "tls: bad certificate"
	unknownAuthority = "x509: certificate signed by unknown authority"
)

// calm returns a log that says the same so often only.
func calm(log *zap.Logger) *zap.Logger {
	return log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Minute, linesPerMinute, 0)
	}))
}

// serverLog is the log of the nats-server. What it takes note of is for debugging.
type serverLog struct {
	log *zap.Logger
}

// Noticef is the server's level of information.
func (l serverLog) Noticef(format string, v ...any) { l.write(zap.DebugLevel, format, v) }

// Warnf is something that may be wrong.
func (l serverLog) Warnf(format string, v ...any) { l.write(zap.WarnLevel, format, v) }

// Errorf is, with routes, what can happen in any network.
func (l serverLog) Errorf(format string, v ...any) { l.write(zap.WarnLevel, format, v) }

// Fatalf is a server that cannot go on. It does not end the process.
func (l serverLog) Fatalf(format string, v ...any) { l.write(zap.ErrorLevel, format, v) }

// Debugf is not called: debugging is off.
func (l serverLog) Debugf(format string, v ...any) { l.write(zap.DebugLevel, format, v) }

// Tracef is not called: tracing is off.
func (l serverLog) Tracef(format string, v ...any) { l.write(zap.DebugLevel, format, v) }

func (l serverLog) write(level zapcore.Level, format string, v []any) {
	// the messages are constant, so that calm counts them
	says := fmt.Sprintf(format, v...)
	message := "nats-server"
	if strings.Contains(says, badCertificate) || strings.Contains(says, unknownAuthority) {
		message = "nats-server refuses a node, or is refused: its secret is another one"
	}
	if entry := l.log.Check(level, message); entry != nil {
		entry.Write(zap.String("says", says))
	}
}
