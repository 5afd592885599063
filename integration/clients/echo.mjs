// laravel-echo with broadcaster 'reverb', unmodified, against the hub: node echo.mjs [part of a test's name]
// Settings: lib/settings.mjs.

import './echo/channels.mjs';
import './echo/presence.mjs';
import './echo/whispers.mjs';
import './echo/to-others.mjs';
import { run } from './lib/report.mjs';

await run();
