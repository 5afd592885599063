<?php

declare(strict_types=1);

namespace Demo;

/**
 * `POST /pusher/webhook`: the hub tells what happens to channels. Whoever listens to the channel `webhooks` is told in turn; a real
 * app would update its database.
 */
final class Webhooks
{
    public function __construct(private readonly Settings $settings)
    {
    }

    public function receive(Request $request): Response
    {
        $body = $request->body();
        // The signature is over the bytes as they came, so it is checked before anything is decoded.
        $expected = hash_hmac('sha256', $body, $this->settings->appSecret);
        if ($request->header('X-Pusher-Key') !== $this->settings->appKey
            || !hash_equals($expected, $request->header('X-Pusher-Signature'))) {
            return Response::forbidden('The signature is not that of this app.');
        }

        $publisher = new Publisher($this->settings);
        try {
            foreach (json_decode($body, true, flags: JSON_THROW_ON_ERROR)['events'] as $event) {
                if (($event['channel'] ?? '') !== 'webhooks' || $event['name'] !== 'undelivered') { // nobody listens: that would go on for ever
                    $publisher->trigger(['webhooks'], $event['name'], $event);
                }
            }
        } catch (PublishFailed $e) {
            // The hub may be shutting down. The webhook was taken all the same: another status would bring it again.
            error_log($e->getMessage());
        }

        return Response::text('thank you');
    }
}
