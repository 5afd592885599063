//go:build linux

package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// The app that the server is configured with.
const (
	appID     = "bench"
	appKey    = "bench-key"
	appSecret = "bench-secret"
)

// sign returns the hex digest of an HMAC over message.
func sign(message string) string {
	mac := hmac.New(sha256.New, []byte(appSecret))
	mac.Write([]byte(message))
	return hex.EncodeToString(mac.Sum(nil))
}

// subscribeFrame asks for a channel. On a presence channel the socket joins as user.
func subscribeFrame(socketID, channel, user string) []byte {
	data := `{"channel":"` + channel + `"`
	if strings.HasPrefix(channel, "presence-") {
		channelData := `{"user_id":"` + user + `"}`
		data += `,"auth":"` + appKey + ":" + sign(socketID+":"+channel+":"+channelData) +
			`","channel_data":"` + strings.ReplaceAll(channelData, `"`, `\"`) + `"`
	}
	return appendClientFrame(nil, opText, []byte(`{"event":"pusher:subscribe","data":`+data+`}}`))
}

// unsubscribeFrame leaves a channel.
func unsubscribeFrame(channel string) []byte {
	return appendClientFrame(nil, opText, []byte(`{"event":"pusher:unsubscribe","data":{"channel":"`+channel+`"}}`))
}

// clientEventFrame is a client event with data of that many bytes.
func clientEventFrame(channel string, size int) []byte {
	return appendClientFrame(nil, opText, []byte(`{"event":"client-`+eventName+`","channel":"`+channel+`","data":"`+eventData(size)+`"}`))
}
