// The page of one client: its state in words, its time line, its tabs, and an address for all of it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';

import { DESKTOP, launchBrowser, PHONE, screenshot, violations, withPage } from './browser.mjs';
import {
  attempt,
  cleanUp,
  connect,
  connectRaw,
  register,
  startServer,
  until,
  untilStatus,
} from './harness.mjs';

let server;
/** Has registered devices, so that attempts can fail. */
let guarded;
let browser;
const STORIED = 'd:acme01:thermo:storied';
/** Has the type of that one, and others that have not. */
const ALIKE = 'd:acme01:thermo:alike';
const OTHERS = ['d:acme01:pump:other', 'g:acme01:gw:other', 'other'];

before(async () => {
  [server, guarded, browser] = await Promise.all([startServer(), startServer(), launchBrowser()]);
  await tellStory();
  for (const id of [ALIKE, ...OTHERS]) await attempt(guarded, id, register(guarded, id));
});

after(async () => {
  await browser?.close();
  await Promise.all([server?.stop(), guarded?.stop()]);
  await cleanUp();
});

/** Four sessions with different ends and a failed attempt between them: goodbye, lost, keep-alive, and one open. */
async function tellStory() {
  const login = register(guarded, STORIED);
  const ended = () => untilStatus(guarded, STORIED, 'disconnected');
  const first = await connect(guarded, STORIED, login);
  first.say('one');
  await first.goodbye();
  await ended();
  await attempt(guarded, STORIED, { ...login, password: 'guessed' });
  await (await connect(guarded, STORIED, login)).lose();
  await ended();
  await connectRaw(guarded, STORIED, { ...login, keepAlive: 1 });
  await untilStatus(guarded, STORIED, 'connected');
  await ended();
  await connectRaw(guarded, STORIED, { ...login, version: 5, keepAlive: 0 });
}

/** Lets a client come and go that often, as fast as the server takes it. */
async function flap(of, id, count) {
  for (let n = 0; n < count; n++) {
    const socket = await until(`${id} is let in`, () => connectRaw(of, id));
    // Until the server has closed it, too: a client that is back before its loss was seen is no loss but takes its own place.
    const closed = once(socket, 'close');
    socket.end();
    await closed;
  }
  await untilStatus(of, id, 'disconnected');
}

const page = (of, id, query, body, options = {}) =>
  withPage(
    browser,
    of,
    { query: `?client=${encodeURIComponent(id)}${query}`, ...options },
    async (dashboard) => {
      await dashboard.untilLive();
      await dashboard.get('story').filter({ hasText: /\w/ }).waitFor();
      await body(dashboard);
    },
  );

const text = (dashboard, name) => dashboard.get(name).innerText();
const untilText = (dashboard, name, pattern) =>
  until(`${name} says ${pattern}`, async () => pattern.test(await text(dashboard, name)));
/** The shapes of a kind in the time line. */
const shapes = (dashboard, kind) =>
  dashboard.page
    .locator(`.drawing path[class="${kind}"]`)
    .evaluateAll((paths) => paths.flatMap((path) => path.getAttribute('d').match(/M/g)).length);

for (const [how, finish, sentence, advice] of [
  [
    'dropped',
    (client) => client.lose(),
    /^Offline since .+, .+: the network dropped it \(close code 91\)\.$/,
    /NAT/,
  ],
  [
    'left',
    (client) => client.goodbye(),
    /^Offline since .+: the client ended it \(0x00, close code 0\)\.$/,
    null,
  ],
]) {
  test(`a client that ${how} says so in words, with what to check`, async () => {
    const id = `d:acme01:thermo:${how}`;
    await finish(await connect(server, id));
    await untilStatus(server, id, 'disconnected');
    await page(server, id, '', async (dashboard) => {
      assert.match(await text(dashboard, 'story'), sentence);
      if (advice) assert.match(await text(dashboard, 'why'), advice);
    });
  });
}

test('a keep-alive that ran out is explained, and the words change when the client comes back', async () => {
  const id = 'd:acme01:thermo:sleepy';
  await connectRaw(server, id, { keepAlive: 1 });
  await untilStatus(server, id, 'connected');
  await untilStatus(server, id, 'disconnected');
  await page(server, id, '', async (dashboard) => {
    assert.match(await text(dashboard, 'story'), /the server closed it \(keep-alive ran out, 0x8D, close code 160\)/);
    assert.match(await text(dashboard, 'why'), /heard nothing from the client[^]+Next:[^]+keep-alive/);
    await connectRaw(server, id);
    await untilText(dashboard, 'story', /^Connected since/);
    await dashboard.get('why').waitFor({ state: 'hidden' });
  });
});

