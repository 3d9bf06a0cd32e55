import { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { poll, WebPages } from './web-pages';

let pages: WebPages;

beforeAll(async () => {
  pages = await WebPages.start();
  await pages.meter.meter('customers', 'create', 'acme', '--name', 'Acme Corp');
  // Random ids could begin as the key that a test looks for.
  const key = [
    'keys',
    'create',
    '--id',
    'orders',
    '--customer',
    'acme',
    '--owner',
    '=cmd',
    '--plan',
    'gold',
    '--monthly-limit',
    '2',
  ];
  const created = JSON.parse(await pages.meter.meter(...key, '--json')) as { api_key: string };
  await pages.countCalls(1_000);
  const call = () =>
    fetch(`${pages.meter.endpoints().gateway}/status/200`, { headers: { 'x-api-key': created.api_key } });
  for (let calls = 0; calls < 2; calls += 1) expect((await call()).status).toBe(200);
  await pages.meter.meter('keys', 'create', '--id', 'unused', '--owner', 'nobody');
});

afterEach(() => pages.closePages());

afterAll(() => pages?.stop());

const body = (page: Page) => page.locator('#usage tbody tr');
const cells = (page: Page, text: string) => body(page).filter({ hasText: text }).first().locator('td').allInnerTexts();
const column = (page: Page, place: number) => body(page).locator(`td:nth-child(${place})`).allInnerTexts();
const total = (page: Page, id: 'calls' | 'rows') => page.locator(`#${id}`).innerText();

describe('the usage of this month', () => {
  test('has each key with its customer, owner, plan and limit, and those without usage', async () => {
    const page = await pages.open('/report');
    await poll(() => total(page, 'calls')).toBe('702');
    expect(await total(page, 'rows')).toBe('7');
    expect(await cells(page, 'key-1')).toEqual([
      '–',
      'key-1',
      '140',
      '–',
      '–',
      'demo',
      '–',
      expect.stringMatching(/ UTC$/),
    ]);
    const [customer, , ...others] = await cells(page, 'acme');
    expect([customer, ...others]).toEqual(['acme', '2', '–', '2', '=cmd', 'gold', expect.stringMatching(/ UTC$/)]);
    expect((await cells(page, 'nobody')).slice(2, 5)).toEqual(['0', '–', '–']);
  });

  test('has the verdict of the overview above it', async () => {
    const page = await pages.open('/report');
    expect(await page.locator('#verdict').innerText()).toBe('✓ All is well');
    await page.locator('#verdict').click();
    await page.locator('.verdict').waitFor();
  });

  test('is live', async () => {
    const page = await pages.open('/report?filter=key-1');
    const [, , before] = await cells(page, 'key-1');
    await pages.countCalls(100);
    await poll(async () => Number((await cells(page, 'key-1'))[2])).toBe(Number(before) + 14);
  });

  test('is grouped, filtered and sorted, and the URL says how', async () => {
    const page = await pages.open('/report');
    await page.getByLabel('Filter').fill('KEY-');
    await page.locator('#by').selectOption('key');
    await page.getByRole('button', { name: 'Key', exact: true }).click();
    await poll(() => column(page, 1)).toEqual(expect.arrayContaining(['key-1', 'key-2', 'key-3', 'key-4', 'key-5']));
    expect(new URL(page.url()).search).toBe('?filter=KEY-&by=key&sort=key&order=ascending');
    await page.reload();
    await poll(async () => (await column(page, 1))[0]).toBe('key-1');
    expect(await page.locator('#usage th').first().getAttribute('aria-sort')).toBe('ascending');
    expect(await page.locator('#usage th button').allInnerTexts()).toEqual([
      'Key',
      'Calls',
      'Credits',
      'Monthly limit',
      'Owner',
      'Plan',
      'Last call',
    ]);
    await page.getByLabel('Show').selectOption('without usage');
    await page.getByLabel('Filter').fill('nobody');
    await poll(() => total(page, 'rows')).toBe('1 of 7');
    await page.locator('#by').selectOption('customer');
    await page.getByLabel('Filter').fill('acme');
    await page.getByLabel('Show').selectOption('with usage');
    await poll(() => column(page, 4)).toEqual(['Acme Corp']);
  });

  test('has its last rows where a URL is beyond them', async () => {
    const page = await pages.open('/report?offset=900');
    await poll(() => page.locator('#place').innerText()).toBe('1 to 7 of 7');
    expect(new URL(page.url()).search).toBe('');
  });

  test('can be used with a keyboard alone', async () => {
    const page = await pages.open('/report');
    const focused = () => page.evaluate(() => document.activeElement?.id);
    for (let pressed = 0; (await focused()) !== 'filter'; pressed += 1) {
      expect(pressed).toBeLessThan(40);
      await page.keyboard.press('Tab');
    }
    await page.keyboard.type('key-3');
    await poll(() => body(page).count()).toBe(1);
  });

  test('is downloaded as CSV, without formulas', async () => {
    const page = await pages.open('/report?filter=acme');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download CSV' }).click(),
    ]);
    expect(download.suggestedFilename()).toMatch(/^usage-20\d\d-\d\d-01-20\d\d-\d\d-\d\d\.csv$/);
    const text = await (await download.createReadStream()).toArray();
    const [head, line, ...rest] = Buffer.concat(text).toString().trim().split('\n');
    expect(head).toBe('customer_id,api_key_id,route_class,owner,plan,period,calls,credits,response_bytes,last_call');
    expect(line).toMatch(/^acme,orders,,'=cmd,gold,\S+,2,,0,\S+Z$/);
    expect(rest).toEqual([]);
  });
});

