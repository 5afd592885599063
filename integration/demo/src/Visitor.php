<?php

declare(strict_types=1);

namespace Demo;

/**
 * Who is looking. A browser gets a random id in a signed cookie, so two tabs are one visitor and nobody can
 * pick another visitor's id, although every id is shown to everyone in the presence channel.
 */
final class Visitor
{
    private const COOKIE = 'demo_visitor';
    private const ADJECTIVES = ['Brave', 'Calm', 'Clever', 'Eager', 'Gentle', 'Happy', 'Keen', 'Lucky', 'Merry', 'Nimble', 'Polite', 'Quick', 'Quiet', 'Sunny', 'Swift', 'Witty'];
    private const ANIMALS = ['Badger', 'Beaver', 'Crane', 'Dolphin', 'Falcon', 'Fox', 'Heron', 'Ibis', 'Koala', 'Lynx', 'Marten', 'Otter', 'Panda', 'Robin', 'Seal', 'Wren'];

    private function __construct(
        public readonly string $id,
        public readonly string $name,
    ) {
    }

    public static function of(Request $request, Settings $settings): ?self
    {
        if ($settings->testUsers && preg_match('/\A[A-Za-z0-9_-]{1,64}\z/', $request->header('X-Demo-User')) === 1) {
            $id = $request->header('X-Demo-User');

            return new self($id, "User $id");
        }

        [$id, $signature] = explode('.', $request->cookie(self::COOKIE), 2) + ['', ''];
        if ($id === '' || !hash_equals(self::sign($id, $settings), $signature)) {
            return null;
        }

        return self::named($id);
    }

    /** Makes a visitor and leaves the cookie with the browser; call it before any output. */
    public static function welcome(Request $request, Settings $settings): self
    {
        $id = bin2hex(random_bytes(8));
        setcookie(self::COOKIE, $id . '.' . self::sign($id, $settings), [
            'path' => '/',
            'httponly' => true,
            'secure' => $request->isSecure(),
            // Other sites cannot make this browser post orders in the visitor's name.
            'samesite' => 'Lax',
        ]);

        return self::named($id);
    }

    /** @return array{id: string, name: string, hue: int} what the others see of this visitor */
    public function info(): array
    {
        return ['id' => $this->id, 'name' => $this->name, 'hue' => crc32($this->id) % 360];
    }

    private static function named(string $id): self
    {
        $hash = crc32($id);

        return new self($id, self::ADJECTIVES[$hash % 16] . ' ' . self::ANIMALS[($hash >> 4) % 16]);
    }

    private static function sign(string $id, Settings $settings): string
    {
        return hash_hmac('sha256', $id, $settings->cookieKey());
    }
}
