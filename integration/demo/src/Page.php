<?php

declare(strict_types=1);

namespace Demo;

/** `GET /`: the map. */
final class Page
{
    public function __construct(private readonly Settings $settings)
    {
    }

    public function show(Request $request): Response
    {
        $visitor = Visitor::of($request, $this->settings) ?? Visitor::welcome($request, $this->settings);
        // Everything comes from this origin, and so does the socket; the two schemes are for browsers that do not
        // count wss: as 'self'.
        header("Content-Security-Policy: default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'");

        return Response::html($this->render('map', [
            'config' => ['key' => $this->settings->appKey, 'visitor' => $visitor->info()],
            'missing' => !is_file(__DIR__ . '/../public/vendor/pusher.min.js'),
        ]));
    }

    /** @param array<string, mixed> $variables */
    private function render(string $view, array $variables): string
    {
        extract($variables);
        ob_start();
        require __DIR__ . "/../views/$view.php";

        return (string) ob_get_clean();
    }
}
