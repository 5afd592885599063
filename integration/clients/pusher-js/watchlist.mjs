// Watchlists: which of the users that I care about are online.

import assert from 'node:assert/strict';

import { connect, inbox } from '../lib/connections.mjs';
import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';
import { server } from '../lib/server.mjs';
import { signIn } from '../lib/sign-in.mjs';
import { within } from '../lib/waiting.mjs';

/** Signs in with a watchlist, which the app's server puts into user_data; PHP's demo users watch nobody. */
async function watching(user, watchlist) {
    const pusher = await connect(undefined, {
        userAuthentication: {
            customHandler: ({ socketId }, callback) => callback(null, server.authenticateUser(socketId, { id: user, watchlist })),
        },
    });
    const online = inbox(pusher.user.watchlist, 'online');
    const offline = inbox(pusher.user.watchlist, 'offline');
    pusher.signin();
    await within(pusher.user.signinDonePromise, 'end of the sign-in');
    return { online, offline };
}

test('watchlist: says at sign-in who is online, and later who comes and goes', async () => {
    const [here, away] = [unique('here'), unique('away')];
    const friend = await signIn(here);

    const { online, offline } = await watching(unique('watcher'), [here, away]);
    assert.deepEqual((await online.next('online')).data.user_ids, [here]);
    assert.deepEqual((await offline.next('offline')).data.user_ids, [away]);

    const tabs = await Promise.all([signIn(away), signIn(away)]);
    assert.deepEqual((await online.next('online')).data.user_ids, [away]);
    friend.disconnect();
    assert.deepEqual((await offline.next('offline')).data.user_ids, [here]);

    tabs[0].disconnect();
    tabs[1].disconnect();
    assert.deepEqual((await offline.next('offline')).data.user_ids, [away]);
    assert.deepEqual([...online.rest(), ...offline.rest()], []);
}, { needs: 'watchlist' });
