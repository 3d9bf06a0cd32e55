// Usage as CSV.

import { element } from './dom.js';

/** The names of the columns. They are those of the CSV of `meter usage`. */
const HEAD = ['customer_id', 'api_key_id', 'route_class', 'period', 'calls', 'credits', 'response_bytes'];

/** Returns a cell that a spreadsheet shows as text. It would calculate one that begins like a formula. */
const literal = (cell) => (/^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell);

/** The time in which a browser has read a file that it downloads. */
const READ_MS = 60_000;

const quoted = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

const line = (cells) => cells.map((cell) => quoted(literal(String(cell ?? '')))).join(',');

/** Returns an answer as CSV. */
export function csvOf(answer) {
    const { customer_id: customer, api_key_id: key } = answer;
    const rows = answer.usage.map((entry) => {
        const { api_key_id: ofKey, route_class: name, period, calls, credits, response_bytes: bytes } = entry;
        return [customer, ofKey ?? key, name, period, calls, credits, bytes];
    });
    return [HEAD, ...rows].map((cells) => `${line(cells)}\n`).join('');
}

/** Downloads an answer as a file of CSV. */
export function downloadCsv(answer) {
    const { from, to, time_zone: zone } = answer;
    const ofZone = zone === 'UTC' ? '' : `-${zone.replaceAll('/', '-')}`;
    const href = URL.createObjectURL(new Blob([csvOf(answer)], { type: 'text/csv' }));
    element('a', { href, download: `usage-${from}-${to}${ofZone}.csv` }).click();
    // Some browsers read the file only after the click.
    setTimeout(() => URL.revokeObjectURL(href), READ_MS);
}
