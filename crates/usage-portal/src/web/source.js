// Requests for usage, with the token of the page's URL.

const NO_ANSWER = 'The usage cannot be loaded now. The page tries again in a minute.';

const NOT_VALID = 'This link to your usage is not valid.';

/** The message to the page that contains this one. It is no secret, so any page may get it. */
const REFUSED = { type: 'usage-portal-token-refused' };

/** Shortest time between two requests for a token. It is less than that between two updates of the page. */
const ASK_INTERVAL_MS = 50_000;

/** Returns the token. It is in the fragment, which a browser sends to no server. */
export const token = () => location.hash.slice(1);

/** Returns whose usage the token shows, as text; null if it is no token. The function verifies it, not this page. */
export function holder() {
    try {
        const claims = atob(token().split('.')[1].replaceAll('-', '+').replaceAll('_', '/'));
        const { customer_id: customer, api_key_id: key } = JSON.parse(claims);
        return JSON.stringify([customer, key]);
    } catch {
        return null;
    }
}

let askedAtMs = -Infinity;

/** Asks the page that contains this one for a new token, but not again at once: the new one may be refused too. */
export function askForToken() {
    if (performance.now() - askedAtMs < ASK_INTERVAL_MS) return;
    askedAtMs = performance.now();
    window.parent.postMessage(REFUSED, '*');
}

/** Returns the answer to a request, or the problem that it has, and whether the token is refused. */
export async function readUsage(sentToken, parameters, signal) {
    let isRefused = false;
    try {
        const headers = { authorization: `Bearer ${sentToken}` };
        const response = await fetch(`./usage?${new URLSearchParams(parameters)}`, { headers, signal });
        isRefused = response.status === 401;
        const body = await response.json();
        return response.ok ? { answer: body } : { problem: body.message ?? NO_ANSWER, isRefused };
    } catch {
        return { problem: isRefused ? NOT_VALID : NO_ANSWER, isRefused };
    }
}
