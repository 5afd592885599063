package httpapps

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// The headers of a request.
const (
	headerTimestamp = "X-Pusher-Hub-Timestamp"
	headerSignature = "X-Pusher-Hub-Signature"
)

// endpoint looks apps up. Immutable.
type endpoint struct {
	url     url.URL
	secret  []byte
	client  *http.Client
	maxBody int64
}

func newEndpoint(address, secret string, connections int, maxBody int64) (*endpoint, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("url: expected a URL such as https://app.example.com/hub/apps")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxConnsPerHost = connections
	transport.MaxIdleConnsPerHost = connections
	return &endpoint{
		url: *u, secret: []byte(secret), maxBody: maxBody,
		client: &http.Client{
			Transport: transport,
			// a signed request is for nobody else
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// LoadByID asks for an app by its id.
func (e *endpoint) LoadByID(ctx context.Context, id string) ([]byte, error) {
	return e.load(ctx, "id", id)
}

// LoadByKey asks for an app by its key.
func (e *endpoint) LoadByKey(ctx context.Context, key string) ([]byte, error) {
	return e.load(ctx, "key", key)
}

func (e *endpoint) load(ctx context.Context, by, name string) ([]byte, error) {
	target := e.url
	if target.RawQuery != "" {
		target.RawQuery += "&"
	}
	target.RawQuery += by + "=" + url.QueryEscape(name)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking for an app: %w", withoutURL(err))
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "pusher_hub")
	r.Header.Set(headerTimestamp, timestamp)
	r.Header.Set(headerSignature, sign(e.secret, r.Method, r.URL.RequestURI(), timestamp))

	res, err := e.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("asking %s for an app: %w", e.url.Host, withoutURL(err))
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, pusherhub.ErrAppNotFound
	default:
		return nil, fmt.Errorf("asking %s for an app: found status %d, expected 200 or 404", e.url.Host, res.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, e.maxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the answer of %s: %w", e.url.Host, err)
	case int64(len(text)) > e.maxBody:
		return nil, fmt.Errorf("reading the answer of %s: found more than max_body, %d bytes", e.url.Host, e.maxBody)
	}
	return canonical(text), nil
}

// sign returns the signature of a request.
func sign(secret []byte, method, uri, timestamp string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(method + "\n" + uri + "\n" + timestamp))
	return hex.EncodeToString(mac.Sum(nil))
}

// canonical returns a text that is equal for equal JSON. What is none is left to whoever reads it.
func canonical(text []byte) []byte {
	var v any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil || dec.More() {
		return text
	}
	sorted, err := json.Marshal(v)
	if err != nil {
		return text
	}
	return sorted
}

// withoutURL drops the address, which may hold what nobody is to read in a log.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
