import { KinesisClient, PutRecordCommand } from '@aws-sdk/client-kinesis';
import { Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import definition from '../../crates/deployment/src/dashboard.json';
import { LocalMeter } from './local-meter';
import { poll, valuesOf, WebPages } from './web-pages';

let pages: WebPages;

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

const style = (page: Page, selector: string, name: 'color' | 'backgroundColor') =>
  page
    .locator(selector)
    .first()
    .evaluate((element, property) => getComputedStyle(element)[property], name);

const widget = (page: Page, title: string) => page.locator(`[data-title="${title}"]`);

/** Returns the cells of a line of a graph: the latest value, the highest, and the sum. */
const line = (page: Page, title: string, label: string) =>
  widget(page, title).locator('.legend tr', { hasText: label }).first().locator('td').allInnerTexts();

/** Returns how many pixels of a canvas have a colour. */
const pixels = (canvas: Locator, colour: string) =>
  canvas.evaluate((element, wanted) => {
    const { width, height } = element as HTMLCanvasElement;
    const { data } = (element as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height);
    const [r, g, b] = wanted.match(/\d+/g)!.map(Number);
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
      if (data[at] === r && data[at + 1] === g && data[at + 2] === b && data[at + 3] === 255) count += 1;
    }
    return count;
  }, colour);

beforeAll(async () => {
  pages = await WebPages.start();
  await pages.countCalls(1_000);
});

afterEach(() => pages.closePages());

afterAll(() => pages?.stop());

describe('the page', () => {
  test('has each widget of the deployed dashboard', async () => {
    const page = await pages.open('/');
    const titles = await page.locator('.widget').evaluateAll((all) => all.map((each) => each.dataset.title));
    expect(titles).toEqual(definition.widgets.map(({ properties }) => properties.title));
    await poll(() => line(page, 'Billable calls', 'Billable calls').then((cells) => cells[2])).toBe('700');
    const sums = ['Count', '4XXError', '5XXError'].map(
      async (label) => (await line(page, 'Calls by status', label))[2],
    );
    expect(await Promise.all(sums)).toEqual(['1,000', '200', '100']);
    expect(await page.locator('[data-title="Top keys by calls with a billed status"] tbody tr').count()).toBe(5);
    expect(await page.locator('.widget .problem').count()).toBe(0);
  });

  test('shows values with their units, limits, and what has no values', async () => {
    const page = await pages.open('/');
    expect(await widget(page, 'Freshness').locator('h3').innerText()).toBe('Freshness ms');
    const [latest] = await line(page, 'Freshness', 'Freshness p99');
    expect(latest).toMatch(/^[\d.]+ (ms|s)$/);
    expect(await widget(page, 'Freshness').locator('.legend').innerText()).toContain('limit 60 s');
    expect(await widget(page, 'Throttled requests of DynamoDB').isVisible()).toBe(false);
    expect(await page.locator('#without-values').innerText()).toContain('Throttled requests of DynamoDB');
  });

  test('draws lines, limits and axes', async () => {
    const page = await pages.open('/');
    const canvas = widget(page, 'Freshness').locator('canvas');
    for (const mark of ['.limit-mark', '.series-0']) {
      const colour = await style(page, `[data-title="Freshness"] ${mark}`, 'color');
      await poll(() => pixels(canvas, colour)).toBeGreaterThan(0);
    }
    // The texts of both axes.
    const quiet = await style(page, '.hint', 'color');
    expect(await pixels(canvas, quiet)).toBeGreaterThan(20);
  });

  test('a period without calls is a gap in a level, and 0 in a number of calls', async () => {
    const page = await pages.open('/');
    // The first periods of the range are before the first call.
    expect((await valuesOf(widget(page, 'Freshness'))).at(-1)).toMatch(/^20\d\d-\d\d-\d\d \d\d:\d\d:00 UTC(\t–)+$/);
    expect((await valuesOf(widget(page, 'Calls by status'))).at(-1)).toMatch(/ UTC(\t0)+$/);
  });

  test('the cursor of one graph shows the values of all', async () => {
    const page = await pages.open('/');
    await widget(page, 'Calls by status').locator('.u-over').hover();
    const at = (title: string) => widget(page, title).locator('.at');
    await poll(() => at('Calls by status').innerText()).toMatch(/^\d\d:\d\d:00 UTC: Count 0, /);
    // Both are read at once, because the time changes with each minute.
    const [calls, freshness] = await at('Calls by status').evaluate(
      (element, other) => [element.textContent, other.textContent],
      await at('Freshness').elementHandle(),
    );
    const [time] = calls.split(': ');
    expect(freshness).toBe(`${time}: Freshness p50 –, Freshness p99 –, Freshness Maximum –`);
  });

  test('the range is in the URL', async () => {
    const page = await pages.open('/');
    await page.getByLabel('Range').selectOption('3 hours');
    expect(new URL(page.url()).search).toBe('?minutes=180');
    await page.reload();
    expect(await page.getByLabel('Range').inputValue()).toBe('180');
  });

  test('sends no requests while it is paused', async () => {
    const page = await pages.open('/');
    await page.getByRole('button', { name: 'Pause updates' }).click();
    let requests = 0;
    page.on('request', () => (requests += 1));
    await page.clock.runFor(60_000);
    expect(requests).toBe(0);
    await page.getByRole('button', { name: 'Resume updates' }).click();
    await page.waitForRequest(/dashboard\.json/);
  });

  test('shows when the stack does not answer, and keeps the last data', async () => {
    const page = await pages.open('/');
    await page.route('**/*.json*', (route) => route.abort());
    await page.getByText(/The stack does not answer; this is what was last seen/).waitFor();
    expect(await page.locator('[data-title="Top keys by calls with a billed status"] tbody tr').count()).toBe(5);
    await poll(() => page.locator('.verdict').innerText()).toBe('? Not known whether all is well');
    expect(await page.locator('#status').getAttribute('data-level')).toBe(null);
    expect(await page.locator('#state').getAttribute('aria-live')).toBe('polite');
    await page.context().close();
    pages.problems = pages.problems.filter((problem) => !problem.includes('net::ERR_FAILED'));
  });
});

