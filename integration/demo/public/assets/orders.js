// Orders: a click goes to PHP, PHP publishes it to everyone but this tab, this tab draws its own at once.

import { colour, create } from './map-view.js';
import { toast } from './toast.js';

const SHOWN_FOR = 20_000;

export class Orders {
    #map;

    constructor(map, echo) {
        this.#map = map;
        map.svg.addEventListener('click', (event) => this.#place(map.locate(event), echo.socketId()));
    }

    show(order) {
        const fill = colour(order.by.hue);
        const pin = create('g', { class: 'pin' },
            create('path', { d: 'M0 0C-4 -10 -13 -14 -13 -24A13 13 0 0 1 13 -24C13 -14 4 -10 0 0z', fill }),
            create('circle', { cy: -24, r: 5, fill: '#fff' }));
        const element = this.#map.add('orders', 'g', { class: 'order', 'data-order': order.by.id, transform: `translate(${order.x} ${order.y})` }, pin);
        this.#map.ring('orders', order, fill);
        setTimeout(() => element.remove(), SHOWN_FOR);
    }

    async #place(place, socketId) {
        try {
            const answer = await fetch('/orders', {
                method: 'POST',
                headers: { 'Content-Type': 'application/json', 'X-Socket-ID': socketId ?? '' },
                body: JSON.stringify(place),
            });
            const order = await answer.json();
            if (!answer.ok) {
                throw new Error(order.message);
            }
            this.show(order);
        } catch (error) {
            toast(`No order: ${error.message}`);
        }
    }
}
