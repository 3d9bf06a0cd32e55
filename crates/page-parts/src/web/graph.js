// A graph with its latest and highest values, a cursor, and its values as a table.

import { element } from './dom.js';
import { drawnValues, lineStyle, plotOptions, topOf } from './plot-options.js';
import { onThemeChange } from './theme.js';
import { lineName, number, saysUnit, secondText, timeText, valueText } from './units.js';

/** The shortest day, on which clocks are put forward, and the shortest month. */
const DAY_MS = 23 * 3_600_000;
const MONTH_MS = 27 * 24 * 3_600_000;

const present = (values) => values.filter((value) => value !== null);
const sum = (values) => present(values).reduce((total, value) => total + value, 0);
const latest = (values) => values.findLast((value) => value !== null) ?? null;
const highest = (values) => (present(values).length === 0 ? null : Math.max(...present(values)));

/** A graph. It is kept between refreshes, so that it does not lose the focus. `timeName` names the period of the cursor,
 * `rowName` that of a row of the table of values, and `nameOf` a line. */
export class Graph {
    constructor(title, { isBars = false, timeName = secondText, rowName = timeText, nameOf = lineName } = {}) {
        Object.assign(this, { title, isBars, timeName, rowName, nameOf, place: null, plot: null, shape: '' });
        this.canvas = element('div', { className: 'graph', tabIndex: 0, role: 'img' });
        this.canvas.addEventListener('keydown', (event) => this.key(event));
        this.at = element('p', { className: 'at unseen', ariaLive: 'polite' });
        this.legend = element('table', { className: 'legend' });
        this.values = element(
            'details',
            { className: 'values' },
            element('summary', { textContent: `Values of ${title}` }),
        );
        this.values.addEventListener('toggle', () => this.drawValues());
        this.root = element('div', {}, this.canvas, this.at, this.legend, this.values);
        new ResizeObserver(() =>
            this.plot?.setSize({ width: this.canvas.clientWidth, height: this.plot.height }),
        ).observe(this.canvas);
        onThemeChange(() => this.plot?.redraw());
    }

    /** Draws data: times and lines as the server has them, in a span of time. */
    draw({ unit, limits = [], zone = 'UTC', graph: { times_ms: times, lines: data }, spanMs }) {
        const lines = data.map((line) => ({ ...line, label: this.nameOf(line.label) }));
        Object.assign(this, { unit, limits, zone, times, lines });
        const periodMs = this.isBars ? (spanMs[1] - spanMs[0]) / times.length : 0;
        this.isDaily = periodMs >= DAY_MS;
        this.isMonthly = periodMs >= MONTH_MS;
        const drawn = drawnValues(lines, this.isBars);
        this.scale = { x: spanMs.map((atMs) => atMs / 1_000), y: [0, topOf(drawn, limits)] };
        const columns = [times.map((atMs) => atMs / 1_000), ...drawn];
        const shape = JSON.stringify([
            unit,
            limits,
            zone,
            this.isDaily,
            this.isMonthly,
            lines.map(({ label }) => label),
        ]);
        if (shape === this.shape) this.plot.setData(columns);
        else this.build(columns, shape);
        if (this.place !== null) this.moveTo(this.place, false);
        const state = lines.map(({ label, values }) => `${label} ${this.text(latest(values))}`).join(', ');
        this.canvas.ariaLabel = `${this.title}. Latest: ${state}.`;
        this.drawLegend();
        this.drawValues();
    }

    build(columns, shape) {
        this.plot?.destroy();
        const { lines, limits, unit, zone, isBars, isDaily, isMonthly } = this;
        const width = this.canvas.clientWidth || 300;
        const options = plotOptions({
            lines,
            limits,
            unit,
            zone,
            isBars,
            isDaily,
            isMonthly,
            width,
            scale: () => this.scale,
            moved: (place) => this.drawCursorValues(place),
        });
        this.plot = new globalThis.uPlot(options, columns, this.canvas);
        this.shape = shape;
    }

    text(value) {
        return valueText(value, this.unit);
    }

