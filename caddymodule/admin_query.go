package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/onecharge/pusherhub/pusherhub"

	"github.com/caddyserver/caddy/v2"
)

func badRequest(format string, args ...any) error {
	return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: fmt.Errorf(format, args...)}
}

// query are the parameters of a request, each at most once.
type query map[string]string

// parseQuery reads the parameters that a resource knows. Others are refused: with a misspelt filter a list would look as if it were filtered.
func parseQuery(raw string, known []string) (query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, badRequest("query: %w", err)
	}
	q := make(query, len(values))
	for name, value := range values {
		switch {
		case !slices.Contains(known, name) && len(known) == 0:
			return nil, badRequest("parameter: found %q, expected none", name)
		case !slices.Contains(known, name):
			return nil, badRequest("parameter: found %q, expected one of: %s", name, strings.Join(known, ", "))
		case len(value) > 1:
			return nil, badRequest("%s: found %d times, expected once", name, len(value))
		}
		q[name] = value[0]
	}
	return q, nil
}

// page reads after and limit.
func (q query) page() (pusherhub.Page, error) {
	page := pusherhub.Page{After: q["after"]}
	if text, found := q["limit"]; found {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > pusherhub.MaxPage {
			return page, badRequest("limit: found %q, expected 1 to %d", text, pusherhub.MaxPage)
		}
		page.Limit = n
	}
	return page, nil
}

// maxAdminBody bounds a request's body, in bytes. An app's own limits on events are mostly far below.
const maxAdminBody = 10 << 20

// decode reads the request's body, a JSON object such as example, into v.
func (q *adminRequest) decode(v any, example string) error {
	body, err := io.ReadAll(http.MaxBytesReader(q.w, q.r.Body, maxAdminBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return caddy.APIError{HTTPStatus: http.StatusRequestEntityTooLarge, Err: fmt.Errorf("body: found more than %d bytes", maxAdminBody)}
	}
	if err != nil {
		return badRequest("reading the body: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err = dec.Decode(v); err == nil {
		if _, more := dec.Token(); more != io.EOF {
			err = errors.New("found something behind the JSON value")
		}
	}
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("found nothing")
		}
		return badRequest("body: %w, expected JSON such as %s", err, example)
	}
	return nil
}

// idText is an id in JSON: a string or, as databases have them, a number.
type idText string

// UnmarshalJSON takes "7" and 7.
func (t *idText) UnmarshalJSON(b []byte) error {
	var number json.Number
	if b[0] != '"' && json.Unmarshal(b, &number) == nil {
		*t = idText(number)
		return nil
	}
	return json.Unmarshal(b, (*string)(t))
}
