// Moving through a table of which only some rows exist, by key and by finger: where the reader is, is what a screen reader is
// told and what is on the screen, however deep.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launchBrowser, PHONE, screenshot, withPage } from './browser.mjs';
import { addKey, cleanUp, importPast, runJson, startServer, until } from './harness.mjs';

const CLIENTS = 3_000;
const LAST = CLIENTS - 1;
const DEEP = 400;
const idOf = (at) => `d:acme01:thermo:t-${String(at).padStart(4, '0')}`;

let server;
let browser;

before(async () => {
  const line = (_, at) => ({
    ...{ Action: 'Disconnect', Time: new Date(Date.UTC(2026, 0, 2, 12, 0, at)).toISOString(), ClientID: idOf(at) },
    ...{ ConnectTime: '2026-01-02T10:00:00.000Z', ClientAddr: '10.0.0.7', Port: 40_000, Secure: false },
    ...{ Protocol: 'mqtt4', CloseCode: 91, Reason: 'closed' },
  });
  const data = importPast(Array.from({ length: CLIENTS }, line));
  [server, browser] = await Promise.all([startServer({ data }), launchBrowser()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

const journey = (body, options = {}) =>
  withPage(browser, server, options, async (dashboard) => {
    await dashboard.untilLive();
    await dashboard.row(idOf(0)).waitFor();
    await body(dashboard, dashboard.page.keyboard);
  });

/** The active row as a screen reader is told it: which client, and which of all rows, from 0. */
const active = (dashboard) =>
  dashboard.page.evaluate(() => {
    const { activeElement: grid } = document;
    const row = document.getElementById(grid.getAttribute('aria-activedescendant') ?? '');
    if (grid.getAttribute('role') !== 'grid' || !row?.dataset.clientId) return null;
    // The heads are the first row, and the first row is number 1.
    return { id: row.dataset.clientId, index: Number(row.getAttribute('aria-rowindex')) - 2 };
  });

/** Waits until this row is the active one, and requires that it is wholly in view, below the heads. */
async function untilActive(dashboard, at) {
  await until(`the active row is number ${at}`, async () => (await active(dashboard))?.index === at);
  assert.equal((await active(dashboard)).id, idOf(at));
  await until('it is in view', () =>
    dashboard.page.evaluate(() => {
      const grid = document.activeElement;
      const box = document.getElementById(grid.getAttribute('aria-activedescendant')).getBoundingClientRect();
      const { top, bottom } = grid.getBoundingClientRect();
      const heads = grid.querySelector('[aria-rowindex="1"]').getBoundingClientRect();
      return box.top >= Math.max(top, heads.bottom) - 1 && box.bottom <= bottom + 1;
    }),
  );
  assert.equal(await dashboard.page.locator('[role="row"].active').count(), 1);
}

test('j and k move the active row by one, from wherever the focus is, and stop at the first', () =>
  journey(async (dashboard, keyboard) => {
    assert.equal(await active(dashboard), null);
    for (const [key, at] of [['j', 0], ['j', 1], ['j', 2], ['k', 1], ['k', 0], ['k', 0], ['j', 1]]) {
      await keyboard.press(key);
      await untilActive(dashboard, at);
    }
    await dashboard.get('page-overview').focus();
    await keyboard.press('j');
    await untilActive(dashboard, 2);
    // In a field they are letters.
    await dashboard.get('search').focus();
    await keyboard.type('jk');
    await dashboard.untilParameter('search', 'jk');
    await dashboard.get('no-match').waitFor();
  }));

test('PageDown and PageUp move by a screen, End and Home to the last row and the first', () =>
  journey(async (dashboard, keyboard) => {
    await dashboard.page.locator('#grid').focus();
    await keyboard.press('Home');
    await untilActive(dashboard, 0);
    const seen = (await dashboard.ids()).length;
    await keyboard.press('PageDown');
    const { index: step } = await until('another row is active', async () => {
      const now = await active(dashboard);
      return now?.index > 0 && now;
    });
    assert.ok(step > 5 && step <= seen, `a page is ${step} rows, of ${seen} that there are`);
    await untilActive(dashboard, step);
    for (const [key, at] of [
      ['PageDown', 2 * step],
      ['PageDown', 3 * step],
      ['PageUp', 2 * step],
      ['ArrowDown', 2 * step + 1],
      ['End', LAST],
      ['PageDown', LAST],
      ['ArrowDown', LAST],
      ['PageUp', LAST - step],
      ['j', LAST - step + 1],
      ['Home', 0],
      ['PageUp', 0],
      ['ArrowUp', 0],
      ['PageDown', step],
    ]) {
      await keyboard.press(key);
      await untilActive(dashboard, at);
    }
    await keyboard.press('End');
    await untilActive(dashboard, LAST);
    await keyboard.press('Enter');
    await dashboard.untilParameter('client', idOf(LAST));
  }));

/** The page that opens in another tab, when it shows its client. */
async function anotherTab(dashboard, id, act) {
  const opened = dashboard.page.context().waitForEvent('page');
  await act();
  const tab = await opened;
  await tab.locator('[data-testid=panel]').waitFor();
  assert.equal(new URL(tab.url()).searchParams.get('client'), id);
  return tab;
}

test('the middle button, and Ctrl with Enter, open a client in another tab; Ctrl with a click selects it', () =>
  journey(
    async (dashboard, keyboard) => {
      const { page } = dashboard;
      // What the first rows do not need has come.
      await page.locator('.trend').waitFor();
      const tab = await anotherTab(dashboard, idOf(3), () => dashboard.row(idOf(3)).click({ button: 'middle' }));
      // With the filter and the order that the reader had.
      assert.equal(new URL(tab.url()).searchParams.get('search'), 't-00');
      assert.match(await tab.title(), new RegExp(idOf(3)));
      await tab.close();
      assert.equal(dashboard.parameters().get('client'), null);

      await keyboard.press('j');
      await keyboard.press('j');
      await untilActive(dashboard, 1);
      await (await anotherTab(dashboard, idOf(1), () => keyboard.press('Control+Enter'))).close();
      await (await anotherTab(dashboard, idOf(1), () => keyboard.press('Meta+Enter'))).close();
      assert.equal(dashboard.parameters().get('client'), null);

      await dashboard.row(idOf(2)).click({ modifiers: ['Control'] });
      assert.match(await dashboard.get('selected').innerText(), /^1 selected/);
      // The heads open nothing, whatever button.
      await dashboard.get('col-id').click({ button: 'middle' });
      await dashboard.get('col-id').focus();
      await keyboard.press('Control+Enter');
      await page.waitForTimeout(300);
      assert.equal(page.context().pages().length, 1);
      await keyboard.press('?');
      await dashboard.get('popup').getByText('open in a new tab').waitFor();
    },
    { query: '?search=t-00' },
  ));

/** What the focus is on, in words. */
const focused = (page) =>
  page.evaluate(() => {
    const { activeElement } = document;
    return (activeElement.closest('.option')?.querySelector('.option-name') ?? activeElement).innerText.trim();
  });

test('in a menu, letters go to the entry that begins with them, and the same letter again to the next', () =>
  journey(async (dashboard, keyboard) => {
    const { page } = dashboard;
    const untilOn = (name) => until(`the focus is on ${name}`, async () => (await focused(page)) === name);
    await keyboard.press('f');
    await untilOn('Status');
    // A blank within a name is a part of it; any other presses the entry.
    await keyboard.type('last activity');
    await untilOn('Last activity');
    await keyboard.press('Space');
    await dashboard.get('popup').getByRole('heading', { name: 'Last activity', exact: true }).waitFor();
    await dashboard.closePopup();

    await keyboard.press('f');
    await untilOn('Status');
    const names = await page.locator('.popup .item').allInnerTexts();
    const withC = names.filter((name) => name.startsWith('C'));
    assert.ok(withC.length >= 3, names.join());
    for (const name of [...withC, withC[0]]) {
      await keyboard.press('c');
      await untilOn(name);
    }
    await page.waitForTimeout(900);
    await keyboard.type('mqtt', { delay: 20 });
    await untilOn('MQTT version');
    await keyboard.press('Enter');
    await dashboard.get('popup').getByRole('heading', { name: 'MQTT version', exact: true }).waitFor();
    // Its values are entries, too, and are chosen by nothing but a press.
    await keyboard.press('5');
    await untilOn('5');
    assert.equal(dashboard.parameters().get('mqttConnectProtocol'), null);
    await keyboard.press('Space');
    await dashboard.untilParameter('mqttConnectProtocol', '5');
    await dashboard.closePopup();

    await keyboard.press('s');
    await dashboard.get('popup').waitFor();
    await keyboard.press('r');
    await until('a radio button has the focus', async () => /^R/.test(await focused(page)));
    assert.equal(dashboard.parameters().get('_sort'), null);
  }));

/** The first row in view. */
const topRow = async (dashboard) => Math.min(...(await inView(dashboard)).map(({ index }) => index));

// Signed out, the reader came back to the first row.
test('who signs in again after the session has ended, or comes back from the overview, is where the table was', () => {
  const key = addKey(server, 'viewer');
  const another = addKey(server, 'viewer');
  const options = { allowed: /status of 401|WebSocket connection to/ };
  return withPage(browser, { signInLink: () => server.url }, options, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.signIn(key);
    await dashboard.untilLive();
    await dashboard.row(idOf(0)).waitFor();
    await page.locator('#grid').evaluate((grid) => grid.scrollTo(0, 1_234 * 32 + 7));
    await untilAtRest(page);
    await dashboard.row(idOf(1_240)).click();
    await dashboard.untilParameter('client', idOf(1_240));
    await untilAtRest(page);
    const before = { top: await topRow(dashboard), px: await page.locator('#grid').evaluate((grid) => grid.scrollTop) };
    assert.ok(before.top > 1_230 && before.top < 1_240, `the first row is ${before.top}`);
    const isBack = async (why) => {
      await dashboard.row(idOf(1_240)).waitFor();
      await untilAtRest(page);
      const px = await page.locator('#grid').evaluate((grid) => grid.scrollTop);
      assert.deepEqual({ top: await topRow(dashboard), px }, before, why);
      assert.match(await dashboard.row(idOf(1_240)).getAttribute('class'), /\bactive\b/);
    };

    runJson(['keys', 'revoke', key.key, '--data', server.data]);
    await dashboard.get('sign-in').waitFor();
    await dashboard.signIn(another);
    await dashboard.get('panel').waitFor();
    await isBack('after signing in again');
    assert.equal(dashboard.parameters().get('client'), idOf(1_240));

    await page.keyboard.press('g');
    await page.keyboard.press('o');
    await dashboard.get('overview').waitFor();
    await page.keyboard.press('g');
    await page.keyboard.press('c');
    await isBack('after the overview');
    await page.keyboard.press('k');
    await untilActive(dashboard, 1_239);

    // What was asked anew meanwhile begins at its first row.
    await page.keyboard.press('g');
    await page.keyboard.press('o');
    await dashboard.get('tile-disconnected').locator('a').click();
    await until('the first row is in view', async () => (await topRow(dashboard)) === 0);
  });
});

/** What is on the screen: the rows in view, and whether each is there and where it says. */
const inView = (dashboard) =>
  dashboard.page.locator('#grid').evaluate((grid) => {
    const { top, bottom } = grid.getBoundingClientRect();
    return [...grid.querySelectorAll('.rows > [role="row"]')]
      .filter((row) => row.checkVisibility())
      .map((row) => ({ row, box: row.getBoundingClientRect() }))
      .filter(({ box }) => box.top >= top && box.bottom <= bottom)
      .map(({ row }) => ({ id: row.dataset.clientId, index: Number(row.getAttribute('aria-rowindex')) - 2 }));
  });

/**
 * A finger that moves over the table, from one share of its height to another, and leaves it while it moves. What the
 * browser's `synthesizeScrollGesture` does by touch scrolls nothing in one without a screen; its touches do.
 */
async function finger(dashboard) {
  const { page } = dashboard;
  const cdp = await page.context().newCDPSession(page);
  const box = await page.locator('#grid').boundingBox();
  const touch = (type, ...shares) =>
    cdp.send('Input.dispatchTouchEvent', {
      type,
      touchPoints: shares.map((share) => ({ x: box.x + box.width / 2, y: box.y + box.height * share })),
    });
  return async (from, to) => {
    await touch('touchStart', from);
    for (const part of [0.25, 0.5, 0.75, 1]) await touch('touchMove', from + (to - from) * part);
    await touch('touchEnd');
  };
}

const untilAtRest = (page) =>
  until('the table is at rest', () =>
    page.locator('#grid').evaluate(async (grid) => {
      const before = grid.scrollTop;
      await new Promise((done) => setTimeout(done, 250));
      return grid.scrollTop === before;
    }),
  );

for (const [size, options] of Object.entries({
  phone: { viewport: PHONE, isMobile: true },
  tablet: { viewport: { width: 900, height: 1_000 } },
})) {
  test(`a finger on a ${size} scrolls to deep rows, which are there and are those that belong there`, () =>
    journey(
      async (dashboard) => {
        const { page } = dashboard;
        const swipe = await finger(dashboard);
        const untilThere = (what, isThere) =>
          until(what, async () => {
            const rows = await inView(dashboard);
            return rows.length > 3 && rows.every(({ id, index }) => id === idOf(index)) && isThere(rows);
          });
        await untilThere('the first rows are gone', async (rows) => {
          if (rows.every(({ index }) => index > 10)) return true;
          await swipe(0.9, 0.1);
          return false;
        });
        // Many times as deep as what the page holds at a time.
        await untilThere('the finger reaches a deep row', async (rows) => {
          if (rows.every(({ index }) => index > DEEP)) return true;
          await swipe(0.9, 0.1);
          return false;
        });
        await untilAtRest(page);
        await screenshot(page, `touch-deep-${size}-light`);
        const [deep] = await inView(dashboard);
        // A touch while it moves only stops it, and a busy machine may have shown no movement for a while.
        await untilThere('it moves back a little', async ([{ index }]) => {
          if (index === deep.index) await swipe(0.4, 0.7);
          return index < deep.index && index > deep.index - 100;
        });
        await untilAtRest(page);
        const { id } = (await inView(dashboard))[2];
        await dashboard.row(id).tap();
        await dashboard.untilParameter('client', id);
      },
      { hasTouch: true, ...options },
    ));
}