test('the page has an address: client, tab, span, width and kinds survive a reload', () =>
  page(guarded, STORIED, '', async (dashboard) => {
    await dashboard.get('tab-log').click();
    await dashboard.get('log-failedConnect').click();
    await dashboard.untilParameter('logEvent', 'failedConnect');
    await dashboard.get('tab-sessions').click();
    await dashboard.untilParameter('tab', 'sessions');
    await dashboard.get('span-7d').click();
    await dashboard.untilParameter('span', '7d');
    await dashboard.get('expand').click();
    await dashboard.untilParameter('full', '1');
    await dashboard.page.reload();
    await dashboard.get('session').first().waitFor();
    const pressed = (name) => dashboard.get(name).getAttribute('aria-pressed');
    assert.deepEqual(
      [await pressed('expand'), await pressed('span-7d'), await pressed('span-24h')],
      ['true', 'true', 'false'],
    );
    assert.equal(await dashboard.get('row').first().isVisible(), false, 'the table gives way to the page');
    await dashboard.page.goBack();
    await until('the table is back', () => dashboard.get('row').first().isVisible());
  }));

test('the page stands beside the table on a desk, over it on a tablet, in its place on a phone', async () => {
  const widths = {};
  for (const [size, viewport] of Object.entries({
    desk: DESKTOP,
    tablet: { width: 900, height: 800 },
    phone: PHONE,
  })) {
    await page(
      guarded,
      STORIED,
      '',
      async (dashboard) => {
        const [panel, list] = await Promise.all([
          dashboard.get('panel').boundingBox(),
          dashboard.page.locator('.list').boundingBox(),
        ]);
        widths[size] = [panel.x >= list.x + list.width, panel.width / viewport.width];
        assert.deepEqual(await dashboard.widerThanScreen(), []);
      },
      { viewport },
    );
  }
  assert.equal(widths.desk[0], true);
  assert.equal(widths.tablet[0], false);
  assert.ok(widths.tablet[1] < 0.7, `${widths.tablet}`);
  assert.equal(widths.phone[1], 1);
});

test('the time line draws sessions, how they ended, failed attempts, and how far the log goes back', () =>
  page(guarded, STORIED, '&full=1', async (dashboard) => {
    // Of less than a minute no share is told, and then of how much.
    await untilText(dashboard, 'timeline-told', /4 sessions · 1 failed attempt($| · connected [\d.]+% of the \d)/);
    await untilText(dashboard, 'timeline-reach', /Log kept since/);
    assert.equal(await shapes(dashboard, 'cross'), 1);
    assert.ok((await shapes(dashboard, 'unknown')) === 1, 'the time before the log is marked');

    // As close as the first session to the last, each is drawn by itself.
    await dashboard.get('timeline').focus();
    const { keyboard } = dashboard.page;
    // The oldest mark: what is chosen is zoomed to.
    for (let n = 0; n < 4; n++) await keyboard.press('ArrowUp');
    await until('the sessions are told apart', async () => {
      await keyboard.press('+');
      return (await shapes(dashboard, 'bar')) >= 3;
    });
    await screenshot(dashboard.page, 'client-timeline-zoomed-light');
  }));

