//go:build !linux

package pusherhub

import "time"

const canPark = false

// parkingLot stays empty here.
type parkingLot struct{}

func (*parkingLot) enter(*conn, time.Time) bool { return false }

func (*parkingLot) leave(*conn) bool { return false }

func (*parkingLot) close() {}
