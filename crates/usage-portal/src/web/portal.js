// The page of a customer: its usage, by the token of the URL.

import { Choices } from './choices.js';
import { downloadCsv } from './csv.js';
import { byId, setStale } from './dom.js';
import { Graph } from './graph.js';
import { GroupTable } from './group-table.js';
import { groupsOf, linesOf } from './groups.js';
import { live } from './live.js';
import { periodName, periodsOf, spanOf } from './periods.js';
import { askForToken, endsSoon, holder, readUsage } from './source.js';
import { decimalText, sizeText } from './sums.js';
import { setTheme } from './theme.js';
import { number, timeFormat } from './units.js';
import { parameter } from './url-state.js';

/** What a reader can do if the token is refused. A page that stands alone was opened by a link. */
const RENEW =
    window.parent === window ? 'Get a new link.' : 'Reload the page that contains this one to get a new link.';
const IS_OLD = 'What is shown below was loaded before.';

const asOf = timeFormat({ day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' });

/** What is shown: an answer, and the period and the groups that were asked for. */
let shown;
let controller;
let shownHolder;

const named = (atMs) => periodName(atMs, shown.by, shown.answer.time_zone);
const graph = new Graph('Calls over time', { isBars: true, timeName: named, rowName: named, nameOf: (name) => name });
byId('graph').append(graph.root);
const table = new GroupTable();

function drawTotals({ calls, credits, response_bytes: bytes }) {
    byId('calls').textContent = number(calls);
    byId('credits-total').hidden = credits === null;
    byId('credits').textContent = credits === null ? '' : decimalText(credits);
    byId('size-total').hidden = bytes === 0;
    byId('size').textContent = sizeText(bytes);
}

/** Says whose usage is shown, and up to when calls are counted. */
function drawHead({ of, api_key_id: key, customer_id: customer, as_of: counted, read_at: read, time_zone: zone }) {
    byId('holder').textContent = of === 'key' ? `Key ${key}` : `Customer ${customer}`;
    const time = (text) => `${asOf(Date.parse(text), zone)} (${zone})`;
    const loaded = read === null ? '' : `Loaded on ${time(read)}. `;
    byId('state').textContent =
        counted === null ? `${loaded}The latest calls may be missing.` : `As of ${time(counted)}`;
}

function draw() {
    const { answer, by, groupBy } = shown;
    byId('results').hidden = false;
    drawHead(answer);
    drawTotals(answer);
    byId('over-time').textContent = `Calls per ${by}, ${answer.from} to ${answer.to}`;
    const zone = answer.time_zone;
    const times = periodsOf(answer, by);
    const groups = groupsOf(answer.usage);
    const data = { times_ms: times, lines: linesOf(groups, times, zone) };
    graph.draw({ unit: 'calls', zone, graph: data, spanMs: spanOf(times, by) });
    table.draw(answer, groups, groupBy);
}

/** Shows what is wrong. The last results stay, and are marked. */
function showProblem(problem) {
    byId('problem').textContent = problem === '' || shown === undefined ? problem : `${problem} ${IS_OLD}`;
    setStale(problem !== '');
    if (shown === undefined) byId('state').textContent = '';
}

/** Reads the usage of the present choices. A later request replaces an earlier one. */
async function refresh() {
    controller?.abort();
    const parameters = choices.parameters();
    if (choices.problem() !== '') {
        showProblem(choices.problem());
        return;
    }
    controller = new AbortController();
    const { signal } = controller;
    const { groupBy } = choices;
    const asked = holder();
    const { answer, problem, isRefused } = await readUsage(parameters, signal);
    if (signal.aborted) return;
    if (isRefused || endsSoon()) askForToken();
    if (answer === undefined) showProblem(isRefused ? `${problem} ${RENEW}` : problem);
    else {
        shown = { answer, by: parameters.by, groupBy };
        shownHolder = asked;
        showProblem('');
        draw();
    }
}

// All parts of the page are loaded.
document.querySelector('.late')?.remove();
setTheme(parameter('theme'));
document.documentElement.classList.toggle('alone', window.parent === window);
const choices = new Choices(() => {
    setStale(true);
    return refreshNow();
});
const refreshNow = live(refresh);
window.addEventListener('hashchange', () => {
    // Another holder must not see what was shown to the one before, also if its own usage cannot be loaded.
    if (shown !== undefined && holder() !== shownHolder) {
        shown = undefined;
        byId('results').hidden = true;
        byId('holder').textContent = '';
    }
    return refreshNow();
});
byId('csv').addEventListener('click', () => downloadCsv(shown.answer));
