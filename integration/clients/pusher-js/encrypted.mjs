// Encrypted channels: the SDK encrypts, pusher-js decrypts with the secret that PHP gave it, the hub carries ciphertext.

import assert from 'node:assert/strict';

import { connect, frames, inbox, subscribe } from '../lib/connections.mjs';
import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';
import { server } from '../lib/server.mjs';

test('encrypted: an event is readable at both ends and nowhere between', async () => {
    const name = unique('private-encrypted-room');
    const pusher = await connect('1');
    const box = inbox(await subscribe(pusher, name), 'message');
    const wire = frames(pusher);

    await server.trigger(name, 'message', { text: 'between us' });
    const frame = await wire.next('frame of the event', ({ event }) => event === 'message');
    assert.deepEqual(Object.keys(frame.data).sort(), ['ciphertext', 'nonce']);
    assert.deepEqual((await box.next('decrypted event')).data, { text: 'between us' });
});

test('encrypted: a batch may mix encrypted and plain channels', async () => {
    const pusher = await connect('1');
    const secret = unique('private-encrypted-mixed');
    const plain = unique('plain');
    const secrets = inbox(await subscribe(pusher, secret), 'e');
    const plains = inbox(await subscribe(pusher, plain), 'e');

    await server.triggerBatch([
        { channel: secret, name: 'e', data: { n: 1 } },
        { channel: plain, name: 'e', data: { n: 2 } },
    ]);
    assert.deepEqual((await secrets.next('encrypted event')).data, { n: 1 });
    assert.deepEqual((await plains.next('plain event')).data, { n: 2 });
});

test('encrypted: PHP may refuse here, too', async () => {
    const errors = inbox((await connect('1')).subscribe('private-encrypted-forbidden'), 'pusher:subscription_error');

    assert.equal((await errors.next('pusher:subscription_error')).data.status, 403);
});
