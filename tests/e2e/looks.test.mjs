// The page on a desk and on a phone, light and dark: nothing scrolls sideways, both themes are readable, every
// state can be photographed (`ROLLCALL_SCREENSHOTS`).

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { DESKTOP, launchBrowser, PHONE, screenshot, withPage } from './browser.mjs';
import { attempt, cleanUp, connect, connectRaw, register, startServer, until, untilStatus } from './harness.mjs';

let server;
let browser;
const LOST = 'd:acme01:thermo:lost-in-a-tunnel-somewhere-between-two-cities';

before(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  await fill();
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

/** One client of every kind that the table tells apart. */
async function fill() {
  const [device, gateway, silent, other] = [
    'd:acme01:pump:guarded-1',
    'g:acme01:gw:north',
    'd:acme01:meter:silent',
    'mqttjs_1f2e3d',
  ];
  const logins = Object.fromEntries(
    [device, gateway, silent, other, LOST].map((id) => [id, register(server, id)]),
  );
  await connect(server, device, logins[device]);
  await attempt(server, device, { ...logins[device], password: 'guessed' });
  const left = await connect(server, gateway, { version: 'mqttv5', ...logins[gateway] });
  const lost = await connect(server, LOST, logins[LOST]);
  await connectRaw(server, silent, { keepAlive: 1, ...logins[silent] });
  await connectRaw(server, 'a:acme01:console');
  await connectRaw(server, other, logins[other]);
  await connectRaw(server, other, { version: 5, ...logins[other] });
  await left.goodbye();
  await lost.lose();
  await untilStatus(server, LOST, 'disconnected');
  await untilStatus(server, 'd:acme01:meter:silent', 'disconnected');
}

const SIZES = { desk: DESKTOP, phone: PHONE };

for (const [size, viewport] of Object.entries(SIZES)) {
  for (const theme of ['light', 'dark']) {
    test(`on a ${size} in ${theme}, nothing scrolls sideways and the panel opens`, () =>
      withPage(browser, server, { viewport, theme }, async (dashboard) => {
        await dashboard.untilLive();
        const row = await dashboard.untilRow(LOST, { status: 'disconnected', initiator: 'network' });
        assert.deepEqual(await dashboard.widerThanScreen(), []);
        await screenshot(dashboard.page, `table-${size}-${theme}`);

        await row.click();
        await dashboard.get('panel').waitFor();
        await dashboard.entries('disconnect').first().waitFor();
        assert.deepEqual(await dashboard.widerThanScreen(), []);
        await screenshot(dashboard.page, `panel-${size}-${theme}`);
      }));
  }
}

test('light and dark follow the system, and each is what it says', async () => {
  const luminance = (theme) => {
    let result;
    return withPage(browser, server, { theme }, async (dashboard) => {
      await dashboard.get('row').first().waitFor();
      result = await dashboard.page.evaluate(() => {
        const canvas = document.createElement('canvas').getContext('2d');
        const light = (colour) => {
          canvas.fillStyle = colour;
          canvas.fillRect(0, 0, 1, 1);
          const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
          return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
        };
        const row = document.querySelector('[data-testid="row"]');
        return {
          paper: light(getComputedStyle(document.body).backgroundColor),
          ink: light(getComputedStyle(row).color),
        };
      });
    }).then(() => result);
  };
  const light = await luminance('light');
  const dark = await luminance('dark');
  assert.ok(light.paper > 0.8 && light.ink < 0.4, JSON.stringify(light));
  assert.ok(dark.paper < 0.2 && dark.ink > 0.6, JSON.stringify(dark));
});

test('on a phone, the filters that leave nothing are listed above the lower edge of the table', () => {
  const query =
    '?search=nobody&clientType=device&mqttReasonCode!=0,4&minRecentConnects=1&stale=false&certainty=reported' +
    '&lastActivityEvent=mqttConnect&deviceType!=x';
  return withPage(browser, server, { query, viewport: PHONE }, async (dashboard) => {
    await dashboard.untilLive();
    const list = dashboard.get('no-match');
    await list.waitFor();
    const { y, height } = await list.boundingBox();
    const footer = await dashboard.page.locator('.bottom').boundingBox();
    assert.ok(y + height <= footer.y, `${y} + ${height} is below ${footer.y}`);
    await list.getByRole('button').last().click();
    await until('the last one is removed', () => !dashboard.parameters().has('deviceType!'));
  });
});

// Each message made the buttons anew, and whoever was on one was on the page's beginning.
test('what is offered where nothing matches keeps the focus while clients come and go', () =>
  withPage(browser, server, { query: '?search=nobody-has-this-id' }, async (dashboard) => {
    await dashboard.untilLive();
    const button = dashboard.get('no-match').getByRole('button').first();
    await button.focus();
    for (const name of ['one', 'two']) {
      const id = `d:acme01:thermo:passing-${name}`;
      await (await connect(server, id, register(server, id))).goodbye();
      await untilStatus(server, id, 'disconnected');
    }
    // The page asks for the counts twice a second.
    await dashboard.page.waitForTimeout(1_500);
    assert.ok(await button.evaluate((element) => element === document.activeElement));
  }));

test('an empty result says so', () =>
  withPage(browser, server, { query: '?search=nobody-has-this-id' }, async (dashboard) => {
    await dashboard.untilLive();
    await dashboard.untilIds([]);
    await dashboard.page.getByText('No client matches').waitFor();
    await screenshot(dashboard.page, 'no-match-light');
  }));
