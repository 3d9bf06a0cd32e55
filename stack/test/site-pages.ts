import * as fs from 'node:fs';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import * as path from 'node:path';
import { Browser, BrowserContextOptions, chromium, Page } from 'playwright-core';
import { expect } from 'vitest';
import { LAUNCH } from './browser';
import { ROOT } from './doc-blocks';

const SITE = path.join(ROOT, 'target/site');
const TYPES: Record<string, string> = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
};

/** The built documentation site in a browser, below a path as on GitHub Pages. */
export class SitePages {
  /** What the consoles of the pages reported, and the requests to other sites. */
  private problems: string[] = [];

  private constructor(
    private readonly server: http.Server,
    private readonly browser: Browser,
  ) {}

  static async start(): Promise<SitePages> {
    if (!fs.existsSync(path.join(SITE, 'index.html')))
      throw new Error('the site is missing; run scripts/build-site.sh');
    const server = http.createServer((request, response) => serve(request.url!, response));
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    return new SitePages(server, await chromium.launch(LAUNCH));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/usage-meter/`;
  }

  async open(page: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.browser.newContext(options);
    const opened = await context.newPage();
    opened.on('request', (request) => {
      if (!request.url().startsWith(this.url)) this.problems.push(`request for ${request.url()}`);
    });
    opened.on('pageerror', (error) => this.problems.push(error.message));
    opened.on('console', (message) => message.type() === 'error' && this.problems.push(message.text()));
    await opened.goto(this.url + page);
    return opened;
  }

  /** Closes all pages, and fails if one of them reported a problem. */
  async closePages(): Promise<void> {
    await Promise.all(this.browser.contexts().map((context) => context.close()));
    expect(this.problems.splice(0)).toEqual([]);
  }

  async stop(): Promise<void> {
    await this.browser.close();
    this.server.close();
  }
}

function serve(url: string, response: http.ServerResponse): void {
  // The browser asks for an icon of a text.
  if (url === '/favicon.ico') return void response.writeHead(204).end();
  const name = url.replace(/^\/usage-meter\//, '').replace(/[?#].*/, '');
  const file = path.join(SITE, name === '' ? 'index.html' : name);
  if (!fs.existsSync(file)) return void response.writeHead(404).end();
  response.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream' });
  response.end(fs.readFileSync(file));
}
