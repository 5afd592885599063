package webhooks

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// The headers of the protocol beside Content-Type, which is compared as a whole by Pusher's Node library.
const (
	headerKey       = "X-Pusher-Key"
	headerSignature = "X-Pusher-Signature"
	contentType     = "application/json"
	userAgent       = "pusherhub-webhooks"
)

// maxAnswer is what is read of an answer, so that the connection can be used again.
const maxAnswer = 64 << 10

// post sends a body once. Any answer but 2xx is an error; redirects are not followed. A transport may be somebody else's code, even a whole
// site: its panic is an error too.
func (t *target) post(ctx context.Context, timeout time.Duration, app *pusherhub.App, body []byte) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panicked: %v", v)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s is no URL for a request", t.name)
	}
	r.Header.Set("User-Agent", userAgent)
	for name, value := range t.headers {
		r.Header.Set(name, value)
	}
	if t.user != nil {
		password, _ := t.user.Password()
		r.SetBasicAuth(t.user.Username(), password)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set(headerKey, app.Key())
	r.Header.Set(headerSignature, signature(app.Config().Secret, body))
	answer, err := t.transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer)) // the status says it all
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("answered with %d, expected 2xx", answer.StatusCode)
	}
	return nil
}

// signature signs the exact bytes of a body.
func signature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
