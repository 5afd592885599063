<?php

declare(strict_types=1);

// The front controller. Whatever the hub and the file server do not take arrives here, as in a Laravel app.

use Demo\Broadcasting;
use Demo\Orders;
use Demo\Page;
use Demo\Request;
use Demo\Response;
use Demo\Settings;
use Demo\Webhooks;

require __DIR__ . '/../src/autoload.php';

$request = Request::current();

try {
    $settings = Settings::fromEnvironment();
    $response = match (true) {
        $request->path === '/' => (new Page($settings))->show($request),
        $request->path === '/broadcasting/auth' => (new Broadcasting($settings))->authorizeChannel($request),
        $request->path === '/broadcasting/user-auth' => (new Broadcasting($settings))->authenticateUser($request),
        $request->path === '/orders' && $request->method === 'POST' => (new Orders($settings))->place($request),
        $request->path === '/pusher/webhook' && $request->method === 'POST' => (new Webhooks($settings))->receive($request),
        $request->path === '/up' => Response::text('ok from PHP'),
        // whom PHP takes the visitor for
        $request->path === '/client' => Response::text($request->scheme() . ' from ' . $request->clientAddress()),
        // Routes of the app's own below /app and /apps: the hub must leave them alone.
        in_array($request->path, ['/app/settings', '/apps/x', '/apps/5/channels'], true) => Response::text("$request->path from PHP"),
        default => Response::text("PHP knows no $request->path", 404),
    };
} catch (Throwable $e) {
    error_log((string) $e);
    $response = Response::text($e instanceof RuntimeException ? $e->getMessage() : 'Something broke; php-fpm\'s log says what.', 500);
}

$response->send();
