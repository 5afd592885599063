package pusherhub

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strings"
	"testing"
)

// driverPosition is a realistic event payload of about size bytes.
func driverPosition(size int) []byte {
	var data strings.Builder
	data.WriteString(`{"drivers":[`)
	for i := 0; data.Len() < size; i++ {
		if i > 0 {
			data.WriteByte(',')
		}
		fmt.Fprintf(&data, `{"id":%d,"lat":52.%06d,"lng":13.%06d,"heading":%d,"speed":%d,"status":"delivering"}`,
			1000+i*7, 520008+i*7919, 404954+i*104729%900000, i*37%360, 20+i*13%40)
	}
	data.WriteString("]}")
	return eventPayload("driver.moved", "drivers", data.String())
}

func TestDeflateRoundTrip(t *testing.T) {
	for _, size := range []int{300, 600, 4096, 70_000} {
		payload := driverPosition(size)
		f := newFrame(payload)
		f.deflateFrom = 512
		wire := f.wireFor(true)
		if len(payload) < 512 {
			if !bytes.Equal(wire, f.wire) {
				t.Errorf("%d bytes are below the threshold and were compressed", len(payload))
			}
			continue
		}
		if wire[0] != finalFrame|opText|compressedBit {
			t.Fatalf("%d bytes: first byte %#x, expected the compressed bit", len(payload), wire[0])
		}
		if len(wire) > len(payload)*3/4 {
			t.Errorf("%d bytes became %d", len(payload), len(wire))
		}
		packed := (&frame{wire: wire}).payload()
		got, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(packed), bytes.NewReader(deflateTail), strings.NewReader("\x01\x00\x00\xff\xff"))))
		if err != nil || !bytes.Equal(got, payload) {
			t.Errorf("%d bytes do not come out as they went in: %v", len(payload), err)
		}
	}
}

func TestDeflateOncePerEvent(t *testing.T) {
	f := newFrame(driverPosition(2048))
	f.deflateFrom = 512
	if first, second := f.wireFor(true), f.wireFor(true); &first[0] != &second[0] {
		t.Error("two sockets do not share the compressed bytes")
	}
	if plain := f.wireFor(false); &plain[0] != &f.wire[0] {
		t.Error("a socket without compression got other bytes")
	}
	if allocs := testing.AllocsPerRun(100, func() { f.wireFor(true) }); allocs != 0 {
		t.Errorf("%v allocations a recipient, expected 0", allocs)
	}
}

func TestDeflateIncompressible(t *testing.T) {
	noise := make([]byte, 1024)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x>>24)&0x3f + '@'
	}
	f := newFrame(noise[:600])
	f.deflateFrom = 1
	if wire := f.wireFor(true); len(wire) > len(f.wire) {
		t.Errorf("compression made %d bytes of %d", len(wire), len(f.wire))
	}
}

func TestJoinedFrames(t *testing.T) {
	small, large := newFrame([]byte(`{"a":1}`)), newFrame(driverPosition(2048))
	small.deflateFrom, large.deflateFrom = 512, 512
	joined := joinFrames([]*frame{small, large})
	if want := append(bytes.Clone(small.wire), large.wire...); !bytes.Equal(joined.wireFor(false), want) {
		t.Error("the plain form is not that of the parts")
	}
	if want := append(bytes.Clone(small.wire), large.wireFor(true)...); !bytes.Equal(joined.wireFor(true), want) {
		t.Error("the compressed form is not that of the parts")
	}
}

// BenchmarkDeflate shows what an event costs that a thousand sockets get compressed: once in all, or once each.
func BenchmarkDeflate(b *testing.B) {
	const sockets = 1000
	for _, size := range []int{300, 1024, 4096} {
		payload := driverPosition(size)
		b.Run(fmt.Sprintf("shared/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f := newFrame(payload)
				f.deflateFrom = 1
				for range sockets {
					f.wireFor(true)
				}
				b.ReportMetric(float64(len(f.wireFor(true)))/float64(len(f.wire)), "size-ratio")
			}
		})
		b.Run(fmt.Sprintf("each/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for range sockets {
					deflate(payload)
				}
			}
		})
	}
}
