package pusherhub

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // the protocol's choice; the HMAC over it is what counts
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// param is one query parameter, decoded, with its name in lower case.
type param struct{ name, value string }

// params are a request's query parameters in the form in which they were verified.
type params []param

// value returns the last parameter of that name, empty if there is none.
func (p params) value(name string) string {
	for _, q := range slices.Backward(p) {
		if q.name == name {
			return q.value
		}
	}
	return ""
}

func (p params) has(name string) bool {
	return slices.ContainsFunc(p, func(q param) bool { return q.name == name })
}

var errQuery = errors.New("the query string is malformed")

// parseParams decodes a query string in the order of its parameters. The signed string joins values
// unescaped, so a name or value that could pass for a border, between parameters or between a name and its value, is an error.
func parseParams(rawQuery string) (params, error) {
	var list params
	for part := range strings.SplitSeq(rawQuery, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, errName := url.QueryUnescape(name)
		value, errValue := url.QueryUnescape(value)
		if errName != nil || errValue != nil || strings.ContainsAny(name, "=&\r\n") || strings.ContainsAny(value, "&\r\n") {
			return nil, errQuery
		}
		list = append(list, param{strings.ToLower(name), value})
	}
	return list, nil
}

// collapsed turns name[0]=a&name[1]=b into name=a,b: PHP signs the one and sends the other.
func (p params) collapsed() params {
	var out params
	for _, q := range p {
		name, _, isArray := strings.Cut(q.name, "[")
		if i := slices.IndexFunc(out, func(o param) bool { return o.name == name }); isArray && i >= 0 {
			out[i].value += "," + q.value
			continue
		}
		out = append(out, param{name, q.value})
	}
	return out
}

// stringToSign is what API requests sign. auth_signature itself is left out.
func stringToSign(method, path string, p params) string {
	sorted := slices.DeleteFunc(slices.Clone(p), func(q param) bool { return q.name == "auth_signature" })
	slices.SortStableFunc(sorted, func(a, b param) int { return strings.Compare(a.name, b.name) })
	var b strings.Builder
	b.WriteString(method + "\n" + path + "\n")
	for i, q := range sorted {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(q.name + "=" + q.value)
	}
	return b.String()
}

// verifyRequest checks the signature of an API request, before anybody looks into its body. It returns the parameters as
// they were signed. paths are the forms of the path that SDKs sign.
func (a *App) verifyRequest(method string, paths []string, rawQuery string, body []byte, now time.Time) (params, *apiError) {
	received, err := parseParams(rawQuery)
	if err != nil {
		return nil, &apiError{status: http.StatusBadRequest, text: "The query string is malformed."}
	}
	invalid := &apiError{status: http.StatusUnauthorized, text: textInvalidSignature}
	if key := received.value("auth_key"); key != a.Key() {
		invalid.why = "auth_key: " + a.keyProblem(key)
		return nil, invalid
	}
	if version := received.value("auth_version"); version != "1.0" && (received.has("auth_version") || !a.reverb()) {
		invalid.why = fmt.Sprintf("auth_version: found %q, expected 1.0", shortened(version))
		return nil, invalid
	}
	if e := a.checkTimestamp(received.value("auth_timestamp"), now); e != nil {
		return nil, e
	}
	if len(body) > 0 || received.has("body_md5") {
		sum := md5.Sum(body) //nolint:gosec // as above
		if !hmac.Equal([]byte(hex.EncodeToString(sum[:])), []byte(received.value("body_md5"))) {
			invalid.why = fmt.Sprintf("body_md5: found %q, expected %x, which is that of the %d bytes that came", shortened(received.value("body_md5")), sum, len(body))
			return nil, invalid
		}
	}
	forms := []params{received}
	if strings.Contains(rawQuery, "[") || strings.Contains(rawQuery, "%5B") || strings.Contains(rawQuery, "%5b") {
		forms = append(forms, received.collapsed())
	}
	signature := received.value("auth_signature")
	for _, form := range forms {
		for _, path := range paths {
			if a.signedBy(signature, stringToSign(method, path, form)) {
				return received.collapsed(), nil
			}
		}
	}
	invalid.why = whySignature
	invalid.signed = stringToSign(method, paths[0], received)
	return nil, invalid
}

// checkTimestamp applies timestamp_tolerance.
func (a *App) checkTimestamp(timestamp string, now time.Time) *apiError {
	tolerance := time.Duration(a.cfg.TimestampTolerance)
	if tolerance < 0 {
		return nil
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return &apiError{status: http.StatusUnauthorized, text: fmt.Sprintf("auth_timestamp is missing or not a number. The server's time is %d.", now.Unix())}
	}
	// Compared in seconds, so that no timestamp overflows.
	if limit := int64(tolerance / time.Second); seconds <= now.Unix()-limit || seconds >= now.Unix()+limit {
		return &apiError{status: http.StatusUnauthorized, text: fmt.Sprintf(
			"Timestamp expired: auth_timestamp %d is not within %d seconds of the server's time %d.", seconds, limit, now.Unix())}
	}
	return nil
}

// signedPaths lists the forms of a request's path that SDKs sign: escaped or not, with the mount
// prefix or without.
func signedPaths(u *url.URL, prefix string) []string {
	var paths []string
	for _, p := range []string{strings.TrimPrefix(u.EscapedPath(), prefix), strings.TrimPrefix(u.Path, prefix), u.EscapedPath(), u.Path} {
		if !slices.Contains(paths, p) {
			paths = append(paths, p)
		}
	}
	return paths
}
