// Connecting, and being refused.

import assert from 'node:assert/strict';

import { connect, errorCodes, reached, settled, start, stays } from '../lib/connections.mjs';
import { test } from '../lib/report.mjs';

test('connection: each socket gets a socket_id of its own, two integers and a dot', async () => {
    const [one, two] = await Promise.all([connect(), connect()]);

    for (const { connection } of [one, two]) {
        // Server SDKs refuse any other form before they sign it.
        assert.match(connection.socket_id, /^\d+\.\d+$/);
    }
    assert.notEqual(one.connection.socket_id, two.connection.socket_id);
});

test('connection: pusher:ping is answered', async () => {
    await settled(await connect());
});

test('connection: an unknown key is refused with 4001, and pusher-js gives up', async () => {
    const pusher = start(undefined, { key: 'no-such-key' });
    const codes = errorCodes(pusher);

    assert.equal(await codes.next('error'), 4001);
    await reached(pusher, 'disconnected');
    await stays(pusher, 'disconnected');
});

test('connection: after disconnect() and connect() the client is back with a new socket_id', async () => {
    const pusher = await connect();
    const first = pusher.connection.socket_id;
    pusher.disconnect();
    await reached(pusher, 'disconnected');

    pusher.connect();
    await reached(pusher, 'connected');
    assert.notEqual(pusher.connection.socket_id, first);
});
