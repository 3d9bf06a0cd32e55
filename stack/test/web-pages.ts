import { Browser, BrowserContextOptions, chromium, Page } from 'playwright-core';
import { expect } from 'vitest';
import { LAUNCH } from './browser';
import { LocalMeter } from './local-meter';

/** Polls until the value is the expected one. The machine may be slow. */
export const poll = <T>(ask: () => Promise<T>) => expect.poll(ask, { timeout: 60_000, interval: 100 });

/** The web pages of a local stack in a browser. */
export class WebPages {
  /** What the consoles of the pages reported. */
  problems: string[] = [];

  private constructor(
    readonly meter: LocalMeter,
    private readonly browser: Browser,
  ) {}

  static async start(): Promise<WebPages> {
    // The canary would add a key after a minute.
    return new WebPages(await LocalMeter.start('--no-canary'), await chromium.launch(LAUNCH));
  }

  get url(): string {
    return this.meter.endpoints().dashboard;
  }

  /** Sends calls, 70 % of which succeed, and waits until all calls are counted. */
  async countCalls(calls: number): Promise<void> {
    const before = await this.counted();
    await this.meter.meter('traffic', '--calls', String(calls));
    while ((await this.counted()) < before + calls * 0.7);
  }

  /** Returns the number of calls of this month. */
  private async counted(): Promise<number> {
    const response = await fetch(`${this.url}/usage.json`);
    const report = (await response.json()) as { total?: { calls: number } };
    return report.total?.calls ?? 0;
  }

  /** Opens a page and waits for its data. */
  async open(path: string, options: BrowserContextOptions = {}, url = this.url): Promise<Page> {
    const context = await this.browser.newContext(options);
    // The clock runs normally, and can be advanced.
    await context.clock.install();
    const page = await context.newPage();
    this.problems = [];
    page.on('pageerror', (error) => this.problems.push(error.message));
    page.on('console', (message) => message.type() === 'error' && this.problems.push(message.text()));
    await page.goto(`${url}${path}`);
    await page.getByText(/^As of/).waitFor();
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
