package pusherhub

import (
	"bytes"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"
)

// compressedBit (RSV1) marks a frame whose payload is compressed (RFC 7692).
const compressedBit = 0x40

// deflateTail ends every flushed block; the receiver adds it again.
var deflateTail = []byte{0x00, 0x00, 0xff, 0xff}

// deflatedForm is the compressed form of a frame. Without context takeover it depends on the payload alone, so all sockets
// share it and an event is compressed once, however many subscribers it has.
type deflatedForm struct {
	once sync.Once
	wire []byte
}

// wireFor returns the frame's bytes for a socket that did or did not negotiate compression.
func (f *frame) wireFor(deflate bool) []byte {
	if !deflate || f.deflateFrom == 0 {
		return f.wire
	}
	f.deflated.once.Do(func() { f.deflated.wire = f.deflateWire() })
	return f.deflated.wire
}

func (f *frame) deflateWire() []byte {
	if f.parts != nil {
		joined := make([]byte, 0, len(f.wire)/2)
		for _, part := range f.parts {
			joined = append(joined, part.wireFor(true)...)
		}
		return joined
	}
	payload := f.payload()
	if len(payload) < f.deflateFrom {
		return f.wire
	}
	packed := deflate(payload)
	wire := appendFrame(make([]byte, 0, maxHeader+len(packed)), opText, packed)
	if len(wire) >= len(f.wire) {
		return f.wire
	}
	wire[0] |= compressedBit
	return wire
}

// deflaters hold the compressor's tables, which are far larger than an event.
var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}}

// deflate compresses one message.
func deflate(payload []byte) []byte {
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	var out bytes.Buffer
	out.Grow(len(payload)/2 + 64)
	w.Reset(&out)
	_, _ = w.Write(payload) // a bytes.Buffer takes everything
	_ = w.Flush()
	return bytes.TrimSuffix(out.Bytes(), deflateTail)
}

// inflateTail is deflateTail and an empty last block, so that the decompressor sees an end.
const inflateTail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// inflate returns a reader of what r holds compressed. It goes back to inflaters.
func inflate(r io.Reader) io.Reader {
	z := inflaters.Get().(io.Reader)
	_ = z.(flate.Resetter).Reset(io.MultiReader(r, strings.NewReader(inflateTail)), nil) // never fails
	return z
}
