import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { COLOR_SCHEMES, expectToLookWell, VIEWPORTS } from './looks';
import { SitePages } from './site-pages';
import { poll } from './web-pages';

const PAGES = {
  comparison: 'docs/COMPARISON.html',
  start: '',
  tutorial: 'docs/TUTORIAL.html',
  operation: 'docs/OPERATION.html',
  runbook: 'docs/runbooks/quarantine.html',
};

let site: SitePages;

beforeAll(async () => {
  site = await SitePages.start();
});

afterEach(() => site.closePages());

afterAll(() => site?.stop());

describe.each(Object.entries(PAGES))('the page %s of the site', (name, url) => {
  describe.each(Object.entries(VIEWPORTS))('on a %s', (device, viewport) => {
    test.each(COLOR_SCHEMES)('in %s is accessible, and no wider than the screen', async (colorScheme) => {
      const page = await site.open(url, { colorScheme, viewport });
      await expectToLookWell(page, `site-${name}-${device}-${colorScheme}`);
    });
  });
});

describe.each(COLOR_SCHEMES)('the search in %s', (colorScheme) => {
  test('finds the runbook of a word, and is accessible', async () => {
    const page = await site.open('', { colorScheme, viewport: VIEWPORTS.desktop });
    await page.getByRole('button', { name: 'Toggle Searchbar' }).click();
    await page.getByRole('searchbox').pressSequentially('quarantine');
    const results = page.locator('#mdbook-searchresults a');
    await poll(() => results.count()).toBeGreaterThan(0);
    await expectToLookWell(page, `site-search-${colorScheme}`);
    await results.filter({ hasText: 'Runbooks » Quarantine' }).first().click();
    await page.waitForURL(/\/docs\/runbooks\/quarantine\.html/);
  });
});

test('the keyboard hides and shows the table of contents', async () => {
  const page = await site.open('', { viewport: VIEWPORTS.desktop });
  const [button, contents] = [page.getByRole('button', { name: 'Table of Contents' }), page.locator('#mdbook-sidebar')];
  for (const isShown of [false, true]) {
    await button.press('Enter');
    await poll(() => contents.isVisible()).toBe(isShown);
    expect(await button.getAttribute('aria-expanded')).toBe(String(isShown));
  }
});

test('a link to a source file opens its text', async () => {
  const page = await site.open('docs/LIMITS.html');
  await page.getByRole('link', { name: 'MAX_LINE_BYTES' }).first().click();
  await page.waitForURL(/\/source\/crates\/.*\.rs\.txt$/);
  await expect(page.textContent('body')).resolves.toContain('MAX_LINE_BYTES');
});
