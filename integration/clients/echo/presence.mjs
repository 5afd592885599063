// join(): here, joining, leaving.

import assert from 'node:assert/strict';

import { connectEcho, heard } from '../lib/echo.mjs';
import { unique } from '../lib/names.mjs';
import { test } from '../lib/report.mjs';

const ids = (members) => members.map(({ id }) => id).sort();

test('presence: here() lists all, joining() and leaving() tell of the others', async () => {
    const name = unique('room');
    const first = await connectEcho('1');
    const room = first.join(name);
    const here = heard((put) => room.here(put));
    const joining = heard((put) => room.joining(put));
    const leaving = heard((put) => room.leaving(put));
    assert.deepEqual(ids(await here.next('here')), ['1']);

    const second = await connectEcho('2');
    const secondHere = heard((put) => second.join(name).here(put));
    assert.deepEqual(ids(await secondHere.next('here')), ['1', '2']);
    assert.equal((await joining.next('joining')).name, 'User 2');

    second.leave(name);
    assert.equal((await leaving.next('leaving')).id, '2');
});

test('presence: a second tab joins and leaves unnoticed', async () => {
    const name = unique('room');
    const first = await connectEcho('1');
    const room = first.join(name);
    const here = heard((put) => room.here(put));
    const joining = heard((put) => room.joining(put));
    const leaving = heard((put) => room.leaving(put));
    await here.next('here');

    const tab = await connectEcho('1');
    const tabHere = heard((put) => tab.join(name).here(put));
    assert.deepEqual(ids(await tabHere.next('here')), ['1']);
    tab.disconnect();

    // By the time that a real newcomer is announced, the tab would have been, too.
    const other = await connectEcho('2');
    other.join(name);
    assert.equal((await joining.next('joining')).id, '2');
    other.disconnect();
    assert.equal((await leaving.next('leaving')).id, '2');
    assert.deepEqual([...joining.rest(), ...leaving.rest()], []);
});
