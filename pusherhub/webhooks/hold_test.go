package webhooks

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

func TestHold(t *testing.T) {
	t.Run("T58 vacated and removed wait for 3 s", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{})
			r.tell(occupied("presence-c"), added("presence-c", "7"))
			time.Sleep(time.Second)
			r.tell(removed("presence-c", "7"), vacated("presence-c"))
			time.Sleep(3*time.Second - time.Nanosecond)
			synctest.Wait()
			r.expect(hookURL, "channel_occupied presence-c", "member_added presence-c 7")
			if held := r.measure("held_events"); held != 2 {
				t.Errorf("%v are held, expected 2", held)
			}
			time.Sleep(51 * time.Millisecond)
			r.expect(hookURL, "channel_occupied presence-c", "member_added presence-c 7", "member_removed presence-c 7", "channel_vacated presence-c")
			r.detach()
		})
	})

	t.Run("T58 a state that returns in time tells nothing, however often", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{})
			r.tell(occupied("c"), vacated("c"), occupied("c")) // the first is not sent yet
			time.Sleep(time.Minute)
			r.expect(hookURL, "channel_occupied c")
			for range 10 {
				r.tell(added("presence-c", "7"), removed("presence-c", "7"))
				time.Sleep(2900 * time.Millisecond)
			}
			r.expect(hookURL, "channel_occupied c", "member_added presence-c 7")
			time.Sleep(time.Second)
			r.expect(hookURL, "channel_occupied c", "member_added presence-c 7", "member_removed presence-c 7")
			if cancelled := r.measure("cancelled_total"); cancelled != 10 {
				t.Errorf("%v were cancelled, expected 10", cancelled)
			}
			r.detach()
		})
	})

	t.Run("T58 members and channels are held each for itself", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{Endpoints: []Endpoint{
				{URL: hookURL},
				{URL: otherURL, EventTypes: []string{"channel_vacated", "member_removed"}}, // a return it is not told of cancels too
			}})
			r.tell(occupied("presence-c"), added("presence-c", "1"), removed("presence-c", "1"), vacated("presence-c"))
			r.tell(occupied("presence-c"), added("presence-c", "2"))
			r.tell(occupied("d"), vacated("d"))
			time.Sleep(time.Second)
			r.tell(removed("presence-c", "2"), added("presence-c", "2"))
			time.Sleep(time.Minute)
			r.expect(hookURL, "channel_occupied presence-c", "member_added presence-c 1", "member_added presence-c 2", "channel_occupied d",
				"member_removed presence-c 1", "channel_vacated d")
			r.expect(otherURL, "member_removed presence-c 1", "channel_vacated d")
			r.detach()
		})
	})

	t.Run("T58 without a hold everything is told at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{Hold: -1})
			r.tell(occupied("c"), vacated("c"), occupied("c"))
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			r.expect(hookURL, "channel_occupied c", "channel_vacated c", "channel_occupied c")
			r.detach()
		})
	})

	t.Run("what is held is sent when the app is detached", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, spool := range []string{"", t.TempDir()} {
				r := newRig(t, Config{Spool: spool})
				r.tell(occupied("c"), vacated("c"), clientEvent("private-c", "1"))
				begun := time.Now()
				r.detach()
				if took := time.Since(begun); took > 0 {
					t.Errorf("it took %s", took)
				}
				r.expect(hookURL, "channel_occupied c", "client_event private-c 1", "channel_vacated c")
				r.tell(occupied("nobody listens"))
			}
		})
	})

	t.Run("the order stays when the time for which events are held changes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{})
			r.tell(occupied("a"), occupied("b"), vacated("a"))
			r.reload(Config{Hold: pusherhub.Duration(time.Second)})
			r.tell(vacated("b"))
			time.Sleep(2 * time.Second)
			r.expect(hookURL, "channel_occupied a", "channel_occupied b")
			time.Sleep(2 * time.Second)
			r.expect(hookURL, "channel_occupied a", "channel_occupied b", "channel_vacated a", "channel_vacated b")
			r.detach()
		})
	})
}
