// Where the hub is and who we are, from the environment. Every program here and in ../browser reads it through this.
//
//   HUB_URL          the public site: http://127.0.0.1:8080, or https://…
//   HUB_API_URL      the loopback listener that server SDKs publish to: http://127.0.0.1:6001
//   AUTH_URL         the PHP demo with its /broadcasting routes; HUB_URL unless set. It must run with
//                    DEMO_TEST_USERS=1, so that a program can be any user by sending X-Demo-User.
//   REVERB_APP_ID, REVERB_APP_KEY, REVERB_APP_SECRET
//   HUB_FEATURES     options that the app has switched on beside its defaults: "watchlist subscription_count"
//   WAIT_MS          how long anything may take to arrive (10000)
//   DEBUG_PUSHER=1   pusher-js logs every frame

import { createHmac } from 'node:crypto';

const { env } = process;

export const hub = new URL(env.HUB_URL || 'http://127.0.0.1:8080');
export const api = new URL(env.HUB_API_URL || 'http://127.0.0.1:6001');
export const authUrl = (env.AUTH_URL || hub.origin).replace(/\/$/, '');

export const app = {
    id: env.REVERB_APP_ID || 'demo',
    key: env.REVERB_APP_KEY || 'demo-key',
    secret: env.REVERB_APP_SECRET || 'demo-secret',
};

/** Derived as Settings::encryptionMasterKey() of the PHP demo derives it: both ends of an encrypted channel need it. */
export const encryptionMasterKeyBase64 = createHmac('sha256', app.secret).update('encryption master key').digest('base64');

export const features = new Set((env.HUB_FEATURES || '').split(/[\s,]+/).filter(Boolean));
export const patience = Number(env.WAIT_MS) || 10_000;
export const debug = env.DEBUG_PUSHER === '1';
