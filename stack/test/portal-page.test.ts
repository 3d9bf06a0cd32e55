import * as http from 'node:http';
import { AddressInfo } from 'node:net';
import { Frame, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { blocksOf } from './doc-blocks';
import { COLOR_SCHEMES, expectToLookWell, VIEWPORTS } from './looks';
import { poll, valuesOf, WebPages } from './web-pages';

const DAY_MS = 86_400_000;
const COUNTING = { timeout: 60_000, interval: 100 };
/** The days are those of UTC, and include yesterday, because tests may run at midnight. */
const DAYS = 'range=last-7-days&time_zone=UTC';
const NOT_VALID = 'This link to your usage is not valid: the token is not signed by a key of this service.';

interface CreatedKey {
  readonly api_key: string;
}

interface PortalToken {
  readonly token: string;
  readonly url: string;
}

/** A page of the API company, which embeds the usage page and keeps the messages that it gets from it. */
const HOST = '<!doctype html><html lang="en"><title>Host</title><h1>Host</h1><iframe title="Usage"></iframe></html>';

let host: http.Server;
let pages: WebPages;

/** Returns the URL of the embedding page under one of its two names. Each is an origin. */
const hostUrl = (name: string) => `http://${name}:${(host.address() as AddressInfo).port}`;

beforeAll(async () => {
  host = http.createServer((_, response) => response.setHeader('content-type', 'text/html').end(HOST));
  await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
  pages = await WebPages.start('--portal-frame-ancestors', hostUrl('localhost'));
  for (const customer of ['acme', 'zen', 'late']) await pages.meter.meter('customers', 'create', customer);
  await Promise.all([call('acme', 'orders', 3), call('acme', '-reports', 2), call('zen', 'private', 4)]);
  await vi.waitFor(async () => expect(await counted('acme')).toBe(5), COUNTING);
  await vi.waitFor(async () => expect(await counted('zen')).toBe(4), COUNTING);
});

afterEach(() => pages.closePages());

afterAll(async () => {
  await pages?.stop();
  host.close();
});

/** Creates a key of a customer and sends calls with it. */
async function call(customer: string, id: string, calls: number): Promise<void> {
  const words = ['keys', 'create', '--customer', customer, `--id=${id}`, '--json'];
  const { api_key: secret } = JSON.parse(await pages.meter.meter(...words)) as CreatedKey;
  const url = `${pages.meter.endpoints().gateway}/status/200`;
  for (let sent = 0; sent < calls; sent += 1)
    expect((await fetch(url, { headers: { 'x-api-key': secret } })).status).toBe(200);
}

async function tokenOf(customer: string, ...words: string[]): Promise<PortalToken> {
  const printed = await pages.meter.meter('portal', 'token', '--customer', customer, ...words, '--json');
  return JSON.parse(printed) as PortalToken;
}

/** Returns the number of calls that the page of a customer would show. */
async function counted(customer: string): Promise<number> {
  const { token } = await tokenOf(customer);
  const days = new URLSearchParams({ from: new Date(Date.now() - DAY_MS).toISOString().slice(0, 10) });
  const url = `${pages.meter.endpoints().portal}/usage?${days}`;
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  expect(response.status).toBe(200);
  return ((await response.json()) as { calls: number }).calls;
}

/** Opens the page of a customer with some choices. */
async function open(customer: string, choices = '', options = {}, ...words: string[]): Promise<Page> {
  const { url } = await tokenOf(customer, ...words);
  const [base, token] = url.split('#');
  const page = await pages.openAt(`${base}?${DAYS}&${choices}#${token}`, options);
  await page.locator('#results').waitFor();
  return page;
}

const calls = (page: Page | Frame) => page.locator('#calls').innerText();
const rows = (page: Page) =>
  page.locator('#groups tbody tr').evaluateAll((all) => all.map((row) => [...row.children].map((c) => c.textContent)));

/** Forgets that the browser reported a response with a status, which the test expects. */
async function expectStatus(status: number): Promise<void> {
  const isExpected = (problem: string) => problem.includes(`status of ${status}`);
  await poll(async () => pages.problems.some(isExpected)).toBe(true);
  pages.problems = pages.problems.filter((problem) => !isExpected(problem));
}

describe('the usage page', () => {
  test('has the calls of all keys of the customer, and of no other', async () => {
    const page = await open('acme');
    expect(await page.locator('#holder').innerText()).toBe('Customer acme');
    expect(await page.locator('#state').innerText()).toMatch(/^(As of|Loaded on) .*\(UTC\)/);
    expect(await calls(page)).toBe('5');
    await page.getByLabel('Broken down by').selectOption('key');
    await poll(() => rows(page)).toEqual([
      ['orders', '3'],
      ['-reports', '2'],
    ]);
    const zen = await open('zen', 'group_by=key');
    expect(await rows(zen)).toEqual([['private', '4']]);
  });

  test('has the calls of one key alone, if the token is of a key', async () => {
    const page = await open('acme', 'group_by=key', {}, '--api-key-id', 'orders');
    expect(await page.locator('#holder').innerText()).toBe('Key orders');
    expect(await calls(page)).toBe('3');
    expect(await rows(page)).toEqual([['orders', '3']]);
  });

  test('has a graph with a cursor and a table of its values', async () => {
    const page = await open('acme', 'by=hour&group_by=key');
    const values = await valuesOf(page.locator('#graph'));
    const sums = [0, 0];
    for (const [, ...cells] of values.map((text) => text.split('\t')))
      for (const [place, cell] of cells.entries()) sums[place]! += Number(cell);
    expect(sums).toEqual([3, 2]);
    await page.locator('.graph').focus();
    await page.keyboard.press('Home');
    await poll(() => page.locator('.at').innerText()).toMatch(/, 00:00 UTC: orders 0, -reports 0$/);
  });

  test('has its choices in the URL, and keeps the token', async () => {
    const page = await open('acme');
    const { hash } = new URL(page.url());
    await page.getByLabel('Broken down by').selectOption('key');
    await page.getByLabel('Calls per').selectOption('month');
    await page.getByLabel('Range').selectOption('this month');
    expect(new URL(page.url()).search).toBe('?time_zone=UTC&group_by=key&by=month');
    const [from, to] = await Promise.all(['First day', 'Last day'].map((name) => page.getByLabel(name).inputValue()));
    await page.getByLabel('First day').fill(to!);
    await page.reload();
    await page.locator('#results').waitFor();
    expect(from).toMatch(/-01$/);
    expect(await page.locator('#over-time').innerText()).toBe(`Calls per month, ${to} to ${to}`);
    expect(await page.getByLabel('Range').inputValue()).toBe('own');
    expect(new URL(page.url()).hash).toBe(hash);
  });

  test('says why days are refused, and keeps what it has', async () => {
    const page = await open('acme');
    const last = await page.getByLabel('Last day').inputValue();
    const before = (days: number) => new Date(Date.parse(last) - days * DAY_MS).toISOString().slice(0, 10);
    await page.getByLabel('First day').fill(before(100));
    await poll(() => page.locator('#problem').innerText()).toContain('at most 100 days can be asked for at once');
    await expectStatus(400);
    expect(await calls(page)).toBe('5');
    expect(await page.locator('#content.stale').count()).toBe(1);
    await page.getByLabel('Last day').fill(before(101));
    await poll(() => page.locator('#problem').innerText()).toContain('The first day is after the last day.');
  });

  test('is refreshed each minute, but not while it is hidden', async () => {
    const page = await open('late');
    expect(await calls(page)).toBe('0');
    await call('late', 'first', 2);
    await vi.waitFor(async () => expect(await counted('late')).toBe(2), COUNTING);
    await page.evaluate(() => {
      const send = window.fetch.bind(window);
      const asked = Object.assign(window, { asked: 0 });
      window.fetch = (...request) => {
        asked.asked += 1;
        return send(...request);
      };
    });
    const asked = () => page.evaluate(() => (window as unknown as { asked: number }).asked);
    const setHidden = (hidden: boolean) =>
      page.evaluate((value) => {
        Object.defineProperty(document, 'hidden', { value, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      }, hidden);
    await setHidden(true);
    await page.clock.fastForward(180_000);
    expect(await asked()).toBe(0);
    await setHidden(false);
    expect(await asked()).toBe(1);
    await poll(() => calls(page)).toBe('2');
    await page.clock.fastForward(60_000);
    expect(await asked()).toBe(2);
  });

  test('is downloaded as CSV, without formulas', async () => {
    const page = await open('acme', 'group_by=key&by=month');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download CSV' }).click(),
    ]);
    expect(download.suggestedFilename()).toMatch(/^usage-20\d\d-\d\d-\d\d-20\d\d-\d\d-\d\d\.csv$/);
    const text = Buffer.concat(await (await download.createReadStream()).toArray()).toString();
    const [head, ...lines] = text.trim().split('\n');
    expect(head).toBe('customer_id,api_key_id,route_class,period,calls,credits,response_bytes');
    const ofKey = (start: string) => lines.filter((line) => line.startsWith(start)).map((line) => line.split(',')[4]);
    const sum = (numbers: (string | undefined)[]) => numbers.reduce((total, value) => total + Number(value), 0);
    expect([sum(ofKey('acme,orders,,20')), sum(ofKey("acme,'-reports,,20"))]).toEqual([3, 2]);
  });
});

describe('a link that is not valid', () => {
  test('says so, and shows nothing', async () => {
    const page = await pages.openAt(`${pages.meter.endpoints().portal}/#no.valid.token`);
    await page.getByText(`${NOT_VALID} Get a new link.`).waitFor();
    await expectStatus(401);
    expect(await page.locator('#results').isVisible()).toBe(false);
    await expectToLookWell(page, 'portal-not-valid');
  });

  test('is told to the page that contains it, which can set another', async () => {
    const page = await pages.openAt(hostUrl('localhost'));
    await collectMessages(page);
    const { url } = await tokenOf('acme');
    await embed(page, url.replace(/#.*/, `?${DAYS}#no.valid.token`));
    await poll(() => messages(page)).toEqual([{ type: 'usage-portal-token-wanted' }]);
    await frameOf(page).getByText('Reload the page that contains this one').waitFor();
    await expectStatus(401);
    await embed(page, url.replace('#', `?${DAYS}#`));
    await poll(() => calls(frameOf(page))).toBe('5');
    expect(await frameOf(page).getByText(NOT_VALID).count()).toBe(0);
  });

  test('asks for another about once a minute, also if each new one is refused', async () => {
    const page = await pages.openAt(hostUrl('localhost'));
    await collectMessages(page);
    const { url } = await tokenOf('acme');
    for (const place of [1, 2, 3]) {
      const refused = page.waitForResponse((response) => response.status() === 401);
      await embed(page, url.replace(/#.*/, `?${DAYS}#no.valid.${place}`));
      await refused;
      await expectStatus(401);
    }
    await poll(async () => (await messages(page)).length).toBe(1);
    const refused = page.waitForResponse((response) => response.status() === 401);
    await page.clock.fastForward(61_000);
    await refused;
    await expectStatus(401);
    await poll(async () => (await messages(page)).length).toBe(2);
  });

  test('is replaced before its end, and without an entry in the history, by the sample of the documentation', async () => {
    const page = await pages.openAt(hostUrl('localhost'));
    const { url } = await tokenOf('acme', '--lifetime', '80s');
    const { token } = await tokenOf('acme');
    const before = await page.evaluate(() => history.length);
    await page.route('**/usage-token', (route) => route.fulfill({ body: token }));
    const [sample] = blocksOf('docs/OPERATION.md', 'js');
    await page.addScriptTag({ content: sample!.code });
    await embed(page, url.replace('#', `?${DAYS}#`));
    await poll(() => frameOf(page).evaluate(() => location.hash.slice(1))).toBe(token);
    await poll(() => calls(frameOf(page))).toBe('5');
    expect(await page.evaluate(() => history.length)).toBe(before);
    expect(await frameOf(page).getByText(NOT_VALID).count()).toBe(0);
  });
});

describe('an embedded page', () => {
  test('hides what it has shown to another holder, also if the next token is not valid', async () => {
    const page = await pages.openAt(hostUrl('localhost'));
    const [acme, zen] = [await tokenOf('acme'), await tokenOf('zen')];
    await embed(page, acme.url.replace('#', `?${DAYS}#`));
    const frame = frameOf(page);
    await poll(() => calls(frame)).toBe('5');
    await embed(page, zen.url.replace('#', `?${DAYS}#`).slice(0, -8));
    await frame.getByText(NOT_VALID).waitFor();
    await expectStatus(401);
    expect(await frame.locator('#results').isHidden()).toBe(true);
    expect(await frame.getByText('acme').count()).toBe(0);
    await embed(page, zen.url.replace('#', `?${DAYS}#`));
    await poll(() => calls(frame)).toBe('4');
  });

  test('keeps its choices when it gets another token, and has the ground of the page around it', async () => {
    const page = await pages.openAt(hostUrl('localhost'));
    const { url } = await tokenOf('acme');
    await embed(page, url.replace(/#.*/, `?${DAYS}#no.valid.token`));
    const frame = frameOf(page);
    await frame.getByText(NOT_VALID).waitFor();
    await expectStatus(401);
    await frame.getByLabel('Broken down by').selectOption('key');
    await expectStatus(401);
    await embed(page, url.replace('#', `?${DAYS}#`));
    await poll(() => calls(frame)).toBe('5');
    expect(await frame.locator('#groups tbody tr').count()).toBe(2);
    const grounds = await frame.evaluate(() =>
      [document.documentElement, document.body].map((each) => getComputedStyle(each).backgroundColor),
    );
    expect(grounds).toEqual(['rgba(0, 0, 0, 0)', 'rgba(0, 0, 0, 0)']);
  });
});

const embed = (page: Page, url: string) =>
  page.locator('iframe').evaluate((frame, src) => Object.assign(frame, { src }), url);
const frameOf = (page: Page) => page.frames()[1]!;

/** Keeps the messages that the page gets. */
const collectMessages = (page: Page) =>
  page.evaluate(() => {
    const got = Object.assign(window, { got: [] as unknown[] }).got;
    window.addEventListener('message', ({ data }) => got.push(data));
  });
const messages = (page: Page) => page.evaluate(() => (window as unknown as { got: unknown[] }).got);

describe('the files of the page', () => {
  const page = () => `${pages.meter.endpoints().portal}/`;

  test('are three, compressed, and kept by the browser under a name with their version', async () => {
    const { url } = await tokenOf('acme');
    const opened = await pages.openAt('about:blank');
    const responses: string[][] = [];
    opened.on('response', (response) => {
      const { 'cache-control': kept = '', 'content-encoding': coding = '' } = response.headers();
      responses.push([new URL(response.url()).pathname.replace(/-[0-9a-f]{16}/, '-V'), kept, coding]);
    });
    await opened.goto(url);
    await opened.locator('#results').waitFor();
    const forEver = 'public, max-age=31536000, immutable';
    expect(responses.sort(([one], [other]) => one!.localeCompare(other!))).toEqual([
      ['/', 'no-cache', 'gzip'],
      ['/portal-V.css', forEver, 'gzip'],
      ['/portal-V.js', forEver, 'gzip'],
      ['/usage', 'no-store', ''],
    ]);
  });

  test('leave no hint on the page while the first answer takes long', async () => {
    const { url } = await tokenOf('acme');
    const opened = await pages.openAt('about:blank');
    await opened.route('**/usage?**', () => undefined);
    const asked = opened.waitForRequest('**/usage?**');
    await opened.goto(url);
    await asked;
    expect(await opened.getByText('reload it').count()).toBe(0);
    expect(await opened.locator('#state').innerText()).toBe('Loading…');
  });

  test('leave a hint on the page if the script cannot be loaded', async () => {
    const opened = await pages.openAt('about:blank');
    await opened.route('**/*.js', (route) => route.fulfill({ status: 429 }));
    await opened.goto(page());
    await expectStatus(429);
    const hint = opened.getByText('reload it');
    await hint.waitFor({ state: 'attached' });
    expect(await hint.isVisible()).toBe(false);
    await opened.evaluate(() => {
      for (const animation of document.getAnimations()) animation.finish();
    });
    expect(await hint.isVisible()).toBe(true);
  });
});

describe('a browser with the time zone', () => {
  test.each([
    [undefined, 'UTC'],
    ['Etc/Unknown', 'UTC'],
    ['+01:00', 'UTC'],
    ['Asia/Kolkata', 'UTC'],
    ['Etc/GMT+8', 'Etc/GMT+8'],
  ])('%s, has the days of %s', async (zone, expected) => {
    const { url } = await tokenOf('acme');
    const page = await pages.openAt('about:blank');
    await page.addInitScript((timeZone) => {
      const own = Intl.DateTimeFormat().resolvedOptions();
      Intl.DateTimeFormat.prototype.resolvedOptions = () => Object.assign({ ...own }, { timeZone });
    }, zone);
    await page.goto(url);
    await page.locator('#results').waitFor();
    expect(await page.getByLabel('Time zone').inputValue()).toBe(expected);
  });
});

describe('a page of another origin', () => {
  test('cannot embed the usage page', async () => {
    const page = await pages.openAt(hostUrl('127.0.0.1'));
    const { url } = await tokenOf('acme');
    await embed(page, url);
    const isRefused = (problem: string) => problem.includes('frame-ancestors');
    await poll(async () => pages.problems.some(isRefused)).toBe(true);
    expect(await frameOf(page).locator('#controls').count()).toBe(0);
    pages.problems = pages.problems.filter((problem) => !isRefused(problem));
  });
});

describe.each(Object.entries(VIEWPORTS))('on a %s', (device, viewport) => {
  test.each(COLOR_SCHEMES)('in %s the page is accessible, and no wider than the screen', async (colorScheme) => {
    const page = await open('acme', 'by=hour&group_by=key', { colorScheme, viewport });
    expect(await rows(page)).toHaveLength(2);
    await expectToLookWell(page, `portal-${device}-${colorScheme}`);
  });
});
