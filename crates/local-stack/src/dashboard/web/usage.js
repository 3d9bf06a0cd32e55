// The page for finance: the usage of a range of days, with its totals and as CSV.

import { byId } from './dom.js';
import { RangeControls } from './range-controls.js';
import { live } from './shell.js';
import { NONE, number } from './units.js';
import { bind, parameter, setParameters } from './url-state.js';
import { columnsOf, headings, usageRow } from './usage-table.js';

const ROWS = 100;
/** Time between two questions whether a report has been read, in milliseconds. */
const RETRY_MS = 250;
const USUAL = { sort: 'calls', order: 'descending', offset: '0' };

const state = Object.fromEntries(Object.entries(USUAL).map(([name, usual]) => [name, parameter(name, usual)]));
function query(more = {}) {
    const choices = Object.fromEntries(['by', 'show', 'filter'].map((id) => [id, byId(id).value]));
    const parameters = { ...range.parameters(), ...choices, sort: state.sort, order: state.order, ...more };
    return new URLSearchParams(parameters).toString();
}

/** Returns the rows. Reading a report for the first time may take several requests. */
async function read() {
    for (;;) {
        const response = await fetch(`/usage.json?${query({ offset: state.offset, rows: ROWS })}`);
        if (response.status === 400) return { problem: await response.text() };
        if (!response.ok) throw new Error(await response.text());
        const report = await response.json();
        if (report.is_reading === undefined) return report;
        byId('note').textContent = 'The ledger is being read…';
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
}

function draw(report) {
    byId('problem').textContent = report.problem ?? '';
    if (report.problem !== undefined) return;
    const names = columnsOf(byId('by').value, report.total);
    byId('usage').tHead.rows[0].replaceChildren(...headings(names, state));
    byId('usage').tBodies[0].replaceChildren(...report.rows.map((row) => usageRow(names, row, report.is_within_month)));
    const isPart = report.shown_rows < report.total_rows;
    const of = (shown, total) => (isPart && total !== null ? `${shown} of ${total}` : shown);
    byId('calls').textContent = of(number(report.shown.calls), number(report.total.calls));
    byId('credits').textContent = of(report.shown.credits ?? NONE, report.total.credits);
    byId('rows').textContent = of(number(report.shown_rows), number(report.total_rows));
    byId('note').textContent =
        `${report.from} to ${report.to}, ${report.zone}. Calls of the canary are not billed and left out.`;
    byId('csv').href = `/usage.csv?${query()}`;
    const last = report.offset + report.rows.length;
    byId('place').textContent =
        last > 0 ? `${number(report.offset + 1)} to ${number(last)} of ${number(report.shown_rows)}` : 'No rows';
    byId('previous').disabled = report.offset === 0;
    byId('next').disabled = last >= report.shown_rows;
}

let refreshNow = () => undefined;

function set(changes) {
    Object.assign(state, changes);
    setParameters(changes, USUAL);
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
byId('previous').addEventListener('click', () => set({ offset: String(Math.max(Number(state.offset) - ROWS, 0)) }));
byId('next').addEventListener('click', () => set({ offset: String(Number(state.offset) + ROWS) }));

refreshNow = live(async () => {
    const report = await read();
    draw(report);
    return report.at_ms ?? Date.now();
});
