import * as fs from 'node:fs';
import * as path from 'node:path';
import axe from 'axe-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from './doc-blocks';
import { poll, WebPages } from './web-pages';

const FOLDER = path.join(ROOT, 'target/page-screenshots');
const CALL = '{"id":"another","key":"key-1","status":"404","time":"1795509270000"}';
/** The pages, each with something that it has when its data is drawn. */
const PAGES = {
  overview: ['/', '#widgets .legend td'],
  usage: ['/report', '#usage tbody tr'],
  key: ['/key?id=key-1', '#facts dd'],
  customer: ['/customer?id=acme', '#keys-table tbody tr'],
  'no-call': ['/calls?q=no-such-id', '#found h2'],
  call: [`/calls?q=${encodeURIComponent(CALL)}`, '#found h2'],
} as const;
const VIEWPORTS = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

let pages: WebPages;

beforeAll(async () => {
  fs.mkdirSync(FOLDER, { recursive: true });
  pages = await WebPages.start();
  await pages.meter.meter('customers', 'create', 'acme', '--name', 'Acme Corp');
  const key = ['keys', 'create', '--customer', 'acme', '--owner', 'ops', '--monthly-limit', '2', '--json'];
  const { api_key: secret } = JSON.parse(await pages.meter.meter(...key)) as { api_key: string };
  await pages.countCalls(1_000);
  await fetch(`${pages.meter.endpoints().gateway}/status/200`, { headers: { 'x-api-key': secret } });
});

afterEach(() => pages.closePages());

afterAll(() => pages?.stop());

describe.each(Object.entries(PAGES))('the page %s', (name, [url, drawn]) => {
  describe.each(Object.entries(VIEWPORTS))('on a %s', (device, viewport) => {
    test.each(['light', 'dark'] as const)('in %s is accessible, and no wider than the screen', async (colorScheme) => {
      const page = await pages.open(url, { colorScheme, viewport });
      await poll(() => page.locator(drawn).count()).toBeGreaterThan(0);
      await page.screenshot({ path: path.join(FOLDER, `${name}-${device}-${colorScheme}.png`), fullPage: true });
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(() => (window as unknown as { axe: typeof axe }).axe.run());
      expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(width).toBeLessThanOrEqual(viewport.width);
    });
  });
});
