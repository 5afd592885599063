// The demo page in Chromium: node demo-page.mjs [part of a test's name]
//
// Settings as in ../clients/lib/settings.mjs; HUB_URL may well be https. Besides:
//   CHROMIUM    the browser's binary (/usr/bin/chromium)
//   PHP         the interpreter for publish.php (php)
//   ARTIFACTS   where the screenshots go (pusher-hub-artifacts in the system's temporary directory)

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { run } from '../clients/lib/report.mjs';
import { publish } from './lib/publisher.mjs';
import { openTab, pageTest, PHONE, until, visit, visitor } from './lib/visits.mjs';

const artifacts = process.env.ARTIFACTS || join(tmpdir(), 'pusher-hub-artifacts');

/** Waits until the page's list of viewers holds so many. */
function viewers(page, count) {
    return until(page, `${count} viewers`, (n) => document.querySelectorAll('#viewers li').length === n
        && document.getElementById('viewer-count').textContent === String(n), count);
}

/** Waits until some driver has been moved so many times. */
function moved(page, times) {
    return until(page, `a driver moved ${times} times`, (n) =>
        [...document.querySelectorAll('[data-driver]')].some(({ dataset }) => Number(dataset.moves) >= n), times);
}

pageTest('demo page: drivers appear and move while publish.php publishes', async () => {
    const page = await visit();
    assert.equal(await page.locator('#empty').isVisible(), true);
    publish('--drivers=4', '--interval=0.2');

    await until(page, 'four drivers', () => document.querySelectorAll('[data-driver]').length === 4);
    assert.equal(await page.locator('#empty').isVisible(), false);
    const place = () => page.locator('[data-driver="1"]').getAttribute('transform');
    const before = await place();
    await moved(page, 5);
    assert.notEqual(await place(), before);
    await until(page, 'events a second', () => Number(document.getElementById('rate').textContent) > 5);
    assert.match(await page.locator('#last-event').textContent(), /^driver\.moved · \w+ at \d+, \d+$/);
    assert.equal(await page.locator('#driver-count').textContent(), '4');
});

pageTest('demo page: two visitors see each other come and go, two tabs are one visitor', async () => {
    const first = await visit();
    await viewers(first, 1);
    const context = await visitor();
    const second = await openTab(context);
    await Promise.all([viewers(first, 2), viewers(second, 2)]);

    const tab = await openTab(context);
    await viewers(tab, 2);
    await tab.close();
    const third = await visit();
    await Promise.all([viewers(first, 3), viewers(second, 3), viewers(third, 3)]);
    await third.context().close();
    await viewers(first, 2);

    await context.close();
    await viewers(first, 1);
});

pageTest('demo page: a wave and the pointer go across as whispers', async () => {
    const [from, to] = [await visit(), await visit()];
    await Promise.all([viewers(from, 2), viewers(to, 2)]);
    const name = await from.locator('#viewers li:has(.you) span:nth-child(2)').textContent();

    await from.locator('#wave').click();
    await to.locator('#toasts li', { hasText: `${name} waves` }).waitFor();

    await from.locator('#map').hover({ position: { x: 200, y: 150 } });
    await to.locator('.cursor', { hasText: name }).waitFor();
    await from.mouse.move(0, 0);
    await to.locator('.cursor').waitFor({ state: 'detached' });
});

pageTest('demo page: an order goes through PHP to the others, and is drawn once by its sender', async () => {
    const [from, to] = [await visit(), await visit()];
    await Promise.all([viewers(from, 2), viewers(to, 2)]);

    await from.locator('#map').click({ position: { x: 300, y: 200 } });
    await Promise.all([from, to].map((page) => page.locator('[data-order]').waitFor({ state: 'attached' })));
    // One more order, back the other way: after it, an echo of the first would have arrived, too.
    await to.locator('#map').click({ position: { x: 100, y: 100 } });
    for (const page of [from, to]) {
        await until(page, 'orders of both visitors', () =>
            new Set([...document.querySelectorAll('[data-order]')].map(({ dataset }) => dataset.order)).size === 2);
        assert.equal(await page.locator('[data-order]').count(), 2);
    }
});

pageTest('demo page: fits a desktop and a phone (screenshots)', async () => {
    mkdirSync(artifacts, { recursive: true });
    const [desktop, phone] = [await visit(), await visit(PHONE)];
    publish('--drivers=12', '--interval=0.5');
    await Promise.all([viewers(desktop, 2), viewers(phone, 2)]);
    await Promise.all([moved(desktop, 6), moved(phone, 6)]);
    await phone.locator('#map').click({ position: { x: 120, y: 90 } });
    await desktop.locator('#map').hover({ position: { x: 420, y: 260 } });
    await desktop.locator('[data-order]').waitFor({ state: 'attached' });
    await phone.locator('.cursor').waitFor();

    for (const [page, name] of [[desktop, 'desktop'], [phone, 'phone']]) {
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, `${name} scrolls sideways`);
        const file = join(artifacts, `demo-page-${name}.png`);
        await page.screenshot({ path: file, fullPage: true });
        console.log(`  # ${file}`);
    }
});

await run();
