// Private channels: authorised by PHP, verified by the hub.

import assert from 'node:assert/strict';

import { connect, errorCodes, inbox, settled, subscribe } from '../lib/connections.mjs';
import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';
import { server } from '../lib/server.mjs';
import { app } from '../lib/settings.mjs';

test('private: PHP authorises, the hub accepts, events arrive', async () => {
    const name = unique('private-orders');
    const box = inbox(await subscribe(await connect('1'), name), 'placed');

    await server.trigger(name, 'placed', { order: 9 });
    assert.deepEqual((await box.next('event')).data, { order: 9 });
});

test('private: where PHP says 403 pusher-js reports it, and the hub is not asked', async () => {
    const pusher = await connect('1');
    const errors = inbox(pusher.subscribe('private-forbidden'), 'pusher:subscription_error');

    const { data } = await errors.next('pusher:subscription_error');
    assert.equal(data.status, 403);
    assert.equal(pusher.connection.state, 'connected');
});

test('private: another user\'s own channel is refused by PHP', async () => {
    const errors = inbox((await connect('1')).subscribe('private-App.Models.User.2'), 'pusher:subscription_error');

    assert.equal((await errors.next('pusher:subscription_error')).data.status, 403);
});

/** Signatures that look right and are not. */
const forgeries = {
    'a wrong digest': () => `${app.key}:${'0'.repeat(64)}`,
    'another channel\'s signature': (socketId) => server.authorizeChannel(socketId, 'private-elsewhere').auth,
    'another socket\'s signature': (_, channel) => server.authorizeChannel('1.1', channel).auth,
    'another key': (socketId, channel) => server.authorizeChannel(socketId, channel).auth.replace(app.key, 'other-key'),
    'no signature': () => '',
};

for (const [what, forge] of Object.entries(forgeries)) {
    test(`private: ${what} is a pusher:subscription_error, and the connection stays`, async () => {
        const name = unique('private-vault');
        const pusher = await connect(undefined, {
            channelAuthorization: {
                customHandler: ({ socketId, channelName }, callback) => callback(null, { auth: forge(socketId, channelName) }),
            },
        });
        const codes = errorCodes(pusher);
        const channel = pusher.subscribe(name);
        const errors = inbox(channel, 'pusher:subscription_error');
        const secrets = inbox(channel, 'secret');

        const { data } = await errors.next('pusher:subscription_error');
        assert.equal(data.type, 'AuthError');
        assert.equal(data.status, 401);
        assert.equal(await codes.next('pusher:error'), 4009);

        await server.trigger(name, 'secret', 'not for you');
        await settled(pusher);
        assert.deepEqual(secrets.rest(), []);
    });
}
