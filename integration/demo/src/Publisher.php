<?php

declare(strict_types=1);

namespace Demo;

use CurlHandle;

/**
 * Publishes as pusher-http-php 7.2.6 over Guzzle does, and hence as Laravel's `reverb` and `pusher` drivers do:
 * the same members in the same order, the same query, headers and signature, one kept connection.
 */
final class Publisher
{
    private readonly CurlHandle $curl;

    public function __construct(private readonly Settings $settings)
    {
        // Reusing the handle is what keeps the connection open between two events.
        $this->curl = curl_init();
    }

    /**
     * @param list<string>         $channels
     * @param array<string, mixed> $data
     * @param string|null          $socketId the socket that caused the event and is not told: Laravel's toOthers()
     */
    public function trigger(array $channels, string $event, array $data, ?string $socketId = null): void
    {
        $body = ['name' => $event, 'data' => json_encode($data, JSON_THROW_ON_ERROR)];
        // The SDK writes `channel` for one and `channels` for several.
        $body += count($channels) === 1 ? ['channel' => $channels[0]] : ['channels' => $channels];
        if ($socketId !== null) {
            $body['socket_id'] = $socketId;
        }
        $this->post('/events', json_encode($body, JSON_THROW_ON_ERROR));
    }

    private function post(string $resource, string $body): void
    {
        $path = "/apps/{$this->settings->appId}$resource";
        $origin = "{$this->settings->scheme}://{$this->settings->host}:{$this->settings->port}";
        curl_setopt_array($this->curl, [
            CURLOPT_URL => "$origin$path?" . http_build_query($this->sign($path, $body), '', '&', PHP_QUERY_RFC3986),
            CURLOPT_POSTFIELDS => $body,
            CURLOPT_HTTPHEADER => [
                'User-Agent: GuzzleHttp/7',
                'Content-Type: application/json',
                'X-Pusher-Library: pusher-http-php 7.2.6',
                // Guzzle keeps curl from adding these two by itself.
                'Accept:',
                'Expect:',
            ],
            CURLOPT_RETURNTRANSFER => true,
            // The hub is on the loopback interface: seconds mean that it is not there.
            CURLOPT_CONNECTTIMEOUT => 2,
            CURLOPT_TIMEOUT => 5,
        ]);

        $answer = curl_exec($this->curl);
        if (!is_string($answer)) {
            throw new PublishFailed("The hub at $origin cannot be reached: " . curl_error($this->curl) . '. Is Caddy running, and is REVERB_PORT its loopback listener?');
        }

        $status = curl_getinfo($this->curl, CURLINFO_RESPONSE_CODE);
        if ($status !== 200) {
            throw new PublishFailed("The hub at $origin answered $status: " . trim($answer));
        }
        // The SDK hands the decoded object on and throws for anything else, so the demo must notice too.
        if (!is_object(json_decode($answer))) {
            throw new PublishFailed("The hub at $origin answered 200 with something else than a JSON object: $answer");
        }
    }

    /** @return array<string, string> the query, signed */
    private function sign(string $path, string $body): array
    {
        $query = [
            'auth_key' => $this->settings->appKey,
            'auth_timestamp' => (string) time(),
            'auth_version' => '1.0',
            'body_md5' => md5($body),
        ];
        // Values are signed as they are, not URL-encoded.
        $pairs = array_map(static fn (string $name): string => "$name=$query[$name]", array_keys($query));
        $query['auth_signature'] = hash_hmac('sha256', "POST\n$path\n" . implode('&', $pairs), $this->settings->appSecret);

        return $query;
    }
}