test('wheel and drag zoom to where the pointer is, and the part in view becomes the range of the log', () =>
  page(guarded, STORIED, '&full=1', async (dashboard) => {
    await untilText(dashboard, 'timeline-told', /4 sessions/);
    const { mouse } = dashboard.page;
    /** The pointer, at this share of the line. */
    const moveTo = async (share) => {
      const box = await dashboard.get('timeline').boundingBox();
      await mouse.move(box.x + box.width * share, box.y + box.height / 2, { steps: 4 });
    };
    const range = () => ['logAfter', 'logBefore'].map((name) => Date.parse(dashboard.parameters().get(name)));
    /** What is in view, as the log is told it: when it begins, and how long it is. */
    const inView = async () => {
      await dashboard.get('zoom-log').click();
      const [from, to] = await until('the log has the range', () => {
        const [from, to] = range();
        return from < to && [from, to];
      });
      return { from, to, span: to - from };
    };
    const DAY = 86_400_000;
    const near = (is, should, span, what) =>
      assert.ok(Math.abs(is - should) < span / 50, `${what}: ${is - should} ms beside it, of ${span}`);

    // Up to now, and a pixel or so.
    const whole = { from: Date.now() - DAY, span: DAY };
    await moveTo(0.25);
    await mouse.wheel(0, -200);
    await dashboard.get('timeline-zoomed').waitFor();
    const zoomed = await inView();
    assert.ok(zoomed.span < 0.9 * DAY, `${zoomed.span} ms are in view`);
    const pointedAt = whole.from + 0.25 * whole.span;
    near(zoomed.from + 0.25 * zoomed.span, pointedAt, zoomed.span, 'what the pointer is on stays there');

    await moveTo(0.2);
    await mouse.down();
    await moveTo(0.6);
    await mouse.up();
    await until('dragging zooms in further', async () => {
      const { from, to } = await inView();
      return to - from < 0.5 * zoomed.span;
    });
    const dragged = await inView();
    near(dragged.from, zoomed.from + 0.2 * zoomed.span, zoomed.span, 'it begins where the drag began');
    near(dragged.to, zoomed.from + 0.6 * zoomed.span, zoomed.span, 'it ends where the drag ended');
    await dashboard.get('zoom-reset').click();
    await dashboard.get('timeline-zoomed').waitFor({ state: 'hidden' });
  }));

test('a client that comes and goes hundreds of times is drawn as one mark that says how many', async () => {
  const id = 'd:acme01:thermo:flapping';
  const COUNT = 300;
  await flap(server, id, COUNT);
  await page(server, id, '&tab=sessions', async (dashboard) => {
    await untilText(dashboard, 'timeline-told', new RegExp(`^${COUNT} sessions`));
    await dashboard.get('timeline').focus();
    await dashboard.page.keyboard.press('ArrowUp');
    await untilText(
      dashboard,
      'timeline-told',
      new RegExp(`^${COUNT} short sessions from .+ to .+: zoom in`),
    );
    assert.equal(await shapes(dashboard, 'bar many'), 1);

    // The table grows as one scrolls.
    const rows = () => dashboard.get('session').count();
    assert.equal(await rows(), 200);
    await dashboard.get('session').last().scrollIntoViewIfNeeded();
    await until('all sessions are listed', async () => (await rows()) === COUNT);
    await screenshot(dashboard.page, 'client-flapping-light');
  });
});

test('what the diagnosis found stands at the top, with the entries that it rests on', async () => {
  const id = 'd:acme01:thermo:flaps';
  await flap(server, id, 60);
  await page(server, id, '', async (dashboard) => {
    const finding = dashboard.get('finding').and(dashboard.page.locator('[data-kind="flapping"]'));
    // The last time it did not come back.
    const told = /^Comes and goes: lost 59 times in .+ lasted less than /;
    await until('the whole log is read', async () => told.test(await finding.innerText()));
    await finding.locator('summary').click();
    await finding.locator('[data-testid=log-entry]').first().waitFor();
    await screenshot(dashboard.page, 'client-finding-light');
  });
});

test('the table of sessions tells how long, from where, how much, and why each ended', () =>
  page(guarded, STORIED, '&tab=sessions', async (dashboard) => {
    await until('there are four', async () => (await dashboard.get('session').count()) === 4);
    const rows = await dashboard.get('session').allInnerTexts();
    assert.match(rows[0], /still open/);
    assert.match(rows[0], /MQTT 5/);
    assert.match(rows[1], /keep-alive ran out/);
    assert.match(rows[2], /connection lost/);
    assert.match(rows[3], /said goodbye[^]+127\.0\.0\.1:\d+[^]+\n1 · \d+\s?B\n0 · \d+\s?B$/);
  }));

