<?php

declare(strict_types=1);

namespace Demo;

/** `POST /orders`: a visitor drops a pin on the map, and PHP tells everyone but the tab that did it. */
final class Orders
{
    public function __construct(private readonly Settings $settings)
    {
    }

    public function place(Request $request): Response
    {
        $visitor = Visitor::of($request, $this->settings);
        if ($visitor === null) {
            return Response::forbidden('Open the demo page first: this browser has no visitor cookie.');
        }

        $x = $request->number('x');
        $y = $request->number('y');
        if ($x === null || $y === null || $x < 0 || $y < 0 || $x > City::WIDTH || $y > City::HEIGHT) {
            return Response::json(['message' => 'x and y must be a place on the map.'], 422);
        }

        // Echo knows its socket id and the page sends it along, as Echo's axios interceptor does in a Laravel app.
        $socketId = $request->header('X-Socket-ID');
        $order = ['x' => round($x, 1), 'y' => round($y, 1), 'by' => $visitor->info()];
        try {
            (new Publisher($this->settings))->trigger(
                ['drivers'],
                'App\Events\OrderPlaced',
                $order,
                preg_match('/\A\d+\.\d+\z/', $socketId) === 1 ? $socketId : null,
            );
        } catch (PublishFailed $e) {
            return Response::json(['message' => $e->getMessage()], 502);
        }

        return Response::json($order, 201);
    }
}
