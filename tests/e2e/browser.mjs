// A real browser on the dashboard. All that tests know of the page's structure is in this file: the `data-testid`
// hooks and how to work the controls.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { chromium } from 'playwright-core';

import { LIMIT_MS, until } from './harness.mjs';

const EXECUTABLE = process.env.ROLLCALL_CHROMIUM ?? '/usr/bin/chromium';
const SCREENSHOTS = process.env.ROLLCALL_SCREENSHOTS;
/** How many times slower than this machine each page's processor is: shows what takes a moment for granted. */
const SLOWED = Number(process.env.ROLLCALL_SLOWED ?? 1);
const LOCALES = path.resolve(import.meta.dirname, '../../locales');
export const DESKTOP = { width: 1440, height: 900 };
export const PHONE = { width: 390, height: 844 };
/** What a browser itself says when its server is away, or is up and still restoring (503). */
export const SERVER_AWAY =
  /status of 503|Failed to fetch|ERR_CONNECTION_|ERR_INTERNET_DISCONNECTED|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|ERR_CONTENT_LENGTH_MISMATCH|ERR_SOCKET_NOT_CONNECTED|WebSocket connection to/;

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe-core finds on the page: each rule, and what breaks it how. */
export async function violations(page) {
  await untilShown(page);
  // Through the driver, which the page's content security policy does not concern.
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => (await globalThis.axe.run()).violations);
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`),
  );
}

/** Waits until the page is shown: what is on it can be read before, but nobody sees it yet. */
export const untilShown = (page) => page.locator('body:not([hidden]) h1').first().waitFor();

/** Whether two lists are equal. */
export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** The rows in view, from top to bottom: ids and where on the screen they are. */
export const reading = (dashboard) =>
  dashboard.page.locator('#grid').evaluate((grid) => {
    const { top: edge, bottom } = grid.getBoundingClientRect();
    // What is behind the heads is not in view. On a phone they are hidden in one pixel.
    const head = grid.querySelector('.heads').getBoundingClientRect();
    const top = head.height > 1 ? head.bottom : edge;
    const rows = [...grid.querySelectorAll('.rows > [role="row"]')].filter((row) => row.checkVisibility());
    return rows
      .map((row) => [row.dataset.clientId ?? '', Math.round(row.getBoundingClientRect().top)])
      .filter(([, at]) => at >= top && at < bottom)
      .sort(([, a], [, b]) => a - b);
  });

/** Puts the page into the background, or back: a browser without a screen shows all of its pages. */
export const putAway = (page, isAway) =>
  page.evaluate((isAway) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => isAway });
    const state = isAway ? 'hidden' : 'visible';
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
  }, isAway);

/** One browser per test file; another one for what takes flags of its own. */
export const launchBrowser = (...flags) =>
  chromium.launch({ executablePath: EXECUTABLE, args: ['--no-sandbox', '--disable-dev-shm-usage', ...flags] });

/**
 * Opens the dashboard on a page of its own, signed in by a one-time link as a person would be, runs `body` with it, and afterwards requires that the page reported
 * nothing: no exception, no violated content security policy, no error on the console (except `allowed`).
 */
export async function withPage(browser, server, options, body) {
  const { allowed, query = '', viewport = DESKTOP, theme = 'light', ...rest } = options;
  const context = await browser.newContext({ viewport, colorScheme: theme, ...rest });
  context.setDefaultTimeout(LIMIT_MS);
  const complaints = [];
  const complain = (text) => {
    if (!allowed?.test(text)) complaints.push(text);
  };
  const page = await context.newPage();
  if (SLOWED > 1) {
    const driver = await context.newCDPSession(page);
    await driver.send('Emulation.setCPUThrottlingRate', { rate: SLOWED });
  }
  page.on('pageerror', (error) => complain(`exception: ${error.stack ?? error}`));
  page.on('console', (message) => {
    if (message.type() === 'error') complain(`console: ${message.text()} (${message.location().url})`);
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) =>
      console.error(`CSP violation: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`),
    );
  });
  try {
    const link = new URL(server.signInLink());
    link.search = query;
    await page.goto(link.href);
    if (rest.javaScriptEnabled !== false) await untilShown(page);
    await body(new Dashboard(page));
    assert.deepEqual(complaints, [], 'the page complained');
  } catch (error) {
    if (complaints.length > 0 && error.message !== 'the page complained') {
      error.message += `\nThe page had said:\n${complaints.join('\n')}`;
    }
    await screenshot(page, `failed-${Date.now()}`).catch(() => {});
    throw error;
  } finally {
    await context.close();
  }
}

/**
 * Saves a picture if a folder for pictures is given. What is called `…-light` is saved as `…-dark` and, in Japanese, as `…-ja`, too;
 * the page is left as it was.
 */
export async function screenshot(page, name) {
  if (!SCREENSHOTS) return;
  mkdirSync(SCREENSHOTS, { recursive: true });
  const save = (name) => page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
  await save(name);
  const [, state] = name.match(/^(.*)-light$/) ?? [];
  if (!state) return;
  await page.emulateMedia({ colorScheme: 'dark' });
  await save(`${state}-dark`);
  await page.emulateMedia({ colorScheme: 'light' });
  // The server may be away in this state.
  const words = '**/locales/*.json';
  await page.route(words, (route) => route.fulfill({ path: path.join(LOCALES, path.basename(route.request().url())) }));
  const language = await chooseLanguage(page, 'ja');
  await save(`${state}-ja`);
  await chooseLanguage(page, language);
  await page.unroute(words);
}

/** Changes the language, also from behind a dialog; answers with the one before. */
async function chooseLanguage(page, language) {
  const before = await page.evaluate((language) => {
    const select = document.querySelector('select.language');
    const before = select.value;
    select.value = language;
    select.dispatchEvent(new Event('change', { bubbles: true }));
    return before;
  }, language);
  await until(`the page speaks ${language}`, () =>
    page.evaluate((language) => document.documentElement.lang === language, language),
  );
  return before;
}

const hook = (name) => `[data-testid="${name}"]`;
const quoted = (value) => `"${value.replace(/["\\]/g, '\\$&').replace(/\n/g, '\\a ')}"`;

