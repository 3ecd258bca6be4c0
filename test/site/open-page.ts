import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { calculatorPage } from '../../site/calculator.ts';
import { browser as executablePath } from '../helpers/browser.ts';

/** What these tests need beside the root's packages, and what installs it. */
export const browserTools = {
  missing(): string | undefined {
    if (!existsSync(new URL('node_modules/playwright-core', import.meta.url))) {
      return 'playwright-core is not installed: npm ci --prefix test/site';
    }
    return executablePath === undefined ? 'no browser is installed: apt-get install chromium' : undefined;
  },
};

/** The calculator as a file, in a browser. */
export interface Calculator {
  /** Opens the page with this text after `#`: in the same tab each time, or with options in one of its own. */
  open(hash?: string, options?: BrowserContextOptions): Promise<Page>;
  /** What pages have done since the last call that they should not: errors, and requests for other files. */
  offences(): Promise<string[]>;
  close(): Promise<void>;
}

export async function startCalculator(): Promise<Calculator> {
  const { chromium } = await import('playwright-core');
  const folder = mkdtempSync(path.join(tmpdir(), 'tcp-keepalive-'));
  const file = path.join(folder, 'index.html');
  writeFileSync(file, await calculatorPage('1.2.3'));
  const { href } = pathToFileURL(file);
  const browser = await chromium.launch({ executablePath: executablePath ?? '', args: ['--no-sandbox'] });
  let offences: string[] = [];
  const newPage = async (options: BrowserContextOptions) => {
    const context = await browser.newContext({ viewport: { width: 1_280, height: 900 }, ...options });
    return watched(await context.newPage(), href, (offence) => offences.push(offence));
  };
  const tab = await newPage({});
  return {
    async open(hash = '', options = undefined) {
      const page = options === undefined ? tab : await newPage(options);
      // A URL that differs after `#` only would not load the page anew.
      await page.goto('about:blank');
      await page.goto(`${href}#${hash}`);
      return page;
    },
    async offences() {
      const others = browser.contexts().filter((context) => context !== tab.context());
      for (const context of others) await context.close();
      const all = offences;
      offences = [];
      return all;
    },
    async close() {
      await browser.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function watched(page: Page, href: string, report: (offence: string) => void): Page {
  const allowed = [href, 'about:blank'];
  page.on('console', (message) => report(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => report(String(error)));
  page.on('request', (request) => {
    const [url = ''] = request.url().split('#');
    if (!allowed.includes(url) && !url.startsWith('data:')) report(`request: ${url}`);
  });
  return page;
}
