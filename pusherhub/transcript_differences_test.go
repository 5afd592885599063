package pusherhub_test

import (
	"strings"
	"testing"
)

// transcriptDifference is a step of a transcript at which the hub answers otherwise than Reverb, and on purpose.
type transcriptDifference struct {
	file string   // of testdata/reverb, without .json
	step int      // the outcome that differs, or the action if Reverb answers nothing
	ours []string // what comes instead: frames in order, or an HTTP status and body
	rule string   // section of the protocol specification, a row of its list of differences being 11/row
}

// The rules that explain more than one difference.
const (
	ruleNoEmptyList     = "11/34: an empty list of channels is an object"
	ruleTimestamp       = "11/29: auth_timestamp must be there and within 600 s"
	ruleAuthKey         = "11/30: auth_key is checked"
	ruleBadJSON         = "11/38: a body that is no JSON object gets 400"
	ruleNames           = "11/40, 11/41: names of 200 characters, of a limited set"
	ruleCountsOfNobody  = "7.3, 7.7: numbers are given for an unoccupied channel, too"
	ruleDataAlways      = "4.1: every frame has data"
	rulePong            = "11/7: pusher:pong has the data {}"
	ruleUserInfo        = "4.13: user_info goes out as it came, not as PHP's idea of it"
	ruleClientEventData = "11/22: the data of a client event goes out as a string"
	ruleAnyClientData   = "4.7: a client event may carry any JSON"
	ruleRefusalsClose   = "11/2: a refused client gets an error with an object and a close frame with the code"
	rulePingsAreFree    = "4.7: pings do not count against the rate limit"
	ruleBothFrames      = "11/10: a refused subscribe is told on the channel and as pusher:error"
	ruleMemberData      = "6.2: a presence member needs a user_id in a JSON object"
)

