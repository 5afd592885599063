// The demo's publisher, as a person would start it: php publish.php.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { afterEach } from '../../clients/lib/report.mjs';
import { api, app } from '../../clients/lib/settings.mjs';
import { within } from '../../clients/lib/waiting.mjs';

const SCRIPT = fileURLToPath(new URL('../../demo/publish.php', import.meta.url));
const running = new Set();

afterEach(() => Promise.all([...running].map((publisher) => publisher.stop())));

export function publish(...options) {
    const child = spawn(process.env.PHP || 'php', [SCRIPT, ...options], {
        env: {
            ...process.env,
            REVERB_APP_ID: app.id,
            REVERB_APP_KEY: app.key,
            REVERB_APP_SECRET: app.secret,
            REVERB_HOST: api.hostname,
            REVERB_PORT: api.port || (api.protocol === 'https:' ? '443' : '80'),
            REVERB_SCHEME: api.protocol.replace(':', ''),
        },
        stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (text) => {
        said += text;
    });
    const ended = once(child, 'exit');
    const publisher = {
        /** Ends it as Ctrl-C does, and fails unless it ends well. */
        async stop() {
            running.delete(publisher);
            child.kill('SIGINT');
            const [code, signal] = await within(ended, 'end of publish.php');
            if (code !== 0) {
                throw new Error(`publish.php ended with ${code ?? signal}: ${said}`);
            }
        },
    };
    running.add(publisher);
    return publisher;
}
