import { afterAll, afterEach, beforeAll, describe, test } from 'vitest';
import { COLOR_SCHEMES, expectToLookWell, VIEWPORTS } from './looks';
import { poll, WebPages } from './web-pages';

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

let pages: WebPages;

beforeAll(async () => {
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
    test.each(COLOR_SCHEMES)('in %s is accessible, and no wider than the screen', async (colorScheme) => {
      const page = await pages.open(url, { colorScheme, viewport });
      await poll(() => page.locator(drawn).count()).toBeGreaterThan(0);
      await expectToLookWell(page, `${name}-${device}-${colorScheme}`);
    });
  });
});
