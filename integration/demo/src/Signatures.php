<?php

declare(strict_types=1);

namespace Demo;

/** What `authorizeChannel` and `authenticateUser` of pusher-http-php answer, member by member. */
final class Signatures
{
    public function __construct(private readonly Settings $settings)
    {
    }

    /** @return array{auth: string, channel_data?: string, shared_secret?: string} */
    public function channel(string $socketId, string $channel, ?string $channelData = null): array
    {
        // The hub verifies the raw channel_data string, so what is signed here and what is sent must be the same bytes.
        $answer = ['auth' => $this->sign($socketId . ':' . $channel . ($channelData === null ? '' : ":$channelData"))];
        if ($channelData !== null) {
            $answer['channel_data'] = $channelData;
        }
        if (str_starts_with($channel, 'private-encrypted-')) {
            // Goes to the client only. The hub forwards ciphertext and cannot read it.
            $answer['shared_secret'] = base64_encode(
                hash('sha256', $channel . $this->settings->encryptionMasterKey(), true)
            );
        }

        return $answer;
    }

    /** @return array{auth: string, user_data: string} */
    public function user(string $socketId, string $userData): array
    {
        return ['auth' => $this->sign("$socketId::user::$userData"), 'user_data' => $userData];
    }

    private function sign(string $message): string
    {
        return $this->settings->appKey . ':' . hash_hmac('sha256', $message, $this->settings->appSecret);
    }
}
