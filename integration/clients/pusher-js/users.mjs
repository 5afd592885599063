// User sign-in, and events for one user.

import assert from 'node:assert/strict';

import { connect, errorCodes, frames, inbox, settled } from '../lib/connections.mjs';
import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';
import { server } from '../lib/server.mjs';
import { signIn } from '../lib/sign-in.mjs';

test('users: sign-in answers with the user_data that PHP signed', async () => {
    const pusher = await signIn('42');

    assert.equal(pusher.user.user_data.user_info.name, 'User 42');
    assert.ok(pusher.user.serverToUserChannel.subscribed);
});

test('users: sendToUser reaches every socket of that user and nobody else', async () => {
    const [anna, ben] = [unique('anna'), unique('ben')];
    const tabs = await Promise.all([signIn(anna), signIn(anna)]);
    const other = await signIn(ben);
    const boxes = tabs.map(({ user }) => inbox(user, 'greeting'));
    const otherBox = inbox(other.user, 'greeting');

    await server.sendToUser(anna, 'greeting', { text: 'for Anna' });
    await server.sendToUser(ben, 'greeting', { text: 'for Ben' });
    for (const box of boxes) {
        assert.deepEqual((await box.next('event')).data, { text: 'for Anna' });
    }
    assert.deepEqual((await otherBox.next('event')).data, { text: 'for Ben' });
    assert.deepEqual(boxes.flatMap((box) => box.rest()), []);
});

test('users: another user\'s channel cannot be subscribed to', async () => {
    const pusher = await signIn(unique('eve'));
    const wire = frames(pusher);
    // pusher-js itself does not let an app try, so this frame is made by hand.
    pusher.send_event('pusher:subscribe', { auth: '', channel: '#server-to-user-42' });

    const refusal = await wire.next('pusher:subscription_error', ({ event }) => event === 'pusher:subscription_error');
    assert.equal(refusal.channel, '#server-to-user-42');
    assert.equal(refusal.data.status, 401);
});

test('users: a forged sign-in is refused with 4009, and the connection stays', async () => {
    const pusher = await connect(undefined, {
        userAuthentication: {
            customHandler: ({ socketId }, callback) => {
                const { auth } = server.authenticateUser(socketId, { id: 'mallory' });
                callback(null, { auth, user_data: '{"id":"admin"}' });
            },
        },
    });
    const codes = errorCodes(pusher);
    pusher.signin();

    assert.equal(await codes.next('pusher:error'), 4009);
    await settled(pusher);
    assert.equal(pusher.user.user_data, null);
});

test('users: without a visitor PHP refuses, and pusher-js reports it', async () => {
    const pusher = await connect();
    const errors = inbox(pusher.user, 'pusher:signin_error');
    pusher.signin();

    assert.equal((await errors.next('pusher:signin_error')).data.status, 403);
});
