// Chromium, and visits to the demo page in it. Every visitor is a browser context: its own cookies, its own person.

import assert from 'node:assert/strict';

import { chromium } from '../../clients/lib/playwright.mjs';
import { afterEach, test } from '../../clients/lib/report.mjs';
import { hub, patience } from '../../clients/lib/settings.mjs';

const DESKTOP = { viewport: { width: 1280, height: 800 } };
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

const contexts = [];
/** What a user would never see and a developer must: errors in the console, failed requests, foreign hosts. */
let problems = [];
let browser;

afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()));
    problems = [];
});

/** Registers a test that also fails if a page complains. */
export function pageTest(name, body) {
    test(name, async () => {
        await body();
        assert.deepEqual(problems, [], 'pages complained');
    });
}

/** A new visitor. */
export async function visitor(options = DESKTOP) {
    browser ??= await chromium.launch({
        executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
        args: [
            // Root in a container has no sandbox, and HTTP/3 would pass a proxy of a test by.
            '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
            '--disable-background-networking', '--disable-component-update', '--disable-sync',
        ],
    });
    // A certificate of `tls internal` is nobody's friend but Caddy's.
    const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
    context.setDefaultTimeout(patience);
    contexts.push(context);
    return context;
}

/** Opens the demo page in a tab of this visitor and waits until it is connected and in the presence channel. */
export async function openTab(context) {
    const page = await context.newPage();
    const complain = (text) => problems.push(text);
    page.on('console', (message) => message.type() === 'error' && complain(`console: ${message.text()}`));
    page.on('pageerror', (error) => complain(`exception: ${error.message}`));
    page.on('requestfailed', (request) => complain(`failed: ${request.url()} ${request.failure()?.errorText}`));
    page.on('request', (request) => new URL(request.url()).host === hub.host || complain(`foreign host: ${request.url()}`));

    await page.goto(hub.origin);
    await page.locator('#connection[data-state="connected"]').waitFor();
    await page.locator('#viewers li').first().waitFor();
    return page;
}

/** A new visitor with one tab. */
export async function visit(options) {
    return openTab(await visitor(options));
}

/** Waits until a function in the page returns something true. */
export function until(page, what, predicate, argument) {
    return page.waitForFunction(predicate, argument).catch((error) => {
        throw new Error(`${what}: ${error.message}`);
    });
}
