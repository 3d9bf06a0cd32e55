// Numbers and times as text.

const exact = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const significant = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
const dollars = new Intl.NumberFormat('en', { maximumSignificantDigits: 3, minimumFractionDigits: 2 });

export const NONE = '–';

/** Units of durations in milliseconds, from the longest. */
const DURATIONS = [
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
    [1, 'ms'],
    [0.001, 'µs'],
];

function duration(ms) {
    const [length, unit] = DURATIONS.find(([least]) => ms >= least) ?? DURATIONS.at(-1);
    return `${significant.format(ms / length)} ${unit}`;
}

const FORMATS = {
    ms: duration,
    µs: (value) => duration(value / 1_000),
    percent: (value) => `${significant.format(value)} %`,
    'US dollars': (value) => `$${dollars.format(value)}`,
};

const isMissing = (value) => value === null || value === undefined;

/** Returns a whole or decimal number, with all its digits. */
export const number = (value) => (isMissing(value) ? NONE : exact.format(value));

/** Returns a value with its unit. Numbers of calls are exact. */
export const valueText = (value, unit) => {
    if (isMissing(value)) return NONE;
    return value !== 0 && FORMATS[unit] !== undefined ? FORMATS[unit](value) : exact.format(value);
};

/** Returns a value of an axis, as short as its unit allows. */
export const tick = (value, unit) => {
    if (isMissing(value)) return '';
    return value !== 0 && FORMATS[unit] !== undefined ? FORMATS[unit](value) : short.format(value);
};

/** Returns `true` if each value says its unit. */
export const saysUnit = (unit) => FORMATS[unit] !== undefined;

/** Returns a function that writes a time of a time zone. */
export function timeFormat(options) {
    const formats = new Map();
    return (atMs, zone = 'UTC') => {
        if (!formats.has(zone)) formats.set(zone, new Intl.DateTimeFormat('en-GB', { ...options, timeZone: zone }));
        return formats.get(zone).format(atMs);
    };
}

/** Returns a time of the day, as in `14:05` or `14:05:09`. */
export const minuteText = timeFormat({ hour: '2-digit', minute: '2-digit' });
const seconds = timeFormat({ hour: '2-digit', minute: '2-digit', second: '2-digit' });
export const secondText = (atMs) => `${seconds(atMs)} UTC`;
export const dayText = timeFormat({ day: 'numeric', month: 'short' });
export const monthText = timeFormat({ month: 'short' });

/** Returns a day and its time to the second, as in `2026-11-25 14:05:09 UTC`. */
export const timeText = (atMs) => (atMs ? `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC` : NONE);

/** Returns the label of a line as words: `BillableCalls p99` as `Billable calls p99`. */
export function lineName(label) {
    const isMetric = /^[A-Z0-9][a-z0-9A-Z]*( |$)/.test(label);
    return isMetric
        ? label.replaceAll(/([a-z])([A-Z])(?=[a-z])/g, (_, before, capital) => `${before} ${capital.toLowerCase()}`)
        : label;
}