var transcriptDifferences = []transcriptDifference{
	{"http-auth-extra-params", 0, []string{`200 {"channels":{}}`}, ruleNoEmptyList},
	{"http-auth-extra-params", 1, []string{`400 The query string is malformed.`}, "7.1: what could pass for a border between parameters is refused"},
	{"http-auth-extra-params", 2, []string{`200 {"channels":{}}`}, "7.1: names of parameters are signed in lower case"},
	{"http-auth-extra-params", 3, []string{`401 Authentication signature invalid.`}, "7.1: names of parameters are signed in lower case"},
	{"http-auth-missing", 2, []string{`401 Authentication signature invalid.`}, ruleAuthKey},
	{"http-auth-missing", 3, []string{`401 auth_timestamp is missing or not a number. The server's time is 1795378281.`}, ruleTimestamp},
	{"http-auth-stale", 0, []string{`401 Timestamp expired: auth_timestamp 1795377681 is not within 600 seconds of the server's time 1795378282.`}, ruleTimestamp},
	{"http-auth-stale", 1, []string{`401 Timestamp expired: auth_timestamp 1795378883 is not within 600 seconds of the server's time 1795378282.`}, ruleTimestamp},
	{"http-auth-stale", 2, []string{`401 auth_timestamp is missing or not a number. The server's time is 1795378282.`}, ruleTimestamp},
	{"http-auth-wrong-key", 0, []string{`401 Authentication signature invalid.`}, ruleAuthKey},

	{"http-bad-json", 0, []string{`400 The request body is not a JSON object: invalid JSON: it ends where a value is expected.`}, ruleBadJSON},
	{"http-bad-json", 1, []string{`400 The request body is not a JSON object: found no JSON object.`}, ruleBadJSON},
	{"http-bad-json", 2, []string{`400 The request body is not a JSON object: found no JSON object.`}, ruleBadJSON},
	{"http-bad-json", 3, []string{`400 The request body is not a JSON object: found no JSON object.`}, ruleBadJSON},
	{"http-form", 0, []string{`400 The request body is not a JSON object: found no JSON object.`}, ruleBadJSON},
	{"http-batch-ok", 6, []string{`200 {}`}, "11/33: a batch that asks for nothing is answered with {}"},
	{"http-channel", 7, missed("cache-h"), ruleDataAlways},
	{"http-channel", 9, roster("presence-h", "1"), ruleUserInfo},
	{"http-channel", 18, []string{`200 {"occupied":true,"subscription_count":1,"cache":{"data":"{}","ttl":1799}}`}, "7.5: cache has the shape that Pusher documents"},
	{"http-channel", 19, []string{`200 {"occupied":false,"subscription_count":0}`}, ruleCountsOfNobody},
	{"http-events-info", 6, roster("presence-h", "1"), ruleUserInfo},
	{"http-events-info", 9, []string{`200 {"channels":{"h-news":{"subscription_count":1},"presence-h":{},"h-empty":{"subscription_count":0}}}`}, ruleCountsOfNobody},
	{"http-events-socket-id", 15, nil, "7.3: the request with a malformed socket_id is refused"},
	{"http-events-socket-id", 16, nil, "7.3: the request with a malformed socket_id is refused"},
	{"http-events-socket-id", 17, []string{`422 {"socket_id":["The socket_id field must be two numbers joined by a dot."]}`}, "7.3: a malformed socket_id is refused"},
	{"http-keep-alive", 0, []string{`200 {"channels":{}}`}, ruleNoEmptyList},
	{"http-odd-channel-names", 0, []string{`422 {"channels.0":["The channel name may only hold letters, digits and _ - = @ , . ; characters."]}`}, ruleNames},
	{"http-odd-channel-names", 1, []string{`422 {"channels.0":["The channel name is longer than 200 bytes."]}`}, ruleNames},
	{"http-odd-channel-names", 2, []string{`422 {"name":["The name field must not be greater than 200 characters."]}`}, "5.4: event names have up to 200 characters"},
	{"http-terminate", 7, roster("presence-h", "77"), ruleUserInfo},
	{"http-terminate", 9, []string{`{"event":"pusher_internal:member_added","channel":"presence-h","data":"{\"user_id\":\"78\",\"user_info\":{}}"}`}, ruleUserInfo},
	{"http-terminate", 10, roster("presence-h", "77", "78"), ruleUserInfo},
	{"http-terminate", 11, refused(4009, "You got disconnected by the app."), "11/28: terminated clients are closed with 4009, so that they stay away"},
	{"http-too-many-channels", 0, []string{`422 {"channels":["The channels field must not have more than 100 items."]}`}, "5.4: 100 channels an event"},

	{"ws-binary", 4, []string{failure(4200, "Binary frames are not supported, send JSON in text frames")}, "1.1.8: binary frames are not supported"},
	{"ws-client-event-presence", 7, roster("presence-chat", "1"), ruleUserInfo},
	{"ws-client-event-presence", 9, []string{`{"event":"pusher_internal:member_added","channel":"presence-chat","data":"{\"user_id\":\"2\",\"user_info\":{}}"}`}, ruleUserInfo},
	{"ws-client-event-presence", 10, roster("presence-chat", "1", "2"), ruleUserInfo},
	{"ws-client-event-presence", 12, []string{`{"event":"client-typing","channel":"presence-chat","data":"{\"who\":\"a\"}","user_id":"1"}`}, ruleClientEventData},
	{"ws-client-event-private", 11, typing(`"{\"who\":\"a\"}"`), ruleClientEventData},
	{"ws-client-event-private", 13, typing(`"{\"who\":\"str\"}"`), ruleClientEventData},
	{"ws-client-event-private", 14, to("b", typing(`"plain"`)), ruleAnyClientData},
	{"ws-client-event-private", 15, nil, ruleAnyClientData},
	{"ws-client-event-private", 18, to("b", typing(`"5"`)), ruleAnyClientData},
	{"ws-client-event-private", 19, nil, ruleAnyClientData},
	{"ws-client-event-private", 21, typing(`"{\"n\":1}"`), ruleClientEventData},
	{"ws-client-event-rate", 11, typing(`"{\"i\":0}"`), ruleClientEventData},
	{"ws-client-event-rate", 13, typing(`"{\"i\":1}"`), ruleClientEventData},
	{"ws-connect-over-limit", 5, refused(4004, "Application is over connection quota"), "11/47: all connections count, subscribed or not"},
	{"ws-connect-over-limit-subscribed", 7, refused(4004, "Application is over connection quota"), "11/3: a client over the limit is closed"},
	{"ws-connect-unknown-key", 2, []string{`{"event":"pusher:error","data":{"code":4001,"message":"Application does not exist"}}`}, ruleRefusalsClose},
	{"ws-connect-unknown-key", 3, []string{`closed 4001 Application does not exist`}, ruleRefusalsClose},
	{"ws-inactive-ping", 5, append([]string{"ping "}, refused(4201, "Pong reply not received in time")...), "11/6, 3.3: the probe is a WebSocket ping after ping_interval, the end comes 30 s later"},
	{"ws-inactive-ping", 6, nil, "3.3: it is over by then"},
	{"ws-inactive-ping", 7, nil, "3.3: it is over by then"},
	{"ws-ping", 4, []string{pongFrame}, rulePong},
	{"ws-ping", 6, []string{pongFrame}, rulePong},
	{"ws-rate-terminate", 4, []string{pongFrame}, rulePong},
	{"ws-rate-terminate", 6, []string{pongFrame}, rulePong},
	{"ws-rate-terminate", 8, []string{pongFrame}, rulePong},
	{"ws-rate-terminate", 10, []string{pongFrame}, rulePingsAreFree},
	{"ws-rate-terminate", 11, []string{pongFrame}, rulePingsAreFree},
	{"ws-unsubscribe", 11, []string{pongFrame}, rulePong},

	{"ws-subscribe-cache-miss-hit", 5, missed("cache-stock"), ruleDataAlways},
	{"ws-subscribe-cache-miss-hit", 23, []string{`{"event":"price","channel":"cache-stock","data":"{\"p\":1}"}`}, "11/17: the cached event outlives the subscribers"},
	{"ws-subscribe-duplicate", 13, roster("presence-dup", "1"), ruleUserInfo},
	{"ws-subscribe-duplicate", 15, roster("presence-dup", "1"), ruleUserInfo},
	{"ws-subscribe-odd-names", 4, badName("has space!", "The channel name may only hold letters, digits and _ - = @ , . ; characters."), ruleNames},
	{"ws-subscribe-odd-names", 8, badName(strings.Repeat("x", 201), "The channel name is longer than 200 bytes."), ruleNames},
	{"ws-subscribe-odd-names", 10, unauthorized("#server-to-user-1"), "11/23: a user's channel is for the signed-in user"},
	{"ws-subscribe-odd-names", 14, badName("ünï", "The channel name may only hold letters, digits and _ - = @ , . ; characters."), ruleNames},
	{"ws-subscribe-odd-names", 16, badName("", "The channel name is empty."), "5.2: an empty name is refused"},
	{"ws-subscribe-odd-names", 18, []string{failure(4200, "Invalid message format")}, "2.4: a channel that is not a string is a bad channel"},
	{"ws-subscribe-presence-bad", 4, unauthorized("presence-room"), ruleBothFrames},
	{"ws-subscribe-presence-bad", 6, unauthorized("presence-room"), ruleMemberData},
	{"ws-subscribe-presence-bad", 8, unauthorized("presence-room"), ruleMemberData},
	{"ws-subscribe-presence-bad", 10, unauthorized("presence-room"), ruleMemberData},
	{"ws-subscribe-presence-int-id", 4, roster("presence-room-int", "7"), "4.5: a missing user_info is {}, a numeric user_id a string"},
	{"ws-subscribe-presence-int-id", 5, []string{`200 {"users":[{"id":"7"}]}`}, "11/9: ids are strings"},
	{"ws-subscribe-private-cache", 5, missed("private-cache-x"), ruleDataAlways},
	{"ws-subscribe-private-cache", 8, missed("presence-cache-y"), ruleDataAlways},
}

