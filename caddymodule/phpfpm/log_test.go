package phpfpm

import (
	"reflect"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestLinesOfPHPBecomeEntries(t *testing.T) {
	for _, tc := range []struct {
		line, logger string
		level        zapcore.Level
		message      string
		fields       map[string]any
	}{
		{"[23-Nov-2026 01:52:51] NOTICE: ready to handle connections", "", zap.InfoLevel, "ready to handle connections", nil},
		{"[23-Nov-2026 01:52:51.123] WARNING: [pool www] server reached pm.max_children setting (3), consider raising it", "", zap.WarnLevel, "server reached pm.max_children setting (3), consider raising it", map[string]any{"pool": "www"}},
		{"[23-Nov-2026 01:52:51] ERROR: unable to bind listening socket", "", zap.ErrorLevel, "unable to bind listening socket", nil},
		{"[23-Nov-2026 01:52:51] ALERT: oh no", "", zap.ErrorLevel, "oh no", nil},
		{"[23-Nov-2026 01:52:51.1] DEBUG: pid 7, fpm_got_signal(), line 82: received SIGCHLD", "", zap.DebugLevel, "received SIGCHLD", nil},

		{"some words", "php", zap.InfoLevel, "some words", nil},
		{"NOTICE: PHP message: from error_log", "php", zap.InfoLevel, "from error_log", nil},
		{"NOTICE: PHP message: PHP Warning:  Undefined variable $x in /app/x.php on line 3", "php", zap.WarnLevel, "PHP Warning: Undefined variable $x in /app/x.php on line 3", nil},
		{"PHP Fatal error:  Uncaught Exception: x", "php", zap.ErrorLevel, "PHP Fatal error: Uncaught Exception: x", nil},
		{"PHP Deprecated:  old", "php", zap.InfoLevel, "PHP Deprecated: old", nil},
		{`[2026-11-23 01:52:51] production.CRITICAL: it burns {"a":1}`, "php", zap.ErrorLevel, `it burns {"a":1}`, map[string]any{"channel": "production"}},
		{"[2026-11-23 01:52:51] local.DEBUG: hm", "php", zap.DebugLevel, "hm", map[string]any{"channel": "local"}},

		{
			`{"message":"order failed","context":{"id":7},"level":400,"level_name":"ERROR","channel":"production","datetime":"2026-11-23T01:52:51+00:00","extra":[]}`,
			"php", zap.ErrorLevel, "order failed",
			map[string]any{"record": map[string]any{"context": map[string]any{"id": 7.0}, "channel": "production", "datetime": "2026-11-23T01:52:51+00:00"}},
		},
		{`{"level":"warn","msg":"short"}`, "php", zap.WarnLevel, "short", nil},
		{`{"a":1}`, "php", zap.InfoLevel, `{"a":1}`, nil},
		{`{not json`, "php", zap.InfoLevel, `{not json`, nil},
	} {
		core, logs := observer.New(zap.DebugLevel)
		writeMasterLine(zap.New(core), tc.line)
		if logs.Len() != 1 {
			t.Errorf("%s: found %d entries, expected one", tc.line, logs.Len())
			continue
		}
		e := logs.All()[0]
		if e.LoggerName != tc.logger || e.Level != tc.level || e.Message != tc.message {
			t.Errorf("%s: found %q %v %q, expected %q %v %q", tc.line, e.LoggerName, e.Level, e.Message, tc.logger, tc.level, tc.message)
		}
		if fields := e.ContextMap(); len(fields)+len(tc.fields) > 0 && !reflect.DeepEqual(fields, tc.fields) {
			t.Errorf("%s: found the fields %v, expected %v", tc.line, fields, tc.fields)
		}
	}
}

func TestLinesOfWorkersNameTheirCommand(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	writeWorkerLine(zap.New(core), "php artisan queue:work", "[2026-11-23 01:52:51] local.ERROR: no database")
	e := logs.All()[0]
	if e.LoggerName != "worker" || e.Level != zap.ErrorLevel || e.ContextMap()["command"] != "php artisan queue:work" {
		t.Errorf("found %v %v", e.Entry, e.ContextMap())
	}
}
