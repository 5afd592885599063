// Whoever runs the hub: requests to Caddy's admin API, at the unix socket HUB_ADMIN_SOCKET.

import { request } from 'node:http';

import { app } from './settings.mjs';

const root = `/pusher_hub/hubs/default/apps/${encodeURIComponent(app.id)}`;

/** Asks for a resource of the app under test; with a body, has something done. Resolves to the answer's JSON. */
export function admin(path, body) {
    return new Promise((resolve, reject) => {
        const asked = request({
            socketPath: process.env.HUB_ADMIN_SOCKET,
            path: root + path,
            method: body === undefined ? 'GET' : 'POST',
            headers: { Host: '' },
        }, async (answer) => {
            let text = '';
            for await (const part of answer.setEncoding('utf8')) {
                text += part;
            }
            if (answer.statusCode === 200) {
                resolve(JSON.parse(text));
            } else {
                reject(new Error(`${path}: ${answer.statusCode} ${text}`));
            }
        });
        asked.on('error', reject);
        asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
}
