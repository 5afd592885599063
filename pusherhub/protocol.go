package pusherhub

// The names of the Pusher Channels protocol, version 7. They stand here and nowhere else.
const (
	eventConnectionEstablished = "pusher:connection_established"
	eventError                 = "pusher:error"
	eventPing                  = "pusher:ping"
	eventPong                  = "pusher:pong"
	eventSubscribe             = "pusher:subscribe"
	eventUnsubscribe           = "pusher:unsubscribe"
	eventSignin                = "pusher:signin"
	eventSigninSuccess         = "pusher:signin_success"
	eventSubscriptionError     = "pusher:subscription_error"
	eventCacheMiss             = "pusher:cache_miss"

	eventSubscriptionSucceeded = "pusher_internal:subscription_succeeded"
	eventMemberAdded           = "pusher_internal:member_added"
	eventMemberRemoved         = "pusher_internal:member_removed"
	eventSubscriptionCount     = "pusher_internal:subscription_count"
	eventWatchlist             = "pusher_internal:watchlist_events"

	prefixClientEvent = "client-"
	prefixPusher      = "pusher:"
	prefixInternal    = "pusher_internal:"

	// userChannelPrefix is followed by the user's id.
	userChannelPrefix = "#server-to-user-"

	// subprotocolPrefix starts the WebSocket sub-protocols that Swift clients offer.
	subprotocolPrefix = "pusher-channels-protocol-"

	maxEventName = 200 // bytes of an event's name
	maxUserID    = 128 // characters of a user id
	maxWatchlist = 100 // ids of a watchlist
)

// The texts of non-fatal errors, as Reverb words them; the codes go with them.
const (
	textInvalidMessage       = "Invalid message format"
	textUnauthorized         = "Connection is unauthorized"
	textNotMember            = "The client is not a member of the specified channel."
	textClientEventsOff      = "The app does not have client messaging enabled."
	textClientEventsHere     = "Client events are not allowed on this channel."
	textRateLimit            = "Rate limit exceeded"
	textWatchlistLimit       = "Watchlist limit exceeded. Only the first 100 user IDs are accepted."
	textTerminated           = "You got disconnected by the app."
	textAskedBack            = "The app asks you to reconnect."
	textOusted               = "You were removed from the channel by the app."
	textPresenceFull         = "The maximum members per presence channel limit was reached"
	textBinary               = "Binary frames are not supported, send JSON in text frames"
	textPublicClientEvent    = "Client event rejected - only supported on private and presence channels"
	textEventTooLarge        = "The event data exceeds the allowed maximum of %d bytes."
	textMessageTooLarge      = "Maximum message size exceeded"
	textEventDataTooLarge    = "The data content of this event exceeds the allowed maximum (%d bytes)."
	textMethodNotAllowed     = "Method not allowed."
	textNotFound             = "Not found."
	textPayloadTooLarge      = "Payload too large."
	textInvalidSignature     = "Authentication signature invalid."
	textNoMatchingApp        = "No matching application for ID [%s]."
	textUnsupportedEvent     = "Unsupported event received on socket:'%s'"
	textExistingSubscription = "Existing subscription to channel %s"
	textAuthMissing          = "Auth info required to subscribe to %s"
	textAuthKey              = "Invalid key in subscription auth data: '%s'"
	textAuthSignature        = "Invalid signature: Expected HMAC SHA256 hex digest of %s, but got %s"
	textNotSubscribed        = "Cannot broadcast client event (connection not subscribed to channel %s)"
	textSubscriptionLimit    = "The connection has the maximum of %d subscriptions."
	textReplay               = "Replay refused: a request with this signature was carried out before. Two requests that are alike within one second are signed alike."
	textIdempotencyKey       = "Idempotency-Key is wrong: expected one value of 1 to 255 printable ASCII characters."
	textIdempotencyReused    = "This Idempotency-Key was used with another request."
	textMemberTooLarge       = "The channel_data exceeds the allowed maximum of %d bytes."
	textNoSubscription       = "No current subscription to channel %s, or subscription in progress"
)
