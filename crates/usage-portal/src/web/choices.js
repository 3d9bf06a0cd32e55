// The choices of the page: days, time zone, periods and groups. They are in the URL.

import { byId, element } from './dom.js';
import { bind, parameter, setParameters } from './url-state.js';
import { dayAt, daysAfter, isOfWholeHours, isZone } from './zones.js';

const OWN = 'own';
const USUAL = { range: 'this-month', by: 'day', group_by: '' };

const firstOfMonth = (day) => `${day.slice(0, 7)}-01`;

/** The first and the last day of each range, by the present day. */
const RANGES = {
    'this-month': (today) => [firstOfMonth(today), today],
    'last-month': (today) => {
        const last = daysAfter(firstOfMonth(today), -1);
        return [firstOfMonth(last), last];
    },
    'last-7-days': (today) => [daysAfter(today, -6), today],
    'last-30-days': (today) => [daysAfter(today, -29), today],
};

/** Returns `true` if a zone has a name of the IANA database, as opposed to `+01:00` and `Etc/Unknown`. */
const isNamed = (zone) => /^(?!Etc\/Unknown$)[A-Z]/i.test(zone ?? '') && isZone(zone);

/** Returns the time zone of the browser, or UTC if it has no name, or if its hours begin at other times. */
function usualZone() {
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    return isNamed(own) && isOfWholeHours(own) ? own : 'UTC';
}

/** The controls of the choices. `changed` is called after each change. */
export class Choices {
    constructor(changed) {
        for (const id of ['range', 'from', 'to', 'by', 'group_by', 'time_zone']) this[id] = byId(id);
        const inUrl = parameter('time_zone');
        const zones = new Set([usualZone(), 'UTC', ...(isNamed(inUrl) ? [inUrl] : [])]);
        const options = [...zones].map((zone) => element('option', { value: zone, textContent: zone }));
        this.time_zone.append(...options);
        const update = () => {
            this.showDays();
            changed();
        };
        for (const id of ['range', 'by', 'group_by']) bind(this[id], USUAL[id], update);
        bind(this.time_zone, usualZone(), update);
        for (const day of [this.from, this.to]) day.addEventListener('change', update);
        for (const day of [this.from, this.to]) day.addEventListener('input', () => this.chooseOwn());
        if (this.range.value === OWN) [this.from.value, this.to.value] = [parameter('from'), parameter('to')];
        byId('controls').addEventListener('submit', (event) => event.preventDefault());
        this.showDays();
    }

    chooseOwn() {
        this.range.value = OWN;
    }

    /** Shows the days of the range, and keeps those that are its own in the URL. */
    showDays() {
        const range = RANGES[this.range.value];
        if (range !== undefined) [this.from.value, this.to.value] = range(dayAt(Date.now(), this.time_zone.value));
        const own = range === undefined ? { from: this.from.value, to: this.to.value } : { from: '', to: '' };
        setParameters({ range: this.range.value, ...own }, USUAL);
    }

    /** Returns what is wrong with the days, or an empty text. */
    problem() {
        const [from, to] = [this.from.value, this.to.value];
        if (from === '' || to === '') return 'Choose a first and a last day.';
        return from > to ? 'The first day is after the last day.' : '';
    }

    /** Returns the properties by which usage is broken down. */
    get groupBy() {
        return this.group_by.value === '' ? [] : this.group_by.value.split(',');
    }

    /** Returns the choices as parameters of a request. */
    parameters() {
        this.showDays();
        const by = this.groupBy.length === 0 ? {} : { group_by: this.group_by.value };
        const { from, to, by: period, time_zone: zone } = this;
        return { from: from.value, to: to.value, by: period.value, time_zone: zone.value, ...by };
    }
}
