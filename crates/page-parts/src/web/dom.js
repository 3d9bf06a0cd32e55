// Elements of the page, and requests for its data.

export const byId = (id) => document.getElementById(id);

/** Creates an element with properties and children. */
export function element(name, properties = {}, ...children) {
    const { dataset = {}, ...others } = properties;
    const created = Object.assign(document.createElement(name), others);
    Object.assign(created.dataset, dataset);
    created.append(...children);
    return created;
}

/** Creates a row of a table. The first cell is its heading; numbers are right-aligned. */
export function row(heading, cells, className = '') {
    const cell = ({ text, isNumber = false }) =>
        element('td', { textContent: text, className: isNumber ? 'number' : '' });
    return element('tr', { className }, element('th', { scope: 'row' }, heading), ...cells.map(cell));
}

/** No answer of the server, as opposed to one that is an error. */
export class NoAnswer extends Error {}

/** Returns the answer of this server. */
export async function request(path) {
    try {
        return await fetch(path);
    } catch (error) {
        throw new NoAnswer(error.message);
    }
}

/** Marks the results as those of earlier choices, until those of the present ones are known. */
export function setStale(isStale) {
    byId('content').classList.toggle('stale', isStale);
}

/** Returns the document at a path of this server. Fails with the server's text. */
export async function json(path) {
    const response = await request(path);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
}
