// Lets ../browser use the one node_modules of this directory.

export { chromium } from 'playwright-core';
