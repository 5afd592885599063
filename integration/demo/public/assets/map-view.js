// The drawing: SVG elements in map units, and where on the map a pointer is.

const NAMESPACE = 'http://www.w3.org/2000/svg';

export class MapView {
    constructor(svg) {
        this.svg = svg;
    }

    /** Adds an element to the layer with this id. */
    add(layer, name, attributes, ...children) {
        const element = create(name, attributes, ...children);
        this.svg.querySelector(`#${layer}`).append(element);
        return element;
    }

    /** Where a pointer event happened, in map units. */
    locate(event) {
        const point = new DOMPoint(event.clientX, event.clientY)
            .matrixTransform(this.svg.getScreenCTM().inverse());
        return { x: Math.round(point.x), y: Math.round(point.y) };
    }

    /** A ring that spreads and goes. */
    ring(layer, { x, y }, colour) {
        const ring = this.add(layer, 'circle', { class: 'ring', cx: x, cy: y, r: 24, stroke: colour });
        // An animation that is switched off never ends; the timer takes the ring away in any case.
        setTimeout(() => ring.remove(), 1500);
    }
}

export function create(name, attributes, ...children) {
    const element = document.createElementNS(NAMESPACE, name);
    for (const [key, value] of Object.entries(attributes)) {
        element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
}

/** The colour of whoever has this hue: dark enough for white letters on it. */
export function colour(hue) {
    return `hsl(${Number(hue) || 0} 62% 42%)`;
}
