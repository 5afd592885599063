// Names that no other test and no earlier run has used, so that tests see nothing of each other on a shared hub.

import { randomBytes } from 'node:crypto';

export function unique(prefix) {
    return `${prefix}-${randomBytes(4).toString('hex')}`;
}
