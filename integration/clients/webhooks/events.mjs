// What clients do, as the SDK's webhook() tells it.

import assert from 'node:assert/strict';

import { connect, subscribe } from '../lib/connections.mjs';
import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';
import { app } from '../lib/settings.mjs';
import { server } from '../lib/server.mjs';
import { requests, told } from '../lib/webhooks.mjs';

test('webhooks: the SDK finds the signature, the key and the time valid', async () => {
    const name = unique('room');
    await subscribe(await connect('1'), name);
    const { request, rawBody, webhook } = await requests.next('webhook', (r) => r.rawBody.includes(`"channel_occupied","channel":"${name}"`));

    assert.equal(request.method, 'POST');
    assert.equal(webhook.isValid(), true);
    assert.equal(request.headers['x-pusher-key'], app.key);
    assert.ok(Math.abs(webhook.getTime() - Date.now()) < 60_000, `time ${webhook.getTime()}`);
    assert.deepEqual(
        webhook.getEvents().filter((event) => event.channel === name && event.name === 'channel_occupied'),
        [{ name: 'channel_occupied', channel: name }],
    );
    // and would not, with another byte in it
    assert.equal(server.webhook({ headers: request.headers, rawBody: `${rawBody} ` }).isValid(), false);
});

test('webhooks: channels are occupied and vacated, members come and go', async () => {
    const name = unique('presence-room');
    const pusher = await connect('7');
    await subscribe(pusher, name);
    await told('channel_occupied', name);
    assert.deepEqual(await told('member_added', name), { name: 'member_added', channel: name, user_id: '7' });

    pusher.unsubscribe(name);
    assert.deepEqual(await told('member_removed', name), { name: 'member_removed', channel: name, user_id: '7' });
    await told('channel_vacated', name);
});

test('webhooks: client events come with who sent them, and their data as text', async () => {
    const name = unique('presence-room');
    const pusher = await connect('8');
    const channel = await subscribe(pusher, name);

    channel.trigger('client-typing', { on: true, text: 'Zoë </p>' });
    const event = await told('client_event', name);
    assert.deepEqual(JSON.parse(event.data), { on: true, text: 'Zoë </p>' });
    assert.deepEqual({ ...event, data: '' }, {
        name: 'client_event', channel: name, event: 'client-typing', data: '', socket_id: pusher.connection.socket_id, user_id: '8',
    });
});

test('webhooks: a cache channel without an event tells a miss', async () => {
    const name = unique('cache-room');
    await subscribe(await connect('1'), name);
    assert.deepEqual(await told('cache_miss', name), { name: 'cache_miss', channel: name });
});

test('webhooks: the number of subscribers', async () => {
    const name = unique('room');
    await subscribe(await connect('1'), name);
    assert.deepEqual(await told('subscription_count', name), { name: 'subscription_count', channel: name, subscription_count: 1 });
});
