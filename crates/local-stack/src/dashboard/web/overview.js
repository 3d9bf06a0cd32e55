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
