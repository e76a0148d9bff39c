// The states of the page that are seen rarely, in both themes and on a phone: nobody signed in, nobody connected yet,
// nothing found, paused, cut off from the server. axe-core finds nothing, and nothing scrolls sideways.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { DESKTOP, launchBrowser, PHONE, screenshot, SERVER_AWAY, violations, withPage } from './browser.mjs';
import { cleanUp, connect, startServer, temporaryFolder, until } from './harness.mjs';

const ID = 'd:acme01:pump:p-1';
const LOOKS = [
  ['light', 'desk', DESKTOP],
  ['dark', 'desk', DESKTOP],
  ['light', 'phone', PHONE],
];

let server;
let empty;
let browser;

before(async () => {
  [server, empty, browser] = await Promise.all([startServer(), startServer(), launchBrowser()]);
  await connect(server, ID);
});

after(async () => {
  await browser?.close();
  await Promise.all([server?.stop(), empty?.stop()]);
  await cleanUp();
});

/** How to come to each state; what it needs of the server, and what a browser may complain of. */
const STATES = {
  'sign-in': {
    of: () => ({ signInLink: () => server.url }),
    allowed: /status of 401/,
    async reach(dashboard) {
      await dashboard.signIn({ key: 'a-acme01-nobody', token: 'guessed' });
      await dashboard.get('sign-in-error').waitFor();
    },
  },
  'first-run': { of: () => empty, reach: (dashboard) => dashboard.get('first-run').waitFor() },
  'empty-overview': {
    of: () => empty,
    query: '?overview=1h',
    reach: (dashboard) => dashboard.get('overview-empty').waitFor(),
  },
  'no-match': {
    query: '?search=nobody&connectionStatus=connected',
    reach: (dashboard) => dashboard.get('no-match').waitFor(),
  },
  'unknown-client': {
    query: '?client=d:acme01:pump:nobody',
    allowed: /status of 404/,
    async reach(dashboard) {
      await dashboard.get('panel').waitFor();
      await until('the page says so', async () =>
        /knows no client/.test(await dashboard.get('panel').innerText()),
      );
    },
  },
  paused: {
    async reach(dashboard) {
      await dashboard.row(ID).waitFor();
      await dashboard.page.keyboard.press('p');
      await dashboard.untilIndicator('monitor', 'paused');
    },
  },
  account: {
    async reach(dashboard) {
      await dashboard.get('account').click();
      await dashboard.get('sign-out').waitFor();
    },
  },
};

for (const [name, { of = () => server, query = '', allowed, reach }] of Object.entries(STATES)) {
  for (const [theme, size, viewport] of LOOKS) {
    test(`${name} on a ${size} in ${theme}: axe finds nothing and nothing scrolls sideways`, () =>
      withPage(browser, of(), { query, allowed, theme, viewport }, async (dashboard) => {
        await reach(dashboard);
        assert.deepEqual(await violations(dashboard.page), []);
        assert.deepEqual(await dashboard.widerThanScreen(), []);
        await screenshot(dashboard.page, `state-${name}-${size}-${theme}`);
      }));
  }
}

for (const theme of ['light', 'dark']) {
  test(`cut off from the server in ${theme}, the page says so and axe finds nothing`, async () => {
    const gone = await startServer();
    await connect(gone, ID);
    // The parts that come later may be on their way.
    const allowed = new RegExp(`${SERVER_AWAY.source}|Failed to fetch`);
    await withPage(browser, gone, { theme, allowed }, async (dashboard) => {
      await dashboard.row(ID).waitFor();
      await gone.kill();
      await dashboard.get('failure').waitFor();
      assert.deepEqual(await violations(dashboard.page), []);
      await screenshot(dashboard.page, `state-cut-off-${theme}`);
    });
  });
}

test('a filter that a link misspells is named, and shown more clients for no longer than it takes to read it', () =>
  withPage(browser, server, { query: '?disconnectInitiator=netwrok&search=d:' }, async (dashboard) => {
    const { page } = dashboard;
    const note = dashboard.get('left-out');
    assert.match(await note.innerText(), /disconnectInitiator=netwrok/);
    assert.equal(await dashboard.get('search').inputValue(), 'd:', 'the rest of the link is in force');
    assert.deepEqual(await violations(page), []);
    await note.getByRole('button').click();
    await note.waitFor({ state: 'detached' });

    await page.goto(`${server.url}?activeBefore=yesterday`);
    await note.waitFor();
    await page.locator('[data-testid="status-connected"]').click();
    await note.waitFor({ state: 'detached' });
    assert.equal(dashboard.parameters().has('activeBefore'), false);
  }));

test('clients that a demo left behind are hidden, the filter says why, and can be removed', async () => {
  const data = temporaryFolder();
  const flags = (demo) => [
    '--http',
    '127.0.0.1:0',
    '--mqtt',
    '127.0.0.1:0',
    '--data',
    data,
    '--demo',
    `${demo}`,
  ];
  const first = await startServer({ args: flags(5) });
  await until(
    'the demo is there',
    async () => (await first.api('/clientconnectionstates')).body.results.length === 5,
  );
  await first.stop();
  const second = await startServer({ args: flags(0) });
  await connect(second, ID);
  await withPage(browser, second, {}, async (dashboard) => {
    await dashboard.untilIds([ID]);
    const chip = dashboard.get('chip');
    assert.equal(await chip.count(), 1);
    assert.match(await chip.locator('.chip-name').getAttribute('title'), /The demo is off/);
    await chip.getByRole('button').click();
    await until('the demo is shown', async () => (await dashboard.ids()).length === 6);
    assert.equal(await chip.count(), 0);
    // A link to this shows it, too; another filter on the type takes the place of the default one.
    await dashboard.page.reload();
    await until('the demo is still shown', async () => (await dashboard.ids()).length === 6);
    await dashboard.page.goto(`${second.url}?deviceType=pump`);
    await dashboard.untilIds([ID]);
    assert.equal(await chip.count(), 1);
    await dashboard.get('chip-deviceType').waitFor();
  });
  await second.stop();
});

