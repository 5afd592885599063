// What the SDK signs for clients, the hub accepts: authorizeChannel and authenticateUser.

import assert from 'node:assert/strict';

import { connect, inbox, settled, subscribe } from '../lib/connections.mjs';
import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';
import { server } from '../lib/server.mjs';
import { within } from '../lib/waiting.mjs';

/** A client whose endpoints are the SDK in this process. */
function signedHere({ channelData, userData }) {
    return connect(undefined, {
        channelAuthorization: {
            customHandler: ({ socketId, channelName }, callback) =>
                callback(null, server.authorizeChannel(socketId, channelName, channelData)),
        },
        userAuthentication: {
            customHandler: ({ socketId }, callback) => callback(null, server.authenticateUser(socketId, userData)),
        },
    });
}

test('signing: authorizeChannel opens private and encrypted channels', async () => {
    const pusher = await signedHere({});

    await subscribe(pusher, unique('private-room'));
    const name = unique('private-encrypted-room');
    const box = inbox(await subscribe(pusher, name), 'item');
    await server.trigger(name, 'item', { n: 1 });
    assert.deepEqual((await box.next('event')).data, { n: 1 });
});

test('signing: authorizeChannel with a member opens a presence channel, odd letters and numbers included', async () => {
    const pusher = await signedHere({ channelData: { user_id: 10, user_info: { name: 'Zoë / 東京' } } });
    const { members } = await subscribe(pusher, unique('presence-room'));

    assert.deepEqual(Object.keys(members.members), ['10']);
    assert.deepEqual(members.get('10').info, { name: 'Zoë / 東京' });
});

test('signing: authenticateUser signs in, sendToUser arrives', async () => {
    const id = unique('user');
    const pusher = await signedHere({ userData: { id, user_info: { name: 'Ada' } } });
    pusher.signin();
    await within(pusher.user.signinDonePromise, 'end of the sign-in');
    await settled(pusher);
    assert.deepEqual(pusher.user.user_data, { id, user_info: { name: 'Ada' } });

    const box = inbox(pusher.user, 'note');
    await server.sendToUser(id, 'note', { n: 1 });
    assert.deepEqual((await box.next('event')).data, { n: 1 });
    await server.terminateUserConnections(id);
});
