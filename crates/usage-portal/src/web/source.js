// Requests for usage, with the token of the page's URL.

const NO_ANSWER = 'The usage cannot be loaded now. The page tries again in a minute.';

const NOT_VALID = 'This link to your usage is not valid.';

/** The message to the page that contains this one. It is no secret, so any page may get it. */
const WANTED = { type: 'usage-portal-token-wanted' };

/** Shortest time between two requests for a token. It is less than that between two updates of the page. */
const ASK_INTERVAL_MS = 50_000;
/** Time before the end of a token in which another one is wanted. It has an update of the page. */
const RENEWAL_MS = 90_000;

/** Returns the token. It is in the fragment, which a browser sends to no server. */
const token = () => location.hash.slice(1);

/** Returns the claims of the token; null if it is no token. The function verifies it, not this page. */
function claims() {
    try {
        return JSON.parse(atob(token().split('.')[1].replaceAll('-', '+').replaceAll('_', '/')));
    } catch {
        return null;
    }
}

/** Returns whose usage the token shows, as text; null if it is no token. */
export function holder() {
    const present = claims();
    return present === null ? null : JSON.stringify([present.customer_id, present.api_key_id]);
}

/** Returns `true` if the token ends soon. */
export const endsSoon = () => claims()?.exp * 1_000 - Date.now() < RENEWAL_MS;

let askedAtMs = -Infinity;

/** Asks the page that contains this one for a new token, but not again at once: the new one may be refused too. */
export function askForToken() {
    if (performance.now() - askedAtMs < ASK_INTERVAL_MS) return;
    askedAtMs = performance.now();
    window.parent.postMessage(WANTED, '*');
}

/** Returns the answer to a request, or the problem that it has, and whether the token is refused. */
export async function readUsage(parameters, signal) {
    let isRefused = false;
    try {
        const headers = { authorization: `Bearer ${token()}` };
        const response = await fetch(`./usage?${new URLSearchParams(parameters)}`, { headers, signal });
        isRefused = response.status === 401;
        const body = await response.json();
        return response.ok ? { answer: body } : { problem: body.message ?? NO_ANSWER, isRefused };
    } catch {
        return { problem: isRefused ? NOT_VALID : NO_ANSWER, isRefused };
    }
}
