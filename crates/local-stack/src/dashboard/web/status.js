// The line that says whether all is well, with the reasons and their runbooks.

import { element, json } from './dom.js';
import { NOT_KNOWN } from './shell.js';
import { timeText, valueText } from './units.js';

const ON = 'ALARM';
const UNKNOWN = 'INSUFFICIENT_DATA';

/** What operators ask first, each with its alarm and what its value says. */
const CHECKS = [
    ['Freshness', 'freshness', (ms) => `p99 ${valueText(ms, 'ms')}`, 'no calls lately'],
    ['Drift', 'ledger-drift', (calls) => `${valueText(calls)} call${calls === 1 ? '' : 's'}`, 'no hour compared yet'],
    [
        'Quarantine',
        'quarantine',
        (messages) => `${valueText(messages)} message${messages === 1 ? '' : 's'}`,
        'not measured yet',
    ],
];

const runbook = (alarm, text) => element('a', { href: `/runbooks/${alarm.runbook}`, textContent: text });

function check([name, id, describe, none], alarms) {
    const alarm = alarms.find((each) => each.id === id);
    const text = alarm.value === null ? none : describe(alarm.value);
    const isOn = alarm.state === ON;
    const time = alarm.at_ms === null ? '' : `measured in the period from ${timeText(alarm.at_ms)}`;
    const link = runbook(alarm, name);
    link.title = time;
    return element('li', { className: isOn ? 'wrong' : '' }, link, ` ${text}${isOn ? ' (alarm)' : ''}`);
}

function alarmsCheck(alarms) {
    const on = alarms.filter(({ state }) => state === ON).length;
    const unknown = alarms.filter(({ state }) => state === UNKNOWN).length;
    const text = `Alarms ${on} of ${alarms.length} on`;
    const item = element('li', { className: on > 0 ? 'wrong' : '' }, text);
    if (unknown > 0) item.append(element('span', { className: 'quiet', textContent: `, ${unknown} without data` }));
    return item;
}

/** Lists all alarms, those that are on first. */
function alarmsTable(alarms) {
    const order = [ON, UNKNOWN, 'OK'];
    const names = { [ON]: 'on', [UNKNOWN]: 'no data', OK: 'off' };
    const rows = alarms.toSorted((left, right) => order.indexOf(left.state) - order.indexOf(right.state));
    const row = (alarm) =>
        element(
            'tr',
            { className: alarm.state === ON ? 'wrong' : '' },
            element('th', { scope: 'row' }, runbook(alarm, alarm.id)),
            element('td', { textContent: names[alarm.state] }),
            element('td', { className: 'prose', textContent: alarm.description }),
        );
    const head = ['Alarm', 'State', 'Meaning'].map((textContent) => element('th', { scope: 'col', textContent }));
    return element(
        'table',
        {},
        element('thead', {}, element('tr', {}, ...head)),
        element('tbody', {}, ...rows.map(row)),
    );
}

/** The status at the top of a page. */
export class Status {
    constructor(root) {
        this.line = element('p', { className: 'verdict', role: 'status' });
        this.reasons = element('ul', { className: 'reasons' });
        this.checks = element('ul', { className: 'checks' });
        this.table = element('div', { className: 'scroll', tabIndex: 0, role: 'region', ariaLabel: 'All alarms' });
        const all = element('details', {}, element('summary', { textContent: 'All alarms' }), this.table);
        root.replaceChildren(this.line, this.checks, this.reasons, all);
        this.root = root;
    }

    async refresh() {
        try {
            const { alarms } = await json('/status.json');
            this.draw(alarms);
        } catch (error) {
            delete this.root.dataset.level;
            this.say(NOT_KNOWN);
            throw error;
        }
    }

    /** Sets the verdict. A live region is read again whenever its text is set. */
    say(verdict) {
        if (this.line.textContent !== verdict) this.line.textContent = verdict;
    }

    draw(alarms) {
        const on = alarms.filter(({ state }) => state === ON);
        this.root.dataset.level = on.length > 0 ? 'wrong' : 'well';
        this.say(on.length > 0 ? '✗ Something is wrong' : '✓ All is well');
        this.checks.replaceChildren(...CHECKS.map((each) => check(each, alarms)), alarmsCheck(alarms));
        const reason = (alarm) => element('li', {}, runbook(alarm, alarm.id), `: ${alarm.description}`);
        this.reasons.replaceChildren(...on.map(reason));
        this.table.replaceChildren(alarmsTable(alarms));
    }
}
