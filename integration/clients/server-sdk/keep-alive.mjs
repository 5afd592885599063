// Many calls over one connection, as a queue worker makes them, and one connection a call, as a web request does.

import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';

import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';
import { sdk } from '../lib/server.mjs';
import { api } from '../lib/settings.mjs';

/** An SDK whose agent counts the connections it opens. */
function counting(keepAlive) {
    const { Agent } = api.protocol === 'https:' ? https : http;
    const agent = new Agent({ keepAlive, maxSockets: 1 });
    let opened = 0;
    const createConnection = agent.createConnection.bind(agent);
    agent.createConnection = (...parameters) => {
        opened++;
        return createConnection(...parameters);
    };
    return { server: sdk({ agent }), opened: () => opened, close: () => agent.destroy() };
}

for (const [keepAlive, connections] of [[true, 1], [false, 20]]) {
    test(`keep-alive: 20 calls ${keepAlive ? 'over one connection' : 'over 20 connections'}`, async () => {
        const { server, opened, close } = counting(keepAlive);
        try {
            for (let i = 0; i < 20; i++) {
                const answer = await server.trigger(unique('news'), 'item', { i });
                // A body that is not read to its end holds its connection.
                assert.deepEqual(await answer.json(), {});
            }
            assert.equal(opened(), connections);
        } finally {
            close();
        }
    });
}
