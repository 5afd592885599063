<?php

declare(strict_types=1);

namespace Demo;

/** Who may listen to what: the demo's `routes/channels.php`. Names come without `private-` or `presence-`. */
final class ChannelRules
{
    public static function allow(Visitor $visitor, string $channel): bool
    {
        if (str_starts_with($channel, 'App.Models.User.')) {
            return $channel === "App.Models.User.$visitor->id";
        }

        // Nobody may: the channel on which one can watch a refusal.
        return $channel !== 'forbidden';
    }
}
