// An endpoint for webhooks. Each request goes through the SDK, which believes only what is signed.

import { createServer } from 'node:http';

import { server } from './server.mjs';
import { Inbox } from './waiting.mjs';

/** What the SDK made of each request: an object with the request, and the webhook of the SDK. */
export const requests = new Inbox();

/** All events of all requests, in order. */
export const events = new Inbox();

createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
        const rawBody = Buffer.concat(pieces).toString();
        const webhook = server.webhook({ headers: request.headers, rawBody });
        requests.put({ request, rawBody, webhook });
        if (webhook.isValid()) {
            webhook.getEvents().forEach((event) => events.put(event));
        }
        response.writeHead(webhook.isValid() ? 200 : 401).end();
    });
}).listen(Number(process.env.WEBHOOK_PORT), '127.0.0.1').unref();

/** Waits for the event of this name about this channel. */
export function told(name, channel) {
    return events.next(`webhook ${name} ${channel}`, (event) => event.name === name && event.channel === channel);
}
