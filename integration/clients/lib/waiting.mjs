// Waiting for events, always with a deadline; never for a time that is hoped to be long enough.

import { patience } from './settings.mjs';

/** The promise, or a rejection that says what did not happen in time. */
export function within(promise, what, ms = patience) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no ${what} within ${ms} ms`)), ms);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Holds everything that arrived, in order, for a test to take out or look at. */
export class Inbox {
    #items = [];
    #waiting = [];

    put(item) {
        const index = this.#waiting.findIndex(({ matches }) => matches(item));
        if (index < 0) {
            this.#items.push(item);
            return;
        }
        this.#waiting.splice(index, 1)[0].resolve(item);
    }

    /** Takes out the first item that matches, as soon as there is one. */
    async next(what, matches = () => true) {
        const index = this.#items.findIndex(matches);
        if (index >= 0) {
            return this.#items.splice(index, 1)[0];
        }
        const arrival = new Promise((resolve) => this.#waiting.push({ matches, resolve }));
        try {
            return await within(arrival, what);
        } catch (error) {
            error.message += `; what came instead: ${JSON.stringify(this.#items)}`;
            throw error;
        }
    }

    /** What arrived and was not taken out. */
    rest() {
        return [...this.#items];
    }
}
