// Who is here: the members of the presence channel.

import { colour } from './map-view.js';

export class People {
    #members = new Map();
    #self;

    constructor(self) {
        this.#self = self;
    }

    here(members) {
        this.#members = new Map(members.map((member) => [member.id, member]));
        this.#show();
    }

    joined(member) {
        this.#members.set(member.id, member);
        this.#show();
    }

    left(member) {
        this.#members.delete(member.id);
        this.#show();
    }

    /** How many besides this visitor. */
    others() {
        return Math.max(this.#members.size - 1, 0);
    }

    name(id) {
        return this.#members.get(id)?.name ?? 'Somebody';
    }

    colour(id) {
        return colour(this.#members.get(id)?.hue);
    }

    #show() {
        const members = [...this.#members.values()]
            .sort((a, b) => (b.id === this.#self) - (a.id === this.#self) || a.name.localeCompare(b.name));
        document.getElementById('viewers').replaceChildren(...members.map((member) => this.#row(member)));
        document.getElementById('viewer-count').textContent = members.length;
        document.getElementById('wave').disabled = this.others() === 0;
    }

    #row(member) {
        const face = document.createElement('span');
        face.className = 'face';
        face.style.background = colour(member.hue);
        face.textContent = member.name.split(' ').map((word) => word[0]).join('');
        face.ariaHidden = 'true';

        const name = document.createElement('span');
        name.textContent = member.name;

        const row = document.createElement('li');
        row.dataset.viewer = member.id;
        row.append(face, name);
        if (member.id === this.#self) {
            const you = document.createElement('span');
            you.className = 'you';
            you.textContent = 'you';
            row.append(you);
        }
        return row;
    }
}
