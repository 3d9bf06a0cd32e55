// Days and hours of time zones.

const HOUR_MS = 3_600_000;
const HALF_YEAR_MS = 183 * 24 * HOUR_MS;

const formats = new Map();

/** Returns the format that has each part of a time as a number. */
function format(zone) {
    if (!formats.has(zone)) {
        const parts = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' };
        formats.set(zone, new Intl.DateTimeFormat('en', { ...parts, hourCycle: 'h23', timeZone: zone }));
    }
    return formats.get(zone);
}

/** Returns the difference of a time zone from UTC at a time. */
function differenceMs(atMs, zone) {
    const parts = format(zone).formatToParts(atMs);
    const [year, month, day, hour, minute] = ['year', 'month', 'day', 'hour', 'minute'].map((name) =>
        Number(parts.find(({ type }) => type === name).value),
    );
    const minuteMs = Math.floor(atMs / 60_000) * 60_000;
    return Date.UTC(year, month - 1, day, hour, minute) - minuteMs;
}

/** Returns `true` if the browser knows a time zone. */
export function isZone(name) {
    try {
        return format(name) !== undefined;
    } catch {
        return false;
    }
}

/** Returns `true` if hours of a time zone begin with those of UTC, in summer and in winter. Usage is counted by hours of
 * UTC. */
export function isOfWholeHours(zone) {
    const nowMs = Date.now();
    return [nowMs, nowMs + HALF_YEAR_MS].every((atMs) => differenceMs(atMs, zone) % HOUR_MS === 0);
}

/** Returns the day that it is at a time, as in `2026-11-24`. */
export function dayAt(atMs, zone) {
    return new Date(atMs + differenceMs(atMs, zone)).toISOString().slice(0, 10);
}

/** Returns the time at which a day begins. */
export function beginOf(day, zone) {
    const inUtc = Date.parse(day);
    // The second difference is that at the begin of the day, before a change of the clocks on it.
    const about = inUtc - differenceMs(inUtc, zone);
    const atMs = inUtc - differenceMs(about, zone);
    // A day whose first hour does not exist begins an hour later.
    return dayAt(atMs, zone) < day ? atMs + HOUR_MS : atMs;
}

/** Returns the day that is some days after another. */
export function daysAfter(day, count) {
    return new Date(Date.parse(day) + count * 24 * HOUR_MS).toISOString().slice(0, 10);
}
