// What is known of a key or a customer.

import { element } from './dom.js';
import { NONE, number, timeText } from './units.js';

const fact = (name, ...value) => element('div', {}, element('dt', { textContent: name }), element('dd', {}, ...value));
const labels = (all) =>
    Object.entries(all)
        .map(([name, value]) => `${name}=${value}`)
        .join(', ') || NONE;

const customerLink = (id) => element('a', { href: `/customer?id=${encodeURIComponent(id)}`, textContent: id });

function stateOf({ deleted_at_ms: deletedMs, expires_at_ms: expiresMs }, nowMs) {
    if (deletedMs !== null) return `deleted ${timeText(deletedMs)}`;
    if (expiresMs !== null) return `${expiresMs <= nowMs ? 'expired' : 'expires'} ${timeText(expiresMs)}`;
    return 'valid';
}

function monthText({ month_calls: calls, key }) {
    const limit = key?.monthly_limit ?? null;
    if (limit === null) return `${number(calls)} calls, no limit`;
    const text = `${number(calls)} of ${number(limit)} calls`;
    return calls > limit
        ? element('span', { className: 'wrong', textContent: `${text}: the limit is exceeded` })
        : text;
}

/** Returns the facts of a key. */
export function keyFacts(found) {
    const { key, last_call_ms: lastMs, is_billed: isBilled, at_ms: nowMs } = found;
    const usage = [
        fact('This month (UTC)', monthText(found)),
        fact('Last call', lastMs > 0 ? timeText(lastMs) : 'none in the range and this month'),
        fact('Billed', isBilled ? 'yes' : 'no: it is the key of the canary'),
    ];
    if (key === null) return [fact('State', 'not known: it was not created here, or its record is gone'), ...usage];
    return [
        fact('Customer', key.customer === null ? NONE : customerLink(key.customer)),
        fact('Owner', key.owner || NONE),
        fact('Name', key.name || NONE),
        fact('Plan', key.plan || NONE),
        fact('State', stateOf(key, nowMs)),
        fact('Created', timeText(key.created_at_ms)),
        fact('Labels', labels(key.labels)),
        ...usage,
    ];
}

/** Returns the facts of a customer. */
export function customerFacts({ customer, last_call_ms: lastMs, month_calls: calls }) {
    const usage = [
        fact('Calls this month (UTC)', number(calls)),
        fact('Last call', lastMs > 0 ? timeText(lastMs) : 'none in the range and this month'),
    ];
    if (customer === null) return [fact('State', 'not known: no customer with this id was created'), ...usage];
    return [
        fact('Name', customer.name || NONE),
        fact('Created', timeText(customer.created_at_ms)),
        fact('Labels', labels(customer.labels)),
        ...usage,
    ];
}
