// The table of groups with their totals.

import { byId, element } from './dom.js';
import { className } from './groups.js';
import { decimalText, sizeText } from './sums.js';
import { NONE, number } from './units.js';

/** Number of groups that are shown at first. */
const ROWS = 50;

/** The columns: title, whether an answer needs it, and the text of its cell. */
const COLUMNS = [
    { title: 'Key', isUsed: (_, by) => by.includes('key'), text: ({ key }) => key },
    {
        title: 'Route class',
        isUsed: (_, by) => by.includes('class'),
        text: ({ routeClass }) => className(routeClass),
    },
    { title: 'Calls', isNumber: true, isUsed: () => true, text: ({ calls }) => number(calls) },
    {
        title: 'Credits',
        isNumber: true,
        isUsed: ({ credits }) => credits !== null,
        text: ({ credits }) => (credits === null ? NONE : decimalText(credits)),
    },
    {
        title: 'Response size',
        isNumber: true,
        isUsed: ({ response_bytes: bytes }) => bytes > 0,
        text: ({ responseBytes }) => sizeText(responseBytes),
    },
];

function cell(column, place, group) {
    const properties = { textContent: column.text(group), className: column.isNumber ? 'number' : '' };
    return place === 0 ? element('th', { ...properties, scope: 'row' }) : element('td', properties);
}

/** The table. It is hidden if usage is not broken down. */
export class GroupTable {
    constructor() {
        this.showsAll = false;
        byId('all').addEventListener('click', () => {
            this.showsAll = true;
            this.draw(this.answer, this.groups, this.by);
        });
    }

    draw(answer, groups, by) {
        Object.assign(this, { answer, groups, by });
        byId('breakdown').hidden = by.length === 0;
        const columns = COLUMNS.filter(({ isUsed }) => isUsed(answer, by));
        const names = columns.filter(({ isNumber }) => !isNumber).map(({ title }) => title.toLowerCase());
        byId('breakdown-title').textContent = `Usage by ${names.join(' and ')}`;
        const head = columns.map(({ title, isNumber }) =>
            element('th', { scope: 'col', textContent: title, className: isNumber ? 'number' : '' }),
        );
        const shown = this.showsAll ? groups : groups.slice(0, ROWS);
        const rows = shown.map((group) =>
            element('tr', {}, ...columns.map((column, place) => cell(column, place, group))),
        );
        const none = element('tr', {}, element('td', { colSpan: columns.length, textContent: 'No calls' }));
        byId('groups').replaceChildren(
            element('thead', {}, element('tr', {}, ...head)),
            element('tbody', {}, ...(rows.length > 0 ? rows : [none])),
        );
        byId('all').hidden = shown.length === groups.length;
        byId('all').textContent = `Show all ${number(groups.length)}`;
    }
}
