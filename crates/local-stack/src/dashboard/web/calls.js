// Finds a call by its line or its request id.

import { byId, element, request } from './dom.js';
import { setState, showFailure, showVerdict } from './shell.js';
import { NONE, secondText, timeText } from './units.js';
import { parameter, setParameters } from './url-state.js';

/** The verdicts: title, class of the style sheet, and what to do. */
const VERDICTS = {
    counted: { title: '✓ Counted', level: 'well' },
    not_billed: { title: '– Not billed', level: 'quiet' },
    not_a_call: { title: '– Not a call', level: 'quiet' },
    not_logged: { title: '✗ Not found in the access log', level: 'wrong', runbook: 'delivery-failed' },
    missing: { title: '✗ Not counted yet', level: 'wrong', runbook: 'drift-and-backfill' },
    lost: { title: '✗ Not delivered', level: 'wrong', runbook: 'unreadable-lines' },
    quarantined: { title: '✗ In quarantine', level: 'wrong', runbook: 'quarantine' },
};

const fact = (name, ...value) => element('div', {}, element('dt', { textContent: name }), element('dd', {}, ...value));
const wide = (name, ...value) => Object.assign(fact(name, ...value), { className: 'wide' });
const key = (id) => element('a', { href: `/key?id=${encodeURIComponent(id)}`, textContent: id });

function card(line) {
    const { title, level, runbook } = VERDICTS[line.verdict];
    const facts = [wide('Why', line.why)];
    if (runbook !== undefined)
        facts.push(fact('Runbook', element('a', { href: `/runbooks/${runbook}`, textContent: runbook })));
    if (line.key !== undefined) {
        facts.push(
            fact('Key', key(line.key)),
            fact('Route class', line.class ?? NONE),
            fact('Made', timeText(line.requested_at_ms)),
        );
    }
    if (line.logged_at_ms !== null) facts.push(fact('Logged', timeText(line.logged_at_ms)));
    facts.push(fact('Delivered by the subscription filter', line.is_delivered ? 'yes' : 'no'));
    if (line.record !== null) facts.push(wide('Stream record', line.record));
    facts.push(wide('Line', element('code', { textContent: line.line })));
    const heading = element('h2', { textContent: title, className: level });
    return element('article', { className: 'widget' }, heading, element('dl', { className: 'facts' }, ...facts));
}

const PART =
    'Only a part of the access log was searched, because it is long: the call may be in the rest. Look for it there with a query of CloudWatch Logs Insights.';

function draw({ lines, request_id: requestId, is_complete: isComplete }) {
    const part = isComplete ? [] : [element('p', { className: 'problem', textContent: PART })];
    if (lines.length > 0) {
        byId('found').replaceChildren(...part, ...lines.map(card));
        return;
    }
    const heading = element('h2', { className: 'wrong', textContent: VERDICTS.not_logged.title });
    const text = `No line of the access log contains ${requestId}. A call is logged within minutes.`;
    byId('found').replaceChildren(...part, heading, element('p', { textContent: text }));
}

async function find() {
    const text = byId('q').value.trim();
    setParameters({ q: text });
    byId('found').replaceChildren();
    if (text === '') return;
    setState('Searching…');
    try {
        const response = await request(`/call.json?${new URLSearchParams({ q: text })}`);
        const answer = response.ok ? await response.json() : await response.text();
        // Another call may have been asked for meanwhile.
        if (text !== parameter('q')) return;
        if (response.status === 400) {
            byId('found').replaceChildren(element('p', { className: 'problem', textContent: answer }));
            setState(`As of ${secondText(Date.now())}`);
            return;
        }
        if (!response.ok) throw new Error(answer);
        draw(answer);
        setState(`As of ${secondText(answer.at_ms)}`);
    } catch (error) {
        showFailure(error, 'the call was not looked for');
    }
}

byId('pause').hidden = true;
byId('q').value = parameter('q');
byId('search').addEventListener('submit', (event) => {
    event.preventDefault();
    void find();
});
setState(`As of ${secondText(Date.now())}`);
await Promise.all([find(), showVerdict()]);
