// Draws the dashboard and the usage per key, and refreshes them every two seconds.

const REFRESH_MS = 2_000;
const WIDTH = 600;
const HEIGHT = 180;
const COLOURS = 7;
const SVG = 'http://www.w3.org/2000/svg';

const byId = (id) => document.getElementById(id);
const numbers = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });
const times = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', timeZone: 'UTC' });
const number = (value) => (value === null || value === undefined ? '–' : numbers.format(value));
const time = (atMs) => `${times.format(atMs)} UTC`;

/** Creates an HTML element with properties and children. */
function element(name, properties = {}, ...children) {
  const created = Object.assign(document.createElement(name), properties);
  created.append(...children);
  return created;
}

/** Creates an SVG element with attributes. */
function shape(name, attributes, className = '') {
  const created = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) created.setAttribute(attribute, value);
  if (className !== '') created.setAttribute('class', className);
  return created;
}

/** A widget of the dashboard. It is kept between refreshes, so that it does not lose the focus. */
class Widget {
  constructor(title) {
    this.cursor = null;
    this.at = element('p', { className: 'at', ariaLive: 'polite' });
    this.graph = shape('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', tabindex: '0', role: 'img' }, 'graph');
    this.graph.addEventListener('keydown', (event) => this.key(event));
    this.graph.addEventListener('pointermove', (event) => this.point(event));
    this.graph.addEventListener('pointerleave', () => this.moveTo(null));
    this.legend = element('ul', { className: 'legend' });
    this.body = element('div');
    const heading = element('h3', { textContent: title });
    this.root = element('article', { className: 'widget' }, heading, this.body);
    this.root.dataset.title = title;
  }

  draw(widget, fromMs, toMs) {
    this.widget = widget;
    this.span = { fromMs, toMs };
    if (widget.problem !== undefined) {
      this.body.replaceChildren(element('p', { className: 'problem', textContent: widget.problem }));
    } else if (widget.rows !== undefined) {
      this.body.replaceChildren(table(widget.rows));
    } else {
      if (!this.graph.isConnected) this.body.replaceChildren(this.graph, this.legend, this.at);
      this.drawGraph();
    }
  }

  drawGraph() {
    const { lines, limits } = this.widget;
    const values = lines.flatMap((line) => line.points.map(([, value]) => value));
    const highest = Math.max(...values, 0);
    // A limit far above all values would flatten the graph, so it is not drawn.
    const shown = limits.filter(({ value }) => value <= 4 * highest);
    this.top = Math.max(highest, ...shown.map(({ value }) => value), 1e-9) * 1.1;
    const drawn = [shape('line', { x1: 0, x2: WIDTH, y1: HEIGHT - 1, y2: HEIGHT - 1 }, 'axis')];
    for (const { value } of shown) drawn.push(shape('line', { x1: 0, x2: WIDTH, y1: this.y(value), y2: this.y(value) }, 'limit'));
    lines.forEach((line, place) => drawn.push(...this.drawLine(line, place % COLOURS)));
    if (this.cursor !== null) drawn.push(shape('line', { x1: this.x(this.cursor), x2: this.x(this.cursor), y1: 0, y2: HEIGHT }, 'cursor'));
    this.graph.replaceChildren(...drawn);
    const last = lines.map((line) => `${line.label} ${number(line.points.at(-1)?.[1])}`).join(', ');
    this.graph.setAttribute('aria-label', `${this.widget.title}. Latest: ${last}.`);
    this.drawLegend();
    this.drawCursorValues();
  }

  drawLine({ points }, colour) {
    const className = `series-${colour}`;
    if (points.length === 1) {
      const [atMs, value] = points[0];
      return [shape('circle', { cx: this.x(atMs), cy: this.y(value), r: 3 }, className)];
    }
    const d = points.map(([atMs, value], place) => `${place === 0 ? 'M' : 'L'}${this.x(atMs)} ${this.y(value)}`).join('');
    return [shape('path', { d }, className)];
  }

  drawLegend() {
    const lines = this.widget.lines.map((line, place) =>
      element('li', {}, element('span', { className: `mark series-${place % COLOURS}` }), `${line.label}: ${number(line.points.at(-1)?.[1])}`),
    );
    const limits = this.widget.limits.map(({ label, value }) =>
      element('li', {}, element('span', { className: 'mark limit-mark' }), `limit ${label} (${number(value)})`),
    );
    this.legend.replaceChildren(...lines, ...limits);
  }

  x(atMs) {
    return ((atMs - this.span.fromMs) / (this.span.toMs - this.span.fromMs)) * WIDTH;
  }

  y(value) {
    return HEIGHT - 1 - (value / this.top) * (HEIGHT - 2);
  }

  /** Returns the times that have a value, in ascending order. */
  times() {
    return [...new Set(this.widget.lines.flatMap((line) => line.points.map(([atMs]) => atMs)))].sort((left, right) => left - right);
  }

  key(event) {
    const known = this.times();
    const place = this.cursor === null ? known.length - 1 : known.findLastIndex((atMs) => atMs <= this.cursor);
    const moves = { ArrowLeft: this.cursor === null ? place : place - 1, ArrowRight: place + 1, Home: 0, End: known.length - 1 };
    if (event.key === 'Escape') return this.moveTo(null);
    if (moves[event.key] === undefined || known.length === 0) return undefined;
    event.preventDefault();
    return this.moveTo(known[Math.min(Math.max(moves[event.key], 0), known.length - 1)]);
  }

  point(event) {
    const { left, width } = this.graph.getBoundingClientRect();
    const atMs = this.span.fromMs + ((event.clientX - left) / width) * (this.span.toMs - this.span.fromMs);
    this.moveTo(this.times().findLast((known) => known <= atMs) ?? null);
  }

  moveTo(atMs) {
    this.cursor = atMs;
    this.drawGraph();
  }

  /** Shows the values at the cursor as text. */
  drawCursorValues() {
    if (this.cursor === null) {
      this.at.textContent = '';
      return;
    }
    const values = this.widget.lines.map((line) => `${line.label} ${number(line.points.find(([atMs]) => atMs === this.cursor)?.[1])}`);
    this.at.textContent = `${time(this.cursor)}: ${values.join(', ')}`;
  }
}

