// Cache channels: the last event greets whoever comes later.

import assert from 'node:assert/strict';

import { connect, inbox, subscribe } from '../lib/connections.mjs';
import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';
import { server } from '../lib/server.mjs';

test('cache: a channel without a last event says pusher:cache_miss', async () => {
    const misses = inbox((await connect()).subscribe(unique('cache-empty')), 'pusher:cache_miss');

    await misses.next('pusher:cache_miss');
});

for (const prefix of ['cache-', 'private-cache-', 'presence-cache-', 'private-encrypted-cache-']) {
    test(`cache: ${prefix}… replays the last event, published before anybody was there`, async () => {
        const name = unique(`${prefix}position`);
        await server.trigger(name, 'moved', { at: 1 });
        await server.trigger(name, 'moved', { at: 2 });

        const channel = (await connect('1')).subscribe(name);
        const misses = inbox(channel, 'pusher:cache_miss');
        const box = inbox(channel, 'moved');
        assert.deepEqual((await box.next('cached event')).data, { at: 2 });
        assert.deepEqual([...box.rest(), ...misses.rest()], []);
    });
}

test('cache: the last event survives the last subscriber', async () => {
    const name = unique('cache-kept');
    const first = await connect();
    const box = inbox(await subscribe(first, name), 'moved');
    await server.trigger(name, 'moved', { at: 3 });
    await box.next('event');
    first.disconnect();

    const later = inbox((await connect()).subscribe(name), 'moved');
    assert.deepEqual((await later.next('cached event')).data, { at: 3 });
});

test('cache: client events are not kept', async () => {
    const name = unique('private-cache-whisper');
    const [sender, other] = await Promise.all([connect('1'), connect('2')]);
    const channel = await subscribe(sender, name);
    const heard = inbox(await subscribe(other, name), 'client-note');
    channel.trigger('client-note', { n: 1 });
    await heard.next('client event');

    const late = (await connect('3')).subscribe(name);
    const misses = inbox(late, 'pusher:cache_miss');
    const notes = inbox(late, 'client-note');
    await misses.next('pusher:cache_miss');
    assert.deepEqual(notes.rest(), []);
});