describe('other days', () => {
  test('are chosen by month or by day, and the URL says which', async () => {
    const page = await pages.open('/report');
    const [, earlier] = await page
      .locator('#month option')
      .evaluateAll((all) => all.map((each) => (each as HTMLOptionElement).value));
    await page.locator('#month').selectOption(earlier!);
    await poll(() => total(page, 'calls')).toBe('0');
    const [from, to] = earlier!.split(',');
    expect(new URL(page.url()).searchParams.get('from')).toBe(from);
    await page.reload();
    expect(await page.getByLabel('Last day').inputValue()).toBe(to);
    expect(await page.locator('#month').inputValue()).toBe(earlier);
    await page.getByLabel('Last day').fill(new Date().toISOString().slice(0, 10));
    await poll(() => total(page, 'calls')).not.toBe('0');
    expect(await page.locator('#month').inputValue()).toBe('other');
  });

  test('are those of any time zone that the URL names', async () => {
    const page = await pages.open('/report?zone=Asia/Tokyo');
    expect(await page.getByLabel('Time zone').inputValue()).toBe('Asia/Tokyo');
    await poll(() => page.locator('#note').innerText()).toContain('Asia/Tokyo');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download CSV' }).click(),
    ]);
    expect(download.suggestedFilename()).toMatch(/-Asia-Tokyo\.csv$/);
  });

  test('that begin within a UTC hour are refused with a reason', async () => {
    const page = await pages.open('/report?zone=Asia/Kolkata');
    await poll(() => page.locator('#problem').innerText()).toContain('Asia/Kolkata is +05:30 from UTC');
    await page.context().close();
    pages.problems = pages.problems.filter((problem) => !problem.includes('400 (Bad Request)'));
  });

  test('that are no range are refused with a reason', async () => {
    const page = await pages.open('/report?from=2026-02-02&to=2026-02-01');
    await poll(() => page.locator('#problem').innerText()).toBe(
      'the first day 2026-02-02 is after the last day 2026-02-01',
    );
    await page.context().close();
    pages.problems = pages.problems.filter((problem) => !problem.includes('400 (Bad Request)'));
  });
});
