// Many stock pusher-js clients in one process, each subscribed to the channel "news". Prints a line of JSON for each change of a
// client's state and for each event: {"client": 7, "at": <ms since 1970>, "state": "connected"} or {…, "event": "headline"}. Runs until SIGTERM.
//
//   node crowd.mjs <number of clients>

import Pusher from 'pusher-js';

const url = new URL(process.env.HUB_URL);

for (let client = 0; client < Number(process.argv[2]); client++) {
    const say = (what) => console.log(JSON.stringify({ client, at: Date.now(), ...what }));
    const pusher = new Pusher(process.env.REVERB_APP_KEY, {
        cluster: '',
        wsHost: url.hostname,
        wsPort: url.port,
        forceTLS: false,
        enabledTransports: ['ws'],
        disableStats: true,
    });
    pusher.connection.bind('state_change', ({ current }) => say({ state: current }));
    const news = pusher.subscribe('news');
    news.bind('pusher:subscription_succeeded', () => say({ state: 'subscribed' }));
    news.bind('headline', () => say({ event: 'headline' }));
}
