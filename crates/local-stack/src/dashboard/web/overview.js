// The overview: the status and the dashboard.

import { byId, element, json } from './dom.js';
import { Graph } from './graph.js';
import { live } from './shell.js';
import { Status } from './status.js';
import { bind } from './url-state.js';

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

const HEADINGS = { api_key_id: 'Key', calls: 'Calls' };

/** Creates a table of the rows of a log query. */
function rowsTable(rows) {
    if (rows.length === 0) return element('p', { className: 'hint', textContent: 'No calls yet.' });
    const className = ({ value }) => (/^\d+$/.test(value) ? 'number' : '');
    const heading = (cell) =>
        element('th', { scope: 'col', textContent: HEADINGS[cell.field] ?? cell.field, className: className(cell) });
    const content = ({ field, value }) =>
        field === 'api_key_id'
            ? element('a', { href: `/key?id=${encodeURIComponent(value)}`, textContent: value })
            : value;
    const line = (cells) =>
        element('tr', {}, ...cells.map((cell) => element('td', { className: className(cell) }, content(cell))));
    const head = element('thead', {}, element('tr', {}, ...rows[0].map(heading)));
    return element('table', {}, head, element('tbody', {}, ...rows.map(line)));
}

const status = new Status(byId('status'));
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

let refreshNow = () => undefined;
bind(byId('minutes'), '30', () => refreshNow());
refreshNow = live(async () => {
    const [dashboard] = await Promise.all([json(`/dashboard.json?minutes=${byId('minutes').value}`), status.refresh()]);
    drawDashboard(dashboard);
    return dashboard.to_ms;
});
