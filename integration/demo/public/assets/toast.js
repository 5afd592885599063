// Short messages over the map.

const SHOWN_FOR = 4000;
const AT_ONCE = 4;

export function toast(text) {
    const list = document.getElementById('toasts');
    const item = document.createElement('li');
    item.textContent = text;
    list.append(item);
    while (list.childElementCount > AT_ONCE) {
        list.firstElementChild.remove();
    }
    setTimeout(() => item.remove(), SHOWN_FOR);
}
