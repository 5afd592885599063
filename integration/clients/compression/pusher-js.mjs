// pusher-js with the WebSocket of npm's ws, which offers permessage-deflate; the one that pusher-js brings for Node does not.
// Subscribes to the channel that is its argument, prints "subscribed", and then each event's data as one line of JSON.

import Pusher from 'pusher-js';
import WebSocket from 'ws';

import { connect, subscribe } from '../lib/connections.mjs';

Pusher.Runtime.createWebSocket = (url) => new WebSocket(url, { perMessageDeflate: { threshold: 0 } });

const channel = await subscribe(await connect(), process.argv[2]);
channel.bind('moved', (data) => console.log(JSON.stringify(data)));
console.log('subscribed');
