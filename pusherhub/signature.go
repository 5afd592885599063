package pusherhub

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// The four signatures of the protocol are HMAC-SHA256 with the app's secret, in lower-case
// hexadecimal: channel subscriptions, user sign-in, API requests, and webhooks.

// sign returns the signature of a message.
func sign(secret []byte, message string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(message))
	return hex.EncodeToString(mac.Sum(nil))
}

// signedBy reports whether signature was made over message with one of the app's secrets. It takes the same time for all
// wrong signatures.
func (a *App) signedBy(signature, message string) bool {
	for _, secret := range a.secrets {
		if hmac.Equal([]byte(sign(secret, message)), []byte(signature)) {
			return true
		}
	}
	return false
}

// verifyAuth checks an auth value of the form KEY:SIGNATURE.
func (a *App) verifyAuth(auth, message string) bool {
	key, signature, found := strings.Cut(auth, ":")
	return found && key == a.Key() && a.signedBy(signature, message)
}

// subscriptionMessage is what the auth of a private or presence channel signs. channelData belongs to it whenever
// the client sent a non-empty one, on private channels too.
func subscriptionMessage(socketID, channel string, channelData *string) string {
	message := socketID + ":" + channel
	if channelData != nil && *channelData != "" {
		message += ":" + *channelData
	}
	return message
}

// verifySubscription checks the auth of a private or presence channel.
func (a *App) verifySubscription(auth, socketID, channel string, channelData *string) bool {
	return a.verifyAuth(auth, subscriptionMessage(socketID, channel, channelData))
}

// verifySignin checks the auth of a user sign-in.
func (a *App) verifySignin(auth, socketID, userData string) bool {
	return a.verifyAuth(auth, signinMessage(socketID, userData))
}

// signinMessage is what the auth of a sign-in signs.
func signinMessage(socketID, userData string) string { return socketID + "::user::" + userData }
