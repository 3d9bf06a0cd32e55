import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { LocalMeter } from './local-meter';
import { poll, WebPages } from './web-pages';

let pages: WebPages;
let lines: string[];

/** Returns the lines of the access log. */
async function logged(meter: LocalMeter): Promise<string[]> {
  const { aws_endpoint_url: endpoint, access_log_group: logGroupName } = meter.endpoints() as Record<string, string>;
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const logs = new CloudWatchLogsClient({ endpoint, region: 'us-east-1', credentials });
  const { events } = await logs.send(new FilterLogEventsCommand({ logGroupName }));
  return events!.map(({ message }) => message!);
}

/** Returns a line whose status begins with a digit. */
const withStatus = (digit: string) =>
  lines.find((line) => (JSON.parse(line) as { status: string }).status[0] === digit)!;
const idOf = (line: string) => (JSON.parse(line) as { id: string }).id;

beforeAll(async () => {
  pages = await WebPages.start();
  await pages.countCalls(100);
  lines = await logged(pages.meter);
});

afterEach(() => pages.closePages());

afterAll(() => pages?.stop());

const find = async (page: Page, text: string) => {
  await page.locator('#q').fill(text);
  await page.getByRole('button', { name: 'Find' }).click();
};
const verdict = (page: Page) => page.locator('#found h2').allInnerTexts();
const fact = (page: Page, name: string) =>
  page.locator('#found .facts div', { hasText: name }).first().locator('dd').innerText();

describe('a call is found', () => {
  test('by its request id, and the URL says so', async () => {
    const page = await pages.open('/calls');
    await find(page, idOf(withStatus('2')));
    await poll(() => verdict(page)).toEqual(['✓ Counted']);
    expect(await fact(page, 'Key')).toMatch(/^key-\d$/);
    expect(await fact(page, 'Stream record')).toContain('shardId-');
    await page.reload();
    await poll(() => verdict(page)).toEqual(['✓ Counted']);
  });

  test('by its line, with the reason why it is not billed', async () => {
    const page = await pages.open('/calls');
    await find(page, withStatus('4'));
    await poll(() => verdict(page)).toEqual(['– Not billed']);
    expect(await fact(page, 'Why')).toBe('its status is not billed');
  });
});

describe('a call is not found', () => {
  test('if the access log has no such request id', async () => {
    const page = await pages.open('/calls');
    await find(page, 'no-such-id');
    await poll(() => verdict(page)).toEqual(['✗ Not found in the access log']);
  });

  test('if the text is one for which the access log cannot be searched', async () => {
    const page = await pages.open('/calls');
    await find(page, 'no-such-id');
    await poll(() => verdict(page)).toEqual(['✗ Not found in the access log']);
    await find(page, 'a'.repeat(1_100));
    await poll(() => page.locator('#found').innerText()).toMatch(/^the access log cannot be searched for this text: /);
    pages.problems = pages.problems.filter((problem) => !problem.includes('400 (Bad Request)'));
  });

  test('if its line was never logged', async () => {
    const page = await pages.open('/calls');
    const call = JSON.parse(withStatus('2')) as object;
    await find(page, JSON.stringify({ ...call, id: 'another' }));
    await poll(() => verdict(page)).toEqual(['✗ Not found in the access log']);
    await find(page, JSON.stringify({ ...call, id: 'another', time: 'soon' }));
    await poll(() => verdict(page)).toEqual(['✗ In quarantine']);
    await find(page, '{"status": "200"');
    await poll(() => verdict(page)).toEqual([expect.stringMatching(/^✗ (In quarantine|Not delivered)$/)]);
  });

  test('if its delivery was lost', async () => {
    const losing = await LocalMeter.start('--no-canary', '--lose-deliveries', '100');
    try {
      await losing.meter('traffic', '--calls', '10');
      lines = await logged(losing);
      const page = await pages.open('/calls', {}, losing.endpoints().dashboard);
      await find(page, idOf(withStatus('2')));
      await poll(() => verdict(page)).toEqual(['✗ Not counted yet']);
      await page.getByRole('link', { name: 'drift-and-backfill' }).click();
      expect(await page.locator('body').innerText()).toContain('meter reconcile');
    } finally {
      await losing.stop();
    }
  });
});
