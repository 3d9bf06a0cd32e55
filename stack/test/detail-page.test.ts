import { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { poll, valuesOf, WebPages } from './web-pages';

let pages: WebPages;
let created: { api_key_id: string; api_key: string };
/** The day on which the first call was made. The next day may begin at any time. */
let calledOn: string;

beforeAll(async () => {
  pages = await WebPages.start();
  await pages.meter.meter('customers', 'create', 'acme', '--name', 'Acme Corp', '--label', 'region=eu');
  const key = ['keys', 'create', '--customer', 'acme', '--owner', 'ops', '--plan', 'gold', '--monthly-limit', '5'];
  created = JSON.parse(await pages.meter.meter(...key, '--json')) as { api_key_id: string; api_key: string };
  calledOn = new Date().toISOString().slice(0, 10);
  const call = () =>
    fetch(`${pages.meter.endpoints().gateway}/status/200`, { headers: { 'x-api-key': created.api_key } });
  for (let calls = 0; calls < 3; calls += 1) expect((await call()).status).toBe(200);
  await pages.countCalls(100);
});

afterEach(() => pages.closePages());

afterAll(() => pages?.stop());

const fact = (page: Page, name: string) => page.locator('#facts div', { hasText: name }).locator('dd').innerText();
const calls = (page: Page) => page.locator('#calls').innerText();

describe('the page of a key', () => {
  test('says who holds it, and how much of its limit is used', async () => {
    const page = await pages.open(`/key?id=${created.api_key_id}`);
    await poll(() => fact(page, 'This month')).toBe('3 of 5 calls');
    expect(await fact(page, 'Customer')).toBe('acme');
    expect(await fact(page, 'Owner')).toBe('ops');
    expect(await fact(page, 'Plan')).toBe('gold');
    expect(await fact(page, 'State')).toBe('valid');
    expect(await fact(page, 'Last call')).toMatch(/^20\d\d-.* UTC$/);
  });

  test('has its calls by day, by hour and by route class', async () => {
    const page = await pages.open(`/key?id=${created.api_key_id}&per=day`);
    await poll(() => calls(page)).toBe('3');
    expect(await page.locator('#classes tbody tr').allInnerTexts()).toEqual(['without a class\t3\t–']);
    const sum = (all: string[]) => all.reduce((total, each) => total + (Number(each.split('\t')[1]) || 0), 0);
    const days = await valuesOf(page.locator('body'));
    expect(days[0]).toMatch(/ 00:00:00 UTC\t\d$/);
    expect(sum(days)).toBe(3);
    await page.locator('.values summary').click();
    await page.getByLabel('First day').fill(calledOn);
    await page.locator('#per').selectOption('hour');
    await poll(() => page.locator('#over-time').innerText()).toMatch(/^Calls per hour, /);
    const hours = await valuesOf(page.locator('body'));
    expect(hours.length % 24).toBe(0);
    expect(sum(hours)).toBe(3);
    expect(new URL(page.url()).searchParams.get('per')).toBe('hour');
  });

  test('shows a key that nobody knows', async () => {
    const page = await pages.open('/key?id=nobody');
    expect(await fact(page, 'State')).toContain('not known');
    expect(await calls(page)).toBe('0');
  });
});

test('the page of a customer has its name, its calls and its keys', async () => {
  const page = await pages.open('/customer?id=acme');
  await poll(() => fact(page, 'Name')).toBe('Acme Corp');
  expect(await fact(page, 'Labels')).toBe('region=eu');
  await poll(() => calls(page)).toBe('3');
  await poll(() => page.locator('#keys-table tbody tr').count()).toBe(1);
  await page.getByRole('link', { name: created.api_key_id }).click();
  await poll(() => fact(page, 'Owner')).toBe('ops');
});

test('the usage of a customer is shown for the same range, until all customers are asked for', async () => {
  const page = await pages.open(`/customer?id=acme&from=${calledOn}`);
  await page.getByRole('link', { name: 'Usage of this customer' }).click();
  await poll(() => page.locator('#rows').innerText()).toMatch(/^1 of \d/);
  expect(new URL(page.url()).search).toBe(`?from=${calledOn}&customer=acme`);
  expect(await page.locator('#only').innerText()).toContain('Only the customer acme');
  expect(await page.locator('#csv').getAttribute('href')).toContain('customer=acme');
  await page.getByRole('button', { name: 'Show all customers' }).click();
  await poll(() => page.locator('#rows').innerText()).toMatch(/^\d$/);
  expect(new URL(page.url()).search).toBe(`?from=${calledOn}`);
  expect(await page.locator('#only').isVisible()).toBe(false);
});
