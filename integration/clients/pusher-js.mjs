// pusher-js, unmodified, against the hub: node pusher-js.mjs [part of a test's name]
// Settings: lib/settings.mjs. Each file below holds the tests of one chapter of the protocol.

import './pusher-js/connection.mjs';
import './pusher-js/public.mjs';
import './pusher-js/private.mjs';
import './pusher-js/encrypted.mjs';
import './pusher-js/presence.mjs';
import './pusher-js/cache.mjs';
import './pusher-js/client-events.mjs';
import './pusher-js/users.mjs';
import './pusher-js/watchlist.mjs';
import './pusher-js/terminate.mjs';
import { run } from './lib/report.mjs';

await run();