    /** Draws the latest, the highest and the sum of each line. At the cursor, the values there replace the latest. */
    drawLegend() {
        const isCount = !saysUnit(this.unit);
        this.shown = element('th', { scope: 'col', className: 'number' });
        const others = ['highest', ...(isCount ? ['sum'] : [])].map((textContent) =>
            element('th', { scope: 'col', textContent, className: 'number' }),
        );
        const head = [element('th', { scope: 'col', textContent: 'Line' }), this.shown, ...others];
        const withValues = this.lines.filter(({ values }) => present(values).length > 0);
        const rows = withValues.map((line) => this.legendRow(line, isCount));
        for (const { label } of this.limits) {
            const mark = element('span', { className: 'mark limit-mark' });
            rows.push(element('tr', {}, element('th', { scope: 'row', colSpan: head.length }, mark, `limit ${label}`)));
        }
        const without = this.lines.filter((line) => !withValues.includes(line)).map(({ label }) => label);
        const none = element('td', { colSpan: head.length, textContent: `Without values: ${without.join(', ')}` });
        if (without.length > 0) rows.push(element('tr', { className: 'quiet' }, none));
        this.legend.replaceChildren(element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...rows));
        this.drawShown();
    }

    legendRow(line, isCount) {
        const { label, is_sum: isSum, values } = line;
        const mark = element('span', { className: `mark ${lineStyle(this.lines.indexOf(line)).className}` });
        line.cell = element('td', { className: 'number' });
        const cells = [this.text(highest(values))];
        if (isCount) cells.push(isSum ? number(sum(values)) : '');
        return element(
            'tr',
            {},
            element('th', { scope: 'row' }, mark, label),
            line.cell,
            ...cells.map((textContent) => element('td', { textContent, className: 'number' })),
        );
    }

    /** Shows the values at the cursor in the legend, or the latest ones. */
    drawShown() {
        const isAtCursor = this.place !== null && this.times[this.place] !== undefined;
        this.shown.textContent = isAtCursor ? this.timeName(this.times[this.place]).replace(' UTC', '') : 'latest';
        for (const { cell, values } of this.lines) {
            if (cell !== undefined) cell.textContent = this.text(isAtCursor ? values[this.place] : latest(values));
        }
    }

    /** Fills the table of all values while it is open, the latest first. */
    drawValues() {
        if (!this.values.open || this.lines === undefined) {
            // Rows of earlier data would be seen when the table is opened.
            this.values.querySelector('.scroll')?.remove();
            return;
        }
        const head = ['Time', ...this.lines.map(({ label }) => label)];
        const row = (atMs, place) => {
            const cells = this.lines.map(({ values }) =>
                element('td', { textContent: this.text(values[place]), className: 'number' }),
            );
            return element('tr', {}, element('th', { scope: 'row', textContent: this.rowName(atMs) }), ...cells);
        };
        const table = element(
            'table',
            {},
            element(
                'thead',
                {},
                element(
                    'tr',
                    {},
                    ...head.map((textContent, place) =>
                        element('th', { scope: 'col', textContent, className: place > 0 ? 'number' : '' }),
                    ),
                ),
            ),
            element('tbody', {}, ...this.times.map(row).reverse()),
        );
        const scroll = element(
            'div',
            { className: 'scroll', tabIndex: 0, role: 'region', ariaLabel: `Values of ${this.title}` },
            table,
        );
        const old = this.values.querySelector('.scroll');
        if (old === null) this.values.append(scroll);
        else old.replaceChildren(table);
    }

    key(event) {
        const last = this.times.length - 1;
        const from = this.place ?? last + 1;
        const moves = { ArrowLeft: from - 1, ArrowRight: Math.min(from + 1, last), Home: 0, End: last, Escape: null };
        if (!(event.key in moves)) return;
        event.preventDefault();
        this.moveTo(moves[event.key] === null ? null : Math.max(moves[event.key], 0));
    }

    /** Moves the cursor of all graphs to a period. */
    moveTo(place, isShared = true) {
        const left = place === null ? -10 : this.plot.valToPos(this.times[place] / 1_000, 'x');
        this.plot.setCursor(
            { left, top: place === null ? -10 : this.plot.bbox.height / 2 / devicePixelRatio },
            true,
            isShared,
        );
    }

    /** Shows the values at the cursor as text. */
    drawCursorValues(place) {
        this.place = place;
        if (this.shown !== undefined) this.drawShown();
        if (place === null || this.times[place] === undefined) {
            this.at.textContent = '';
            return;
        }
        const values = this.lines
            .filter((line) => present(line.values).length > 0)
            .map(({ label, values: all }) => `${label} ${this.text(all[place])}`);
        this.at.textContent = `${this.timeName(this.times[place])}: ${values.join(', ')}`;
    }
}
