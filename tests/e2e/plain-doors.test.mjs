// How the page finds out that it is in front of a server that knows Watson's API and nothing more, and what else such a server,
// or what stands between it and the page, does differently: it challenges strangers, hangs up, and tells the time by its answers'
// dates only.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launchBrowser, withPage } from './browser.mjs';
import { cleanUp, connect, startServer, untilStatus, until } from './harness.mjs';
import { startPlainWatson } from './plain-watson.mjs';
import { startProxy } from './proxy.mjs';

const PUMP = 'd:acme01:pump:p-1';
/** What a browser says of refusals, of MQTT 5 that is refused, and of a proxy in the server's place. */
const ALLOWED = /status of 40[0134]|WebSocket connection to/;
const HOUR_MS = 3_600_000;

let server;
let plain;
let browser;

before(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  await connect(server, PUMP);
  plain = await startPlainWatson(server);
});

after(async () => {
  await browser?.close();
  await plain?.stop();
  await server?.stop();
  await cleanUp();
});

const withStranger = (of, body, options = {}) =>
  withPage(browser, { signInLink: () => of.url }, { allowed: ALLOWED, ...options }, body);

async function untilIn(dashboard) {
  await dashboard.untilLive();
  await dashboard.untilRow(PUMP, { status: 'connected' });
}

/** Another token takes the place of the one that the page has, and then it is the old one again. */
async function revoke(of, { get, page }) {
  const known = of.key;
  of.key = { ...known, token: 'another' };
  for (let time = 0; time < 2; time++) await page.keyboard.press('p');
  await get('sign-in').waitFor();
  of.key = known;
}

/**
 * Counts how often the browser would ask for a password: it asks the debugger first, and one without a screen asks nobody
 * else.
 */
async function countPrompts({ page }) {
  const prompts = [];
  const session = await page.context().newCDPSession(page);
  session.on('Fetch.requestPaused', ({ requestId }) =>
    session.send('Fetch.continueRequest', { requestId }).catch(() => {}),
  );
  session.on('Fetch.authRequired', ({ requestId, request }) => {
    prompts.push(request.url);
    const authChallengeResponse = { response: 'CancelAuth' };
    return session.send('Fetch.continueWithAuth', { requestId, authChallengeResponse });
  });
  await session.send('Fetch.enable', { handleAuthRequests: true });
  return prompts;
}

// Requests that carry cookies make a browser cover the page with a dialog of its own when they are challenged.
test('the browser never asks for a password itself: not a stranger, not for a wrong token, not when it is revoked', () =>
  withStranger(plain, async (dashboard) => {
    const { page } = dashboard;
    const prompts = await countPrompts(dashboard);
    await page.reload();
    await dashboard.signIn({ ...server.key, token: 'not-the-token' });
    await dashboard.get('sign-in-error').waitFor();
    await dashboard.signIn(server.key);
    await untilIn(dashboard);
    await revoke(plain, dashboard);
    await dashboard.signIn(server.key);
    await untilIn(dashboard);
    await dashboard.get('account').click();
    await dashboard.get('sign-out').click();
    await dashboard.get('sign-in').waitFor();
    assert.deepEqual(prompts, []);
    const { asked } = await page.evaluate(async () => ({ asked: (await fetch('/api/v0002/bulk')).status }));
    assert.deepEqual([asked, prompts.length], [401, 1], 'another page would have been covered');
  }));

// Nothing that is asked without cookies comes through such a proxy.
test('where a proxy wants a password for page and API, which the browser knows, a Rollcall behind it is signed in to', async () => {
  const proxy = await startProxy(server);
  const httpCredentials = { username: 'reader', password: 'of-the-proxy' };
  proxy.password = `Basic ${btoa('reader:of-the-proxy')}`;
  const stranger = new URL(proxy.signInLink());
  stranger.hash = '';
  await withStranger(
    { url: stranger.href },
    async (dashboard) => {
      await dashboard.signIn(server.key);
      await untilIn(dashboard);
      await dashboard.page.locator('.org').getByText('acme01').waitFor();
      await dashboard.page.reload();
      await untilIn(dashboard);
    },
    { httpCredentials },
  );
});

