// Drivers: each glides from its last position to the one that an event brought, in the time between the two events.

import { colour, create } from './map-view.js';

const TRAIL_POINTS = 9;
/** A driver that was not heard of for so long has gone home. */
const FORGET_AFTER = 30_000;
/** East of here a name stands to the left of its driver, or the map would cut it off. */
const NEAR_THE_EDGE = 880;

export class Drivers {
    #drivers = new Map();
    #map;
    #still = matchMedia('(prefers-reduced-motion: reduce)');

    constructor(map) {
        this.#map = map;
        setInterval(() => this.#forget(), 5000);
        this.#animate();
    }

    move(position) {
        const now = performance.now();
        const driver = this.#drivers.get(position.id);
        if (!driver) {
            this.#add(position, now);
            return;
        }

        driver.from = this.#at(driver, now);
        driver.to = position;
        driver.duration = Math.min(Math.max(now - driver.since, 100), 2500);
        driver.since = now;
        driver.trail.push(driver.from);
        driver.trail.splice(0, driver.trail.length - TRAIL_POINTS);
        // By the shorter way round: from 270° to 0° it is a quarter turn.
        driver.angle += ((position.heading - driver.angle + 540) % 360 + 360) % 360 - 180;
        driver.body.setAttribute('transform', `rotate(${driver.angle})`);
        driver.label.classList.toggle('left', position.x > NEAR_THE_EDGE);
        driver.element.dataset.moves = Number(driver.element.dataset.moves) + 1;
    }

    #add(position, now) {
        const fill = colour(position.id * 137.5 % 360);
        const body = create('g', { transform: `rotate(${position.heading})` },
            create('g', { class: 'body' },
                create('circle', { r: 13, fill }),
                create('path', { d: 'M0 -8L6 6 0 3 -6 6z' })));
        const label = create('text', { class: position.x > NEAR_THE_EDGE ? 'left' : '', y: 6 }, position.name);
        const element = this.#map.add('drivers', 'g', { class: 'driver', 'data-driver': position.id, 'data-moves': 0 }, body, label);
        const line = this.#map.add('trails', 'path', { class: 'trail', stroke: fill });
        this.#drivers.set(position.id, {
            element, body, label, line, from: position, to: position, since: now, duration: 1, angle: position.heading, trail: [],
        });
        this.#counted();
    }

    #at({ from, to, since, duration }, now) {
        const part = this.#still.matches ? 1 : Math.min((now - since) / duration, 1);
        return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part };
    }

    #animate() {
        const frame = () => {
            const now = performance.now();
            for (const driver of this.#drivers.values()) {
                const { x, y } = this.#at(driver, now);
                driver.element.setAttribute('transform', `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
                driver.line.setAttribute('d', path([...driver.trail, { x, y }]));
            }
            requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);
    }

    #forget() {
        const now = performance.now();
        for (const [id, driver] of this.#drivers) {
            if (now - driver.since > FORGET_AFTER) {
                driver.element.remove();
                driver.line.remove();
                this.#drivers.delete(id);
            }
        }
        this.#counted();
    }

    #counted() {
        document.getElementById('driver-count').textContent = this.#drivers.size;
        document.getElementById('empty').hidden = this.#drivers.size > 0;
    }
}

function path(points) {
    return points.length < 2 ? '' : 'M' + points.map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`).join('L');
}
