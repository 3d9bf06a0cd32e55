// The page of a key or a customer: who it is, its calls over time and by route class.

import { byId, element, json, request, row, setStale } from './dom.js';
import { customerFacts, keyFacts } from './facts.js';
import { Graph } from './graph.js';
import { RangeControls } from './range-controls.js';
import { live } from './shell.js';
import { NONE, number, timeText } from './units.js';
import { bind, parameter } from './url-state.js';
import { columnsOf, headings, usageRow } from './usage-table.js';

const kind = location.pathname.slice(1);
const id = parameter('id');
/** Number of keys of a customer that are shown here. The page of usage has all. */
const KEYS = 100;
const HOUR_MS = 3_600_000;

const graph = new Graph('Calls over time', { isBars: true, timeName: (atMs) => timeText(atMs).slice(0, 16) });
byId('graph').append(graph.root);
byId('title').textContent = `${kind === 'key' ? 'Key' : 'Customer'} ${id}`;
document.title = `${id} – Usage meter`;

function drawClasses(classes) {
    if (classes.length === 0) {
        byId('classes').replaceChildren(element('p', { className: 'hint', textContent: 'No calls in this range.' }));
        return;
    }
    const head = ['Route class', 'Calls', 'Credits'].map((textContent, place) =>
        element('th', { scope: 'col', textContent, className: place > 0 ? 'number' : '' }),
    );
    const rows = classes.map(({ class: name, calls, credits }) => {
        const cells = [number(calls), credits ?? NONE].map((text) => ({ text, isNumber: true }));
        return row(name ?? 'without a class', cells);
    });
    const table = element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...rows));
    byId('classes').replaceChildren(table);
}

function draw(found) {
    byId('problem').textContent = '';
    byId('facts').replaceChildren(...(kind === 'key' ? keyFacts(found) : customerFacts(found)));
    byId('calls').textContent = number(found.calls);
    byId('credits').textContent = found.credits ?? NONE;
    byId('over-time').textContent =
        `Calls per ${found.is_hourly ? 'hour' : 'day'}, ${found.from} to ${found.to} (${found.zone})`;
    const times = found.graph.times_ms;
    // The bars of the first and last period are whole.
    const step = times.length > 1 ? times[1] - times[0] : HOUR_MS * (found.is_hourly ? 1 : 24);
    graph.draw({ unit: 'calls', graph: found.graph, spanMs: [times[0] - step / 2, times.at(-1) + step / 2] });
    drawClasses(found.classes);
}

/** Draws the keys of a customer, the most used first. */
async function drawKeys() {
    const parameters = { ...range.parameters(), by: 'customer,key', customer: id, rows: KEYS };
    const report = await json(`/usage.json?${new URLSearchParams(parameters)}`);
    if (report.is_reading !== undefined) {
        byId('keys-table').replaceChildren();
        return;
    }
    const names = columnsOf('key', report.shown);
    const head = headings(names, {});
    for (const heading of head) heading.textContent = heading.firstElementChild.textContent;
    const rows = report.rows.map((each) => usageRow(names, each));
    const table = element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...rows));
    byId('keys-table').replaceChildren(table);
}

let refreshNow = () => undefined;

/** Sets the link to the usage of a customer in the same range. */
function setLink() {
    const { zone, ...days } = range.parameters();
    const chosen = Object.entries({ ...days, zone: zone === 'UTC' ? '' : zone }).filter(([, value]) => value !== '');
    byId('usage').href = `/report?${new URLSearchParams([...chosen, ['customer', id]])}`;
}

function change() {
    setLink();
    setStale(true);
    return refreshNow();
}

const query = () => new URLSearchParams({ ...range.parameters(), id, per: byId('per').value }).toString();

bind(byId('per'), '', change);
const range = new RangeControls(byId('controls'), change);
byId('keys').hidden = kind === 'key';
setLink();

refreshNow = live(async () => {
    const asked = query();
    const response = await request(`/${kind}.json?${asked}`);
    // The choices may have changed meanwhile: then another request is in progress.
    if (asked !== query()) return Date.now();
    if (response.status === 400) {
        byId('problem').textContent = await response.text();
        setStale(true);
        return Date.now();
    }
    if (!response.ok) throw new Error(await response.text());
    const found = await response.json();
    draw(found);
    if (kind === 'customer') await drawKeys();
    setStale(asked !== query());
    return found.at_ms;
});