// The table told how long it had lasted when the page was opened, and the time line, whose end is a little ahead of the time,
// that it had lasted for hours and until some moment to come.
test('a session that is open has lasted until now', async () => {
  const id = 'd:acme01:thermo:lasting';
  await flap(server, id, 3);
  await connectRaw(server, id);
  await untilStatus(server, id, 'connected');
  const since = Date.now();
  const clock = (ms) => new Date(ms).toISOString().slice(11, 19);
  await page(server, id, '&tab=sessions&span=30d', async (dashboard) => {
    const lasted = dashboard.get('session').first().locator('td').nth(2);
    const seconds = async () => Number((await lasted.innerText()).match(/^(\d+) sec$/)?.[1]);
    await until('it has lasted for some seconds', async () => (await seconds()) >= 2);
    const before = await seconds();
    await until('it lasts longer', async () => (await seconds()) > before);
    assert.ok((await seconds()) <= (Date.now() - since) / 1_000 + 2);

    await dashboard.get('timeline').focus();
    const { keyboard } = dashboard.page;
    await keyboard.press('ArrowUp');
    await untilText(dashboard, 'timeline-told', /^4 short sessions/);
    const end = (await text(dashboard, 'timeline-told')).match(/to (?:.* )?(\d\d:\d\d:\d\d): zoom in/)[1];
    const past = Array.from({ length: 60 }, (_, at) => clock(Date.now() - at * 1_000));
    assert.ok(past.includes(end), `${end} is one of the past seconds`);
    await until('it is drawn by itself', async () => {
      await keyboard.press('+');
      await keyboard.press('ArrowDown');
      return /^\d\d:\d\d:\d\d – still open$/.test(await text(dashboard, 'timeline-told'));
    });
  }, { timezoneId: 'UTC' });
});

test('on a phone, what the broker did not count takes no room', () =>
  page(guarded, STORIED, '&tab=sessions', async (dashboard) => {
    await until('there are four', async () => (await dashboard.get('session').count()) === 4);
    const cells = (at) => dashboard.get('session').nth(at).locator('td:nth-child(n + 6)');
    // That of the session that is open, and of one that said goodbye.
    for (const [at, isShown] of [[0, false], [3, true]])
      for (const cell of await cells(at).all()) assert.equal(await cell.isVisible(), isShown);
    await screenshot(dashboard.page, 'client-sessions-phone-light');
  }, { viewport: PHONE }));

test('the tabs are tabs: arrow keys go from one to the next, and each names its panel', () =>
  page(guarded, STORIED, '', async (dashboard) => {
    const selected = () =>
      dashboard.page
        .locator('[role=tab][aria-selected=true]')
        .evaluateAll((tabs) => tabs.map((tab) => tab.id));
    assert.deepEqual(await selected(), ['tab-log']);
    await dashboard.get('tab-log').focus();
    for (const [key, id] of [
      ['ArrowRight', 'tab-details'],
      ['ArrowRight', 'tab-sessions'],
      ['End', 'tab-details'],
      ['ArrowLeft', 'tab-log'],
    ]) {
      await dashboard.page.keyboard.press(key);
      await until(`${id} is selected`, async () => (await selected())[0] === id);
      assert.equal(await dashboard.page.evaluate(() => document.activeElement.id), id);
      assert.equal(await dashboard.page.locator('[role=tabpanel]').getAttribute('aria-labelledby'), id);
    }
  }));

test('the log shows the kinds that are chosen, and reads on as one scrolls', async () => {
  const id = 'd:acme01:thermo:talkative';
  await flap(server, id, 130);
  await until(
    'everything is logged',
    async () => (await server.api(`/logs/connection?clientId=${id}&limit=1000`)).body.length === 260,
  );
  await page(server, id, '', async (dashboard) => {
    await dashboard.entries().first().waitFor();
    await until('scrolling reads everything', async () => {
      await dashboard.entries().last().scrollIntoViewIfNeeded();
      return (await dashboard.entries().count()) === 260;
    });
    await dashboard.get('log-connect').click();
    await until(
      'only connects are listed',
      async () =>
        (await dashboard.entries('disconnect').count()) === 0 &&
        (await dashboard.entries('connect').count()) >= 100,
    );
    await until('and all of them', async () => {
      await dashboard.entries().last().scrollIntoViewIfNeeded();
      return (await dashboard.entries('connect').count()) === 130;
    });
  });
});

