// Asking: channels, one channel, the users of a presence channel.

import assert from 'node:assert/strict';

import { connect, subscribe } from '../lib/connections.mjs';
import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';
import { server } from '../lib/server.mjs';

async function ask(path, params) {
    const answer = await server.get({ path, params });
    assert.equal(answer.status, 200);
    return answer.json();
}

test('channels: the list holds occupied channels, by prefix and with user counts', async () => {
    const prefix = unique('presence-list');
    await subscribe(await connect('1'), `${prefix}-a`);
    await subscribe(await connect('1'), `${prefix}-b`);
    await subscribe(await connect('2'), `${prefix}-b`);

    assert.deepEqual(await ask('/channels', { filter_by_prefix: prefix, info: 'user_count' }), {
        channels: { [`${prefix}-a`]: { user_count: 1 }, [`${prefix}-b`]: { user_count: 2 } },
    });
    const all = await ask('/channels');
    assert.deepEqual(all.channels[`${prefix}-a`], {});
});

test('channels: an empty list is an object, as the PHP SDK needs it', async () => {
    const answer = await server.get({ path: '/channels', params: { filter_by_prefix: unique('nothing') } });

    assert.equal(await answer.text(), '{"channels":{}}');
});

test('channel: occupied or not, with the counts asked for', async () => {
    const name = unique('one');
    assert.equal((await ask(`/channels/${name}`)).occupied, false);

    await subscribe(await connect(), name);
    assert.deepEqual(await ask(`/channels/${name}`), { occupied: true });
    assert.deepEqual(await ask(`/channels/${name}`, { info: 'subscription_count' }), { occupied: true, subscription_count: 1 });
});

test('channel: names with @ , ; = are found however the SDK writes them', async () => {
    const name = `${unique('odd')}@x,y;z=1`;
    await subscribe(await connect(), name);

    assert.equal((await ask(`/channels/${name}`)).occupied, true);
    assert.equal((await ask(`/channels/${encodeURIComponent(name)}`)).occupied, true);
});

test('users: each user once, ids as strings; none is an empty list', async () => {
    const name = unique('presence-room');
    assert.deepEqual(await ask(`/channels/${name}/users`), { users: [] });

    await subscribe(await connect('1'), name);
    await subscribe(await connect('1'), name);
    await subscribe(await connect('2'), name);
    const { users } = await ask(`/channels/${name}/users`);
    assert.deepEqual(users.sort((a, b) => a.id.localeCompare(b.id)), [{ id: '1' }, { id: '2' }]);
});
