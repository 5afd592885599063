// Public channels.

import assert from 'node:assert/strict';

import { connect, inbox, settled, subscribe } from '../lib/connections.mjs';
import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';
import { server } from '../lib/server.mjs';

test('public: an event reaches every subscriber, with its data as it was published', async () => {
    const name = unique('drivers');
    const clients = await Promise.all([connect(), connect()]);
    const boxes = [];
    for (const client of clients) {
        boxes.push(inbox(await subscribe(client, name), 'App\\Events\\DriverMoved'));
    }

    const payloads = [{ id: 7, at: [52.52, 13.405] }, 'plain text, no JSON', '', 'naïve ✓ 東京 🚚 <b>&amp;</b> \u2028', [1, 2], 42, null];
    for (const payload of payloads) {
        await server.trigger(name, 'App\\Events\\DriverMoved', payload);
        for (const box of boxes) {
            assert.deepEqual((await box.next('event')).data, payload);
        }
    }
});

test('public: a subscriber hears its own channel only', async () => {
    const name = unique('mine');
    const box = inbox(await subscribe(await connect(), name), 'news');

    await server.trigger(unique('other'), 'news', 'not for me');
    await server.trigger(name, 'news', 'for me');
    assert.equal((await box.next('event')).data, 'for me');
});

test('public: the socket named by socket_id is left out (toOthers)', async () => {
    const name = unique('chat');
    const [sender, other] = await Promise.all([connect(), connect()]);
    const own = inbox(await subscribe(sender, name), 'message');
    const theirs = inbox(await subscribe(other, name), 'message');

    await server.trigger(name, 'message', 'from the sender', { socket_id: sender.connection.socket_id });
    await server.trigger(name, 'message', 'to all');
    assert.equal((await theirs.next('event')).data, 'from the sender');
    assert.equal((await theirs.next('event')).data, 'to all');
    // Events of one channel arrive in order: had the first one come here, it would come first.
    assert.equal((await own.next('event')).data, 'to all');
});

test('public: nothing comes after unsubscribe, and everything again after subscribe', async () => {
    const name = unique('news');
    const pusher = await connect();
    const box = inbox(await subscribe(pusher, name), 'item');
    pusher.unsubscribe(name);
    await settled(pusher);

    await server.trigger(name, 'item', 'unheard');
    const again = inbox(await subscribe(pusher, name), 'item');
    await server.trigger(name, 'item', 'heard');
    assert.equal((await again.next('event')).data, 'heard');
    assert.deepEqual(box.rest(), []);
});

test('public: 150 subscriptions in one burst all succeed', async () => {
    const pusher = await connect();
    const prefix = unique('burst');

    await Promise.all(Array.from({ length: 150 }, (_, i) => subscribe(pusher, `${prefix}-${i}`)));
});

test('public: events published one after the other arrive in order', async () => {
    const name = unique('ordered');
    const box = inbox(await subscribe(await connect(), name), 'step');

    for (let i = 0; i < 50; i++) {
        await server.trigger(name, 'step', i);
    }
    for (let i = 0; i < 50; i++) {
        assert.equal((await box.next(`step ${i}`)).data, i);
    }
});

test('public: subscription_count follows subscribers', async () => {
    const name = unique('counted');
    const first = (await connect()).subscribe(name);
    const counts = inbox(first, 'pusher:subscription_count');
    const atLeast = (n) => counts.next(`count ${n}`, ({ data }) => data.subscription_count === n);
    await atLeast(1);

    const second = await connect();
    await subscribe(second, name);
    await atLeast(2);
    assert.equal(first.subscriptionCount, 2);
    second.disconnect();
    await atLeast(1);
}, { needs: 'subscription_count' });
