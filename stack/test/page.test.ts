import { Browser, BrowserContextOptions, chromium, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import definition from '../../crates/deployment/src/dashboard.json';
import { LAUNCH } from './browser';
import { LocalMeter } from './local-meter';

let meter: LocalMeter;
let browser: Browser;
let problems: string[];

async function open(options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(options);
  // The clock runs normally, and can be advanced.
  await context.clock.install();
  const page = await context.newPage();
  problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  await page.goto(meter.endpoints().dashboard);
  await page.getByText(/^As of/).waitFor();
  return page;
}

/** Polls until the value is the expected one. The machine may be slow. */
const poll = <T>(ask: () => Promise<T>) => expect.poll(ask, { timeout: 60_000, interval: 100 });

/** Returns the contrast of two colours. Source: WCAG 2.2, "contrast ratio". */
function contrast(left: string, right: string): number {
  const luminance = (colour: string) => {
    const parts = colour
      .match(/[\d.]+/g)!
      .slice(0, 3)
      .map((part) => Number(part) / 255);
    const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  const [low, high] = [luminance(left), luminance(right)].sort((one, other) => one - other);
  return (high! + 0.05) / (low! + 0.05);
}

const style = (page: Page, selector: string, name: 'color' | 'backgroundColor' | 'stroke') =>
  page
    .locator(selector)
    .first()
    .evaluate((element, property) => getComputedStyle(element)[property], name);

beforeAll(async () => {
  meter = await LocalMeter.start();
  await meter.meter('traffic', '--calls', '1000');
  browser = await chromium.launch(LAUNCH);
  // 700 of the calls succeed; wait until they are counted.
  for (let counted = 0; counted < 700;) {
    const { keys } = (await (await fetch(`${meter.endpoints().dashboard}/usage.json`)).json()) as {
      keys: { day: number }[];
    };
    counted = keys.reduce((sum, { day }) => sum + day, 0);
  }
});

afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
  expect(problems).toEqual([]);
});

afterAll(async () => {
  await browser?.close();
  await meter?.stop();
});

describe('the page', () => {
  test('draws each widget of the deployed dashboard', async () => {
    const page = await open();
    const titles = await page.locator('.widget h3').allTextContents();
    expect(titles).toEqual(definition.widgets.map(({ properties }) => properties.title));
    await poll(() => page.locator('[data-title="Billable calls"] .legend').innerText()).toContain('BillableCalls: 700');
    expect(await page.locator('[data-title="Calls by status"] .legend').innerText()).toMatch(
      /Count: 1,000[^]*4XXError: 200[^]*5XXError: 100/,
    );
    expect(await page.locator('[data-title="Top keys, successful calls"] tbody tr').count()).toBe(5);
    expect(await page.locator('[data-title="Freshness"] .legend').innerText()).toContain('limit 60 s');
    expect(await page.locator('.widget .problem').count()).toBe(0);
  });

  test('shows the usage of each key, live', async () => {
    const page = await open();
    const row = page.locator('#usage tbody tr', { hasText: 'key-1' });
    expect(await row.locator('td').nth(2).innerText()).toBe('140');
    await meter.meter('traffic', '--calls', '100');
    await poll(() => row.locator('td').nth(2).innerText()).toBe('154');
    expect(await page.locator('#usage-state').innerText()).toBe('5 of 5 keys with usage.');
  });

  test('sends no requests while it is paused', async () => {
    const page = await open();
    await page.getByRole('button', { name: 'Pause' }).click();
    let requests = 0;
    page.on('request', () => (requests += 1));
    await page.clock.runFor(60_000);
    expect(requests).toBe(0);
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.waitForRequest(/usage\.json/);
  });

  test('shows when the stack does not answer, and keeps the last data', async () => {
    const page = await open();
    await page.route('**/*.json*', (route) => route.abort());
    await page.getByText(/The stack does not answer; this is what was last seen/).waitFor();
    expect(await page.locator('#usage tbody tr').count()).toBe(5);
    await page.context().close();
    problems = problems.filter((problem) => !problem.includes('net::ERR_FAILED'));
  });
});

describe('with a keyboard alone', () => {
  test('graphs, sorting and filters can be used', async () => {
    const page = await open();
    const focused = () =>
      page.evaluate(
        () => document.activeElement?.closest('[data-title]')?.getAttribute('data-title') ?? document.activeElement?.id,
      );
    for (let pressed = 0; (await focused()) !== 'Calls by status'; pressed += 1) {
      expect(pressed).toBeLessThan(20);
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('End');
    const message = page.locator('[data-title="Calls by status"] .at');
    expect(await message.innerText()).toMatch(/^\d\d:\d\d:\d\d UTC: Count [\d,]+, 4XXError/);
    expect(await message.getAttribute('aria-live')).toBe('polite');
    await page.keyboard.press('Escape');
    expect(await message.innerText()).toBe('');
    for (let pressed = 0; (await focused()) !== 'filter'; pressed += 1) {
      expect(pressed).toBeLessThan(60);
      await page.keyboard.press('Tab');
    }
    await page.keyboard.type('key-3');
    await poll(() => page.locator('#usage tbody tr').count()).toBe(1);
    await page.keyboard.press('Control+A');
    await page.keyboard.press('Delete');
    await page.getByRole('button', { name: 'Key', exact: true }).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Enter');
    expect(await page.locator('#usage tbody th').allInnerTexts()).toEqual([
      'key-1',
      'key-2',
      'key-3',
      'key-4',
      'key-5',
    ]);
    expect(await page.locator('#usage thead th').first().getAttribute('aria-sort')).toBe('ascending');
  });

  test('focus is visible, and every graph has a description', async () => {
    const page = await open();
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle)).toBe('solid');
    for (const graph of await page.locator('svg.graph').all()) {
      expect(await graph.getAttribute('aria-label')).toMatch(/\. Latest: .+\.$/);
    }
  });
});

describe.each(['light', 'dark'] as const)('in %s', (colorScheme) => {
  test('text and lines have enough contrast', async () => {
    const page = await open({ colorScheme });
    const ground = await style(page, 'body', 'backgroundColor');
    const raised = await style(page, '.widget', 'backgroundColor');
    expect(contrast('rgb(0,0,0)', ground) > 10).toBe(colorScheme === 'light');
    for (const text of ['body', '.hint', '#state'])
      expect(contrast(await style(page, text, 'color'), ground), text).toBeGreaterThan(4.5);
    expect(contrast(await style(page, '.widget .legend', 'color'), raised)).toBeGreaterThan(4.5);
    for (let line = 0; line < 7; line += 1) {
      expect(
        contrast(await style(page, `.legend .series-${line}`, 'backgroundColor'), raised),
        `line ${line}`,
      ).toBeGreaterThan(3);
    }
  });

  test('the theme can be changed, and the choice is kept', async () => {
    const page = await open({ colorScheme });
    const before = await style(page, 'body', 'backgroundColor');
    await page.getByRole('button', { name: 'Dark or light' }).click();
    const after = await style(page, 'body', 'backgroundColor');
    expect(after).not.toBe(before);
    await page.reload();
    expect(await style(page, 'body', 'backgroundColor')).toBe(after);
  });
});
