// The sign-in page and the account: every way in and out that a person has in the browser.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { DESKTOP, launchBrowser, PHONE, screenshot, SERVER_AWAY, withPage } from './browser.mjs';
import {
  addKey,
  attempt,
  cleanUp,
  connect,
  runJson,
  startServer,
  temporaryFolder,
  until,
  untilStatus,
} from './harness.mjs';

let server;
let browser;
const ID = 'd:acme01:thermo:behind-the-door';
/** What the browser itself writes on the console when an answer is a refusal, and when a socket is taken away. */
const REFUSED = /status of (401|403|429)|WebSocket connection to/;

before(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  await attempt(server, ID);
  await untilStatus(server, ID, 'disconnected');
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

/** Opens the page as somebody whom the browser does not know. */
const asStranger = (options, body, of = server) =>
  withPage(browser, { signInLink: () => of.url }, { allowed: REFUSED, ...options }, async (dashboard) => {
    await dashboard.get('sign-in').waitFor();
    await body(dashboard);
  });

async function signOut(dashboard) {
  await dashboard.get('account').click();
  await dashboard.get('sign-out').click();
  await dashboard.get('sign-in').waitFor();
}

/** All that a later reader of this browser could find. */
const leftBehind = (page) =>
  page.evaluate(() =>
    JSON.stringify([location.href, { ...localStorage }, { ...sessionStorage }, document.cookie, history.state]),
  );

/** Counts the requests of the page to the API from now on. */
function countRequests(page) {
  const seen = { count: 0, statuses: [] };
  page.on('response', (answer) => {
    if (!new URL(answer.url()).pathname.startsWith('/api/')) return;
    seen.count += 1;
    seen.statuses.push(answer.status());
  });
  return seen;
}

test('the link signs in, leaves no code in the address, and cannot be used twice', async () => {
  const link = server.signInLink();
  const code = new URL(link).hash.slice('#code='.length);
  const once = { signInLink: () => link };
  const query = '?connectionStatus=disconnected';
  await withPage(browser, once, { query }, async (dashboard) => {
    await dashboard.untilRow(ID, { status: 'disconnected' });
    await dashboard.untilLive();
    const { page } = dashboard;
    assert.equal(page.url(), server.url + query);
    assert.ok(!(await leftBehind(page)).includes(code));
    // The cookie outlives the page.
    await page.reload();
    await dashboard.untilLive();
  });
  await withPage(browser, once, { query, allowed: REFUSED }, async (dashboard) => {
    await dashboard.get('sign-in').waitFor();
    const text = await dashboard.get('sign-in-error').innerText();
    assert.match(text, /used already or is too old.*rollcall keys link --data DIR/);
    assert.equal(dashboard.page.url(), server.url + query);
    assert.equal(await dashboard.get('row').count(), 0);
  });
});

test('the commands that make a link and a key are copied', () =>
  asStranger({ permissions: ['clipboard-read', 'clipboard-write'] }, async ({ page }) => {
    for (const command of ['rollcall keys link --data DIR', 'rollcall keys add --role viewer --data DIR']) {
      await page.locator('.command').filter({ hasText: command }).getByRole('button').click();
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), command);
    }
    await screenshot(page, 'sign-in-copy-light');
  }));

test('a link that is opened on the open sign-in page signs in there', () =>
  asStranger({}, async (dashboard) => {
    const link = runJson(['keys', 'link', '--data', server.data]).url;
    await dashboard.page.evaluate((hash) => (location.hash = hash), new URL(link).hash);
    await dashboard.untilRow(ID, { status: 'disconnected' });
    assert.equal(dashboard.page.url(), server.url);
  }));

test('a wrong token is told, the field is emptied, and many of them have to wait', () =>
  asStranger({}, async (dashboard) => {
    const made = addKey(server, 'viewer');
    const error = dashboard.get('sign-in-error');
    await dashboard.signIn({ ...made, token: 'guessed-0' });
    await error.waitFor();
    assert.match(await error.innerText(), /key or the token is wrong/);
    assert.equal(await dashboard.get('sign-in-token').inputValue(), '');
    assert.equal(await dashboard.get('sign-in-key').inputValue(), made.key);
    const focused = await dashboard.page.evaluate(() => document.activeElement.dataset.testid);
    assert.equal(focused, 'sign-in-token', 'the focus is where the next thing is typed');
    for (let guess = 1; guess < 7; guess++) {
      const answer = dashboard.page.waitForResponse((response) => response.request().method() === 'POST');
      await dashboard.signIn({ ...made, token: `guessed-${guess}` });
      await answer;
    }
    await until('the page says to wait', async () => /Too many.*Wait \d+ sec/.test(await error.innerText()));
  }));

