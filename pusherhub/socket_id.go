package pusherhub

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
)

// socketIDBits is how large the two integers of a socket id are: what a double, JavaScript's only number, holds.
const socketIDBits = 53

// socketIDs makes the ids of a hub's sockets, and tells them from all others without remembering one. Immutable.
type socketIDs struct {
	key [sha256.Size]byte // never leaves the process
}

func newSocketIDs() (s socketIDs) {
	_, _ = rand.Read(s.key[:]) // never fails
	return s
}

// next returns two integers below 2^53 joined by a dot: a random one, and its digest. Nobody can guess one, because
// it is part of what is signed, and no two sockets ever share one.
func (s *socketIDs) next() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	left := max(binary.BigEndian.Uint64(b[:])>>(64-socketIDBits), 1)
	return strconv.FormatUint(left, 10) + "." + strconv.FormatUint(s.digest(left), 10)
}

// digest is what belongs to a first integer. Key and integer have a fixed length, so a plain hash of the two is as good as an HMAC.
func (s *socketIDs) digest(left uint64) uint64 {
	var b [sha256.Size + 8]byte
	copy(b[:], s.key[:])
	binary.BigEndian.PutUint64(b[sha256.Size:], left)
	sum := sha256.Sum256(b[:])
	return binary.BigEndian.Uint64(sum[:8]) >> (64 - socketIDBits)
}

// foreign reports whether id is one that this hub never made but another could have. left is the first integer.
func (s *socketIDs) foreign(id string) (left uint64, foreign bool) {
	first, second, _ := strings.Cut(id, ".")
	left, errLeft := strconv.ParseUint(first, 10, socketIDBits)
	right, errRight := strconv.ParseUint(second, 10, socketIDBits)
	return left, errLeft == nil && errRight == nil && s.digest(left) != right
}
