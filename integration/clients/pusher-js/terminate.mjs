// Ending a user's connections from the server.

import assert from 'node:assert/strict';

import { connect, connected, errorCodes, inbox, reached, settled, stays, subscribe } from '../lib/connections.mjs';
import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';
import { server } from '../lib/server.mjs';
import { signIn } from '../lib/sign-in.mjs';

test('terminate: every socket of the user is closed with 4009 and stays away until the app connects again', async () => {
    const user = unique('leaver');
    const tabs = await Promise.all([signIn(user), signIn(user)]);
    const bystander = await signIn(unique('bystander'));
    const codes = tabs.map(errorCodes);

    await server.terminateUserConnections(user);
    for (const box of codes) {
        assert.equal(await box.next('pusher:error'), 4009);
    }
    await Promise.all(tabs.map((tab) => reached(tab, 'disconnected')));
    await Promise.all(tabs.map((tab) => stays(tab, 'disconnected')));
    await settled(bystander);

    tabs[0].connect();
    await connected(tabs[0]);
});

test('terminate: the user\'s presence ends with the connections', async () => {
    const user = unique('leaver');
    const name = unique('presence-room');
    const watcher = await subscribe(await connect('1'), name);
    const gone = inbox(watcher, 'pusher:member_removed');
    const leaver = await signIn(user);
    await subscribe(leaver, name);

    await server.terminateUserConnections(user);
    assert.equal((await gone.next('member_removed')).data.id, user);
});

test('terminate: a user who is not there is no error', async () => {
    const answer = await server.terminateUserConnections(unique('nobody'));

    assert.equal(answer.status, 200);
});
