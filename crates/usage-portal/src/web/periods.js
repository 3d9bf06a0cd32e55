// The periods of an answer: hours, days or months of a time zone.

import { timeFormat } from './units.js';
import { beginOf, daysAfter } from './zones.js';

const HOUR_MS = 3_600_000;
/** The length of a period, to draw one that is alone. */
const LENGTHS_MS = { hour: HOUR_MS, day: 24 * HOUR_MS, month: 30 * 24 * HOUR_MS };

const day = { day: 'numeric', month: 'short', year: 'numeric' };
const NAMES = {
    hour: timeFormat({ ...day, hour: '2-digit', minute: '2-digit', timeZoneName: 'short' }),
    day: timeFormat({ weekday: 'short', ...day }),
    month: timeFormat({ month: 'long', year: 'numeric' }),
};

/** Returns the name of the period that begins at a time. */
export const periodName = (atMs, by, zone) => NAMES[by](atMs, zone);

/** Returns the time at which a period of an answer begins, as in `2026-11`, `2026-11-24` or `2026-11-24T10+01`. */
export function beginOfPeriod(period, zone) {
    const [date, hour] = period.split('T');
    if (hour === undefined) return beginOf(date.length === 7 ? `${date}-01` : date, zone);
    const [, digits, difference] = /^(\d\d)(.*)$/.exec(hour);
    return Date.parse(`${date}T${digits}:00:00${difference === 'Z' ? 'Z' : `${difference}:00`}`);
}

/** Returns the times at which the hours from the first to the last day begin. */
function hours(from, to, zone) {
    const [firstMs, endMs] = [beginOf(from, zone), beginOf(daysAfter(to, 1), zone)];
    return Array.from({ length: Math.round((endMs - firstMs) / HOUR_MS) }, (_, hour) => firstMs + hour * HOUR_MS);
}

/** Returns the times at which the periods of an answer begin, without those that have not begun. */
export function periodsOf({ from, to, time_zone: zone, read_at: readAt }, by) {
    const days = [];
    for (let next = from; next <= to; next = daysAfter(next, 1)) days.push(next);
    const names = by === 'month' ? [...new Set(days.map((each) => each.slice(0, 7)))] : days;
    const times = by === 'hour' ? hours(from, to, zone) : names.map((name) => beginOfPeriod(name, zone));
    const nowMs = readAt === null ? Date.now() : Date.parse(readAt);
    return times.filter((atMs, place) => place === 0 || atMs <= nowMs);
}

/** Returns the span of time that shows the bars of all periods. */
export function spanOf(times, by) {
    const half = (times.length > 1 ? times[1] - times[0] : LENGTHS_MS[by]) / 2;
    return [times[0] - half, times.at(-1) + half];
}
