// Signing a client in as a user, through PHP's /broadcasting/user-auth.

import assert from 'node:assert/strict';

import { connect, settled } from './connections.mjs';
import { within } from './waiting.mjs';

/** A client that is signed in and has its user channel subscribed. */
export async function signIn(user) {
    const pusher = await connect(user);
    pusher.signin();
    await within(pusher.user.signinDonePromise, 'end of the sign-in');
    assert.equal(pusher.user.user_data?.id, user, 'the hub did not accept the sign-in');
    // pusher-js subscribes to the user's channel by itself and does not say when that is done.
    await settled(pusher);
    return pusher;
}
