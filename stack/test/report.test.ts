import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LAUNCH } from './browser';
import { run } from './run';

const ROOT = path.join(__dirname, '../..');

let folder: string;
let browser: Browser;

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-report-'));
  const profile = path.join(ROOT, 'loadtest/profiles/smoke.toml');
  const words = ['run', '--quiet', '--profile', profile, '--output', folder];
  // Other tests keep the machine busy, so the run may miss its objectives, which the report shows.
  const { status, output } = await run(path.join(ROOT, 'target/debug/loadtest'), words);
  expect([0, 11, 12], output).toContain(status);
  browser = await chromium.launch(LAUNCH);
});

afterAll(async () => {
  await browser?.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

test.each(['light', 'dark'] as const)(
  'the report of a load test is one page that needs nothing else (%s)',
  async (colorScheme) => {
    const context = await browser.newContext({ colorScheme, offline: true, viewport: { width: 390, height: 800 } });
    const page = await context.newPage();
    const requests: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    const url = pathToFileURL(path.join(folder, 'report.html')).href;
    await page.goto(url);
    expect(requests).toEqual([url]);

    const cell = (name: string) => page.getByRole('row', { name }).getByRole('cell').last().innerText();
    expect(await cell('planned')).toBe('2000');
    expect(await cell('calls in the ledger')).toBe(await cell('successful calls of the clients'));
    expect(await page.locator('.verdict').innerText()).toMatch(/PASSED|OBJECTIVE MISSED|HARNESS TOO SLOW/);

    const figures = page.locator('figure svg');
    expect(await figures.count()).toBe(2);
    for (const figure of await figures.all()) {
      expect((await figure.boundingBox())!.width).toBeGreaterThan(300);
      expect(await figure.locator('polyline').count()).toBeGreaterThan(0);
    }
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow, 'a narrow screen scrolls tables, not the page').toBe(0);
    await context.close();
  },
);
