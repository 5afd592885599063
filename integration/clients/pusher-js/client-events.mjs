// Client events (whispers in Echo's words): from socket to socket, past the app.

import assert from 'node:assert/strict';

import { connect, inbox, settled, subscribe } from '../lib/connections.mjs';
import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';

async function pair(name, event) {
    const [sender, receiver] = await Promise.all([connect('1'), connect('2')]);
    const channel = await subscribe(sender, name);
    return { sender, channel, own: inbox(channel, event), heard: inbox(await subscribe(receiver, name), event) };
}

test('client events: reach the others on a private channel, not their sender', async () => {
    const { sender, channel, own, heard } = await pair(unique('private-room'), 'client-typing');

    channel.trigger('client-typing', { on: true });
    const { data, metadata } = await heard.next('client event');
    assert.deepEqual(data, { on: true });
    assert.equal(metadata.user_id, undefined);
    await settled(sender);
    assert.deepEqual(own.rest(), []);
});

test('client events: on a presence channel the hub adds the sender\'s user_id', async () => {
    const { channel, heard } = await pair(unique('presence-room'), 'client-typing');

    channel.trigger('client-typing', { user_id: 'somebody else' });
    const { data, metadata } = await heard.next('client event');
    assert.deepEqual(data, { user_id: 'somebody else' });
    assert.equal(metadata.user_id, '1');
});

test('client events: data of every kind arrives as it was sent', async () => {
    const { channel, heard } = await pair(unique('private-room'), 'client-note');

    for (const payload of [{ a: [1, { b: null }] }, [1, 'two'], 'text ✓', 3.5, true, null]) {
        channel.trigger('client-note', payload);
        assert.deepEqual((await heard.next('client event')).data, payload);
    }
});

test('client events: without data they arrive without data', async () => {
    const { channel, heard } = await pair(unique('private-room'), 'client-knock');

    channel.trigger('client-knock');
    assert.ok([undefined, null].includes((await heard.next('client event')).data));
});

test('client events: nobody hears one from a socket that is not on the channel', async () => {
    const name = unique('private-room');
    const [outsider, member] = await Promise.all([connect('1'), connect('2')]);
    const heard = inbox(await subscribe(member, name), 'client-note');

    outsider.send_event('client-note', { from: 'outside' }, name);
    await settled(outsider);
    const insider = await subscribe(await connect('3'), name);
    insider.trigger('client-note', { from: 'inside' });
    assert.deepEqual((await heard.next('client event')).data, { from: 'inside' });
});
