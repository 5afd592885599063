package hubtest

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
)

// NewPipeServer is [NewServer] without a network: sockets hang on net.Pipe and API requests are
// handled where they are made, so that hub and clients may live in a bubble of testing/synctest.
func NewPipeServer(t testing.TB, config pusherhub.AppConfig) *Server {
	t.Helper()
	return newServer(t, config, NewPipeServerWith)
}

// NewPipeServerWith is [NewServerWith] without a network.
func NewPipeServerWith(t testing.TB, config pusherhub.Config) *Server {
	t.Helper()
	hub := newHub(t, config)
	t.Cleanup(func() { closeHub(t, hub) })
	return &Server{
		Hub: hub, URL: "http://hub.example", Client: &http.Client{Transport: Pipe{hub}},
		App: WithCredentials(pusherhub.AppConfig{}), t: t,
	}
}

// Pipe makes an HTTP client call a handler directly. A handler that hijacks gets one end of a
// net.Pipe, whose other end is the body of the response.
type Pipe struct {
	Handler http.Handler
}

// RoundTrip calls the handler and returns its answer.
func (p Pipe) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.RequestURI = r.URL.RequestURI()
	r.RemoteAddr = "192.0.2.1:1234"
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := &pipeWriter{ResponseRecorder: httptest.NewRecorder()}
	p.Handler.ServeHTTP(w, r)
	res := w.Result()
	res.Request = r
	if w.peer != nil {
		res.Body = w.peer
	}
	return res, nil
}

// pipeWriter records an answer and can be hijacked.
type pipeWriter struct {
	*httptest.ResponseRecorder
	peer net.Conn
}

// Hijack returns the server's end of the pipe.
func (w *pipeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	server, client := net.Pipe()
	w.peer = client
	return server, bufio.NewReadWriter(bufio.NewReader(server), bufio.NewWriter(server)), nil
}
