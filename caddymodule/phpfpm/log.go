package phpfpm

import (
	"encoding/json"
	"maps"
	"regexp"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

var (
	// [23-Nov-2026 01:52:51] WARNING: [pool www] child 12 exited on signal 9 (SIGKILL) after 3.1 seconds from start
	masterLine = regexp.MustCompile(`^\[\d{2}-[A-Z][a-z]{2}-\d{4} [\d:.]+\] (ALERT|ERROR|WARNING|NOTICE|DEBUG): (?:pid \d+, \S+\(\), line \d+: )?(?:\[pool ([^\]]+)\] )?(.*)$`)

	// [2026-11-23 01:52:51] production.ERROR: something happened {"exception":"..."}
	laravelLine = regexp.MustCompile(`^\[\d{4}-\d{2}-\d{2}[^\]]*\] (\S+)\.([A-Z]+): (.*)$`)

	// PHP Fatal error:  Uncaught Error: something happened in /app/x.php:3
	phpLine = regexp.MustCompile(`^(PHP [A-Z][A-Za-z ]+): +(.*)$`)
)

// levels are what php-fpm, PHP and Monolog call Caddy's levels.
var levels = map[string]zapcore.Level{
	"DEBUG": zap.DebugLevel, "INFO": zap.InfoLevel, "NOTICE": zap.InfoLevel, "WARNING": zap.WarnLevel, "WARN": zap.WarnLevel,
	"ERROR": zap.ErrorLevel, "CRITICAL": zap.ErrorLevel, "ALERT": zap.ErrorLevel, "EMERGENCY": zap.ErrorLevel, "FATAL": zap.ErrorLevel,
	"PHP Deprecated": zap.InfoLevel, "PHP Notice": zap.InfoLevel, "PHP Strict Standards": zap.InfoLevel, "PHP Warning": zap.WarnLevel,
	"PHP Fatal error": zap.ErrorLevel, "PHP Parse error": zap.ErrorLevel, "PHP Recoverable fatal error": zap.ErrorLevel,
}

// entry is what a line of output says.
type entry struct {
	level   zapcore.Level
	message string
	fields  []zap.Field
}

// writeMasterLine logs a line of php-fpm: its own, or, passed on as it is, one of the PHP in its children.
func writeMasterLine(log *zap.Logger, line string) {
	m := masterLine.FindStringSubmatch(line)
	if m == nil {
		parseLine(line).write(log.Named("php"))
		return
	}
	e := entry{level: levels[m[1]], message: m[3]}
	if m[2] != "" {
		e.fields = append(e.fields, zap.String("pool", m[2]))
	}
	e.write(log)
}

// writeWorkerLine logs a line of a worker.
func writeWorkerLine(log *zap.Logger, command, line string) {
	e := parseLine(line)
	e.fields = append(e.fields, zap.String("command", command))
	e.write(log.Named("worker"))
}

func (e entry) write(log *zap.Logger) {
	if checked := log.Check(e.level, e.message); checked != nil {
		checked.Write(e.fields...)
	}
}

// parseLine finds out how serious a line is that an application wrote. It knows Monolog's JSON and lines, and PHP's own
// messages; everything else is information.
func parseLine(line string) entry {
	line = strings.TrimPrefix(line, "NOTICE: PHP message: ") // how php-fpm marks what PHP logs
	if e, ok := parseJSON(line); ok {
		return e
	}
	if m := laravelLine.FindStringSubmatch(line); m != nil {
		if level, ok := levels[m[2]]; ok {
			return entry{level, m[3], []zap.Field{zap.String("channel", m[1])}}
		}
	}
	if m := phpLine.FindStringSubmatch(line); m != nil {
		if level, ok := levels[m[1]]; ok {
			return entry{level, m[1] + ": " + m[2], nil}
		}
	}
	return entry{zap.InfoLevel, line, nil}
}

// parseJSON reads a structured entry: its message and level become ours, and all else stands in one field, where
// no name can collide with Caddy's.
func parseJSON(line string) (entry, bool) {
	if !strings.HasPrefix(line, "{") {
		return entry{}, false
	}
	var record map[string]any
	if json.Unmarshal([]byte(line), &record) != nil {
		return entry{}, false
	}
	e := entry{level: zap.InfoLevel}
	for _, name := range []string{"message", "msg"} {
		if text, ok := record[name].(string); ok && e.message == "" {
			e.message = text
			delete(record, name)
		}
	}
	if e.message == "" {
		return entry{}, false
	}
	for _, name := range []string{"level_name", "level"} {
		text, _ := record[name].(string)
		if level, ok := levels[strings.ToUpper(text)]; ok {
			e.level = level
			delete(record, name)
			break
		}
	}
	delete(record, "level") // Monolog's number of level_name
	maps.DeleteFunc(record, func(_ string, v any) bool {
		list, ok := v.([]any)
		return v == nil || ok && len(list) == 0 // PHP's empty context
	})
	if len(record) > 0 {
		e.fields = append(e.fields, zap.Any("record", record))
	}
	return e, true
}
