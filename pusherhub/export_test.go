package pusherhub

import (
	"net/http"
	"time"
)

// Vectors returns a section of the test vectors to tests outside of the package.
var Vectors = vectors[FrameVector]

// FrameVector is a frame, or an event's name, of the test vectors.
type FrameVector struct {
	ID, Note string
	What     string
	Frame    string
	Client   string  `json:"client_frame"`
	Server   *string `json:"server_frame"`
	Name     string
	Source   string // of a name: "ws" or "http"
	Valid    bool
}

// ServeAs is Serve for a handshake to a known app, whose socket gets an id of the test's choice: vectors are signed for
// one.
func (h *Hub) ServeAs(w http.ResponseWriter, r *http.Request, appID, socketID string) error {
	settings := h.settings.Load()
	app, err := settings.appByID(r.Context(), appID, true)
	if err != nil {
		return err
	}
	c := &conn{hub: h, id: socketID, lastRead: time.Now(), state: h.stateOf(settings, app)}
	if refusal := h.reserve(settings, app, c.state); refusal != nil {
		return refusal
	}
	if err = c.shakeHands(w, r, nil); err != nil {
		return err
	}
	h.enter()
	c.establish(app)
	go c.serve()
	return nil
}
