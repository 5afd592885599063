// toOthers(): a request to PHP carries X-Socket-ID, PHP publishes with socket_id, that one tab is spared.

import assert from 'node:assert/strict';

import { connectEcho, heard, joined, post } from '../lib/echo.mjs';
import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';
import { server } from '../lib/server.mjs';

test('toOthers: an order placed through PHP is told to the others only', async () => {
    const [actor, other] = await Promise.all([connectEcho('1'), connectEcho('2')]);
    const listen = async (echo) => {
        const channel = await joined(echo.channel('drivers'));
        return heard((put) => channel.listen('OrderPlaced', put));
    };
    const own = await listen(actor);
    const theirs = await listen(other);

    // A place that tells this order from those of a visitor of the demo page.
    const place = { x: Math.round(Math.random() * 10_000) / 10, y: 7.7 };
    const answer = await post('/orders', '1', actor, place);
    assert.equal(answer.status, 201, await answer.clone().text());

    const isOurs = ({ x, y }) => x === place.x && y === place.y;
    assert.equal((await theirs.next('OrderPlaced', isOurs)).by.id, '1');
    // Events of one channel keep their order, so one more tells whether the first has passed this tab by.
    const marker = unique('marker');
    await server.trigger('drivers', 'App\\Events\\OrderPlaced', { marker, by: {} });
    await own.next('marker', (order) => order.marker === marker);
    assert.deepEqual(own.rest().filter(isOurs), []);
});
