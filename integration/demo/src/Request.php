<?php

declare(strict_types=1);

namespace Demo;

/** The parts of a request that the demo looks at. */
final class Request
{
    /** @param array<string, mixed> $input */
    private function __construct(
        public readonly string $method,
        public readonly string $path,
        private readonly array $input,
    ) {
    }

    public static function current(): self
    {
        $input = $_GET + $_POST;
        if (str_starts_with(strtolower($_SERVER['CONTENT_TYPE'] ?? ''), 'application/json')) {
            // pusher-js posts forms; native clients often post JSON. Laravel reads both, so does this.
            $json = json_decode((string) file_get_contents('php://input'), true);
            $input = is_array($json) ? $json + $input : $input;
        }

        return new self(
            $_SERVER['REQUEST_METHOD'] ?? 'GET',
            rawurldecode((string) parse_url($_SERVER['REQUEST_URI'] ?? '/', PHP_URL_PATH)),
            $input,
        );
    }

    public function text(string $name): string
    {
        $value = $this->input[$name] ?? '';

        return is_string($value) ? $value : '';
    }

    public function number(string $name): ?float
    {
        $value = $this->input[$name] ?? null;

        return is_numeric($value) ? (float) $value : null;
    }

    /** As it came, byte by byte. */
    public function body(): string
    {
        return (string) file_get_contents('php://input');
    }

    public function header(string $name): string
    {
        return $_SERVER['HTTP_' . strtoupper(strtr($name, '-', '_'))] ?? '';
    }

    public function cookie(string $name): string
    {
        $value = $_COOKIE[$name] ?? '';

        return is_string($value) ? $value : '';
    }

    /** Caddy tells the truth here, as its trusted_proxies define it; Laravel reads it with trustProxies(at: '*'). */
    public function clientAddress(): string
    {
        return $this->header('X-Forwarded-For') ?: ($_SERVER['REMOTE_ADDR'] ?? '');
    }

    /** What the browser speaks, even if a load balancer ends TLS. */
    public function scheme(): string
    {
        return $this->header('X-Forwarded-Proto') ?: 'http';
    }

    public function isSecure(): bool
    {
        return $this->scheme() === 'https';
    }
}
