// How uPlot draws a graph: axes, lines with gaps, and limits.

import { dayText, minuteText, monthText, saysUnit, tick } from './units.js';

const COLOURS = 7;
const DASHES = [[], [6, 4], [2, 3]];
const FONT = '12px system-ui, sans-serif';
const HEIGHT_PX = 180;
/** Share of the height that stays free above the highest value. */
const HEADROOM = 1.1;
/** A limit that exceeds the highest value by more than this factor would flatten the graph. Its place is then told at
 * the upper edge. */
const NEAR = 4;

const probe = document.createElement('span');
probe.hidden = true;

/** Returns the present value of a colour of the style sheet. */
export function colour(name) {
    if (!probe.isConnected) document.body.append(probe);
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
}

/** Returns how a line is drawn, by its place. More lines than colours are told apart by their dashes. */
export const lineStyle = (place) => ({
    name: `--line-${place % COLOURS}`,
    className: `series-${place % COLOURS} dash-${Math.floor(place / COLOURS) % DASHES.length}`,
    dash: DASHES[Math.floor(place / COLOURS) % DASHES.length],
});

/** Returns the top of the scale of values. */
export function topOf(drawn, limits) {
    const highest = drawn.flat().reduce((most, value) => Math.max(most, value ?? 0), 0);
    const near = limits.filter(({ value }) => value <= NEAR * highest).map(({ value }) => value);
    return Math.max(highest, ...near) * HEADROOM || 1;
}

/** Returns the places of values that have no neighbour. No line leads to them, so they are drawn as points. */
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
            points: { show: false },
        };
    return { ...drawn, points: { show: true, size: 5, fill: () => colour(name), filter: lonely } };
}

/** Draws each limit as a line, or its name at the upper edge if it is far above. */
function drawLimits(plot, limits) {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.font = `${12 * ratio}px system-ui, sans-serif`;
    ctx.fillStyle = ctx.strokeStyle = colour('--limit');
    ctx.textAlign = 'right';
    ctx.lineWidth = ratio;
    ctx.setLineDash([6 * ratio, 4 * ratio]);
    for (const { label, value } of limits) {
        const isFar = value > plot.scales.y.max;
        const y = isFar ? bbox.top : plot.valToPos(value, 'y', true);
        if (!isFar) {
            ctx.beginPath();
            ctx.moveTo(bbox.left, y);
            ctx.lineTo(bbox.left + bbox.width, y);
            ctx.stroke();
        }
        ctx.textBaseline = y - bbox.top < 16 * ratio ? 'top' : 'bottom';
        ctx.fillText(
            isFar ? `limit ${label} ↑` : `limit ${label}`,
            bbox.left + bbox.width - 4 * ratio,
            y + (isFar ? 0 : -2 * ratio),
        );
    }
    ctx.restore();
}

const DAY_S = 86_400;
/** Distances of the ticks of days. */
const DAYS = [1, 2, 3, 5, 7, 10, 14, 30, 61, 91, 182, 365].map((days) => days * DAY_S);
/** Distances of the ticks of counts: 1, 2 and 5, and their products with powers of ten. */
const WHOLE = Array.from({ length: 16 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();

const timeLabels = (zone) => (_, splits, __, space, increment) =>
    splits.map((atS, place) => {
        const minute = minuteText(atS * 1_000, zone);
        return increment >= DAY_S || (place > 0 && minute === '00:00') ? dayText(atS * 1_000, zone) : minute;
    });

/** Returns the values as they are drawn: the bars of a line stand on those of all later lines, and there is none for 0. */
export function drawnValues(lines, isBars) {
    if (!isBars) return lines.map(({ values }) => values);
    const stacked = [];
    for (const { values } of lines.toReversed()) {
        const below = stacked[0];
        const on = (value, period) => (value ?? 0) + (below?.[period] ?? 0) || null;
        stacked.unshift(values.map(on));
    }
    return stacked;
}

/** Returns the labels of the axis of time. Each month has one, and no label is within a day. */
function timeAxis(zone, { isDaily, isMonthly }) {
    if (isMonthly)
        return {
            splits: ({ data }) => data[0],
            values: (_, splits) => splits.map((atS) => monthText(atS * 1_000, zone)),
        };
    return { values: timeLabels(zone), ...(isDaily ? { incrs: DAYS } : {}) };
}

function axis(options) {
    const grid = { stroke: () => colour('--grid'), width: 1 };
    return { stroke: () => colour('--quiet'), font: FONT, grid, ticks: { ...grid, size: 4 }, ...options };
}

/** Returns the options of a graph. `scale` returns the ends of the scales, and `moved` is called with the place of the
 * cursor. */
export function plotOptions({ lines, limits, unit, zone, width, isBars, isDaily, isMonthly, scale, moved }) {
    const whole = saysUnit(unit) ? {} : { incrs: WHOLE };
    return {
        width,
        height: HEIGHT_PX,
        padding: [8, 20, 0, 0],
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, y: false, sync: { key: 'time', setSeries: false } },
        tzDate: (atS) => globalThis.uPlot.tzDate(new Date(atS * 1_000), zone),
        scales: { x: { time: true, range: () => scale().x }, y: { range: () => scale().y } },
        axes: [
            axis({ space: 56, size: 30, ...timeAxis(zone, { isDaily, isMonthly }) }),
            axis({ values: (_, splits) => splits.map((value) => tick(value, unit)), size: 60, space: 32, ...whole }),
        ],
        series: [{}, ...lines.map((line, place) => series(line, place, isBars))],
        hooks: {
            draw: [(plot) => drawLimits(plot, limits)],
            setCursor: [(plot) => moved(plot.cursor.left < 0 ? null : (plot.cursor.idx ?? null))],
        },
    };
}