// Only a beginning could be chosen, and applying it took away the end that the time line had set.
test('the log is read from one time to another', () =>
  page(guarded, STORIED, '&logAfter=2025-10-21T00:00:00.000Z&logBefore=2025-10-22T00:00:00.000Z', async (dashboard) => {
    const [from, to] = ['from', 'to'].map((name) => dashboard.get('panel').locator(`input[name="${name}"]`));
    await dashboard.get('panel').getByText('Nothing of this kind was logged in this time.').waitFor();
    const value = dashboard.get('range-log').locator('.value');
    assert.ok(await value.evaluate((it) => it.scrollWidth <= it.clientWidth), 'both ends are seen');
    await dashboard.get('range-log').click();
    assert.deepEqual([await from.inputValue(), await to.inputValue()], ['2025-10-21T00:00', '2025-10-22T00:00']);
    await to.fill('2024-01-01T00:00');
    await to.press('Enter');
    await dashboard.get('range-reversed').waitFor();
    await to.fill('2099-01-01T00:00');
    await screenshot(dashboard.page, 'client-log-range-light');
    await to.press('Enter');
    await dashboard.untilParameter('logBefore', '2099-01-01T00:00:00.000Z');
    await dashboard.untilParameter('logAfter', '2025-10-21T00:00:00.000Z');
    await until('all is listed', async () => (await dashboard.entries().count()) === 8);
  }, { timezoneId: 'UTC' }));

test('a tail that is stopped counts what is new and shows it when asked', async () => {
  const id = 'd:acme01:thermo:watched';
  (await connectRaw(server, id)).destroy();
  await untilStatus(server, id, 'disconnected');
  await page(server, id, '', async (dashboard) => {
    await until('the session is listed', async () => (await dashboard.entries().count()) === 2);
    await dashboard.get('log-follow').click();
    (await connectRaw(server, id)).destroy();
    await untilText(dashboard, 'log-new', /^2 new/);
    assert.equal(await dashboard.entries().count(), 2);
    await dashboard.get('log-new').click();
    await until('they are listed', async () => (await dashboard.entries().count()) === 4);
    await dashboard.get('log-new').waitFor({ state: 'hidden' });

    await dashboard.get('log-follow').click();
    (await connectRaw(server, id)).destroy();
    await until(
      'following again, they come by themselves',
      async () => (await dashboard.entries().count()) === 6,
    );
  });
});

