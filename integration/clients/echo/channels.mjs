// Listening: names of events, kinds of channels, leaving.

import assert from 'node:assert/strict';

import { settled } from '../lib/connections.mjs';
import { connectEcho, heard, joined } from '../lib/echo.mjs';
import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';
import { server } from '../lib/server.mjs';

test('channels: listen() knows broadcastAs names by their dot, and class names by App\\Events', async () => {
    const name = unique('drivers');
    const echo = await connectEcho();
    const channel = await joined(echo.channel(name));
    const named = heard((put) => channel.listen('.driver.moved', put));
    const classed = heard((put) => channel.listen('DriverMoved', put));
    const nested = heard((put) => channel.listen('.App\\Events\\Fleet\\DriverMoved', put));

    await server.trigger(name, 'driver.moved', { by: 'name' });
    await server.trigger(name, 'App\\Events\\DriverMoved', { by: 'class' });
    await server.trigger(name, 'App\\Events\\Fleet\\DriverMoved', { by: 'full class' });
    assert.deepEqual(await named.next('.driver.moved'), { by: 'name' });
    assert.deepEqual(await classed.next('DriverMoved'), { by: 'class' });
    assert.deepEqual(await nested.next('Fleet\\DriverMoved'), { by: 'full class' });
    assert.deepEqual([...named.rest(), ...classed.rest(), ...nested.rest()], []);
});

test('channels: private() listens to what PHP allows', async () => {
    const name = unique('orders');
    const echo = await connectEcho('1');
    const box = heard((put) => echo.private(name).listen('OrderShipped', put));
    await joined(echo.private(name));

    await server.trigger(`private-${name}`, 'App\\Events\\OrderShipped', { order: { id: 7, url: 'https://x.test/o/7' } });
    assert.deepEqual(await box.next('OrderShipped'), { order: { id: 7, url: 'https://x.test/o/7' } });
});

test('channels: error() tells of a channel that PHP refuses', async () => {
    const echo = await connectEcho('1');
    const errors = heard((put) => echo.private('forbidden').error(put));

    assert.equal((await errors.next('error')).status, 403);
});

test('channels: encryptedPrivate() decrypts', async () => {
    const name = unique('vault');
    const echo = await connectEcho('1');
    const channel = await joined(echo.encryptedPrivate(name));
    const box = heard((put) => channel.listen('.secret', put));

    await server.trigger(`private-encrypted-${name}`, 'secret', { code: 1234 });
    assert.deepEqual(await box.next('.secret'), { code: 1234 });
});

test('channels: notification() hears the user\'s notifications', async () => {
    const echo = await connectEcho('1');
    const channel = await joined(echo.private('App.Models.User.1'));
    const box = heard((put) => channel.notification(put));
    const sent = { id: unique('n'), type: 'App\\Notifications\\InvoicePaid', amount: 12 };

    await server.trigger('private-App.Models.User.1', 'Illuminate\\Notifications\\Events\\BroadcastNotificationCreated', sent);
    // Another run may notify the same user, the name of this channel being given.
    assert.deepEqual(await box.next('notification', ({ id }) => id === sent.id), sent);
});

test('channels: leave() ends all kinds of a channel\'s name', async () => {
    const name = unique('news');
    const echo = await connectEcho('1');
    const open = heard((put) => echo.channel(name).listen('.item', put));
    const closed = heard((put) => echo.private(name).listen('.item', put));
    await joined(echo.channel(name));
    await joined(echo.private(name));

    echo.leave(name);
    await settled(echo.connector.pusher);
    const { status, channels } = await counts(name, `private-${name}`);
    assert.equal(status, 200);
    assert.deepEqual(channels, { [name]: false, [`private-${name}`]: false });
    assert.deepEqual([...open.rest(), ...closed.rest()], []);
});

/** Whether the hub still counts subscribers for these channels. */
async function counts(...names) {
    const channels = {};
    let status;
    for (const name of names) {
        const answer = await server.get({ path: `/channels/${name}` });
        status = answer.status;
        channels[name] = (await answer.json()).occupied;
    }
    return { status, channels };
}