test('where the feed hangs up on whoever subscribes to more than it has, the page is fed all the same', async () => {
  const [strict, id] = [await startPlainWatson(server, { hangsUp: true }), 'd:acme01:pump:fed'];
  const client = await connect(server, id);
  try {
    await withStranger(strict, async (dashboard) => {
      await dashboard.signIn(server.key);
      await untilIn(dashboard);
      await dashboard.untilRow(id, { status: 'connected' });
      // From now on only the feed tells.
      await dashboard.page.route(/clientconnectionstates\?/, () => {});
      await client.lose();
      await dashboard.untilRow(id, { status: 'disconnected', initiator: 'network' });
    });
    assert.deepEqual(strict.refused.filter((request) => !/\/api\//.test(request)), []);
  } finally {
    await strict.stop();
  }
});

// Such a server was taken for a Rollcall, and asked for what it does not know.
for (const unknown of [400, 403]) {
  test(`a plain server behind a gateway that says ${unknown} of what it does not know is a plain server`, async () => {
    const gateway = await startPlainWatson(server, { unknown });
    try {
      await withStranger(gateway, async (dashboard) => {
        await dashboard.signIn(server.key);
        await untilIn(dashboard);
        const refused = [`${unknown} /api/rollcall/v1/status`, '401 /api/rollcall/v1/status'];
        assert.deepEqual([...new Set(gateway.refused)].sort(), refused.sort());
        const prompts = await countPrompts(dashboard);
        await revoke(gateway, dashboard);
        assert.deepEqual(prompts, []);
      });
    } finally {
      await gateway.stop();
    }
  });
}

// The 404 of a default backend, while the page was loaded, made it one of a plain server for good.
for (const status of [403, 404]) {
  test(`a Rollcall in whose place something says ${status} while the page is loaded is a Rollcall when it is back`, async () => {
    const proxy = await startProxy(server);
    await withPage(browser, proxy, { allowed: ALLOWED }, async (dashboard) => {
      const { page } = dashboard;
      await untilIn(dashboard);
      proxy.answer = (path) => (path.startsWith('/api/') ? status : undefined);
      await page.reload();
      await dashboard.get('failure').waitFor();
      proxy.answer = () => undefined;
      await untilIn(dashboard);
      await page.locator('.org').getByText('acme01').waitFor();
      await dashboard.get('account').waitFor();
    });
  });
}

// A Rollcall tells the time; of a plain server the page took its reader's.
for (const [how, ahead] of [
  ['an hour ahead', HOUR_MS],
  ['an hour behind', -HOUR_MS],
]) {
  test(`a reader whose clock is ${how} reads how long ago it was by the clock of the server`, () =>
    withStranger(plain, async (dashboard) => {
      const { page } = dashboard;
      await page.addInitScript((ahead) => {
        const real = Date.now;
        Date.now = () => real() + ahead;
      }, ahead);
      await page.reload();
      await dashboard.signIn(server.key);
      await untilIn(dashboard);
      const id = `d:acme01:pump:by-the-clock-${Math.sign(ahead)}`;
      await (await connect(server, id)).lose();
      await untilStatus(server, id, 'disconnected');
      const { lastDisconnectTime } = await server.state(id);
      const row = await dashboard.untilRow(id, { status: 'disconnected' });
      const ago = row.locator('.c-lastDisconnectTime .ago');
      await until('it is some seconds ago', async () => {
        const told = Number(/^(\d+)\s?s ago$/.exec(await ago.innerText())?.[1]);
        const real = (Date.now() - Date.parse(lastDisconnectTime)) / 1_000;
        return told > 2 && Math.abs(told - real) <= 2;
      });
    }));
}
