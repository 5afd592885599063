// Many stock pusher-js clients in one process, each a user of its own on the channels "news" and "presence-fleet". Prints a line of JSON for each change
// of a client's state, for each success of news, and for each event of it: {"client": 7, "at": <ms since 1970>, "state": "connected"}, {…, "state": "subscribed"}
// or {…, "event": "<data>"}. For each line of input it prints who each client believes to be there: {…, "members": ["0", …]}. Runs until SIGTERM.
//
//   node fleet.mjs <number of clients>

import { createHmac } from 'node:crypto';
import { createInterface } from 'node:readline';
import Pusher from 'pusher-js';

const url = new URL(process.env.HUB_URL);
const { REVERB_APP_KEY: key, REVERB_APP_SECRET: secret } = process.env;
const sign = (text) => `${key}:${createHmac('sha256', secret).update(text).digest('hex')}`;
const rosters = [];

for (let client = 0; client < Number(process.argv[2]); client++) {
    const say = (what) => console.log(JSON.stringify({ client, at: Date.now(), ...what }));
    const pusher = new Pusher(key, {
        cluster: '',
        wsHost: url.hostname,
        wsPort: url.port,
        forceTLS: false,
        enabledTransports: ['ws'],
        disableStats: true,
        channelAuthorization: {
            customHandler: ({ socketId, channelName }, answer) => {
                const channel_data = JSON.stringify({ user_id: String(client) });
                answer(null, { auth: sign(`${socketId}:${channelName}:${channel_data}`), channel_data });
            },
        },
    });
    pusher.connection.bind('state_change', ({ current }) => say({ state: current }));
    const fleet = pusher.subscribe('presence-fleet');
    rosters.push(() => say({ members: Object.keys(fleet.members.members) }));
    const news = pusher.subscribe('news');
    news.bind('pusher:subscription_succeeded', () => say({ state: 'subscribed' }));
    news.bind('n', (data) => say({ event: data }));
}

createInterface({ input: process.stdin }).on('line', () => rosters.forEach((report) => report()));
