// Echo instances, set up as a Laravel app's bootstrap.js does, and closed when the test ends.

import Echo from 'laravel-echo';
import Pusher from 'pusher-js';

import { clientOptions, closeLater, connected } from './connections.mjs';
import { app, authUrl } from './settings.mjs';
import { Inbox, within } from './waiting.mjs';

/** A connected Echo; the PHP demo takes it for this user. */
export async function connectEcho(user) {
    const { channelAuthorization, userAuthentication, ...options } = clientOptions(user);
    const echo = new Echo({
        ...options,
        broadcaster: 'reverb',
        key: app.key,
        Pusher,
        // Echo's own names for the two endpoints; in a browser their paths alone do.
        authEndpoint: channelAuthorization.endpoint,
        auth: { headers: { ...channelAuthorization.headers } },
        userAuthentication,
    });
    closeLater(() => echo.disconnect());
    await connected(echo.connector.pusher);
    return echo;
}

/** Waits for Echo's `subscribed` callback; resolves to the channel. */
export async function joined(channel) {
    const arrival = new Promise((resolve, reject) => {
        channel.subscribed(resolve);
        channel.error((error) => reject(new Error(`${channel.name}: ${JSON.stringify(error)}`)));
    });
    await within(arrival, `subscription to ${channel.name}`);
    return channel;
}

/** Gives Echo a callback and collects what it is called with: heard((put) => channel.listen('Event', put)). */
export function heard(register) {
    const box = new Inbox();
    register((value) => box.put(value));
    return box;
}

/** A request to the PHP demo as this user, with the socket id that Echo adds to axios' requests. */
export function post(path, user, echo, body) {
    return fetch(`${authUrl}${path}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-Demo-User': user, 'X-Socket-ID': echo.socketId() },
        body: JSON.stringify(body),
    });
}
