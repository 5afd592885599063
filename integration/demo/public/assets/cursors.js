// Pointers of the others, as whispers: browser to hub to browser, no PHP on the way.

import { create } from './map-view.js';

/** Whispers leave at most so often; the hub may limit client events to 10 a second. */
const PAUSE = 120;

export class Cursors {
    #cursors = new Map();
    #map;
    #people;

    constructor(map, people) {
        this.#map = map;
        this.#people = people;
    }

    /** Calls send with each new place of this visitor's pointer, and with null when it leaves the map. */
    share(send) {
        let place = null;
        let timer = 0;
        const flush = () => {
            timer = 0;
            send(place);
        };
        const moved = (next) => {
            place = next;
            // The last place always goes out, at the end of the pause if need be.
            timer ||= setTimeout(flush, PAUSE);
        };
        this.#map.svg.addEventListener('pointermove', (event) => moved(this.#map.locate(event)));
        this.#map.svg.addEventListener('pointerleave', () => moved(null));
    }

    show(id, place) {
        if (!Number.isFinite(place?.x) || !Number.isFinite(place?.y)) {
            this.remove(id);
            return;
        }

        const cursor = this.#cursors.get(id) ?? this.#add(id);
        cursor.place = place;
        cursor.element.style.transform = `translate(${place.x}px, ${place.y}px)`;
    }

    ring(id) {
        const { width, height } = this.#map.svg.viewBox.baseVal;
        this.#map.ring('cursors', this.#cursors.get(id)?.place ?? { x: width / 2, y: height / 2 }, this.#people.colour(id));
    }

    remove(id) {
        this.#cursors.get(id)?.element.remove();
        this.#cursors.delete(id);
    }

    clear() {
        for (const id of [...this.#cursors.keys()]) {
            this.remove(id);
        }
    }

    #add(id) {
        const fill = this.#people.colour(id);
        const element = this.#map.add('cursors', 'g', { class: 'cursor', 'data-cursor': id },
            create('path', { d: 'M0 0L0 26 7 19 17 19z', fill }),
            create('text', { x: 16, y: 38 }, this.#people.name(id)));
        const cursor = { element, place: null };
        this.#cursors.set(id, cursor);
        return cursor;
    }
}