test('state and log are copied as JSON, and the link leads to the answer behind them', () =>
  page(
    guarded,
    STORIED,
    '&tab=details',
    async (dashboard) => {
      const clipboard = () => dashboard.page.evaluate(() => navigator.clipboard.readText());
      await dashboard.get('copy-state').click();
      const state = JSON.parse(await until('the state is copied', clipboard));
      assert.equal(state.id, STORIED);
      assert.equal(state.lastConnectTime, (await guarded.state(STORIED)).lastConnectTime);

      const follow = async () => {
        const [opened] = await Promise.all([
          dashboard.page.context().waitForEvent('page'),
          dashboard.get('api-link').click(),
        ]);
        await opened.waitForLoadState();
        const answer = JSON.parse(await opened.locator('body').innerText());
        await opened.close();
        return answer;
      };
      assert.equal((await follow()).id, STORIED);
      assert.match(await dashboard.get('api-link').getAttribute('href'), /^\/api\//);

      await dashboard.get('tab-log').click();
      await until('the log is listed', async () => (await dashboard.entries().count()) > 0);
      await dashboard.get('copy-log').click();
      const log = JSON.parse(
        await until('the log is copied', async () => {
          const text = await clipboard();
          return text.startsWith('[') && text;
        }),
      );
      assert.equal(log.length, await dashboard.entries().count());
      assert.deepEqual((await follow())[0].timestamp, log[0].timestamp);
      await dashboard.get('copy-id').click();
      await until('the id is copied', async () => (await clipboard()) === STORIED);
    },
    { permissions: ['clipboard-read', 'clipboard-write'] },
  ));

test('a value of the details leads to all clients that share it', () =>
  page(guarded, STORIED, '&tab=details&full=1', async (dashboard) => {
    await dashboard.get('panel').locator('[data-field="deviceType"]').click();
    await dashboard.untilParameter('deviceType', 'thermo');
    await dashboard.untilIds([STORIED, ALIKE]);
  }));

test('the log names its codes', () =>
  page(guarded, STORIED, '&tab=log', async (dashboard) => {
    const dropped = dashboard.entries('disconnect').filter({ hasText: '0x80' }).first();
    // The list may be made anew when its words come.
    await until('it names both', async () => /0x80, close code 91/.test(await dropped.innerText()));
  }));

// The page said that such a client was never connected, and asked for it again with everything that became known.
test('a client that nobody knows is told to be unknown, is not asked for again and again, and appears when it comes', () =>
  withPage(browser, server, { query: '?client=newcomer', allowed: /status of 404/ }, async (dashboard) => {
    let asked = 0;
    dashboard.page.on('request', (request) => {
      if (request.url().endsWith('/clientconnectionstates/newcomer')) asked += 1;
    });
    // Signed in.
    await dashboard.untilLive();
    asked = 0;
    await dashboard.page.reload();
    await dashboard.untilLive();
    const panel = dashboard.get('panel');
    await panel.getByText('knows no client with this id').waitFor();
    await panel.getByText('0 sessions').waitFor({ state: 'hidden' });
    await panel.getByRole('tablist').waitFor({ state: 'hidden' });
    await dashboard.page.waitForTimeout(1_000);
    // Once more when the live messages began after the first question: it could have come in between.
    assert.ok(asked === 1 || asked === 2, `asked ${asked} times`);
    await screenshot(dashboard.page, 'client-unknown-light');
    await connectRaw(server, 'newcomer');
    await panel.locator('.mark-connected').first().waitFor();
    await panel.getByRole('tablist').waitFor();
  }));

/** DISCONNECT of MQTT 5 with a reason string. */
function disconnectPacket(reasonCode, reason) {
  const bytes = Buffer.from(reason);
  const properties = Buffer.concat([Buffer.from([0x1f, bytes.length >> 8, bytes.length & 0xff]), bytes]);
  const varint = (value) => {
    const digits = [];
    for (let left = value; ;) {
      const digit = left % 128;
      left = Math.floor(left / 128);
      digits.push(left > 0 ? digit | 0x80 : digit);
      if (left === 0) return Buffer.from(digits);
    }
  };
  const rest = Buffer.concat([Buffer.from([reasonCode]), varint(properties.length), properties]);
  return Buffer.concat([Buffer.from([0xe0]), varint(rest.length), rest]);
}

test('an error that the client itself reports is not held against it, whatever its words hold', async () => {
  const id = 'd:acme01:thermo:complains';
  const socket = await connectRaw(server, id, { version: 5 });
  await untilStatus(server, id, 'connected');
  socket.write(disconnectPacket(0x82, '<img src=x onerror="globalThis.broken=1">\u202Ereversed'));
  await untilStatus(server, id, 'disconnected');
  await page(server, id, '', async (dashboard) => {
    assert.match(await text(dashboard, 'why'), /gave the server this reason: “Protocol Error”/);
    assert.equal(await dashboard.get('panel').locator('img').count(), 0);
    assert.equal(await dashboard.page.evaluate(() => globalThis.broken), undefined);
    const seen = await text(dashboard, 'panel');
    assert.equal(seen.includes('\u202E'), false, 'nothing turns the text around');
  });
});

test('an id of 65,000 bytes has a page like every other', async () => {
  const id = `long-${'x'.repeat(64_995)}`;
  (await connectRaw(server, id)).destroy();
  await withPage(browser, server, { query: '?search=long-' }, async (dashboard) => {
    await dashboard.get('row').first().click();
    await until('its log is there', async () => (await dashboard.entries().count()) === 2);
    assert.deepEqual(await dashboard.widerThanScreen(), []);
    await dashboard.get('tab-details').click();
    await dashboard.get('details').getByText('other', { exact: true }).waitFor();
  });
});

for (const theme of ['light', 'dark']) {
  for (const [size, viewport] of Object.entries({ desk: DESKTOP, phone: PHONE })) {
    test(`on a ${size} in ${theme}, axe finds nothing on any tab, and nothing scrolls sideways`, () =>
      page(
        guarded,
        STORIED,
        '',
        async (dashboard) => {
          await untilText(dashboard, 'timeline-told', /4 sessions/);
          for (const tab of ['log', 'sessions', 'details']) {
            await dashboard.get(`tab-${tab}`).click();
            await dashboard.page.locator(`[role=tabpanel][aria-labelledby=tab-${tab}] section`).waitFor();
            assert.deepEqual(await dashboard.widerThanScreen(), []);
            assert.deepEqual(await violations(dashboard.page), []);
            await screenshot(dashboard.page, `client-${tab}-${size}-${theme}`);
          }
          if (size === 'desk') {
            await dashboard.get('expand').click();
            await dashboard.get('tab-sessions').click();
            assert.deepEqual(await violations(dashboard.page), []);
            await screenshot(dashboard.page, `client-full-${theme}`);
          }
        },
        { theme, viewport },
      ));
  }
}
