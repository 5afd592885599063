package pusherhub

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// vectors reads one section of testdata/vectors.json, the official and computed test vectors of the protocol. T is what an
// entry holds. A section inside of another is named with a dot, such as "socket_ids.vectors". An empty section fails the test.
func vectors[T any](t testing.TB, section string) []T {
	t.Helper()
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(section, ".") {
		var sections map[string]json.RawMessage
		if err := json.Unmarshal(raw, &sections); err != nil {
			t.Fatalf("reading the vectors %q: %v", section, err)
		}
		raw = sections[name]
	}
	var list []T
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatalf("reading the vectors %q: %v", section, err)
	}
	if len(list) == 0 {
		t.Fatalf("no vectors %q", section)
	}
	return list
}
