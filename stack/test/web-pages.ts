import { Browser, BrowserContextOptions, chromium, Locator, Page } from 'playwright-core';
import { expect, vi } from 'vitest';
import { LAUNCH } from './browser';
import { LocalMeter } from './local-meter';

/** The machine may be slow. */
const PATIENCE = { timeout: 60_000, interval: 100 };

/** Polls until the value is the expected one. */
export const poll = <T>(ask: () => Promise<T>) => expect.poll(ask, PATIENCE);

/** Opens the table of a graph's values and returns the texts of its rows, which are drawn after it is shown. */
export async function valuesOf(graph: Locator): Promise<string[]> {
  await graph.locator('.values summary').click();
  const rows = graph.locator('.values tbody tr');
  await rows.first().waitFor();
  return rows.allInnerTexts();
}

/** The web pages of a local stack in a browser. */
export class WebPages {
  /** What the consoles of the pages reported. */
  problems: string[] = [];

  private constructor(
    readonly meter: LocalMeter,
    private readonly browser: Browser,
  ) {}

  static async start(...words: string[]): Promise<WebPages> {
    // The canary would add a key after a minute.
    return new WebPages(await LocalMeter.start('--no-canary', ...words), await chromium.launch(LAUNCH));
  }

  get url(): string {
    return this.meter.endpoints().dashboard;
  }

  /** Sends calls, 70 % of which succeed, and waits until all calls are counted. */
  async countCalls(calls: number): Promise<void> {
    // Outside of a test there is no `expect.poll`.
    const before = await vi.waitFor(() => this.counted(), PATIENCE);
    await this.meter.meter('traffic', '--calls', String(calls));
    await vi.waitFor(async () => expect(await this.counted()).toBeGreaterThanOrEqual(before + calls * 0.7), PATIENCE);
  }

  /** Returns the number of calls of this month. Fails while it is read for the first time. */
  private async counted(): Promise<number> {
    const response = await fetch(`${this.url}/usage.json`);
    expect(response.status).toBe(200);
    const report = (await response.json()) as { total: { calls: number } };
    return report.total.calls;
  }

  /** Opens a page and waits for its data. */
  async open(path: string, options: BrowserContextOptions = {}, url = this.url): Promise<Page> {
    const page = await this.openAt(`${url}${path}`, options);
    await page.getByText(/^As of/).waitFor();
    return page;
  }

  /** Opens a page of any URL. */
  async openAt(url: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.browser.newContext(options);
    // The clock runs normally, and can be advanced.
    await context.clock.install();
    const page = await context.newPage();
    this.problems = [];
    page.on('pageerror', (error) => this.problems.push(error.message));
    page.on('console', (message) => message.type() === 'error' && this.problems.push(message.text()));
    await page.goto(url);
    return page;
  }

  /** Closes all pages, and fails if one of them reported a problem. */
  async closePages(): Promise<void> {
    await Promise.all(this.browser.contexts().map((context) => context.close()));
    expect(this.problems).toEqual([]);
  }

  async stop(): Promise<void> {
    await this.browser.close();
    await this.meter.stop();
  }
}
