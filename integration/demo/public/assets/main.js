// Wires the page: which channel feeds which part of it. Each part has a module of its own.

import { connect, showConnection } from './connection.js';
import { Cursors } from './cursors.js';
import { Drivers } from './drivers.js';
import { MapView } from './map-view.js';
import { Meter } from './meter.js';
import { Orders } from './orders.js';
import { People } from './people.js';
import { toast } from './toast.js';

const config = JSON.parse(document.getElementById('config').textContent);
const echo = connect(config.key);
showConnection(echo);

const map = new MapView(document.getElementById('map'));
const drivers = new Drivers(map);
const meter = new Meter();
const people = new People(config.visitor.id);
const orders = new Orders(map, echo);
const cursors = new Cursors(map, people);

echo.channel('drivers')
    .listen('.driver.moved', (position) => {
        drivers.move(position);
        meter.count(`driver.moved · ${position.name} at ${Math.round(position.x)}, ${Math.round(position.y)}`);
    })
    // Without a leading dot Echo puts the namespace App\Events in front, as for any Laravel event class.
    .listen('OrderPlaced', (order) => {
        orders.show(order);
        meter.count(`OrderPlaced · by ${order.by.name}`);
        toast(`${order.by.name} placed an order`);
    });

const viewers = echo.join('viewers')
    .here((members) => {
        people.here(members);
        cursors.clear();
    })
    .joining((member) => people.joined(member))
    .leaving((member) => {
        people.left(member);
        cursors.remove(member.id);
    })
    // The data of a whisper is whatever its sender wrote; the user_id beside it comes from the hub.
    .listenForWhisper('cursor', (at, { user_id }) => cursors.show(user_id, at))
    .listenForWhisper('wave', (_, { user_id }) => {
        toast(`${people.name(user_id)} waves`);
        cursors.ring(user_id);
    });

cursors.share((at) => people.others() && viewers.whisper('cursor', at));

document.getElementById('wave').addEventListener('click', () => {
    viewers.whisper('wave', {});
    toast('You waved');
});
