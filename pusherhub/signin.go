package pusherhub

import (
	"bytes"
	"time"
)

// signin handles pusher:signin.
func (c *conn) signin(m clientMessage) {
	auth, userData, ok := decodeSignin(m)
	if !ok {
		c.refuseSignin("auth or user_data is missing or not a string", "")
		return
	}
	app := c.app()
	if userDataTooLarge(userData) {
		c.refuseSignin("user_data is too long", "")
		return
	}
	if !app.verifySignin(auth, c.id, userData) {
		c.counters().signinAuthFailures.Add(1)
		c.refuseSignin(app.authProblem(auth), signinMessage(c.id, userData))
		return
	}
	who, idIsNumber, err := decodeMember([]byte(userData), "id")
	if err != nil || userIDProblem(who.userID) != "" {
		c.refuseSignin("user_data has no id that can be used", "")
		return
	}
	if c.user != nil && c.user.id != who.userID {
		c.refuseSignin("the socket is signed in as another user already", "")
		return
	}
	c.userInfo = who.info
	c.authorizeBy = time.Time{}
	if idIsNumber {
		userData = withStringID(userData)
	}
	if c.user == nil { // before the client knows, so that whoever hears of its success can terminate the user
		entered := c.state.users.enter(c, who.userID)
		c.mu.Lock()
		c.user = entered
		c.mu.Unlock()
	}
	c.replyPayload(signinSuccessPayload(userData))
	if !isOn(app.cfg.Watchlist) {
		return
	}
	ids, cut := decodeWatchlist([]byte(userData))
	c.state.users.watch(c, ids)
	if cut {
		c.sendError(CodeWatchlistLimit, textWatchlistLimit, "")
	}
}

// maxUserData bounds user_data, in bytes.
const maxUserData = 10 << 10

func userDataTooLarge(userData string) bool { return len(userData) > maxUserData }

// refuseSignin tells the client no, and no more than that. The log hears why, and what the signature should have been made over.
func (c *conn) refuseSignin(why, signed string) {
	c.logSignin(why, signed)
	if isOn(c.app().cfg.CloseOnFailedSignin) {
		c.close(errSigninRefused)
		return
	}
	c.sendError(errSigninRefused.Code, errSigninRefused.Reason, "")
}

func decodeSignin(m clientMessage) (auth, userData string, ok bool) {
	var rawAuth, rawData []byte
	if scanObject(m.object(), func(name, value []byte) error {
		switch string(name) {
		case "auth":
			rawAuth = value
		case "user_data":
			rawData = value
		}
		return nil
	}) != nil {
		return "", "", false
	}
	a, okAuth := stringValue(rawAuth)
	d, okData := stringValue(rawData)
	return string(a), string(d), okAuth && okData
}

// withStringID quotes the numeric id of user_data: pusher-js and Java take a string only.
// All else stays as it was.
func withStringID(userData string) string {
	text := []byte(userData)
	var out []byte
	from := 0
	_ = scanObject(text, func(name, value []byte) error {
		if string(name) != "id" || !isNumber(value) {
			return nil
		}
		at := cap(text) - cap(value) // where value lies in text
		out = append(out, text[from:at]...)
		out = append(append(append(out, '"'), value...), '"')
		from = at + len(value)
		return nil
	})
	return string(bytes.Join([][]byte{out, text[from:]}, nil))
}
