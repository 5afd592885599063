// The other side: Pusher's SDK for Node, publishing to the hub's loopback listener.

import Pusher from 'pusher';

import { api, app, encryptionMasterKeyBase64 } from './settings.mjs';

/** An SDK instance for the app under test; options replace single settings. */
export function sdk(options = {}) {
    return new Pusher({
        appId: app.id,
        key: app.key,
        secret: app.secret,
        host: api.hostname,
        port: api.port || undefined,
        useTLS: api.protocol === 'https:',
        encryptionMasterKeyBase64,
        timeout: 10_000,
        ...options,
    });
}

export const server = sdk();
