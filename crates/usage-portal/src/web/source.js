// Requests for usage, with the token of the page's URL.

const NO_ANSWER = 'The usage cannot be loaded now. The page tries again in a minute.';

/** The message to the page that contains this one. It is no secret, so any page may get it. */
const EXPIRED = { type: 'usage-portal-token-expired' };

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

/** Asks the page that contains this one for a new token. */
export const askForToken = () => window.parent.postMessage(EXPIRED, '*');

/** Returns the answer to a request, or the problem that it has. */
export async function readUsage(parameters, signal) {
    try {
        const headers = { authorization: `Bearer ${token()}` };
        const response = await fetch(`./usage?${new URLSearchParams(parameters)}`, { headers, signal });
        if (response.status === 401) return { isExpired: true };
        const body = await response.json();
        return response.ok ? { answer: body } : { problem: body.message ?? NO_ANSWER };
    } catch {
        return { problem: NO_ANSWER };
    }
}
