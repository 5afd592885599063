package integration

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// runNode runs a program of clients/ or browser/ against s. Each line of its TAP becomes a subtest; a skipped test
// is a failed one.
func (s *server) runNode(t *testing.T, file string, env ...string) {
	t.Helper()
	cmd := exec.Command("node", filepath.Base(file))
	cmd.Dir = filepath.Dir(file)
	cmd.Env = append(s.environ(),
		"HUB_URL="+s.url(),
		"HUB_API_URL="+s.apiURL(),
		"HUB_FEATURES=watchlist subscription_count",
	)
	cmd.Env = append(cmd.Env, env...)
	p := startProcess(t, "node", cmd)
	code := p.waitFor(3 * time.Minute)

	said := p.text()
	tests, planned := 0, -1
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if count, found := strings.CutPrefix(line, "1.."); found {
			planned, _ = strconv.Atoi(count)
		}
		verdict, name, found := strings.Cut(line, " - ")
		if !found || verdict != "ok" && verdict != "not ok" {
			continue
		}
		tests++
		t.Run(name, func(t *testing.T) {
			if verdict != "ok" || strings.Contains(name, "# SKIP") {
				t.Error(comments(said, line))
			}
		})
	}
	if code != 0 || tests == 0 || tests != planned {
		t.Errorf("%s ended with %d after %d of %d tests:\n%s", file, code, tests, planned, said)
	}
}

// comments returns a TAP line with the comments behind it, which say what went wrong.
func comments(said, line string) string {
	_, rest, _ := strings.Cut(said, line+"\n")
	for behind := range strings.Lines(rest) {
		if !strings.HasPrefix(behind, "  # ") {
			break
		}
		line += "\n" + strings.TrimRight(behind, "\n")
	}
	return line
}
