// The groups of an answer: their totals, and their lines in the graph.

import { beginOfPeriod } from './periods.js';
import { sumOfDecimals } from './sums.js';

/** Number of groups that have a line of their own. */
const LINES = 6;

const totalOf = (entries, name) => entries.reduce((total, entry) => total + entry[name], 0);

/** Returns the name of a route class; some calls have none. */
export const className = (routeClass) => routeClass ?? 'without a class';

/** Returns the name of the group of an entry. */
function nameOf({ api_key_id: key, route_class: routeClass }) {
    const parts = [key, routeClass === undefined ? undefined : className(routeClass)];
    return parts.filter((part) => part !== undefined).join(' · ') || 'Calls';
}

/** Returns the groups of entries with their totals, the busiest first. */
export function groupsOf(usage) {
    const groups = Map.groupBy(usage, ({ api_key_id: key, route_class: name }) => JSON.stringify([key, name]));
    const all = [...groups.values()].map((entries) => ({
        name: nameOf(entries[0]),
        key: entries[0].api_key_id,
        routeClass: entries[0].route_class,
        calls: totalOf(entries, 'calls'),
        credits: sumOfDecimals(entries.map(({ credits }) => credits)),
        responseBytes: totalOf(entries, 'response_bytes'),
        entries,
    }));
    return all.toSorted((one, other) => other.calls - one.calls || one.name.localeCompare(other.name));
}

function line(label, entries, times, zone) {
    const places = new Map(times.map((atMs, place) => [atMs, place]));
    const values = times.map(() => 0);
    for (const { period, calls } of entries) {
        const place = places.get(beginOfPeriod(period, zone));
        if (place !== undefined) values[place] += calls;
    }
    return { label, values, is_sum: true };
}

/** Returns a line for each of the busiest groups, and one for all others. */
export function linesOf(groups, times, zone) {
    const lines = groups.slice(0, LINES).map(({ name, entries }) => line(name, entries, times, zone));
    const others = groups.slice(LINES);
    if (others.length > 0) {
        const entries = others.flatMap((group) => group.entries);
        lines.push(line(`${others.length} others`, entries, times, zone));
    }
    return lines.length > 0 ? lines : [line('Calls', [], times, zone)];
}
