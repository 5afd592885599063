// The test runner of these programs: one test after the other, a line of TAP for each, an exit code at the end.
//
//   node pusher-js.mjs             all tests
//   node pusher-js.mjs presence    those with "presence" in their names

import { features, patience } from './settings.mjs';

const tests = [];
const cleanups = [];

/** Registers a test. With `needs`, it is skipped unless HUB_FEATURES holds that word. */
export function test(name, body, { needs } = {}) {
    tests.push({ name, body, needs });
}

/** Registers what has to happen after every test, failed ones included. */
export function afterEach(cleanup) {
    cleanups.push(cleanup);
}

/** Runs everything and ends the process. Past `timeout` milliseconds it ends as failed, whatever hangs. */
export async function run({ timeout = 120_000 } = {}) {
    const filter = process.argv[2] ?? '';
    const chosen = tests.filter(({ name }) => name.includes(filter));
    let current = 'start';
    let failed = chosen.length === 0;
    setTimeout(() => {
        console.log(`not ok - ${current}\n  # the whole program took longer than ${timeout} ms`);
        process.exit(1);
    }, timeout);

    for (const { name, body, needs } of chosen) {
        current = name;
        if (needs && !features.has(needs)) {
            console.log(`ok - ${name} # SKIP HUB_FEATURES has no ${needs}`);
            continue;
        }
        const error = await outcome(body);
        failed ||= Boolean(error);
        console.log(error ? `not ok - ${name}\n${comment(error)}` : `ok - ${name}`);
        for (const cleanup of cleanups) {
            await cleanup();
        }
    }
    console.log(`1..${chosen.length}`);
    process.exit(failed ? 1 : 0);
}

/** What went wrong, or undefined. A test that waits for several things gets the time for several. */
async function outcome(body) {
    let timer;
    const limit = new Promise((resolve) => {
        timer = setTimeout(() => resolve(new Error('the test does not end')), 3 * patience);
    });
    try {
        return await Promise.race([Promise.resolve().then(body).then(() => undefined), limit]);
    } catch (error) {
        return error instanceof Error ? error : new Error(`thrown: ${JSON.stringify(error)}`);
    } finally {
        clearTimeout(timer);
    }
}

function comment(error) {
    // The pusher SDK's errors keep the message out of the stack, and what the hub said beside it.
    const said = error.status ? `, ${error.status}: ${error.body}` : error.error ? `, ${error.error.message}` : '';
    const text = error.stack?.includes(error.message) ? error.stack : `${error.message}${said}\n${error.stack}`;
    return text.split('\n').map((line) => `  # ${line}`).join('\n');
}