/** The dashboard as a person uses it. */
export class Dashboard {
  constructor(page) {
    this.page = page;
  }

  get = (name) => this.page.locator(hook(name));

  row = (id) => this.page.locator(`${hook('row')}[data-client-id=${quoted(id)}]`);

  /** Waits until the row of this client says all of this: `{ status, initiator }`. */
  async untilRow(id, { status, initiator }) {
    const parts = [`[data-client-id=${quoted(id)}]`];
    if (status) parts.push(`[data-status="${status}"]`);
    if (initiator) parts.push(`[data-initiator="${initiator}"]`);
    const row = this.page.locator(hook('row') + parts.join(''));
    await row.waitFor();
    return row;
  }

  /** The ids on screen, from top to bottom. */
  ids = () =>
    this.get('row').evaluateAll((rows) =>
      rows
        .sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)
        .map((row) => row.dataset.clientId),
    );

  /** Waits until exactly these rows are on screen, in this order if `inOrder`. */
  async untilIds(expected, { inOrder = false } = {}) {
    const arrange = (ids) => JSON.stringify(inOrder ? ids : [...ids].sort());
    const want = arrange(expected);
    let seen;
    await until(`the rows are ${want}`, async () => {
      seen = arrange(await this.ids());
      return seen === want;
    }).catch((error) => assert.equal(seen, want, error.message));
  }

  /** Waits until the page is fed: API and monitor both live. */
  async untilLive() {
    await this.untilIndicator('api', 'live');
    await this.untilIndicator('monitor', 'live');
  }

  untilIndicator = (name, ...states) =>
    until(`the ${name} indicator says ${states.join(' or ')}`, async () =>
      states.includes(await this.get(`indicator-${name}`).getAttribute('data-state')),
    );

  /** The number that an element shows, whatever the language's separators. */
  async number(name) {
    const text = await this.get(name).innerText();
    return Number(text.match(/\d[\d.,\s\u00a0\u202f]*/)?.[0].replace(/\D/g, ''));
  }

  untilNumber = (name, value) =>
    until(`${name} shows ${value}`, async () => (await this.number(name)) === value);

  /** On the sign-in page. */
  async signIn({ key, token }) {
    await this.get('sign-in-key').fill(key);
    await this.get('sign-in-token').fill(token);
    await this.get('sign-in-submit').click();
  }

  async search(text) {
    await this.get('search').fill(text);
  }

  /** Sorts by a column; a second time turns the order around. */
  sort = (field) => this.get(`col-${field}`).click();

  /** Shows only the clients with this status. */
  filterStatus = (status) => this.get(`status-${status}`).click();

  /** Adds the filter on a field, or opens its menu. */
  async filter(field) {
    await this.page.locator('[data-opens="filters"]').click();
    await this.get(`add-${field}`).click();
  }

  /** Closes the menu or dialog that is open. */
  async closePopup() {
    await this.page.keyboard.press('Escape');
    await this.get('popup').waitFor({ state: 'hidden' });
  }

  /** Chooses "within" a preset of a filter on a time: `connect`, `disconnect` or `activity`. */
  async pickRange(which, preset) {
    await this.filter(`last${which[0].toUpperCase()}${which.slice(1)}Time`);
    await this.page.locator(`[data-preset="${preset}"]:visible`).click();
    await this.get('popup').waitFor({ state: 'hidden' });
  }

  async open(id) {
    await this.row(id).click();
    await this.get('panel').waitFor();
  }

  entries = (event) =>
    this.get('panel-log').locator(hook('log-entry') + (event ? `[data-event="${event}"]` : ''));

  /** The parameters of the page's address. */
  parameters = () => new URL(this.page.url()).searchParams;

  untilParameter = (name, value) =>
    until(`the address says ${name}=${value}`, () => this.parameters().get(name) === value);

  /**
   * Whether any part of the page can be scrolled sideways, and which; and what of an open menu or dialog lies beyond the
   * left or the right edge of the window, where on the left nothing can be scrolled to.
   */
  widerThanScreen = () =>
    this.page.evaluate(() => {
      const width = document.documentElement.clientWidth;
      const root = document.scrollingElement;
      const nameOf = (element) => `${element.tagName}.${element.className}`;
      const found = root.scrollWidth > width ? [`the page: ${root.scrollWidth} px of ${width}`] : [];
      for (const element of document.querySelectorAll('body *')) {
        const style = getComputedStyle(element);
        const scrolls = /auto|scroll/.test(style.overflowX) && element.scrollWidth > element.clientWidth + 1;
        if (scrolls) found.push(`${nameOf(element)}: ${element.scrollWidth} px of ${element.clientWidth}`);
      }
      const menu = ':is([role="dialog"], [role="menu"], [role="listbox"], dialog[open])';
      /** From where to where the element reaches: what the menu itself cuts off, such as a long name, does not count. */
      const seen = (element) => {
        let { left, right } = element.getBoundingClientRect();
        for (let part = element; !part.matches(menu); ) {
          part = part.parentElement;
          if (getComputedStyle(part).overflowX === 'visible') continue;
          const box = part.getBoundingClientRect();
          left = Math.max(left, box.left);
          right = Math.min(right, box.right);
        }
        return { left, right };
      };
      for (const element of document.querySelectorAll(`${menu}, ${menu} *`)) {
        const { left, right } = seen(element);
        // What only screen readers are told is a pixel wide.
        if (!element.checkVisibility({ visibilityProperty: true }) || right - left < 2) continue;
        if (left < -0.5 || right > width + 0.5)
          found.push(`${nameOf(element)} in a menu: from ${left} to ${right} px of ${width}`);
      }
      return found;
    });
}
