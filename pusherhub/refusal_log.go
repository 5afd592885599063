package pusherhub

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"go.uber.org/zap"
)

// At level debug the log says why somebody was refused, in more words than the refused may hear: which key was found and which was
// expected, and over which message the signature should have been made. It never says a secret or a signature, neither the right
// one nor the one that came: that may be right for somebody else. While the level is off this costs a comparison.

// whySignature is all that can be said of a signature that does not hold.
const whySignature = "the signature was made with another secret, or over something else"

// logAPIError logs a refused request of the HTTP API. app is nil if none was found.
func (h *Hub) logAPIError(r *http.Request, app *App, e *apiError) {
	entry := h.logger().Check(zap.DebugLevel, "API request refused")
	if entry == nil {
		return
	}
	fields := whyFields(e.why, e.signed, zap.Int("status", e.status), zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.String("reason", e.text))
	if app != nil {
		fields = append(fields, zap.String("app", app.ID()))
	}
	entry.Write(fields...)
}

// logRefused logs a socket that was refused.
func (h *Hub) logRefused(r *http.Request, site Site, key string, refusal *CloseError) {
	if entry := h.logger().Check(zap.DebugLevel, "connection refused"); entry != nil {
		entry.Write(zap.String("key", shortened(key)), zap.Int("code", refusal.Code), zap.String("reason", refusal.Reason),
			zap.String("client_ip", site.clientIP(r)), zap.String("origin", r.Header.Get("Origin")))
	}
}

// logSubscription logs a refused subscription.
func (c *conn) logSubscription(d subscribeData, e *subscriptionError) {
	entry := c.hub.logger().Check(zap.DebugLevel, "subscription refused")
	if entry == nil {
		return
	}
	why, signed := c.whyNot(d, e)
	entry.Write(whyFields(why, signed,
		zap.String("app", c.state.id), zap.String("socket_id", c.id), zap.String("channel", d.channel), zap.String("type", e.kind))...)
}

// whyNot says why a subscription was refused.
func (c *conn) whyNot(d subscribeData, e *subscriptionError) (why, signed string) {
	app := c.app()
	access := KindOf(d.channel).Access
	switch {
	case e.status != http.StatusUnauthorized:
		return e.text, ""
	case access == AccessUser:
		return "the socket is not signed in as that user", ""
	case !app.verifySubscription(d.auth, c.id, d.channel, d.channelData):
		return app.authProblem(d.auth), subscriptionMessage(c.id, d.channel, d.channelData)
	}
	return "channel_data names no user, and nobody is signed in", ""
}

// logSignin logs a refused sign-in.
func (c *conn) logSignin(why, signed string) {
	if entry := c.hub.logger().Check(zap.DebugLevel, "sign-in refused"); entry != nil {
		entry.Write(whyFields(why, signed, zap.String("app", c.state.id), zap.String("socket_id", c.id))...)
	}
}

// logMistake logs an error frame for a client.
func (c *conn) logMistake(code int, text, channel string) {
	if entry := c.hub.logger().Check(zap.DebugLevel, "client told of an error"); entry != nil {
		entry.Write(zap.String("app", c.state.id), zap.String("socket_id", c.id), zap.String("channel", channel), zap.Int("code", code), zap.String("reason", text))
	}
}

// whyFields adds to the fields what is known.
func whyFields(why, signed string, fields ...zap.Field) []zap.Field {
	if why != "" {
		fields = append(fields, zap.String("why", why))
	}
	if signed != "" {
		fields = append(fields, zap.String("expected_signature_over", signed))
	}
	return fields
}

// authProblem says what is wrong with an auth value that does not hold.
func (a *App) authProblem(auth string) string {
	key, _, found := strings.Cut(auth, ":")
	switch {
	case auth == "":
		return "auth is missing"
	case !found:
		return "auth: found no colon, expected KEY:SIGNATURE"
	case key != a.Key():
		return "auth: " + a.keyProblem(key)
	}
	return whySignature
}

// keyProblem says that a key is not the app's. One of the app's secrets in its place is a mistake that people make, and stays unsaid.
func (a *App) keyProblem(found string) string {
	if slices.ContainsFunc(a.secrets, func(secret []byte) bool { return strings.Contains(found, string(secret)) }) {
		return fmt.Sprintf("found the app's secret in place of its key, expected the key %q", a.Key())
	}
	return fmt.Sprintf("found the key %q, expected %q", shortened(found), a.Key())
}

// shortened cuts what came from outside to a length that a log line can bear.
func shortened(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
