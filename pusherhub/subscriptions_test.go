package pusherhub

import (
	"slices"
	"strconv"
	"testing"
)

// Few subscriptions or many, what was added is found until it is removed.
func TestSubscriptions(t *testing.T) {
	for _, n := range []int{0, 1, listedSubscriptions, listedSubscriptions + 1, 100} {
		var s subscriptions
		var added []*subscription
		for i := range n {
			sub := &subscription{channel: &channel{name: strconv.Itoa(i)}}
			s.add(sub)
			added = append(added, sub)
		}
		for len(added) > 0 {
			all := s.all()
			if len(all) != len(added) || s.len() != len(added) {
				t.Fatalf("of %d: found %d in %d, expected %d", n, len(all), s.len(), len(added))
			}
			for _, sub := range added {
				if s.get(sub.channel.name) != sub || !slices.Contains(all, sub) {
					t.Fatalf("of %d: %s is missing", n, sub.channel.name)
				}
			}
			gone := added[len(added)/2]
			s.remove(gone)
			added = slices.Delete(added, len(added)/2, len(added)/2+1)
			if s.get(gone.channel.name) != nil {
				t.Fatalf("of %d: %s is still there", n, gone.channel.name)
			}
		}
		if s.len() != 0 {
			t.Errorf("of %d: found %d, expected none", n, s.len())
		}
	}
}