test('the keyboard alone signs in, and the view of the address is kept', () =>
  asStranger({ query: `?connectionStatus=disconnected&client=${encodeURIComponent(ID)}` }, async (dashboard) => {
    const made = addKey(server, 'viewer', '--name', 'Control room');
    const { page } = dashboard;
    const address = page.url();
    await until('the key has the focus', () =>
      page.evaluate(() => document.activeElement.dataset.testid === 'sign-in-key'),
    );
    await page.keyboard.type(made.key);
    await page.keyboard.press('Tab');
    await page.keyboard.type(made.token);
    await page.keyboard.press('Enter');
    await dashboard.untilRow(ID, { status: 'disconnected' });
    await dashboard.untilLive();
    assert.equal(page.url(), address);
    assert.equal(await dashboard.get('account').getAttribute('aria-label'), 'Signed in: Control room');
    assert.ok(!(await leftBehind(page)).includes(made.token));
    assert.ok(!(await page.content()).includes(made.token));
    await dashboard.get('account').click();
    assert.match(await page.innerText('.account [role=dialog]'), /Control room\s+Role: viewer/);
    await page.keyboard.press('Escape');
    assert.equal(await dashboard.get('sign-out').count(), 0);
  }));

test('who signs out sees the sign-in page, asks nothing more, and comes back to the same view', () =>
  withPage(browser, server, { allowed: REFUSED }, async (dashboard) => {
    const { page } = dashboard;
    const made = addKey(server, 'admin');
    await dashboard.untilLive();
    await dashboard.search('behind');
    await dashboard.untilIds([ID]);
    const address = page.url();
    const cookies = await page.context().cookies();
    assert.deepEqual(cookies.map(({ httpOnly, sameSite }) => [httpOnly, sameSite]), [[true, 'Strict']]);
    await signOut(dashboard);
    assert.equal(await dashboard.get('row').count(), 0);
    assert.deepEqual(await page.context().cookies(), []);
    const seen = countRequests(page);
    // Longer than any question of the dashboard waits.
    await page.waitForTimeout(6_000);
    assert.deepEqual(seen.statuses, []);
    // Letters are letters here, not keys of the table.
    await page.keyboard.press('?');
    assert.equal(await page.locator('dialog[open]').count(), 0);
    await dashboard.signIn(made);
    await dashboard.untilIds([ID]);
    await dashboard.untilLive();
    assert.equal(page.url(), address);
    await connect(server, 'd:acme01:thermo:behind-another-door');
    await dashboard.untilRow('d:acme01:thermo:behind-another-door', { status: 'connected' });
  }));

test('the open page of a revoked key turns to the sign-in page, without a storm of questions', () =>
  asStranger({}, async (dashboard) => {
    const made = addKey(server, 'viewer');
    await dashboard.signIn(made);
    await dashboard.untilRow(ID, { status: 'disconnected' });
    await dashboard.untilLive();
    const seen = countRequests(dashboard.page);
    runJson(['keys', 'revoke', made.key, '--data', server.data]);
    await dashboard.get('sign-in').waitFor();
    assert.match(await dashboard.page.innerText('[data-testid=sign-in] [role=status]'), /session is over/);
    await dashboard.page.waitForTimeout(4_000);
    const refused = seen.statuses.filter((status) => status === 401).length;
    assert.ok(refused >= 1 && refused <= 4, `${refused} questions were refused`);
    await dashboard.signIn(made);
    await dashboard.get('sign-in-error').waitFor();
    await dashboard.signIn(server.key);
    await dashboard.untilLive();
  }));

test('when the server cannot be reached or permits nothing, the page says that, and then signs in', () =>
  asStranger({ allowed: new RegExp(`${REFUSED.source}|${SERVER_AWAY.source}`) }, async (dashboard) => {
    const error = dashboard.get('sign-in-error');
    const context = dashboard.page.context();
    await context.setOffline(true);
    await dashboard.signIn(server.key);
    await until('it says so', async () => /Cannot reach the server/.test(await error.innerText()));
    await context.setOffline(false);
    await dashboard.signIn(addKey(server, 'viewer', '--org', 'acme99'));
    await until('it says so', async () => /Not permitted \(403\): .*organi/.test(await error.innerText()));
    await dashboard.signIn(server.key);
    await dashboard.untilLive();
  }));