describe('the status', () => {
  test('says that all is well, and what was measured', async () => {
    const page = await pages.open('/');
    expect(await page.locator('.verdict').innerText()).toBe('✓ All is well');
    const checks = page.locator('.checks');
    await poll(() => checks.innerText()).toMatch(
      /Freshness p99 [\d.]+ m?s\s+Drift no hour compared yet\s+Quarantine 0 messages/,
    );
    expect(await checks.innerText()).toMatch(/Alarms 0 of \d+ on, \d+ without data/);
    expect(await page.getByRole('link', { name: 'Drift' }).getAttribute('href')).toBe('/runbooks/drift-and-backfill');
  });

  test('says what is wrong, with its runbook', async () => {
    const broken = await LocalMeter.start('--no-canary');
    try {
      const page = await pages.open('/', {}, broken.endpoints().dashboard);
      const kinesis = new KinesisClient({
        endpoint: broken.endpoints().aws_endpoint_url,
        region: 'us-east-1',
        credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
      });
      await kinesis.send(
        new PutRecordCommand({ StreamName: 'usage-local', PartitionKey: 'a', Data: Buffer.from('no access log') }),
      );
      await poll(() => page.locator('.verdict').innerText()).toBe('✗ Something is wrong');
      expect(await page.locator('.checks .wrong').allInnerTexts()).toEqual([
        'Quarantine 1 message (alarm)',
        expect.stringMatching(/^Alarms 1 of/),
      ]);
      const reason = page.locator('.reasons li');
      expect(await reason.innerText()).toMatch(/^quarantine: Records are in quarantine/);
      await reason.getByRole('link').click();
      expect(await page.locator('body').innerText()).toContain('usage-ENVIRONMENT-quarantine');
    } finally {
      await broken.stop();
    }
  });
});

describe('with a keyboard alone', () => {
  test('graphs can be used', async () => {
    const page = await pages.open('/');
    const focused = () =>
      page.evaluate(
        () => document.activeElement?.closest('[data-title]')?.getAttribute('data-title') ?? document.activeElement?.id,
      );
    for (let pressed = 0; (await focused()) !== 'Calls by status'; pressed += 1) {
      expect(pressed).toBeLessThan(20);
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowLeft');
    const message = page.locator('[data-title="Calls by status"] .at');
    expect(await message.innerText()).toMatch(/^\d\d:\d\d:\d\d UTC: Count [\d,]+, 4XXError/);
    expect(await message.getAttribute('aria-live')).toBe('polite');
    await page.keyboard.press('Escape');
    expect(await message.innerText()).toBe('');
  });

  test('focus is visible, and every graph has a description', async () => {
    const page = await pages.open('/');
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle)).toBe('solid');
    expect(await page.locator('.graph').count()).toBeGreaterThan(5);
    for (const graph of await page.locator('.graph').all()) {
      expect(await graph.getAttribute('aria-label')).toMatch(/\. Latest: .+\.$/);
    }
  });
});

describe.each(['light', 'dark'] as const)('in %s', (colorScheme) => {
  test('text and lines have enough contrast', async () => {
    const page = await pages.open('/', { colorScheme });
    const ground = await style(page, 'body', 'backgroundColor');
    const raised = await style(page, '.widget', 'backgroundColor');
    expect(contrast('rgb(0,0,0)', ground) > 10).toBe(colorScheme === 'light');
    for (const text of ['body', '.hint', '#state'])
      expect(contrast(await style(page, text, 'color'), ground), text).toBeGreaterThan(4.5);
    expect(contrast(await style(page, '.widget .legend', 'color'), raised)).toBeGreaterThan(4.5);
    const colours = await page.evaluate(() =>
      Array.from({ length: 7 }, (_, place) => {
        const mark = document.createElement('span');
        mark.className = `series-${place}`;
        document.body.append(mark);
        return getComputedStyle(mark).color;
      }),
    );
    for (const [place, colour] of colours.entries())
      expect(contrast(colour, raised), `line ${place}`).toBeGreaterThan(3);
  });

  test('the theme can be changed, and the choice is kept and in the URL', async () => {
    const page = await pages.open('/', { colorScheme });
    const before = await style(page, 'body', 'backgroundColor');
    const other = colorScheme === 'light' ? 'dark' : 'light';
    await page.getByLabel('Theme').selectOption(other);
    const after = await style(page, 'body', 'backgroundColor');
    expect(after).not.toBe(before);
    expect(new URL(page.url()).search).toBe(`?theme=${other}`);
    await page.goto(pages.url);
    expect(await style(page, 'body', 'backgroundColor')).toBe(after);
    await page.goto(`${pages.url}/?theme=${colorScheme}`);
    expect(await style(page, 'body', 'backgroundColor')).toBe(before);
  });
});
