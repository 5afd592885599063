package caddymodule

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"time"
)

// siteResponse takes the answer to a request of the hub. It belongs to the goroutine that runs the handlers.
type siteResponse struct {
	header   http.Header // what handlers change
	sent     http.Header // the header at the moment at which the status was written
	status   int         // 0 until then
	body     bytes.Buffer
	tooLarge bool
}

// Header returns the header that WriteHeader sends.
func (w *siteResponse) Header() http.Header { return w.header }

// WriteHeader sets the status, once. Statuses that only announce another one (1xx) mean nothing here.
func (w *siteResponse) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status, w.sent = status, w.header.Clone()
	}
}

// Write keeps what fits. A handler whose answer is too large is not disturbed: it did its work.
func (w *siteResponse) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	room := siteResponseLimit - w.body.Len()
	if len(p) > room {
		w.tooLarge = true
		_, _ = w.body.Write(p[:room]) // never fails
		return len(p), nil
	}
	return w.body.Write(p)
}

// There is no connection that could be slow. Caddy sets deadlines all the same, and logs where it cannot.

// SetReadDeadline does nothing.
func (*siteResponse) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (*siteResponse) SetWriteDeadline(time.Time) error { return nil }

// EnableFullDuplex does nothing: the request's body is there before its handlers run.
func (*siteResponse) EnableFullDuplex() error { return nil }

// response returns the answer to req as a client sees it.
func (w *siteResponse) response(req *http.Request) *http.Response {
	var body io.Reader = &w.body
	length := int64(w.body.Len())
	if w.tooLarge {
		body, length = io.MultiReader(body, tooLargeReader{}), -1
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)),
		StatusCode:    w.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        w.sent,
		Body:          io.NopCloser(body),
		ContentLength: length,
		Request:       req,
	}
}

// tooLargeReader is the end of a body that was cut.
type tooLargeReader struct{}

func (tooLargeReader) Read([]byte) (int, error) {
	return 0, fmt.Errorf("the site's answer is larger than %d bytes", siteResponseLimit)
}
