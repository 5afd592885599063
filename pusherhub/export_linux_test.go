package pusherhub

import "time"

// ParkAfter makes sockets park after so long without a message. Call it before the first one connects.
func (h *Hub) ParkAfter(d time.Duration) { h.parkAfter = d }

// Parked returns how many sockets are parked.
func (h *Hub) Parked() int64 { return int64(len(h.parkedConns())) }

// AgeParked lets d pass for every parked socket and wakes it.
func (h *Hub) AgeParked(d time.Duration) {
	for _, c := range h.parkedConns() {
		if h.parking.leave(c) {
			c.lastRead, c.probedAt = c.lastRead.Add(-d), c.probedAt.Add(-d)
			go c.serve()
		}
	}
}

// WakeParked wakes every parked socket for nothing.
func (h *Hub) WakeParked() { h.AgeParked(0) }

func (h *Hub) parkedConns() (list []*conn) {
	h.parking.mu.Lock()
	defer h.parking.mu.Unlock()
	for _, c := range h.parking.spots {
		if c != nil {
			list = append(list, c)
		}
	}
	return list
}