test('a server without sessions is shown as before, without an account', () =>
  withPage(browser, server, { allowed: /status of 404/ }, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.get('account').waitFor();
    await page.route('**/api/rollcall/v1/**', (route) => route.fulfill({ status: 404, body: '{}' }));
    await page.reload();
    await dashboard.untilRow(ID, { status: 'disconnected' });
    assert.equal(await dashboard.get('account').count(), 0);
  }));

test('over HTTPS with a self-signed certificate, link, key and the live monitor work', async () => {
  const flags = ['--http', '127.0.0.1:0', '--mqtt', '127.0.0.1:0', '--mqtts', '127.0.0.1:0', '--demo', '0'];
  const secure = await startServer({ args: [...flags, '--data', temporaryFolder(), '--tls-self-signed'] });
  assert.match(secure.url, /^https:/);
  const options = { ignoreHTTPSErrors: true, allowed: REFUSED };
  await withPage(browser, secure, options, async (dashboard) => {
    const { page } = dashboard;
    const sockets = [];
    page.on('websocket', (socket) => sockets.push(socket.url()));
    await dashboard.untilLive();
    const [cookie] = await page.context().cookies();
    assert.deepEqual([cookie.name, cookie.secure], ['__Host-rollcall_session', true]);
    await signOut(dashboard);
    await dashboard.signIn(secure.key);
    await dashboard.untilLive();
    assert.match(sockets.at(-1), /^wss:.*\/mqtt$/);
    const row = dashboard.untilRow('d:acme01:thermo:secure', { status: 'disconnected' });
    assert.equal((await attempt(secure, 'd:acme01:thermo:secure')).exitCode, 0);
    await row;
  });
  await secure.stop();
});

test('from another machine and without TLS the page signs in, and the browser never asks for a password itself', async () => {
  // To the browser a name that is not of this machine, where it does not trust plain HTTP.
  const remote = await launchBrowser('--host-resolver-rules=MAP rollcall.example 127.0.0.1');
  const link = Object.assign(new URL(server.url), { hostname: 'rollcall.example' });
  const away = { signInLink: () => link.href };
  // The browser says that it ignores a header there.
  const allowed = new RegExp(`${REFUSED.source}|Cross-Origin-Opener-Policy`);
  const asking = withPage(remote, away, { allowed }, async (dashboard) => {
    const { page } = dashboard;
    assert.equal(await page.evaluate(() => isSecureContext), false);
    const challenges = [];
    page.on('response', async (answer) => {
      if (answer.status() !== 401) return;
      challenges.push((await answer.request().headers())['sec-fetch-mode'], answer.headers()['www-authenticate']);
    });
    const made = addKey(server, 'viewer');
    await dashboard.signIn(made);
    await dashboard.untilLive();
    runJson(['keys', 'revoke', made.key, '--data', server.data]);
    await dashboard.get('sign-in').waitFor();
    await dashboard.signIn(made);
    await dashboard.get('sign-in-error').waitFor();
    await page.context().clearCookies();
    await page.reload();
    await dashboard.get('sign-in').waitFor();
    assert.ok(challenges.length >= 6, `${challenges.length / 2} refusals`);
    assert.deepEqual(new Set(challenges), new Set([undefined]));
  });
  await asking.finally(() => remote.close());
});

for (const [size, viewport] of Object.entries({ desk: DESKTOP, phone: PHONE })) {
  for (const theme of ['light', 'dark']) {
    test(`the sign-in page on a ${size} in ${theme} shows all of itself`, () =>
      asStranger({ viewport, theme }, async (dashboard) => {
        assert.deepEqual(await dashboard.widerThanScreen(), []);
        await screenshot(dashboard.page, `sign-in-${size}-${theme}`);
        await dashboard.signIn({ key: `a-acme01-${size}${theme}`, token: 'guessed' });
        await dashboard.get('sign-in-error').waitFor();
        assert.deepEqual(await dashboard.widerThanScreen(), []);
        await screenshot(dashboard.page, `sign-in-wrong-${size}-${theme}`);
      }));
    test(`the account on a ${size} in ${theme} fits`, () =>
      withPage(browser, server, { viewport, theme }, async (dashboard) => {
        await dashboard.untilLive();
        await dashboard.get('account').click();
        await dashboard.get('sign-out').waitFor();
        assert.deepEqual(await dashboard.widerThanScreen(), []);
        await screenshot(dashboard.page, `account-${size}-${theme}`);
      }));
  }
}
