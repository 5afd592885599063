// pusher-js and Echo, unmodified, while somebody works with the admin API: node admin.mjs [part of a test's name]
// Settings: lib/settings.mjs and lib/admin.mjs.

import assert from 'node:assert/strict';

import { admin } from './lib/admin.mjs';
import { connect, connected, errorCodes, inbox, reached, settled, stays, subscribe } from './lib/connections.mjs';
import { connectEcho, heard } from './lib/echo.mjs';
import { unique } from './lib/names.mjs';
import { run, test } from './lib/report.mjs';
import { server } from './lib/server.mjs';
import { signIn } from './lib/sign-in.mjs';

test('connections: with user, address, agent and channels', async () => {
    const user = unique('user');
    const pusher = await signIn(user);
    const name = unique('private-chat');
    await subscribe(pusher, name);

    const { connections, next } = await admin(`/connections?user=${user}`);
    assert.equal(next, undefined);
    assert.equal(connections.length, 1);
    const [found] = connections;
    assert.equal(found.socket_id, pusher.connection.socket_id);
    assert.equal(found.user_id, user);
    assert.equal(found.signed_in, true);
    assert.equal(found.ip, '127.0.0.1');
    assert.equal(found.protocol, 7);
    assert.equal(found.subscriptions, 2);
    assert.ok(Math.abs(Date.now() - Date.parse(found.connected_at)) < 60_000, found.connected_at);

    const { channels } = await admin(`/connections/${found.socket_id}`);
    assert.deepEqual(channels.map(({ channel }) => channel), [`#server-to-user-${user}`, name]);
});

test('disconnect: a user stays away until the app connects again', async () => {
    const user = unique('leaver');
    const tabs = await Promise.all([signIn(user), signIn(user)]);
    const bystander = await signIn(unique('bystander'));
    const codes = tabs.map(errorCodes);

    assert.equal((await admin('/disconnect', { user })).sockets, 2);
    for (const box of codes) {
        assert.equal(await box.next('pusher:error'), 4009);
    }
    await Promise.all(tabs.map((tab) => reached(tab, 'disconnected')));
    await Promise.all(tabs.map((tab) => stays(tab, 'disconnected')));
    await settled(bystander);

    tabs[0].connect();
    await connected(tabs[0]);
});

test('disconnect: asked to reconnect, a client is back at once and on its channels', async () => {
    const name = unique('news');
    const pusher = await connect();
    const channel = await subscribe(pusher, name);
    const before = pusher.connection.socket_id;
    const again = inbox(channel, 'pusher:subscription_succeeded');
    const codes = errorCodes(pusher);

    assert.equal((await admin('/disconnect', { socket_id: before, reconnect: true })).sockets, 1);
    assert.equal(await codes.next('pusher:error'), 4200);
    await again.next('subscription_succeeded');
    assert.notEqual(pusher.connection.socket_id, before);
    const events = inbox(channel, 'e');
    await server.trigger(name, 'e', 'x');
    assert.equal((await events.next('e')).data, 'x');
});

test('unsubscribe: a member is out of one channel, the others hear of it, and everything else goes on', async () => {
    const user = unique('member');
    const name = unique('presence-room');
    const other = unique('news');
    const member = await connect(user);
    const room = await subscribe(member, name);
    const news = await subscribe(member, other);
    const watcher = await subscribe(await connect('1'), name);
    const removed = inbox(watcher, 'pusher:member_removed');
    const refused = inbox(room, 'pusher:subscription_error');
    const roomEvents = inbox(room, 'e');
    const newsEvents = inbox(news, 'e');

    assert.equal((await admin('/unsubscribe', { user, channel: name })).subscriptions, 1);
    const { data } = await refused.next('pusher:subscription_error');
    assert.equal(data.status, 403);
    assert.equal((await removed.next('member_removed')).data.id, user);
    await server.trigger([name, other], 'e', 'x');
    await newsEvents.next('e');
    assert.deepEqual(roomEvents.rest(), []);
    assert.equal(member.connection.state, 'connected');

    // the app's authorization, not the hub, says who may come back
    const added = inbox(watcher, 'pusher:member_added');
    member.unsubscribe(name);
    await subscribe(member, name);
    assert.equal((await added.next('member_added')).data.id, user);
});

test('unsubscribe: Echo calls error()', async () => {
    const name = unique('chat');
    const echo = await connectEcho('7');
    const channel = echo.private(name);
    const joined = heard((put) => channel.subscribed(() => put('joined')));
    const errors = heard((put) => channel.error(put));
    await joined.next('joined');

    assert.equal((await admin('/unsubscribe', { socket_id: echo.socketId(), channel: `private-${name}` })).subscriptions, 1);
    assert.equal((await errors.next('error')).status, 403);
});

test('publish: clients get it, the sender aside', async () => {
    const name = unique('news');
    const [pusher, sender] = await Promise.all([connect(), connect()]);
    const [events, own] = await Promise.all([pusher, sender].map(async (one) => inbox(await subscribe(one, name), 'notice')));

    await admin('/publish', { name: 'notice', channel: name, data: { text: 'hellö' }, socket_id: sender.connection.socket_id });
    assert.deepEqual((await events.next('notice')).data, { text: 'hellö' });
    await settled(sender);
    assert.deepEqual(own.rest(), []);
});

await run();
