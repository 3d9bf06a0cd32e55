// The page for finance: the usage of a range of days, with its totals and as CSV.

import { byId, request, setStale } from './dom.js';
import { RangeControls } from './range-controls.js';
import { live } from './shell.js';
import { NONE, number } from './units.js';
import { bind, parameter, setParameters } from './url-state.js';
import { columnsOf, headings, usageRow } from './usage-table.js';

const ROWS = 100;
/** Time between two questions whether a report has been read, in milliseconds. */
const RETRY_MS = 250;
const USUAL = { sort: 'calls', order: 'descending', offset: '0', customer: '' };

const state = Object.fromEntries(Object.entries(USUAL).map(([name, usual]) => [name, parameter(name, usual)]));

function query(more = {}) {
    const choices = Object.fromEntries(['by', 'show', 'filter'].map((id) => [id, byId(id).value]));
    const { sort, order, customer } = state;
    const parameters = { ...range.parameters(), ...choices, customer, sort, order, ...more };
    return new URLSearchParams(parameters).toString();
}

const pageQuery = () => query({ offset: state.offset, rows: ROWS });

/** Returns the rows of the present choices. Reading a report for the first time may take several requests. */
async function read() {
    for (;;) {
        const asked = pageQuery();
        const response = await request(`/usage.json?${asked}`);
        const isRefused = response.status === 400;
        if (!response.ok && !isRefused) throw new Error(await response.text());
        const report = isRefused ? { problem: await response.text() } : await response.json();
        // The choices may have changed meanwhile.
        if (asked !== pageQuery()) continue;
        if (report.is_reading === undefined) return report;
        byId('note').textContent = 'The ledger is being read…';
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
}

function draw(report) {
    byId('problem').textContent = report.problem ?? '';
    setStale(report.problem !== undefined);
    if (report.problem !== undefined) return;
    // Beyond the rows, the last page is shown.
    if (report.offset !== Number(state.offset)) choose({ offset: String(report.offset) });
    const names = columnsOf(byId('by').value, report.total);
    byId('usage').tHead.rows[0].replaceChildren(...headings(names, state));
    byId('usage').tBodies[0].replaceChildren(...report.rows.map((row) => usageRow(names, row)));
    const isPart = report.shown_rows < report.total_rows;
    const of = (shown, total) => (isPart && total !== null ? `${shown} of ${total}` : shown);
    byId('calls').textContent = of(number(report.shown.calls), number(report.total.calls));
    byId('credits').textContent = of(report.shown.credits ?? NONE, report.total.credits);
    byId('rows').textContent = of(number(report.shown_rows), number(report.total_rows));
    byId('note').textContent =
        `${report.from} to ${report.to}, ${report.zone}. Calls of the canary are not billed and left out.`;
    const last = report.offset + report.rows.length;
    byId('place').textContent =
        last > 0 ? `${number(report.offset + 1)} to ${number(last)} of ${number(report.shown_rows)}` : 'No rows';
    byId('previous').disabled = report.offset === 0;
    byId('next').disabled = last >= report.shown_rows;
}

let refreshNow = () => undefined;

/** Shows the choices that are no form controls. */
function showChoices() {
    byId('csv').href = `/usage.csv?${query()}`;
    byId('only').hidden = state.customer === '';
    byId('customer').textContent = state.customer;
}

function choose(changes) {
    Object.assign(state, changes);
    setParameters(changes, USUAL);
    showChoices();
}

function set(changes) {
    choose(changes);
    setStale(true);
    return refreshNow();
}

function sortBy(column) {
    const turned = state.order === 'descending' ? 'ascending' : 'descending';
    const isText = !['calls', 'credits', 'response_bytes', 'monthly_limit', 'last_call'].includes(column);
    const first = isText ? 'ascending' : 'descending';
    return set({ sort: column, order: state.sort === column ? turned : first, offset: '0' });
}

const USUAL_CONTROLS = { by: 'customer,key', show: 'all', filter: '' };
for (const [id, usual] of Object.entries(USUAL_CONTROLS)) bind(byId(id), usual, () => set({ offset: '0' }));
const range = new RangeControls(byId('controls'), () => set({ offset: '0' }));
byId('controls').addEventListener('submit', (event) => event.preventDefault());
byId('usage').tHead.addEventListener('click', ({ target }) => target.dataset.column && sortBy(target.dataset.column));
byId('all-customers').addEventListener('click', () => set({ customer: '', offset: '0' }));
byId('previous').addEventListener('click', () => set({ offset: String(Math.max(Number(state.offset) - ROWS, 0)) }));
byId('next').addEventListener('click', () => set({ offset: String(Number(state.offset) + ROWS) }));

showChoices();

refreshNow = live(async () => {
    const report = await read();
    draw(report);
    return report.at_ms ?? Date.now();
});
