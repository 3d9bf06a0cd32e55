// What all pages have: the theme, and updates that can be paused.

import { byId, json, NoAnswer } from './dom.js';
import { setTheme } from './theme.js';
import { secondText } from './units.js';
import { parameter, setParameters } from './url-state.js';

const REFRESH_MS = 2_000;

let isPaused = false;

export const NOT_KNOWN = '? Not known whether all is well';

/** Shows whether the data is current. Screen readers read out only that it is not. */
export function setState(text, isFailure = false) {
    const state = byId('state');
    if (state.textContent === text) return;
    state.setAttribute('aria-live', isFailure ? 'polite' : 'off');
    state.textContent = text;
}

/** Says why the data is not current. */
export function showFailure(error, meaning = 'this is what was last seen') {
    const reason = error instanceof NoAnswer ? 'The stack does not answer' : 'The stack answers with an error';
    setState(`${reason}; ${meaning}. (${error.message})`, true);
}

/** Says on all pages but the overview whether all is well. The overview has the reasons. */
export async function showVerdict() {
    const verdict = byId('verdict');
    if (location.pathname === verdict.pathname) return;
    try {
        const { alarms } = await json('/status.json');
        const on = alarms.filter(({ state }) => state === 'ALARM').length;
        const text = on === 0 ? '✓ All is well' : `✗ ${on} ${on === 1 ? 'alarm is' : 'alarms are'} on`;
        Object.assign(verdict, { hidden: false, textContent: text, className: on === 0 ? 'well' : 'wrong' });
    } catch {
        Object.assign(verdict, { hidden: false, textContent: NOT_KNOWN, className: '' });
    }
}

/** Refreshes the page, and says up to when its data is. */
async function update(refresh) {
    try {
        const [atMs] = await Promise.all([refresh(), showVerdict()]);
        setState(`As of ${secondText(atMs)}`);
    } catch (error) {
        showFailure(error);
    }
}

/** Calls `refresh` now and at intervals. It returns the time of its data, in milliseconds since 1970. The result
 * refreshes at once. */
export function live(refresh) {
    const cycle = async () => {
        if (!isPaused) await update(refresh);
        setTimeout(cycle, REFRESH_MS);
    };
    void cycle();
    return () => update(refresh);
}

const pause = byId('pause');
pause.addEventListener('click', () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? 'Resume updates' : 'Pause updates';
});

const theme = byId('theme');
theme.value = parameter('theme', localStorage.getItem('theme') ?? 'system');
if (theme.value === '') theme.value = 'system';
setTheme(theme.value);
theme.addEventListener('change', () => {
    localStorage.setItem('theme', theme.value);
    setParameters({ theme: theme.value }, { theme: 'system' });
    setTheme(theme.value);
});

for (const link of document.querySelectorAll('nav a')) {
    if (link.pathname === location.pathname) link.setAttribute('aria-current', 'page');
}
