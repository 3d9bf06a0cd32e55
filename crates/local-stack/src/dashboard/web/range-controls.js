// The choice of a range of days: a month, or a first and a last day, of a time zone.

import { element } from './dom.js';
import { bind, parameter, setParameters } from './url-state.js';

const MONTHS = 13;
const OTHER = 'other';
const months = new Intl.DateTimeFormat('en', { month: 'long', year: 'numeric', timeZone: 'UTC' });
const dayOf = (year, month, day) => new Date(Date.UTC(year, month, day)).toISOString().slice(0, 10);

/** Returns the months that can be chosen, with their first and last days. The present one is the usual range. */
function choices() {
    const now = new Date();
    const choice = (before) => {
        const [year, month] = [now.getUTCFullYear(), now.getUTCMonth() - before];
        const name = months.format(Date.UTC(year, month, 1));
        return before === 0
            ? [',', `${name} (to today)`]
            : [`${dayOf(year, month, 1)},${dayOf(year, month + 1, 0)}`, name];
    };
    return Array.from({ length: MONTHS }, (_, before) => choice(before));
}

const option = ([value, textContent]) => element('option', { value, textContent });
const labelled = (text, control) => element('label', { textContent: text }, control);

/** The controls of a range. Their values are in the URL. */
export class RangeControls {
    constructor(root, changed) {
        const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
        const names = new Set(['UTC', ownZone, parameter('zone') || 'UTC']);
        const zones = [...names].map((zone) => option([zone, zone]));
        const other = element('option', { value: OTHER, textContent: 'other days', disabled: true });
        this.month = element('select', { id: 'month' }, ...choices().map(option), other);
        this.from = element('input', { id: 'from', type: 'date' });
        this.to = element('input', { id: 'to', type: 'date' });
        this.zone = element('select', { id: 'zone' }, ...zones);
        const controls = { Month: this.month, 'First day': this.from, 'Last day': this.to, 'Time zone': this.zone };
        root.prepend(...Object.entries(controls).map(([text, control]) => labelled(text, control)));
        const update = () => {
            this.showMonth();
            changed();
        };
        bind(this.from, '', update);
        bind(this.to, '', update);
        bind(this.zone, 'UTC', update);
        this.month.addEventListener('change', () => {
            [this.from.value, this.to.value] = this.month.value.split(',');
            setParameters({ from: this.from.value, to: this.to.value });
            changed();
        });
        this.showMonth();
    }

    /** Shows the month that the days are, if they are one. */
    showMonth() {
        this.month.value = `${this.from.value},${this.to.value}`;
        if (this.month.selectedIndex < 0) this.month.value = OTHER;
    }

    /** Returns the range as parameters of a request. */
    parameters() {
        return { from: this.from.value, to: this.to.value, zone: this.zone.value };
    }
}
