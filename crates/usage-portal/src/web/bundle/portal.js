// Generated from the modules of the page by `cargo run -p dev -- generate`.
(() => {
  // page-parts/src/web/dom.js
  var byId = (id) => document.getElementById(id);
  function element(name, properties = {}, ...children) {
    const { dataset = {}, ...others } = properties;
    const created = Object.assign(document.createElement(name), others);
    Object.assign(created.dataset, dataset);
    created.append(...children);
    return created;
  }
  function setStale(isStale) {
    byId("content").classList.toggle("stale", isStale);
  }

  // page-parts/src/web/url-state.js
  function parameter(name, otherwise = "") {
    return new URLSearchParams(location.search).get(name) ?? otherwise;
  }
  function setParameters(values, usual = {}) {
    if (window.parent !== window) return;
    const parameters = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(values)) {
      if (value === "" || value === (usual[name] ?? "")) parameters.delete(name);
      else parameters.set(name, value);
    }
    const query = parameters.toString();
    history.replaceState(null, "", `${location.pathname}${query === "" ? "" : `?${query}`}${location.hash}`);
  }
  function bind(control, usual, changed) {
    control.value = parameter(control.id, usual);
    if (control.value === "" && usual !== "") control.value = usual;
    const event = control.type === "search" ? "input" : "change";
    control.addEventListener(event, () => {
      setParameters({ [control.id]: control.value }, { [control.id]: usual });
      changed();
    });
  }

  // usage-portal/src/web/zones.js
  var HOUR_MS = 36e5;
  var HALF_YEAR_MS = 183 * 24 * HOUR_MS;
  var formats = /* @__PURE__ */ new Map();
  function format(zone) {
    if (!formats.has(zone)) {
      const parts = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" };
      formats.set(zone, new Intl.DateTimeFormat("en", { ...parts, hourCycle: "h23", timeZone: zone }));
    }
    return formats.get(zone);
  }
  function differenceMs(atMs, zone) {
    const parts = format(zone).formatToParts(atMs);
    const [year, month, day2, hour, minute] = ["year", "month", "day", "hour", "minute"].map(
      (name) => Number(parts.find(({ type }) => type === name).value)
    );
    const minuteMs = Math.floor(atMs / 6e4) * 6e4;
    return Date.UTC(year, month - 1, day2, hour, minute) - minuteMs;
  }
  function isZone(name) {
    try {
      return format(name) !== void 0;
    } catch {
      return false;
    }
  }
  function isOfWholeHours(zone) {
    const nowMs = Date.now();
    return [nowMs, nowMs + HALF_YEAR_MS].every((atMs) => differenceMs(atMs, zone) % HOUR_MS === 0);
  }
  function dayAt(atMs, zone) {
    return new Date(atMs + differenceMs(atMs, zone)).toISOString().slice(0, 10);
  }
  function beginOf(day2, zone) {
    const inUtc = Date.parse(day2);
    const about = inUtc - differenceMs(inUtc, zone);
    const atMs = inUtc - differenceMs(about, zone);
    return dayAt(atMs, zone) < day2 ? atMs + HOUR_MS : atMs;
  }
  function daysAfter(day2, count) {
    return new Date(Date.parse(day2) + count * 24 * HOUR_MS).toISOString().slice(0, 10);
  }

  // usage-portal/src/web/choices.js
  var OWN = "own";
  var USUAL = { range: "this-month", by: "day", group_by: "" };
  var firstOfMonth = (day2) => `${day2.slice(0, 7)}-01`;
  var RANGES = {
    "this-month": (today) => [firstOfMonth(today), today],
    "last-month": (today) => {
      const last = daysAfter(firstOfMonth(today), -1);
      return [firstOfMonth(last), last];
    },
    "last-7-days": (today) => [daysAfter(today, -6), today],
    "last-30-days": (today) => [daysAfter(today, -29), today]
  };
  var isNamed = (zone) => /^(?!Etc\/Unknown$)[A-Z]/i.test(zone ?? "") && isZone(zone);
  function usualZone() {
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    return isNamed(own) && isOfWholeHours(own) ? own : "UTC";
  }
  var Choices = class {
    constructor(changed) {
      for (const id of ["range", "from", "to", "by", "group_by", "time_zone"]) this[id] = byId(id);
      const inUrl = parameter("time_zone");
      const zones = /* @__PURE__ */ new Set([usualZone(), "UTC", ...isNamed(inUrl) ? [inUrl] : []]);
      const options = [...zones].map((zone) => element("option", { value: zone, textContent: zone }));
      this.time_zone.append(...options);
      const update = () => {
        this.showDays();
        changed();
      };
      for (const id of ["range", "by", "group_by"]) bind(this[id], USUAL[id], update);
      bind(this.time_zone, usualZone(), update);
      for (const day2 of [this.from, this.to]) day2.addEventListener("change", update);
      for (const day2 of [this.from, this.to]) day2.addEventListener("input", () => this.chooseOwn());
      if (this.range.value === OWN) [this.from.value, this.to.value] = [parameter("from"), parameter("to")];
      byId("controls").addEventListener("submit", (event) => event.preventDefault());
      this.showDays();
    }
    chooseOwn() {
      this.range.value = OWN;
    }
    /** Shows the days of the range, and keeps those that are its own in the URL. */
    showDays() {
      const range = RANGES[this.range.value];
      if (range !== void 0) [this.from.value, this.to.value] = range(dayAt(Date.now(), this.time_zone.value));
      const own = range === void 0 ? { from: this.from.value, to: this.to.value } : { from: "", to: "" };
      setParameters({ range: this.range.value, ...own }, USUAL);
    }
    /** Returns what is wrong with the days, or an empty text. */
    problem() {
      const [from, to] = [this.from.value, this.to.value];
      if (from === "" || to === "") return "Choose a first and a last day.";
      return from > to ? "The first day is after the last day." : "";
    }
    /** Returns the properties by which usage is broken down. */
    get groupBy() {
      return this.group_by.value === "" ? [] : this.group_by.value.split(",");
    }
    /** Returns the choices as parameters of a request. */
    parameters() {
      this.showDays();
      const by = this.groupBy.length === 0 ? {} : { group_by: this.group_by.value };
      const { from, to, by: period, time_zone: zone } = this;
      return { from: from.value, to: to.value, by: period.value, time_zone: zone.value, ...by };
    }
  };

  // usage-portal/src/web/csv.js
  var HEAD = ["customer_id", "api_key_id", "route_class", "period", "calls", "credits", "response_bytes"];
  var literal = (cell2) => /^[=+\-@\t\r]/.test(cell2) ? `'${cell2}` : cell2;
  var READ_MS = 6e4;
  var quoted = (cell2) => /[",\r\n]/.test(cell2) ? `"${cell2.replaceAll('"', '""')}"` : cell2;
  var line = (cells) => cells.map((cell2) => quoted(literal(String(cell2 ?? "")))).join(",");
  function csvOf(answer) {
    const { customer_id: customer, api_key_id: key } = answer;
    const rows = answer.usage.map((entry) => {
      const { api_key_id: ofKey, route_class: name, period, calls, credits, response_bytes: bytes } = entry;
      return [customer, ofKey ?? key, name, period, calls, credits, bytes];
    });
    return [HEAD, ...rows].map((cells) => `${line(cells)}
`).join("");
  }
  function downloadCsv(answer) {
    const { from, to, time_zone: zone } = answer;
    const ofZone = zone === "UTC" ? "" : `-${zone.replaceAll("/", "-")}`;
    const href = URL.createObjectURL(new Blob([csvOf(answer)], { type: "text/csv" }));
    element("a", { href, download: `usage-${from}-${to}${ofZone}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(href), READ_MS);
  }

  // page-parts/src/web/units.js
  var exact = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
  var short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
  var significant = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
  var dollars = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, minimumFractionDigits: 2 });
  var NONE = "–";
  var DURATIONS = [
    [36e5, "h"],
    [6e4, "min"],
    [1e3, "s"],
    [1, "ms"],
    [1e-3, "µs"]
  ];
  function duration(ms) {
    const [length, unit] = DURATIONS.find(([least]) => ms >= least) ?? DURATIONS.at(-1);
    return `${significant.format(ms / length)} ${unit}`;
  }
  var FORMATS = {
    ms: duration,
    µs: (value) => duration(value / 1e3),
    percent: (value) => `${significant.format(value)} %`,
    "US dollars": (value) => `$${dollars.format(value)}`
  };
  var isMissing = (value) => value === null || value === void 0;
  var number = (value) => isMissing(value) ? NONE : exact.format(value);
  var valueText = (value, unit) => {
    if (isMissing(value)) return NONE;
    return value !== 0 && FORMATS[unit] !== void 0 ? FORMATS[unit](value) : exact.format(value);
  };
  var tick = (value, unit) => {
    if (isMissing(value)) return "";
    return value !== 0 && FORMATS[unit] !== void 0 ? FORMATS[unit](value) : short.format(value);
  };
  var saysUnit = (unit) => FORMATS[unit] !== void 0;
  function timeFormat(options) {
    const formats2 = /* @__PURE__ */ new Map();
    return (atMs, zone = "UTC") => {
      if (!formats2.has(zone)) formats2.set(zone, new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone }));
      return formats2.get(zone).format(atMs);
    };
  }
  var minuteText = timeFormat({ hour: "2-digit", minute: "2-digit" });
  var seconds = timeFormat({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
  var secondText = (atMs) => `${seconds(atMs)} UTC`;
  var dayText = timeFormat({ day: "numeric", month: "short" });
  var monthText = timeFormat({ month: "short" });
  var timeText = (atMs) => atMs ? `${new Date(atMs).toISOString().slice(0, 19).replace("T", " ")} UTC` : NONE;
  function lineName(label) {
    const isMetric = /^[A-Z0-9][a-z0-9A-Z]*( |$)/.test(label);
    return isMetric ? label.replaceAll(/([a-z])([A-Z])(?=[a-z])/g, (_, before, capital) => `${before} ${capital.toLowerCase()}`) : label;
  }

  // page-parts/src/web/plot-options.js
  var COLOURS = 7;
  var DASHES = [[], [6, 4], [2, 3]];
  var FONT = "12px system-ui, sans-serif";
  var HEIGHT_PX = 180;
  var HEADROOM = 1.1;
  var NEAR = 4;
  var probe = document.createElement("span");
  probe.hidden = true;
  function colour(name) {
    if (!probe.isConnected) document.body.append(probe);
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  }
  var lineStyle = (place) => ({
    name: `--line-${place % COLOURS}`,
    className: `series-${place % COLOURS} dash-${Math.floor(place / COLOURS) % DASHES.length}`,
    dash: DASHES[Math.floor(place / COLOURS) % DASHES.length]
  });
  function topOf(drawn, limits) {
    const highest2 = drawn.flat().reduce((most, value) => Math.max(most, value ?? 0), 0);
    const near = limits.filter(({ value }) => value <= NEAR * highest2).map(({ value }) => value);
    return Math.max(highest2, ...near) * HEADROOM || 1;
  }
  function lonely(plot, place) {
    const values = plot.data[place];
    const has = (period) => (values[period] ?? null) !== null;
    return [...values.keys()].filter((period) => has(period) && !has(period - 1) && !has(period + 1));
  }
  function series({ label }, place, isBars) {
    const { name, dash } = lineStyle(place);
    const drawn = { label, stroke: () => colour(name), width: 2, dash };
    if (isBars)
      return {
        ...drawn,
        fill: () => colour(name),
        paths: globalThis.uPlot.paths.bars({ size: [0.8, 60] }),
        points: { show: false }
      };
    return { ...drawn, points: { show: true, size: 5, fill: () => colour(name), filter: lonely } };
  }
  function drawLimits(plot, limits) {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.font = `${12 * ratio}px system-ui, sans-serif`;
    ctx.fillStyle = ctx.strokeStyle = colour("--limit");
    ctx.textAlign = "right";
    ctx.lineWidth = ratio;
    ctx.setLineDash([6 * ratio, 4 * ratio]);
    for (const { label, value } of limits) {
      const isFar = value > plot.scales.y.max;
      const y = isFar ? bbox.top : plot.valToPos(value, "y", true);
      if (!isFar) {
        ctx.beginPath();
        ctx.moveTo(bbox.left, y);
        ctx.lineTo(bbox.left + bbox.width, y);
        ctx.stroke();
      }
      ctx.textBaseline = y - bbox.top < 16 * ratio ? "top" : "bottom";
      ctx.fillText(
        isFar ? `limit ${label} ↑` : `limit ${label}`,
        bbox.left + bbox.width - 4 * ratio,
        y + (isFar ? 0 : -2 * ratio)
      );
    }
    ctx.restore();
  }
  var DAY_S = 86400;
  var DAYS = [1, 2, 3, 5, 7, 10, 14, 30, 61, 91, 182, 365].map((days) => days * DAY_S);
  var WHOLE = Array.from({ length: 16 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();
  var timeLabels = (zone) => (_, splits, __, space, increment) => splits.map((atS, place) => {
    const minute = minuteText(atS * 1e3, zone);
    return increment >= DAY_S || place > 0 && minute === "00:00" ? dayText(atS * 1e3, zone) : minute;
  });
  function drawnValues(lines, isBars) {
    if (!isBars) return lines.map(({ values }) => values);
    const stacked = [];
    for (const { values } of lines.toReversed()) {
      const below = stacked[0];
      const on = (value, period) => (value ?? 0) + (below?.[period] ?? 0) || null;
      stacked.unshift(values.map(on));
    }
    return stacked;
  }
  function timeAxis(zone, { isDaily, isMonthly }) {
    if (isMonthly)
      return {
        splits: ({ data }) => data[0],
        values: (_, splits) => splits.map((atS) => monthText(atS * 1e3, zone))
      };
    return { values: timeLabels(zone), ...isDaily ? { incrs: DAYS } : {} };
  }
  function axis(options) {
    const grid = { stroke: () => colour("--grid"), width: 1 };
    return { stroke: () => colour("--quiet"), font: FONT, grid, ticks: { ...grid, size: 4 }, ...options };
  }
  function plotOptions({ lines, limits, unit, zone, width, isBars, isDaily, isMonthly, scale, moved }) {
    const whole = saysUnit(unit) ? {} : { incrs: WHOLE };
    return {
      width,
      height: HEIGHT_PX,
      padding: [8, 20, 0, 0],
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false, sync: { key: "time", setSeries: false } },
      tzDate: (atS) => globalThis.uPlot.tzDate(new Date(atS * 1e3), zone),
      scales: { x: { time: true, range: () => scale().x }, y: { range: () => scale().y } },
      axes: [
        axis({ space: 56, size: 30, ...timeAxis(zone, { isDaily, isMonthly }) }),
        axis({ values: (_, splits) => splits.map((value) => tick(value, unit)), size: 60, space: 32, ...whole })
      ],
      series: [{}, ...lines.map((line3, place) => series(line3, place, isBars))],
      hooks: {
        draw: [(plot) => drawLimits(plot, limits)],
        setCursor: [(plot) => moved(plot.cursor.left < 0 ? null : plot.cursor.idx ?? null)]
      }
    };
  }

  // page-parts/src/web/theme.js
  var THEMES = ["light", "dark"];
  var listeners = [];
  function notify() {
    for (const changed of listeners) changed();
  }
  function setTheme(theme) {
    if (THEMES.includes(theme)) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    notify();
  }
  function onThemeChange(changed) {
    listeners.push(changed);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", notify);

  // page-parts/src/web/graph.js
  var DAY_MS = 23 * 36e5;
  var MONTH_MS = 27 * 24 * 36e5;
  var present = (values) => values.filter((value) => value !== null);
  var sum = (values) => present(values).reduce((total, value) => total + value, 0);
  var latest = (values) => values.findLast((value) => value !== null) ?? null;
  var highest = (values) => present(values).length === 0 ? null : Math.max(...present(values));
  var Graph = class {
    constructor(title, { isBars = false, timeName = secondText, rowName = timeText, nameOf: nameOf2 = lineName } = {}) {
      Object.assign(this, { title, isBars, timeName, rowName, nameOf: nameOf2, place: null, plot: null, shape: "" });
      this.canvas = element("div", { className: "graph", tabIndex: 0, role: "img" });
      this.canvas.addEventListener("keydown", (event) => this.key(event));
      this.at = element("p", { className: "at unseen", ariaLive: "polite" });
      this.legend = element("table", { className: "legend" });
      this.values = element(
        "details",
        { className: "values" },
        element("summary", { textContent: `Values of ${title}` })
      );
      this.values.addEventListener("toggle", () => this.drawValues());
      this.root = element("div", {}, this.canvas, this.at, this.legend, this.values);
      new ResizeObserver(
        () => this.plot?.setSize({ width: this.canvas.clientWidth, height: this.plot.height })
      ).observe(this.canvas);
      onThemeChange(() => this.plot?.redraw());
    }
    /** Draws data: times and lines as the server has them, in a span of time. */
    draw({ unit, limits = [], zone = "UTC", graph: { times_ms: times, lines: data }, spanMs }) {
      const lines = data.map((line3) => ({ ...line3, label: this.nameOf(line3.label) }));
      Object.assign(this, { unit, limits, zone, times, lines });
      const periodMs = this.isBars ? (spanMs[1] - spanMs[0]) / times.length : 0;
      this.isDaily = periodMs >= DAY_MS;
      this.isMonthly = periodMs >= MONTH_MS;
      const drawn = drawnValues(lines, this.isBars);
      this.scale = { x: spanMs.map((atMs) => atMs / 1e3), y: [0, topOf(drawn, limits)] };
      const columns = [times.map((atMs) => atMs / 1e3), ...drawn];
      const shape = JSON.stringify([
        unit,
        limits,
        zone,
        this.isDaily,
        this.isMonthly,
        lines.map(({ label }) => label)
      ]);
      if (shape === this.shape) this.plot.setData(columns);
      else this.build(columns, shape);
      if (this.place !== null) this.moveTo(this.place, false);
      const state = lines.map(({ label, values }) => `${label} ${this.text(latest(values))}`).join(", ");
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
        moved: (place) => this.drawCursorValues(place)
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
      this.shown = element("th", { scope: "col", className: "number" });
      const others = ["highest", ...isCount ? ["sum"] : []].map(
        (textContent) => element("th", { scope: "col", textContent, className: "number" })
      );
      const head = [element("th", { scope: "col", textContent: "Line" }), this.shown, ...others];
      const withValues = this.lines.filter(({ values }) => present(values).length > 0);
      const rows = withValues.map((line3) => this.legendRow(line3, isCount));
      for (const { label } of this.limits) {
        const mark = element("span", { className: "mark limit-mark" });
        rows.push(element("tr", {}, element("th", { scope: "row", colSpan: head.length }, mark, `limit ${label}`)));
      }
      const without = this.lines.filter((line3) => !withValues.includes(line3)).map(({ label }) => label);
      const none = element("td", { colSpan: head.length, textContent: `Without values: ${without.join(", ")}` });
      if (without.length > 0) rows.push(element("tr", { className: "quiet" }, none));
      this.legend.replaceChildren(element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows));
      this.drawShown();
    }
    legendRow(line3, isCount) {
      const { label, is_sum: isSum, values } = line3;
      const mark = element("span", { className: `mark ${lineStyle(this.lines.indexOf(line3)).className}` });
      line3.cell = element("td", { className: "number" });
      const cells = [this.text(highest(values))];
      if (isCount) cells.push(isSum ? number(sum(values)) : "");
      return element(
        "tr",
        {},
        element("th", { scope: "row" }, mark, label),
        line3.cell,
        ...cells.map((textContent) => element("td", { textContent, className: "number" }))
      );
    }
    /** Shows the values at the cursor in the legend, or the latest ones. */
    drawShown() {
      const isAtCursor = this.place !== null && this.times[this.place] !== void 0;
      this.shown.textContent = isAtCursor ? this.timeName(this.times[this.place]).replace(" UTC", "") : "latest";
      for (const { cell: cell2, values } of this.lines) {
        if (cell2 !== void 0) cell2.textContent = this.text(isAtCursor ? values[this.place] : latest(values));
      }
    }
    /** Fills the table of all values while it is open, the latest first. */
    drawValues() {
      if (!this.values.open || this.lines === void 0) {
        this.values.querySelector(".scroll")?.remove();
        return;
      }
      const head = ["Time", ...this.lines.map(({ label }) => label)];
      const row = (atMs, place) => {
        const cells = this.lines.map(
          ({ values }) => element("td", { textContent: this.text(values[place]), className: "number" })
        );
        return element("tr", {}, element("th", { scope: "row", textContent: this.rowName(atMs) }), ...cells);
      };
      const table2 = element(
        "table",
        {},
        element(
          "thead",
          {},
          element(
            "tr",
            {},
            ...head.map(
              (textContent, place) => element("th", { scope: "col", textContent, className: place > 0 ? "number" : "" })
            )
          )
        ),
        element("tbody", {}, ...this.times.map(row).reverse())
      );
      const scroll = element(
        "div",
        { className: "scroll", tabIndex: 0, role: "region", ariaLabel: `Values of ${this.title}` },
        table2
      );
      const old = this.values.querySelector(".scroll");
      if (old === null) this.values.append(scroll);
      else old.replaceChildren(table2);
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
      const left = place === null ? -10 : this.plot.valToPos(this.times[place] / 1e3, "x");
      this.plot.setCursor(
        { left, top: place === null ? -10 : this.plot.bbox.height / 2 / devicePixelRatio },
        true,
        isShared
      );
    }
    /** Shows the values at the cursor as text. */
    drawCursorValues(place) {
      this.place = place;
      if (this.shown !== void 0) this.drawShown();
      if (place === null || this.times[place] === void 0) {
        this.at.textContent = "";
        return;
      }
      const values = this.lines.filter((line3) => present(line3.values).length > 0).map(({ label, values: all }) => `${label} ${this.text(all[place])}`);
      this.at.textContent = `${this.timeName(this.times[place])}: ${values.join(", ")}`;
    }
  };

  // usage-portal/src/web/periods.js
  var HOUR_MS2 = 36e5;
  var LENGTHS_MS = { hour: HOUR_MS2, day: 24 * HOUR_MS2, month: 30 * 24 * HOUR_MS2 };
  var day = { day: "numeric", month: "short", year: "numeric" };
  var NAMES = {
    hour: timeFormat({ ...day, hour: "2-digit", minute: "2-digit", timeZoneName: "short" }),
    day: timeFormat({ weekday: "short", ...day }),
    month: timeFormat({ month: "long", year: "numeric" })
  };
  var periodName = (atMs, by, zone) => NAMES[by](atMs, zone);
  function beginOfPeriod(period, zone) {
    const [date, hour] = period.split("T");
    if (hour === void 0) return beginOf(date.length === 7 ? `${date}-01` : date, zone);
    const [, digits, difference] = /^(\d\d)(.*)$/.exec(hour);
    return Date.parse(`${date}T${digits}:00:00${difference === "Z" ? "Z" : `${difference}:00`}`);
  }
  function hours(from, to, zone) {
    const [firstMs, endMs] = [beginOf(from, zone), beginOf(daysAfter(to, 1), zone)];
    return Array.from({ length: Math.round((endMs - firstMs) / HOUR_MS2) }, (_, hour) => firstMs + hour * HOUR_MS2);
  }
  function periodsOf({ from, to, time_zone: zone, read_at: readAt }, by) {
    const days = [];
    for (let next = from; next <= to; next = daysAfter(next, 1)) days.push(next);
    const names = by === "month" ? [...new Set(days.map((each) => each.slice(0, 7)))] : days;
    const times = by === "hour" ? hours(from, to, zone) : names.map((name) => beginOfPeriod(name, zone));
    const nowMs = readAt === null ? Date.now() : Date.parse(readAt);
    return times.filter((atMs, place) => place === 0 || atMs <= nowMs);
  }
  function spanOf(times, by) {
    const half = (times.length > 1 ? times[1] - times[0] : LENGTHS_MS[by]) / 2;
    return [times[0] - half, times.at(-1) + half];
  }

  // usage-portal/src/web/sums.js
  var UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte", "petabyte"];
  var fraction = (decimal) => decimal.split(".")[1] ?? "";
  function sumOfDecimals(decimals) {
    const present2 = decimals.filter((decimal) => decimal !== null);
    if (present2.length === 0) return null;
    const digits = Math.max(...present2.map((decimal) => fraction(decimal).length));
    const scaled = present2.map((decimal) => BigInt(decimal.split(".")[0] + fraction(decimal).padEnd(digits, "0")));
    const text = String(scaled.reduce((sum2, value) => sum2 + value, 0n)).padStart(digits + 1, "0");
    if (digits === 0) return text;
    const rest = text.slice(-digits).replace(/0+$/, "");
    return `${text.slice(0, -digits)}${rest === "" ? "" : `.${rest}`}`;
  }
  function decimalText(decimal) {
    const rest = fraction(decimal);
    const whole = new Intl.NumberFormat("en").format(BigInt(decimal.split(".")[0]));
    return rest === "" ? whole : `${whole}.${rest}`;
  }
  function sizeText(bytes) {
    const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
    const style = { style: "unit", unit: UNITS[power], maximumSignificantDigits: 3 };
    return new Intl.NumberFormat("en", style).format(bytes / 1e3 ** power);
  }

  // usage-portal/src/web/groups.js
  var LINES = 6;
  var totalOf = (entries, name) => entries.reduce((total, entry) => total + entry[name], 0);
  var className = (routeClass) => routeClass ?? "without a class";
  function nameOf({ api_key_id: key, route_class: routeClass }) {
    const parts = [key, routeClass === void 0 ? void 0 : className(routeClass)];
    return parts.filter((part) => part !== void 0).join(" · ") || "Calls";
  }
  function groupsOf(usage) {
    const groups = Map.groupBy(usage, ({ api_key_id: key, route_class: name }) => JSON.stringify([key, name]));
    const all = [...groups.values()].map((entries) => ({
      name: nameOf(entries[0]),
      key: entries[0].api_key_id,
      routeClass: entries[0].route_class,
      calls: totalOf(entries, "calls"),
      credits: sumOfDecimals(entries.map(({ credits }) => credits)),
      responseBytes: totalOf(entries, "response_bytes"),
      entries
    }));
    return all.toSorted((one, other) => other.calls - one.calls || one.name.localeCompare(other.name));
  }
  function line2(label, entries, times, zone) {
    const places = new Map(times.map((atMs, place) => [atMs, place]));
    const values = times.map(() => 0);
    for (const { period, calls } of entries) {
      const place = places.get(beginOfPeriod(period, zone));
      if (place !== void 0) values[place] += calls;
    }
    return { label, values, is_sum: true };
  }
  function linesOf(groups, times, zone) {
    const lines = groups.slice(0, LINES).map(({ name, entries }) => line2(name, entries, times, zone));
    const others = groups.slice(LINES);
    if (others.length > 0) {
      const entries = others.flatMap((group) => group.entries);
      lines.push(line2(`${others.length} others`, entries, times, zone));
    }
    return lines.length > 0 ? lines : [line2("Calls", [], times, zone)];
  }

  // usage-portal/src/web/group-table.js
  var ROWS = 50;
  var COLUMNS = [
    { title: "Key", isUsed: (_, by) => by.includes("key"), text: ({ key }) => key },
    {
      title: "Route class",
      isUsed: (_, by) => by.includes("class"),
      text: ({ routeClass }) => className(routeClass)
    },
    { title: "Calls", isNumber: true, isUsed: () => true, text: ({ calls }) => number(calls) },
    {
      title: "Credits",
      isNumber: true,
      isUsed: ({ credits }) => credits !== null,
      text: ({ credits }) => credits === null ? NONE : decimalText(credits)
    },
    {
      title: "Response size",
      isNumber: true,
      isUsed: ({ response_bytes: bytes }) => bytes > 0,
      text: ({ responseBytes }) => sizeText(responseBytes)
    }
  ];
  function cell(column, place, group) {
    const properties = { textContent: column.text(group), className: column.isNumber ? "number" : "" };
    return place === 0 ? element("th", { ...properties, scope: "row" }) : element("td", properties);
  }
  var GroupTable = class {
    constructor() {
      this.showsAll = false;
      byId("all").addEventListener("click", () => {
        this.showsAll = true;
        this.draw(this.answer, this.groups, this.by);
      });
    }
    draw(answer, groups, by) {
      Object.assign(this, { answer, groups, by });
      byId("breakdown").hidden = by.length === 0;
      const columns = COLUMNS.filter(({ isUsed }) => isUsed(answer, by));
      const names = columns.filter(({ isNumber }) => !isNumber).map(({ title }) => title.toLowerCase());
      byId("breakdown-title").textContent = `Usage by ${names.join(" and ")}`;
      const head = columns.map(
        ({ title, isNumber }) => element("th", { scope: "col", textContent: title, className: isNumber ? "number" : "" })
      );
      const shown2 = this.showsAll ? groups : groups.slice(0, ROWS);
      const rows = shown2.map(
        (group) => element("tr", {}, ...columns.map((column, place) => cell(column, place, group)))
      );
      const none = element("tr", {}, element("td", { colSpan: columns.length, textContent: "No calls" }));
      byId("groups").replaceChildren(
        element("thead", {}, element("tr", {}, ...head)),
        element("tbody", {}, ...rows.length > 0 ? rows : [none])
      );
      byId("all").hidden = shown2.length === groups.length;
      byId("all").textContent = `Show all ${number(groups.length)}`;
    }
  };

  // usage-portal/src/web/live.js
  var REFRESH_MS = 6e4;
  function live(refresh2) {
    let timer;
    let isDue = false;
    const refreshNow2 = () => {
      isDue = false;
      clearTimeout(timer);
      timer = setTimeout(refreshIfSeen, REFRESH_MS);
      return refresh2();
    };
    const refreshIfSeen = () => {
      isDue = document.hidden;
      if (!isDue) void refreshNow2();
    };
    document.addEventListener("visibilitychange", () => isDue && refreshIfSeen());
    refreshIfSeen();
    return refreshNow2;
  }

  // usage-portal/src/web/source.js
  var NO_ANSWER = "The usage cannot be loaded now. The page tries again in a minute.";
  var NOT_VALID = "This link to your usage is not valid.";
  var WANTED = { type: "usage-portal-token-wanted" };
  var ASK_INTERVAL_MS = 5e4;
  var RENEWAL_MS = 9e4;
  var token = () => location.hash.slice(1);
  function claims() {
    try {
      return JSON.parse(atob(token().split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    } catch {
      return null;
    }
  }
  function holder() {
    const present2 = claims();
    return present2 === null ? null : JSON.stringify([present2.customer_id, present2.api_key_id]);
  }
  var endsSoon = () => claims()?.exp * 1e3 - Date.now() < RENEWAL_MS;
  var askedAtMs = -Infinity;
  function askForToken() {
    if (performance.now() - askedAtMs < ASK_INTERVAL_MS) return;
    askedAtMs = performance.now();
    window.parent.postMessage(WANTED, "*");
  }
  async function readUsage(parameters, signal) {
    let isRefused = false;
    try {
      const headers = { authorization: `Bearer ${token()}` };
      const response = await fetch(`./usage?${new URLSearchParams(parameters)}`, { headers, signal });
      isRefused = response.status === 401;
      const body = await response.json();
      return response.ok ? { answer: body } : { problem: body.message ?? NO_ANSWER, isRefused };
    } catch {
      return { problem: isRefused ? NOT_VALID : NO_ANSWER, isRefused };
    }
  }

  // usage-portal/src/web/portal.js
  var RENEW = window.parent === window ? "Get a new link." : "Reload the page that contains this one to get a new link.";
  var IS_OLD = "What is shown below was loaded before.";
  var asOf = timeFormat({ day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
  var shown;
  var controller;
  var shownHolder;
  var named = (atMs) => periodName(atMs, shown.by, shown.answer.time_zone);
  var graph = new Graph("Calls over time", { isBars: true, timeName: named, rowName: named, nameOf: (name) => name });
  byId("graph").append(graph.root);
  var table = new GroupTable();
  function drawTotals({ calls, credits, response_bytes: bytes }) {
    byId("calls").textContent = number(calls);
    byId("credits-total").hidden = credits === null;
    byId("credits").textContent = credits === null ? "" : decimalText(credits);
    byId("size-total").hidden = bytes === 0;
    byId("size").textContent = sizeText(bytes);
  }
  function drawHead({ of, api_key_id: key, customer_id: customer, as_of: counted, read_at: read, time_zone: zone }) {
    byId("holder").textContent = of === "key" ? `Key ${key}` : `Customer ${customer}`;
    const time = (text) => `${asOf(Date.parse(text), zone)} (${zone})`;
    const loaded = read === null ? "" : `Loaded on ${time(read)}. `;
    byId("state").textContent = counted === null ? `${loaded}The latest calls may be missing.` : `As of ${time(counted)}`;
  }
  function draw() {
    const { answer, by, groupBy } = shown;
    byId("results").hidden = false;
    drawHead(answer);
    drawTotals(answer);
    byId("over-time").textContent = `Calls per ${by}, ${answer.from} to ${answer.to}`;
    const zone = answer.time_zone;
    const times = periodsOf(answer, by);
    const groups = groupsOf(answer.usage);
    const data = { times_ms: times, lines: linesOf(groups, times, zone) };
    graph.draw({ unit: "calls", zone, graph: data, spanMs: spanOf(times, by) });
    table.draw(answer, groups, groupBy);
  }
  function showProblem(problem) {
    byId("problem").textContent = problem === "" || shown === void 0 ? problem : `${problem} ${IS_OLD}`;
    setStale(problem !== "");
    if (shown === void 0) byId("state").textContent = "";
  }
  async function refresh() {
    controller?.abort();
    const parameters = choices.parameters();
    if (choices.problem() !== "") {
      showProblem(choices.problem());
      return;
    }
    controller = new AbortController();
    const { signal } = controller;
    const { groupBy } = choices;
    const asked = holder();
    const { answer, problem, isRefused } = await readUsage(parameters, signal);
    if (signal.aborted) return;
    if (isRefused || endsSoon()) askForToken();
    if (answer === void 0) showProblem(isRefused ? `${problem} ${RENEW}` : problem);
    else {
      shown = { answer, by: parameters.by, groupBy };
      shownHolder = asked;
      showProblem("");
      draw();
    }
  }
  document.querySelector(".late")?.remove();
  setTheme(parameter("theme"));
  document.documentElement.classList.toggle("alone", window.parent === window);
  var choices = new Choices(() => {
    setStale(true);
    return refreshNow();
  });
  var refreshNow = live(refresh);
  window.addEventListener("hashchange", () => {
    if (shown !== void 0 && holder() !== shownHolder) {
      shown = void 0;
      byId("results").hidden = true;
      byId("holder").textContent = "";
    }
    return refreshNow();
  });
  byId("csv").addEventListener("click", () => downloadCsv(shown.answer));
})();
