// Pusher's server SDK for Node, unmodified, against the hub: node server-sdk.mjs [part of a test's name]
// Settings: lib/settings.mjs.

import './server-sdk/trigger.mjs';
import './server-sdk/queries.mjs';
import './server-sdk/signing.mjs';
import './server-sdk/refusals.mjs';
import './server-sdk/keep-alive.mjs';
import { run } from './lib/report.mjs';

await run();
