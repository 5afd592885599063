// Copies the browser builds of pusher-js and laravel-echo to where the demo's web server finds them.
// Runs by itself after `npm ci`; no bundler, no CDN, the files are the ones their authors ship.

import { copyFileSync, mkdirSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const target = here('../demo/public/vendor/');

const files = [
    'pusher-js/dist/web/pusher.min.js',
    'pusher-js/dist/web/pusher.min.js.LICENSE.txt',
    'laravel-echo/dist/echo.iife.js',
];

mkdirSync(target, { recursive: true });
for (const file of files) {
    copyFileSync(here(`node_modules/${file}`), target + basename(file));
}
