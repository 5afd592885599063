// pusher-js in Chromium. Subscribes to the channel that is its argument, prints "subscribed", and then each event's data as one line of JSON.

import { fileURLToPath } from 'node:url';

import { app, hub } from '../clients/lib/settings.mjs';
import { visitor } from './lib/visits.mjs';

const PUSHER = fileURLToPath(new URL('../clients/node_modules/pusher-js/dist/web/pusher.min.js', import.meta.url));

const page = await (await visitor()).newPage();
await page.goto(hub.origin);
await page.addScriptTag({ path: PUSHER });
await page.exposeFunction('print', (line) => console.log(line));
await page.evaluate(({ key, host, port, name }) => {
    const { Pusher, print } = window;
    const pusher = new Pusher(key, { cluster: '', wsHost: host, wsPort: port, forceTLS: false, enabledTransports: ['ws'] });
    const channel = pusher.subscribe(name);
    channel.bind('moved', (data) => print(JSON.stringify(data)));
    channel.bind('pusher:subscription_succeeded', () => print('subscribed'));
}, { key: app.key, host: hub.hostname, port: Number(hub.port), name: process.argv[2] });
