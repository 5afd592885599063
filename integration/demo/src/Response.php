<?php

declare(strict_types=1);

namespace Demo;

final class Response
{
    public function __construct(
        private readonly int $status,
        private readonly string $contentType,
        private readonly string $body,
    ) {
    }

    public static function text(string $body, int $status = 200): self
    {
        return new self($status, 'text/plain; charset=utf-8', $body . "\n");
    }

    /** @param array<string, mixed> $value */
    public static function json(array $value, int $status = 200): self
    {
        return new self($status, 'application/json', json_encode($value, JSON_THROW_ON_ERROR));
    }

    public static function html(string $body): self
    {
        return new self(200, 'text/html; charset=utf-8', $body);
    }

    /** The status and the shape that Laravel gives a refused channel; the SDKs look at the status only. */
    public static function forbidden(string $message): self
    {
        return self::json(['message' => $message], 403);
    }

    public function send(): void
    {
        http_response_code($this->status);
        header("Content-Type: $this->contentType");
        header('Cache-Control: no-store');
        header('X-Content-Type-Options: nosniff');
        // Tells a reader, and the tests, that the hub left this request to PHP.
        header('X-Served-By: php');
        echo $this->body;
    }
}
