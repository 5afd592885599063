// Publishing: trigger and triggerBatch, with all that they may carry.

import assert from 'node:assert/strict';

import { connect, inbox, subscribe } from '../lib/connections.mjs';
import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';
import { server } from '../lib/server.mjs';

test('trigger: one channel, and the answer is an empty JSON object', async () => {
    const name = unique('news');
    const box = inbox(await subscribe(await connect(), name), 'item');

    const answer = await server.trigger(name, 'item', { n: 1 });
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('content-type'), /^application\/json/);
    assert.deepEqual(await answer.json(), {});
    assert.deepEqual((await box.next('event')).data, { n: 1 });
});

test('trigger: 100 channels in one call', async () => {
    const names = Array.from({ length: 100 }, () => unique('many'));
    const pusher = await connect();
    const boxes = [];
    for (const name of [names[0], names[57], names[99]]) {
        boxes.push(inbox(await subscribe(pusher, name), 'item'));
    }

    await server.trigger(names, 'item', 'to all of you');
    for (const box of boxes) {
        assert.equal((await box.next('event')).data, 'to all of you');
    }
});

test('trigger: a channel named twice is told once', async () => {
    const name = unique('twice');
    const box = inbox(await subscribe(await connect(), name), 'item');

    await server.trigger([name, name], 'item', 'once');
    await server.trigger(name, 'item', 'end');
    assert.equal((await box.next('event')).data, 'once');
    assert.equal((await box.next('event')).data, 'end');
});

test('trigger: socket_id spares one socket, an unknown one spares none', async () => {
    const name = unique('news');
    const [one, two] = await Promise.all([connect(), connect()]);
    const first = inbox(await subscribe(one, name), 'item');
    const second = inbox(await subscribe(two, name), 'item');

    await server.trigger(name, 'item', 1, { socket_id: one.connection.socket_id });
    await server.trigger(name, 'item', 2, { socket_id: '1.1' });
    assert.equal((await first.next('event')).data, 2);
    assert.equal((await second.next('event')).data, 1);
    assert.equal((await second.next('event')).data, 2);
});

test('trigger: info asks for counts of the channels just told', async () => {
    const [open, room] = [unique('open'), unique('presence-room')];
    await subscribe(await connect('1'), open);
    await subscribe(await connect('1'), room);
    await subscribe(await connect('1'), room);

    const answer = await server.trigger([open, room], 'item', {}, { info: 'subscription_count,user_count' });
    const { channels } = await answer.json();
    assert.deepEqual(Object.keys(channels).sort(), [open, room].sort());
    assert.equal(channels[open].subscription_count, 1);
    // Two sockets, one user.
    assert.equal(channels[room].user_count, 1);
});

test('trigger: 200 000 bytes of data arrive whole', async () => {
    const name = unique('large');
    const data = 'ü'.repeat(100_000);
    const box = inbox(await subscribe(await connect(), name), 'item');

    await server.trigger(name, 'item', data);
    assert.equal((await box.next('event')).data, data);
});

test('batch: several events for several channels, each with its own info', async () => {
    const [one, two] = [unique('one'), unique('two')];
    const pusher = await connect();
    const first = inbox(await subscribe(pusher, one), 'a');
    const second = inbox(await subscribe(pusher, two), 'b');

    const answer = await server.triggerBatch([
        { channel: one, name: 'a', data: { n: 1 }, info: 'subscription_count' },
        { channel: two, name: 'b', data: 'plain' },
    ]);
    assert.deepEqual(await answer.json(), { batch: [{ subscription_count: 1 }, {}] });
    assert.deepEqual((await first.next('event')).data, { n: 1 });
    assert.equal((await second.next('event')).data, 'plain');
});

test('batch: without info the answer is an empty JSON object', async () => {
    const answer = await server.triggerBatch([{ channel: unique('one'), name: 'a', data: {} }]);

    assert.deepEqual(await answer.json(), {});
});
