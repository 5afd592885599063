package integration

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestAdminAPIAndClients(t *testing.T) {
	s := startDemo(t)
	s.runNode(t, "clients/admin.mjs", "HUB_ADMIN_SOCKET="+filepath.Join(s.dir, "admin.sock"))
}

// The commands of the README, to the letter but for where the admin API listens.
func TestAdminAPIByCurl(t *testing.T) {
	s := startServer(t, publicSite)
	member, witness := s.site().Join(t, "presence-room", `{"user_id":"7"}`), s.site().Join(t, "presence-room", `{"user_id":"8"}`)
	member.Expect("pusher_internal:member_added")

	answer := s.adminCurl(t, `curl -s 'localhost:2019/pusher_hub/hubs/default/apps/app-id/connections?user=7'`)
	var found struct {
		Connections []struct {
			SocketID string `json:"socket_id"`
			UserID   string `json:"user_id"`
		}
	}
	if err := json.Unmarshal([]byte(answer), &found); err != nil || len(found.Connections) != 1 || found.Connections[0].SocketID != member.SocketID || found.Connections[0].UserID != "7" {
		t.Errorf("found %s, %v, expected the socket of user 7", answer, err)
	}

	answer = s.adminCurl(t, `curl -s localhost:2019/pusher_hub/hubs/default/apps/app-id/unsubscribe -d '{"user": "7", "channel": "presence-room"}'`)
	if !strings.Contains(answer, `"subscriptions":1}`) {
		t.Errorf("found %s, expected one subscription", answer)
	}
	member.Expect("pusher:subscription_error")
	witness.Expect("pusher_internal:member_removed")

	answer = s.adminCurl(t, `curl -s localhost:2019/pusher_hub/hubs/default/apps/nobodys`)
	if want := `{"error":"app: found \"nobodys\", expected one of: app-id"}`; strings.TrimSpace(answer) != want {
		t.Errorf("found %s, expected %s", answer, want)
	}
	if strings.Contains(s.process.text(), appSecret) {
		t.Error("the secret is in the log")
	}
}

// adminCurl runs a command at the server's admin socket and returns what it printed.
func (s *server) adminCurl(t *testing.T, command string) string {
	t.Helper()
	command = strings.Replace(command, "curl ", "curl --unix-socket "+filepath.Join(s.dir, "admin.sock")+" ", 1)
	out, err := exec.Command("sh", "-c", command).Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return string(out)
}
