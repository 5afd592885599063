package natsbroker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// parcel is something that is sent as JSON, but for what would be long in it: the data of events. pieces are where those are.
type parcel interface{ pieces() []*[]byte }

func (q *question) pieces() (pieces []*[]byte) {
	if q.Call != nil {
		for i := range q.Call.Posts {
			pieces = append(pieces, &q.Call.Posts[i].Data)
		}
	}
	return pieces
}

func (r *record) pieces() (pieces []*[]byte) {
	for i := range r.Call.Posts {
		pieces = append(pieces, &r.Call.Posts[i].Data)
	}
	return pieces
}

func (r *reply) pieces() (pieces []*[]byte) {
	for i := range r.States {
		if r.States[i].Kept != nil {
			pieces = append(pieces, &r.States[i].Kept)
		}
	}
	return pieces
}

func (*notice) pieces() []*[]byte   { return nil }
func (*ruling) pieces() []*[]byte   { return nil }
func (*snapshot) pieces() []*[]byte { return nil }
func (*receipt) pieces() []*[]byte  { return nil }

// pack returns the length of the JSON, the JSON, and the pieces one after the other. In the JSON there is the length of each instead, as 8 bytes.
func pack(p parcel) ([]byte, error) {
	pieces := p.pieces()
	whole := make([][]byte, len(pieces))
	for i, piece := range pieces {
		whole[i] = *piece
		*piece = binary.BigEndian.AppendUint64(nil, uint64(len(whole[i])))
	}
	text, err := json.Marshal(p)
	for i, piece := range pieces {
		*piece = whole[i]
	}
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %w", p, err)
	}
	return slices.Concat(binary.AppendUvarint(nil, uint64(len(text))), text, slices.Concat(whole...)), nil
}

// errParcel says that a parcel is not whole.
var errParcel = errors.New("found a length that does not fit, expected a whole parcel")

// unpack reads what pack has written. The pieces are part of body.
func unpack(body []byte, p parcel) error {
	length, n := binary.Uvarint(body)
	if n <= 0 || length > uint64(len(body)-n) {
		return errParcel
	}
	text, rest := body[n:n+int(length)], body[n+int(length):]
	if err := json.Unmarshal(text, p); err != nil {
		return fmt.Errorf("decoding %T: %w", p, err)
	}
	for _, piece := range p.pieces() {
		if len(*piece) != 8 {
			return errParcel
		}
		size := binary.BigEndian.Uint64(*piece)
		if size > uint64(len(rest)) {
			return errParcel
		}
		*piece, rest = rest[:size:size], rest[size:]
	}
	return nil
}
