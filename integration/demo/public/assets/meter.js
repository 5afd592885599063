// Events a second over the last few seconds, and the last event in words.

const WINDOW = 3000;

export class Meter {
    #times = [];
    #last = '';

    constructor() {
        // A handful of writes a second, however many events arrive.
        setInterval(() => this.#show(), 250);
    }

    count(description) {
        this.#times.push(performance.now());
        this.#last = description;
    }

    #show() {
        const oldest = performance.now() - WINDOW;
        this.#times = this.#times.filter((time) => time > oldest);
        document.getElementById('rate').textContent = (this.#times.length / (WINDOW / 1000)).toFixed(1);
        if (this.#last) {
            document.getElementById('last-event').textContent = this.#last;
        }
    }
}
