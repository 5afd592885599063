// pusher-js, unmodified, over the limits of the plugin rate_limit: node rate-limit.mjs
// The hub lets 2 clients in at once and then one every 2 seconds, and takes 5 client events at once from each.

import assert from 'node:assert/strict';

import { connected, errorCodes, inbox, settled, start, stays, subscribe } from './lib/connections.mjs';
import { run, test } from './lib/report.mjs';

test('rate limit: over it pusher-js comes back until it is let in, and stays when it is in', async () => {
    const clients = [start(), start(), start()];
    const refusals = clients.map(errorCodes);
    await Promise.all(clients.map(connected));
    const codes = refusals.flatMap((box) => box.rest());
    assert.ok(codes.length > 0 && codes.every((code) => code === 4100), `found the codes ${codes}`);

    const [sender, receiver] = clients;
    const whispers = inbox(await subscribe(receiver, 'room'), 'client-typing');
    const room = await subscribe(sender, 'room');
    const errors = errorCodes(sender);
    for (let i = 0; i < 20; i++) {
        room.trigger('client-typing', { i });
    }
    await settled(sender);
    const refused = errors.rest();
    assert.ok(refused.length > 0 && refused.every((code) => code === 4301), `found the codes ${refused}`);
    await stays(sender, 'connected');

    room.trigger('client-typing', { i: 'later' });
    await whispers.next('whisper', ({ data }) => data.i === 'later');
    const delivered = whispers.rest().length;
    assert.ok(delivered >= 5 && delivered < 20, `found ${delivered} whispers delivered`);
});

await run();
