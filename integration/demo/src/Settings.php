<?php

declare(strict_types=1);

namespace Demo;

use RuntimeException;

/**
 * What the environment says, under the names that a Laravel app with Reverb already has in its .env.
 * REVERB_HOST, REVERB_PORT and REVERB_SCHEME say where PHP publishes to: the hub's loopback listener.
 * Browsers use none of the three, they connect to the host that served the page.
 */
final class Settings
{
    private function __construct(
        public readonly string $appId,
        public readonly string $appKey,
        public readonly string $appSecret,
        public readonly string $host,
        public readonly int $port,
        public readonly string $scheme,
        public readonly bool $testUsers,
    ) {
    }

    public static function fromEnvironment(): self
    {
        return new self(
            appId: self::required('REVERB_APP_ID'),
            appKey: self::required('REVERB_APP_KEY'),
            appSecret: self::required('REVERB_APP_SECRET'),
            host: self::optional('REVERB_HOST', '127.0.0.1'),
            port: (int) self::optional('REVERB_PORT', '6001'),
            scheme: self::optional('REVERB_SCHEME', 'http'),
            testUsers: self::optional('DEMO_TEST_USERS', '') === '1',
        );
    }

    /**
     * The 32-byte master key of private-encrypted channels. A real app keeps a random one in its configuration;
     * the demo derives it, so that there is no second secret to hand to the test clients.
     */
    public function encryptionMasterKey(): string
    {
        return hash_hmac('sha256', 'encryption master key', $this->appSecret, true);
    }

    /** Signs visitor cookies. Not the app secret itself: a signature made for one purpose must not fit another. */
    public function cookieKey(): string
    {
        return hash_hmac('sha256', 'visitor cookie', $this->appSecret, true);
    }

    private static function required(string $name): string
    {
        $value = self::optional($name, '');
        if ($value === '') {
            throw new RuntimeException(
                "$name is not set. Give php-fpm and Caddy the same REVERB_APP_ID, REVERB_APP_KEY and REVERB_APP_SECRET."
            );
        }

        return $value;
    }

    private static function optional(string $name, string $default): string
    {
        $value = getenv($name);

        return $value === false || $value === '' ? $default : $value;
    }
}
