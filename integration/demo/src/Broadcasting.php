<?php

declare(strict_types=1);

namespace Demo;

/** `/broadcasting/auth` and `/broadcasting/user-auth`, as Laravel answers them. */
final class Broadcasting
{
    private readonly Signatures $signatures;

    public function __construct(private readonly Settings $settings)
    {
        $this->signatures = new Signatures($settings);
    }

    public function authorizeChannel(Request $request): Response
    {
        $socketId = $request->text('socket_id');
        $channel = $request->text('channel_name');
        if (!self::isSocketId($socketId) || !self::isChannelName($channel)) {
            return Response::forbidden('socket_id or channel_name is missing or malformed.');
        }

        $visitor = Visitor::of($request, $this->settings);
        if ($visitor === null) {
            return Response::forbidden('Open the demo page first: this browser has no visitor cookie.');
        }

        [$kind, $name] = self::split($channel);
        if ($kind === 'public' || !ChannelRules::allow($visitor, $name)) {
            return Response::forbidden("$visitor->name may not listen to $channel.");
        }

        $channelData = $kind === 'presence'
            ? json_encode(['user_id' => $visitor->id, 'user_info' => $visitor->info()], JSON_THROW_ON_ERROR)
            : null;

        return Response::json($this->signatures->channel($socketId, $channel, $channelData));
    }

    public function authenticateUser(Request $request): Response
    {
        $socketId = $request->text('socket_id');
        if (!self::isSocketId($socketId)) {
            return Response::forbidden('socket_id is missing or malformed.');
        }

        $visitor = Visitor::of($request, $this->settings);
        if ($visitor === null) {
            return Response::forbidden('Open the demo page first: this browser has no visitor cookie.');
        }

        $userData = json_encode(['id' => $visitor->id, 'user_info' => $visitor->info()], JSON_THROW_ON_ERROR);

        return Response::json($this->signatures->user($socketId, $userData));
    }

    /** Signing anything else would lend the app's signature to strings of the caller's choice. */
    private static function isSocketId(string $socketId): bool
    {
        return preg_match('/\A\d+\.\d+\z/', $socketId) === 1;
    }

    private static function isChannelName(string $channel): bool
    {
        return preg_match('/\A[-a-zA-Z0-9_=@,.;]{1,200}\z/', $channel) === 1;
    }

    /** @return array{string, string} the kind, and the name that the rules know */
    private static function split(string $channel): array
    {
        foreach (['private-encrypted-' => 'private', 'private-' => 'private', 'presence-' => 'presence'] as $prefix => $kind) {
            if (str_starts_with($channel, $prefix)) {
                return [$kind, substr($channel, strlen($prefix))];
            }
        }

        return ['public', $channel];
    }
}
