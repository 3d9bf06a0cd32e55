// Draws the dashboard and the usage per key, and refreshes them.

import { byId, element, json } from './dom.js';
import { Graph } from './graph.js';
import { live } from './shell.js';
import { number, timeText } from './units.js';
import { bind, parameter, setParameters } from './url-state.js';

/** A widget of the dashboard: a graph, or the rows of a log query. */
class Widget {
    constructor(title, unit) {
        this.graph = new Graph(title);
        this.body = element('div');
        const heading = element('h3', { textContent: title });
        if (unit !== undefined) heading.append(element('span', { className: 'unit', textContent: ` ${unit}` }));
        this.root = element('article', { className: 'widget', dataset: { title } }, heading, this.body);
    }

    draw(widget, spanMs) {
        this.root.hidden =
            widget.graph !== undefined &&
            widget.graph.lines.every(({ values }) => values.every((value) => value === null));
        if (this.root.hidden) return;
        if (widget.problem !== undefined) {
            this.body.replaceChildren(element('p', { className: 'problem', textContent: widget.problem }));
        } else if (widget.rows !== undefined) {
            this.body.replaceChildren(rowsTable(widget.rows));
        } else {
            if (!this.graph.root.isConnected) this.body.replaceChildren(this.graph.root);
            this.graph.draw({ ...widget, spanMs });
        }
    }
}

/** Creates a table of the rows of a log query. */
function rowsTable(rows) {
    if (rows.length === 0) return element('p', { className: 'at', textContent: 'No calls yet.' });
    const isNumber = ({ value }) => /^\d+$/.test(value);
    const cells = (row, name, property) =>
        row.map((cell, place) =>
            element(name, { textContent: cell[property], className: isNumber(rows[0][place]) ? 'number' : '' }),
        );
    const head = element('tr', {}, ...cells(rows[0], 'th', 'field'));
    const body = rows.map((row) => element('tr', {}, ...cells(row, 'td', 'value')));
    return element('table', {}, element('thead', {}, head), element('tbody', {}, ...body));
}

const widgets = new Map();

function drawDashboard({ from_ms: fromMs, to_ms: toMs, widgets: drawn }) {
    for (const widget of drawn) {
        if (!widgets.has(widget.title)) {
            widgets.set(widget.title, new Widget(widget.title, widget.unit));
            byId('widgets').append(widgets.get(widget.title).root);
        }
        widgets.get(widget.title).draw(widget, [fromMs, toMs]);
    }
    const hidden = drawn.map(({ title }) => title).filter((title) => widgets.get(title).root.hidden);
    byId('without-values').textContent = hidden.length > 0 ? `Without values in this range: ${hidden.join(', ')}.` : '';
}

const usage = { keys: [], column: parameter('sort', 'month'), direction: parameter('order', 'descending') };

function drawUsage() {
    const wanted = byId('filter').value.trim().toLowerCase();
    const fits = ({ key, customer, owner }) => `${key} ${customer ?? ''} ${owner ?? ''}`.toLowerCase().includes(wanted);
    const sign = usage.direction === 'ascending' ? 1 : -1;
    const order = (left, right) => {
        const [a, b] = [left[usage.column] ?? '', right[usage.column] ?? ''];
        return sign * (a < b ? -1 : a > b ? 1 : 0);
    };
    const shown = usage.keys.filter(fits).sort(order);
    const row = (key) => {
        const numbersOf = [key.hour, key.day, key.month, key.monthly_limit].map((value) =>
            element('td', { className: 'number', textContent: number(value) }),
        );
        const marks = [key.is_deleted && 'deleted', !key.is_billed && 'not billed'].filter(Boolean);
        const holder = [...new Set([key.customer, key.owner])].filter((name) => name).join(', ');
        const owner = `${holder}${marks.length > 0 ? ` (${marks.join(', ')})` : ''}`;
        return element(
            'tr',
            { className: key.is_deleted ? 'deleted' : '' },
            element('th', { scope: 'row', textContent: key.key }),
            element('td', { textContent: owner }),
            ...numbersOf,
            element('td', { textContent: timeText(key.last_call_ms) }),
        );
    };
    byId('usage').tBodies[0].replaceChildren(...shown.map(row));
    byId('usage-state').textContent = `${shown.length} of ${usage.keys.length} keys with usage.`;
    for (const heading of byId('usage').tHead.rows[0].cells) {
        const isSorted = heading.firstElementChild.dataset.column === usage.column;
        heading.ariaSort = isSorted ? usage.direction : 'none';
    }
}

function sortBy(column) {
    const turned = usage.direction === 'descending' ? 'ascending' : 'descending';
    usage.direction = usage.column === column ? turned : 'descending';
    usage.column = column;
    setParameters({ sort: usage.column, order: usage.direction }, { sort: 'month', order: 'descending' });
    drawUsage();
}

bind(byId('filter'), '', drawUsage);
byId('usage').tHead.addEventListener('click', ({ target }) => target.dataset.column && sortBy(target.dataset.column));
let refreshNow = () => undefined;
bind(byId('minutes'), '30', () => refreshNow());
refreshNow = live(async () => {
    const [dashboard, { keys }] = await Promise.all([
        json(`/dashboard.json?minutes=${byId('minutes').value}`),
        json('/usage.json'),
    ]);
    drawDashboard(dashboard);
    usage.keys = keys;
    drawUsage();
    return dashboard.to_ms;
});