const pongFrame = `{"event":"pusher:pong","data":"{}"}`

func missed(channel string) []string {
	return []string{`{"event":"pusher:cache_miss","channel":"` + channel + `","data":"{}"}`}
}

func typing(data string) []string {
	return []string{`{"event":"client-typing","channel":"private-chat","data":` + data + `}`}
}

// to says that frames go to another connection than the step is about.
func to(conn string, frames []string) (list []string) {
	for _, text := range frames {
		list = append(list, conn+"< "+text)
	}
	return list
}

// roster is the success of a presence channel whose users have an empty user_info.
func roster(channel string, ids ...string) []string {
	list := `\"` + strings.Join(ids, `\",\"`) + `\"`
	hash := `\"` + strings.Join(ids, `\":{},\"`) + `\":{}`
	return []string{`{"event":"pusher_internal:subscription_succeeded","channel":"` + channel + `","data":"{\"presence\":{\"count\":` +
		string(rune('0'+len(ids))) + `,\"ids\":[` + list + `],\"hash\":{` + hash + `}}}"}`}
}

func differencesByStep(t *testing.T) map[string]map[int]transcriptDifference {
	t.Helper()
	byStep := make(map[string]map[int]transcriptDifference)
	for _, d := range transcriptDifferences {
		if byStep[d.file] == nil {
			byStep[d.file] = make(map[int]transcriptDifference)
		}
		if _, twice := byStep[d.file][d.step]; twice || d.rule == "" {
			t.Errorf("%s, step %d: listed twice or without a rule", d.file, d.step)
		}
		byStep[d.file][d.step] = d
	}
	return byStep
}
