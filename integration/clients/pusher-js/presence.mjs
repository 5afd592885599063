// Presence channels: who is here, counted by user and not by socket.

import assert from 'node:assert/strict';

import { connect, inbox, settled, subscribe } from '../lib/connections.mjs';
import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';
import { Inbox } from '../lib/waiting.mjs';

/** The ids in pusher-js' own picture of the channel. */
function ids(channel) {
    return Object.keys(channel.members.members).sort();
}

/** A subscriber that keeps what it is told about members. */
async function watch(user, name) {
    const pusher = await connect(user);
    const channel = await subscribe(pusher, name);
    const added = inbox(channel, 'pusher:member_added');
    const removed = inbox(channel, 'pusher:member_removed');
    return { pusher, channel, added, removed };
}

test('presence: the first snapshot holds everyone, oneself included, with user_info', async () => {
    const name = unique('presence-room');
    const one = await watch('1', name);
    assert.equal(one.channel.members.count, 1);
    assert.equal(one.channel.members.me.id, '1');
    assert.equal(one.channel.members.me.info.name, 'User 1');

    const two = await watch('2', name);
    assert.equal(two.channel.members.count, 2);
    assert.deepEqual(ids(two.channel), ['1', '2']);
    assert.equal(two.channel.members.get('1').info.name, 'User 1');
});

test('presence: two tabs of one user are one member, added once and removed once', async () => {
    const name = unique('presence-room');
    const watcher = await watch('1', name);

    const first = await watch('2', name);
    assert.equal((await watcher.added.next('member_added')).data.id, '2');
    const second = await watch('2', name);
    assert.equal(second.channel.members.count, 2);

    first.pusher.disconnect();
    // A third user comes and goes: by then the watcher would have heard of a change in user 2's tabs.
    const third = await watch('3', name);
    assert.equal((await watcher.added.next('member_added')).data.id, '3');
    third.pusher.disconnect();
    assert.equal((await watcher.removed.next('member_removed')).data.id, '3');
    assert.deepEqual(ids(watcher.channel), ['1', '2']);

    second.pusher.disconnect();
    assert.equal((await watcher.removed.next('member_removed')).data.id, '2');
    assert.deepEqual(ids(watcher.channel), ['1']);
    assert.deepEqual([...watcher.added.rest(), ...watcher.removed.rest(), ...first.added.rest()], []);
});

test('presence: unsubscribing leaves the channel without leaving the hub', async () => {
    const name = unique('presence-room');
    const watcher = await watch('1', name);
    const leaver = await watch('2', name);
    await watcher.added.next('member_added');

    leaver.pusher.unsubscribe(name);
    assert.equal((await watcher.removed.next('member_removed')).data.id, '2');
    await settled(leaver.pusher);

    const back = await subscribe(leaver.pusher, name);
    assert.equal((await watcher.added.next('member_added again')).data.id, '2');
    assert.equal(back.members.count, 2);
});

test('presence: everyone who joins at once sees everyone else exactly once', async () => {
    const name = unique('presence-rush');
    const users = Array.from({ length: 12 }, (_, i) => `rush${i}`);
    const all = await Promise.all(users.map(async (user) => {
        const pusher = await connect(user);
        const channel = pusher.subscribe(name);
        const added = inbox(channel, 'pusher:member_added');
        // Copied at once: pusher-js adds later members to the very object that it hands out.
        const snapshot = new Inbox();
        channel.bind('pusher:subscription_succeeded', ({ members }) => snapshot.put(Object.keys(members)));
        return { channel, added, seen: await snapshot.next('snapshot') };
    }));

    for (const { channel, added, seen } of all) {
        while (seen.length < users.length) {
            seen.push((await added.next(`member ${seen.length + 1} of ${channel.name}`)).data.id);
        }
        assert.deepEqual(seen.sort(), [...users].sort());
        assert.deepEqual(added.rest(), []);
    }
});

test('presence: PHP may refuse', async () => {
    const errors = inbox((await connect('1')).subscribe('presence-forbidden'), 'pusher:subscription_error');

    assert.equal((await errors.next('pusher:subscription_error')).data.status, 403);
});
