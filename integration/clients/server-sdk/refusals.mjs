// What the hub refuses, with a status that means something and a body that says it in words.

import assert from 'node:assert/strict';

import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';
import { sdk, server } from '../lib/server.mjs';
import { app } from '../lib/settings.mjs';

/** The SDK's error for a call that must not succeed. */
async function refused(call, status) {
    const error = await call.then(() => assert.fail('the hub accepted it'), (reason) => reason);
    assert.equal(error.status, status, `${error.message}: ${error.body ?? error.error}`);
    return error.body;
}

test('refusals: a wrong secret is 401, and the body does not give the right signature away', async () => {
    const body = await refused(sdk({ secret: 'wrong' }).trigger(unique('news'), 'item', {}), 401);

    assert.match(body, /signature/i);
    assert.doesNotMatch(body, /[0-9a-f]{64}/);
    assert.ok(!body.includes(app.secret));
});

test('refusals: a wrong key is 401', async () => {
    await refused(sdk({ key: 'other-key' }).trigger(unique('news'), 'item', {}), 401);
});

test('refusals: an unknown app is 404, named in the body', async () => {
    assert.match(await refused(sdk({ appId: 'no-such-app' }).trigger(unique('news'), 'item', {}), 404), /no-such-app/);
});

test('refusals: more than a megabyte is 413, and the next call works', async () => {
    const body = await refused(server.trigger(unique('news'), 'item', 'x'.repeat(1_100_000)), 413);
    assert.ok(body.length > 0);

    assert.equal((await server.trigger(unique('news'), 'item', 'small')).status, 200);
});

test('refusals: a bad channel name is 422 and names the field', async () => {
    // The SDK refuses such names itself, so the request is made a level below.
    const event = { name: 'item', data: '{}', channels: ['not a channel!'] };
    assert.match(await refused(server.post({ path: '/events', body: event }), 422), /channel/);
});

test('refusals: an event without a name is 422, data that is no string too', async () => {
    const channels = [unique('news')];
    assert.match(await refused(server.post({ path: '/events', body: { data: '{}', channels } }), 422), /name/);
    assert.match(await refused(server.post({ path: '/events', body: { name: 'item', data: { n: 1 }, channels } }), 422), /data/);
});

test('refusals: one bad event in a batch, and none is sent', async () => {
    const name = unique('cache-batch');
    const good = { channel: name, name: 'item', data: '{}' };
    await refused(server.post({ path: '/batch_events', body: { batch: [good, { ...good, channel: 'not a channel!' }] } }), 422);

    const answer = await server.get({ path: `/channels/${name}`, params: { info: 'cache' } });
    assert.ok(!(await answer.json()).cache);
});

test('refusals: users of a channel that is no presence channel is 400', async () => {
    await refused(server.get({ path: `/channels/${unique('open')}/users` }), 400);
});
