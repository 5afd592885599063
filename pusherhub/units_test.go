package pusherhub

import (
	"encoding/json"
	"testing"
	"time"
)

func TestLimits(t *testing.T) {
	for _, o := range []struct {
		limit int64
		n     int
		want  bool
	}{{10, 9, false}, {10, 10, false}, {10, 11, true}, {Unlimited, 1 << 40, false}, {0, 1 << 40, false}} {
		if found := Limit(o.limit).exceeded(o.n); found != o.want {
			t.Errorf("limit %d, %d things: found %t, expected %t", o.limit, o.n, found, o.want)
		}
		if found := Size(o.limit).exceeded(o.n); found != o.want {
			t.Errorf("size %d, %d bytes: found %t, expected %t", o.limit, o.n, found, o.want)
		}
	}
}

func TestDurationJSON(t *testing.T) {
	for text, want := range map[string]Duration{
		`"30s"`: Duration(30 * time.Second), `"1h30m"`: Duration(90 * time.Minute), `"250ms"`: Duration(250 * time.Millisecond),
		`"0s"`: 0, `0`: 0, `"off"`: -1, `1000000000`: Duration(time.Second),
	} {
		var d Duration
		if err := json.Unmarshal([]byte(text), &d); err != nil || d != want {
			t.Errorf("%s: found %d and %v, expected %d", text, d, err, want)
		}
		out, err := json.Marshal(d)
		var back Duration
		if err != nil || json.Unmarshal(out, &back) != nil || back != d {
			t.Errorf("%s: written as %s and read as %d (%v)", text, out, back, err)
		}
	}
	if out, _ := json.Marshal(Duration(90 * time.Second)); string(out) != `"1m30s"` {
		t.Errorf("found %s", out)
	}
	for text, want := range map[string]string{
		`"30"`:     `reading duration: found "30", expected text such as "30s"`,
		`"soon"`:   `reading duration: found "soon", expected text such as "30s"`,
		`true`:     `reading duration: found true, expected text such as "30s"`,
		`1.5`:      `reading duration: found 1.5, expected text such as "30s"`,
		`{"s":30}`: `reading duration: found {"s":30}, expected text such as "30s"`,
	} {
		var d Duration
		if err := d.UnmarshalJSON([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%s: found %v, expected %s", text, err, want)
		}
	}
}
