// The table of usage: its columns, and a row for each customer, key or route class.

import { element } from './dom.js';
import { NONE, number, timeText } from './units.js';

const link = (page, id) => element('a', { href: `/${page}?id=${encodeURIComponent(id)}`, textContent: id });
const text = (value) => value || NONE;

function limit({ monthly_limit: most, is_over_limit: isOver }) {
    if (most === null) return NONE;
    return isOver ? `${number(most)} – exceeded` : number(most);
}

/** The columns by name: title, the property of groups that it needs, and its cell. */
const COLUMNS = {
    customer: {
        title: 'Customer',
        needs: 'customer',
        cell: (row) => (row.customer === null ? NONE : link('customer', row.customer)),
    },
    key: { title: 'Key', needs: 'key', cell: (row) => (row.key === null ? NONE : link('key', row.key)) },
    class: { title: 'Route class', needs: 'class', cell: (row) => text(row.class) },
    calls: { title: 'Calls', isNumber: true, cell: (row) => number(row.calls) },
    credits: { title: 'Credits', isNumber: true, cell: (row) => text(row.credits) },
    response_bytes: {
        title: 'Response bytes',
        isOptional: true,
        isNumber: true,
        cell: (row) => number(row.response_bytes),
    },
    monthly_limit: { title: 'Monthly limit', needs: 'key', without: 'class', isNumber: true, cell: limit },
    owner: { title: 'Owner', without: 'class', cell: (row) => text(row.owner) + (row.is_deleted ? ' (deleted)' : '') },
    plan: { title: 'Plan', needs: 'key', without: 'class', cell: (row) => text(row.plan) },
    last_call: { title: 'Last call', cell: (row) => timeText(row.last_call_ms) },
};

/** Returns the names of the columns for groups by some properties, with the optional ones of which the total is not 0. */
export function columnsOf(by, total) {
    const properties = by.split(',');
    const isShown = ({ needs, without }) =>
        (needs === undefined || properties.includes(needs)) && (without === undefined || !properties.includes(without));
    const isUsed = (name) => !COLUMNS[name].isOptional || total[name] > 0;
    return Object.keys(COLUMNS).filter((name) => isShown(COLUMNS[name]) && isUsed(name));
}

/** Returns the cells of the head, with a button for each column by which rows can be sorted. */
export function headings(names, { sort, order }) {
    return names.map((name) => {
        const { title, isNumber } = COLUMNS[name];
        const button = element('button', { type: 'button', textContent: title, dataset: { column: name } });
        const className = isNumber ? 'number' : '';
        return element('th', { scope: 'col', className, ariaSort: name === sort ? order : 'none' }, button);
    });
}

/** Returns a row of the table. */
export function usageRow(names, row) {
    const cells = names.map((name) => {
        const { isNumber, cell } = COLUMNS[name];
        return element('td', { className: isNumber ? 'number' : '' }, cell(row));
    });
    const className = [row.is_deleted && 'deleted', row.is_over_limit && 'over'].filter(Boolean).join(' ');
    return element('tr', { className }, ...cells);
}