/** Creates a table of the rows of a log query. */
function table(rows) {
  if (rows.length === 0) return element('p', { className: 'at', textContent: 'No calls yet.' });
  const cells = (row, name, property) => row.map((cell) => element(name, { textContent: cell[property] }));
  const head = element('tr', {}, ...cells(rows[0], 'th', 'field'));
  return element('table', {}, element('thead', {}, head), element('tbody', {}, ...rows.map((row) => element('tr', {}, ...cells(row, 'td', 'value')))));
}

const widgets = new Map();

function drawDashboard({ from_ms: fromMs, to_ms: toMs, widgets: drawn }) {
  for (const widget of drawn) {
    if (!widgets.has(widget.title)) {
      widgets.set(widget.title, new Widget(widget.title));
      byId('widgets').append(widgets.get(widget.title).root);
    }
    widgets.get(widget.title).draw(widget, fromMs, toMs);
  }
}

const usage = { keys: [], column: 'month', direction: 'descending' };

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
    const numbersOf = [key.hour, key.day, key.month, key.monthly_limit].map((value) => element('td', { className: 'number', textContent: number(value) }));
    const marks = [key.is_deleted && 'deleted', !key.is_billed && 'not billed'].filter(Boolean);
    const holder = [...new Set([key.customer, key.owner])].filter((name) => name).join(', ');
    const owner = `${holder}${marks.length > 0 ? ` (${marks.join(', ')})` : ''}`;
    const last = key.last_call_ms ? `${new Date(key.last_call_ms).toISOString().slice(0, 19)}Z` : '–';
    return element('tr', { className: key.is_deleted ? 'deleted' : '' }, element('th', { scope: 'row', textContent: key.key }), element('td', { textContent: owner }), ...numbersOf, element('td', { textContent: last }));
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
  drawUsage();
}

async function json(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

async function refresh() {
  try {
    const [dashboard, { keys }] = await Promise.all([json(`/dashboard.json?minutes=${byId('minutes').value}`), json('/usage.json')]);
    drawDashboard(dashboard);
    usage.keys = keys;
    drawUsage();
    byId('state').textContent = `As of ${time(dashboard.to_ms)}`;
  } catch (error) {
    byId('state').textContent = `The stack does not answer; this is what was last seen. (${error.message})`;
  }
}

const pause = byId('pause');
const isPaused = () => pause.ariaPressed === 'true';

async function live() {
  if (!isPaused()) await refresh();
  setTimeout(live, REFRESH_MS);
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem('theme', theme);
}

pause.addEventListener('click', () => {
  pause.ariaPressed = String(!isPaused());
  pause.textContent = isPaused() ? 'Go on' : 'Pause';
});
byId('theme').addEventListener('click', () => {
  const dark = document.documentElement.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
  setTheme(dark === 'dark' ? 'light' : 'dark');
});
byId('minutes').addEventListener('change', refresh);
byId('filter').addEventListener('input', drawUsage);
byId('usage').tHead.addEventListener('click', ({ target }) => target.dataset.column && sortBy(target.dataset.column));
if (localStorage.getItem('theme') !== null) setTheme(localStorage.getItem('theme'));
live();
