// pusher-js connections to the hub under test. Whatever a test opens here is closed when it ends.

import Pusher from 'pusher-js';

import { afterEach } from './report.mjs';
import { app, authUrl, debug, hub } from './settings.mjs';
import { Inbox, within } from './waiting.mjs';

Pusher.logToConsole = debug;

const open = new Set();

afterEach(() => {
    for (const close of open) {
        close();
    }
    open.clear();
});

/** Has the test's end call this. */
export function closeLater(close) {
    open.add(close);
}

/** The options that point pusher-js, or Echo on top of it, at the hub; the PHP demo takes the client for this user. */
export function clientOptions(user) {
    const secure = hub.protocol === 'https:';
    const port = Number(hub.port) || (secure ? 443 : 80);
    const headers = user === undefined ? {} : { 'X-Demo-User': user };
    return {
        cluster: '',
        wsHost: hub.hostname,
        wsPort: port,
        wssPort: port,
        forceTLS: secure,
        // 'ws' means WebSocket, over TLS with forceTLS. With 'wss' as well pusher-js would try TLS where ws is slow.
        enabledTransports: ['ws'],
        channelAuthorization: { transport: 'ajax', endpoint: `${authUrl}/broadcasting/auth`, headers },
        userAuthentication: { transport: 'ajax', endpoint: `${authUrl}/broadcasting/user-auth`, headers },
    };
}

/** A client that has begun to connect. */
export function start(user, { key = app.key, ...options } = {}) {
    const pusher = new Pusher(key, { ...clientOptions(user), ...options });
    closeLater(() => pusher.disconnect());
    return pusher;
}

/** A connected client. */
export async function connect(user, options) {
    const pusher = start(user, options);
    await connected(pusher);
    return pusher;
}

export function connected(pusher) {
    return reached(pusher, 'connected');
}

/** Waits for a state of the connection. */
export function reached(pusher, state) {
    const arrival = new Promise((resolve) => {
        if (pusher.connection.state === state) {
            resolve();
        }
        pusher.connection.bind(state, resolve);
    });
    return within(arrival, `connection state '${state}' (it is '${pusher.connection.state}')`);
}

/**
 * Fails as soon as the connection leaves this state. There is no event for "nothing happens", so this watches for
 * somewhat longer than the second after which pusher-js comes back when it does.
 */
export function stays(pusher, state, ms = 1500) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(resolve, ms);
        pusher.connection.bind('state_change', ({ current }) => {
            clearTimeout(timer);
            reject(new Error(`the connection went from '${state}' to '${current}'`));
        });
        if (pusher.connection.state !== state) {
            clearTimeout(timer);
            reject(new Error(`the connection is '${pusher.connection.state}', not '${state}'`));
        }
    });
}

/** Subscribes and waits for the hub's word; resolves to the channel. */
export async function subscribe(pusher, name) {
    const channel = pusher.subscribe(name);
    await subscribed(channel);
    return channel;
}

export function subscribed(channel) {
    const arrival = new Promise((resolve, reject) => {
        if (channel.subscribed) {
            resolve();
        }
        channel.bind('pusher:subscription_succeeded', resolve);
        channel.bind('pusher:subscription_error', (error) => reject(new Error(`subscription to ${channel.name}: ${JSON.stringify(error)}`)));
    });
    return within(arrival, `subscription to ${channel.name}`);
}

/** An inbox of this event's data and metadata; the metadata holds the user_id of a whisper's sender. */
export function inbox(source, event) {
    const box = new Inbox();
    source.bind(event, (data, metadata) => box.put({ data, metadata }));
    return box;
}

/** An inbox of every frame of this connection, as pusher-js decoded it. */
export function frames(pusher) {
    const box = new Inbox();
    pusher.connection.bind('message', (frame) => box.put(frame));
    return box;
}

/** An inbox of the codes that the hub gave for errors. */
export function errorCodes(pusher) {
    const box = new Inbox();
    // pusher-js wraps what comes with a close once more than what comes on an open connection.
    pusher.connection.bind('error', (error) => box.put((error.data ?? error.error?.data)?.code));
    return box;
}

/** Resolves when the hub has dealt with everything that this client sent before. */
export async function settled(pusher) {
    const pongs = frames(pusher);
    pusher.send_event('pusher:ping', {});
    await pongs.next('pusher:pong', ({ event }) => event === 'pusher:pong');
}
