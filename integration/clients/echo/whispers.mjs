// whisper() and listenForWhisper().

import assert from 'node:assert/strict';

import { settled } from '../lib/connections.mjs';
import { connectEcho, heard, joined } from '../lib/echo.mjs';
import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';

for (const kind of ['private', 'join']) {
    test(`whispers: cross a ${kind} channel without PHP, and do not come back`, async () => {
        const name = unique('room');
        const [speaker, listener] = await Promise.all([connectEcho('1'), connectEcho('2')]);
        const from = await joined(speaker[kind](name));
        const to = await joined(listener[kind](name));
        const own = heard((put) => from.listenForWhisper('typing', put));
        const theirs = heard((put) => to.listenForWhisper('typing', put));

        from.whisper('typing', { name: 'Ada' });
        assert.deepEqual(await theirs.next('whisper'), { name: 'Ada' });
        await settled(speaker.connector.pusher);
        assert.deepEqual(own.rest(), []);
    });
}

test('whispers: a whisper without data arrives', async () => {
    const name = unique('room');
    const [speaker, listener] = await Promise.all([connectEcho('1'), connectEcho('2')]);
    const from = await joined(speaker.private(name));
    const to = await joined(listener.private(name));
    const theirs = heard((put) => to.listenForWhisper('knock', (data) => put({ data })));

    from.whisper('knock');
    assert.ok([undefined, null].includes((await theirs.next('whisper')).data));
});