test('where there never was a demo, a type of that name is like any other', async () => {
  const own = await startServer();
  await connect(own, 'd:acme01:demo:real');
  await withPage(browser, own, {}, async (dashboard) => {
    await dashboard.untilIds(['d:acme01:demo:real']);
    assert.equal(await dashboard.get('chip').count(), 0);
  });
  await own.stop();
});

test('on a phone, too, times can be told in UTC', () =>
  withPage(browser, server, { viewport: PHONE, timezoneId: 'America/New_York' }, async (dashboard) => {
    await dashboard.row(ID).click();
    await dashboard
      .get('story')
      .filter({ hasText: /Connected since/ })
      .waitFor();
    const zone = dashboard.get('zone');
    await zone.waitFor();
    const box = await zone.boundingBox();
    assert.ok(box.width >= 24 && box.height >= 24, JSON.stringify(box));
    const story = () => dashboard.get('story').innerText();
    const local = await story();
    await dashboard.get('close-client').click();
    await zone.click();
    await dashboard.row(ID).click();
    await until('the time is that of UTC', async () => {
      const text = await story();
      return /Connected since/.test(text) && text.slice(0, 24) !== local.slice(0, 24);
    });
    assert.deepEqual(await dashboard.widerThanScreen(), []);
  }));

// A filter that was chosen while the page was paused was never asked about: the rows of the one before stayed, greyed out.
test('paused, the page says how much it holds back, and still answers what the reader asks', async () => {
  const own = await startServer();
  const [first, second, third] = [1, 2, 3].map((at) => `d:acme01:thermo:t-${at}`);
  await connect(own, first);
  await withPage(browser, own, {}, async (dashboard) => {
    const { page } = dashboard;
    const said = async () => (await dashboard.get('indicator-monitor').innerText()).replace(/\s+/g, ' ');
    const untilSaid = (text) => until(`the page says ${text}`, async () => (await said()) === text);
    await dashboard.untilLive();
    await dashboard.untilIds([first]);
    await page.keyboard.press('p');
    await untilSaid('paused');
    await connect(own, second);
    await untilSaid('1 new event paused');
    assert.deepEqual(await dashboard.ids(), [first]);

    await dashboard.search('t-');
    await dashboard.untilIds([first, second]);
    await until('the rows are the answer', async () => (await page.locator('.grid.is-outdated').count()) === 0);
    await connect(own, third);
    await untilSaid('2 new events paused');
    assert.deepEqual(await dashboard.ids(), [first, second]);
    await dashboard.open(second);
    await dashboard.get('story').filter({ hasText: /^Connected since/ }).waitFor();
    await screenshot(page, 'paused-panel-light');

    await page.getByRole('button', { name: 'Go on (p)' }).click();
    await dashboard.untilIds([first, second, third]);
    await dashboard.untilIndicator('monitor', 'live');
    assert.doesNotMatch(await said(), /event/);
  });
  await own.stop();
});

/** Parts of the top line that lie outside the page or over each other. */
const crowded = (page) =>
  page.locator('header.top').evaluate((top) => {
    const boxes = [...top.children]
      .map((part) => [part.className, part.getBoundingClientRect(), part.scrollWidth - part.clientWidth])
      .filter(([name, { width }]) => width > 2 && !/for-readers|grow/.test(name));
    const gives = /zone|org/;
    return [
      ...boxes.filter(([, { right }]) => right > top.clientWidth + 1),
      ...boxes.filter(([name, , over]) => over > 1 && !gives.test(name)),
    ].map(([name]) => name);
  });

// From a tablet to a small laptop, the account was beyond the edge, and in French the pages lay in two lines.
for (const locale of ['en-US', 'es-ES', 'fr-FR', 'ja-JP', 'ko-KR', 'pt-BR']) {
  test(`the top line has room for all of it at every width in ${locale}`, async () => {
    const own = await startServer();
    const options = { locale, timezoneId: 'America/Argentina/Buenos_Aires', allowed: SERVER_AWAY };
    await withPage(browser, own, options, async (dashboard) => {
      const { page } = dashboard;
      const check = async (state) => {
        for (const width of [390, 700, 900, 1024, 1120, 1121, 1280, 1360, 1361, 1440]) {
          await page.setViewportSize({ width, height: 700 });
          assert.deepEqual(await crowded(page), [], `${state} at ${width} px`);
        }
        await page.setViewportSize({ width: 1121, height: 700 });
        await screenshot(page, `top-${state}-${locale}`);
      };
      await dashboard.untilLive();
      await check('live');
      await page.keyboard.press('p');
      await connect(own, ID);
      for (const width of [390, 1440]) {
        await page.setViewportSize({ width, height: 700 });
        await until(`an event waits at ${width} px`, async () =>
          /1/.test(await dashboard.get('indicator-monitor').innerText()),
        );
      }
      await check('paused');
      await own.kill();
      // Also while it is paused: nothing waits behind the pause any more.
      await dashboard.untilIndicator('monitor', 'down');
      await page.keyboard.press('p');
      await dashboard.untilIndicator('api', 'down');
      await check('down');
    });
  });
}
