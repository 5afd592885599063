// laravel-echo, unmodified, against a hub with the README's example of a plugin, which mutes user 2: node mute.mjs
// Settings: lib/settings.mjs.

import assert from 'node:assert/strict';

import { errorCodes, settled } from './lib/connections.mjs';
import { connectEcho, heard, joined } from './lib/echo.mjs';
import { unique } from './lib/names.mjs';
import { run, test } from './lib/report.mjs';

test('mute: a muted user hears the others and is not heard', async () => {
    const name = unique('room');
    const [free, muted] = await Promise.all([connectEcho('1'), connectEcho('2')]);
    const [ofFree, ofMuted] = await Promise.all([joined(free.join(name)), joined(muted.join(name))]);
    const toFree = heard((put) => ofFree.listenForWhisper('typing', put));
    const toMuted = heard((put) => ofMuted.listenForWhisper('typing', put));
    const codes = errorCodes(muted.connector.pusher);

    ofMuted.whisper('typing', { name: 'Eve' });
    assert.equal(await codes.next('error'), 4301);
    ofFree.whisper('typing', { name: 'Ada' });
    assert.deepEqual(await toMuted.next('whisper'), { name: 'Ada' });
    await settled(free.connector.pusher);
    assert.deepEqual(toFree.rest(), []);
});

await run();
