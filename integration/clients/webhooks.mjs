// The hub's webhooks, read by Pusher's server SDK for Node as an app reads them: node webhooks.mjs [part of a test's name]
// Settings: lib/settings.mjs, and WEBHOOK_PORT, the port on this machine to which the hub sends them.

import './webhooks/events.mjs';
import { run } from './lib/report.mjs';

await run();
