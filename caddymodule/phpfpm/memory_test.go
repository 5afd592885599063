package phpfpm

import "testing"

func TestPoolSizeFollowsFromMemory(t *testing.T) {
	const mb = 1 << 20
	for _, tc := range []struct {
		memory   uint64
		workers  int
		expected int
	}{
		{0, 0, 2}, // unknown
		{128 * mb, 0, 2},
		{512 * mb, 0, 6},
		{1024 * mb, 0, 12},
		{1024 * mb, 4, 8},
		{1024 * mb, 40, 2},
		{8192 * mb, 0, 96},
		{1 << 40, 3, 128},
		{1 << 63, 0, 128},
	} {
		if found := poolSize(tc.memory, tc.workers); found != tc.expected {
			t.Errorf("%d MB with %d workers: found %d, expected %d", tc.memory/mb, tc.workers, found, tc.expected)
		}
	}
}
