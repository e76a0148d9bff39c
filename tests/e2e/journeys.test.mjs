// What an administrator sees while clients come and go. One server and one browser for all of these; every test
// has its own clients (told apart by a search) and its own page.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launchBrowser, screenshot, withPage } from './browser.mjs';
import {
  addDevice,
  attempt,
  cleanUp,
  connect,
  connectRaw,
  importPast,
  startServer,
  until,
  untilStatus,
} from './harness.mjs';

let server;
/** Has registered devices, so that everybody presents credentials. */
let guarded;
let browser;

before(async () => {
  [server, guarded, browser] = await Promise.all([startServer(), startServer(), launchBrowser()]);
});

after(async () => {
  await browser?.close();
  await Promise.all([server?.stop(), guarded?.stop()]);
  await cleanUp();
});

const device = (name, type = 'thermo') => `d:acme01:${type}:${name}`;
/** A journey on a page that shows only the clients whose id contains `search`. */
const journey = (search, body, of = server) =>
  withPage(browser, of, { query: `?search=${search}` }, async (dashboard) => {
    await dashboard.untilLive();
    await body(dashboard);
  });

test('a client connects and its row turns to connected without a reload', () =>
  journey('arrives', async (dashboard) => {
    const known = device('arrives-known');
    await (await connect(server, known)).goodbye();
    await dashboard.untilRow(known, { status: 'disconnected' });
    await dashboard.page.evaluate(() => (globalThis.notReloaded = true));

    await connect(server, known);
    await dashboard.untilRow(known, { status: 'connected' });
    const unknown = device('arrives-for-the-first-time');
    await connect(server, unknown, { version: 'mqttv5' });
    await dashboard.untilRow(unknown, { status: 'connected' });
    await dashboard.untilNumber('total', 2);
    assert.equal(await dashboard.page.evaluate(() => globalThis.notReloaded), true);
  }));

test('a client is killed and its row says network', () =>
  journey('killed', async (dashboard) => {
    const id = device('killed');
    const client = await connect(server, id);
    await dashboard.untilRow(id, { status: 'connected' });
    await client.lose();
    await dashboard.untilRow(id, { status: 'disconnected', initiator: 'network' });
    const state = await server.state(id);
    assert.deepEqual(
      [state.disconnectInitiator, state.mqttReasonCode, state.closeCode],
      ['network', 0x80, 91],
    );
  }));

test('a client says goodbye and its row says client', () =>
  journey('leaves', async (dashboard) => {
    for (const [version, id] of [
      ['311', device('leaves-4')],
      ['mqttv5', device('leaves-5')],
    ]) {
      const client = await connect(server, id, { version });
      await dashboard.untilRow(id, { status: 'connected' });
      await client.goodbye();
      await dashboard.untilRow(id, { status: 'disconnected', initiator: 'client' });
      const state = await server.state(id);
      assert.deepEqual([state.disconnectInitiator, state.mqttReasonCode, state.closeCode], ['client', 0, 0]);
    }
  }));

test('the keep-alive of a client runs out and its row says server with 0x8D', () =>
  journey('silent', async (dashboard) => {
    const id = device('silent');
    await connectRaw(server, id, { keepAlive: 1 });
    await dashboard.untilRow(id, { status: 'connected' });
    const row = await dashboard.untilRow(id, { status: 'disconnected', initiator: 'server' });
    await until('the row names the code', async () => /0x8D/i.test(await row.innerText()));
    const state = await server.state(id);
    assert.deepEqual(
      [state.disconnectInitiator, state.mqttReasonCode, state.closeCode],
      ['server', 0x8d, 160],
    );
  }));

test('a double takes the id of a client and the row stays connected', () =>
  journey('doubled', async (dashboard) => {
    const id = device('doubled');
    await connectRaw(server, id);
    const row = await dashboard.untilRow(id, { status: 'connected' });
    await row.evaluate((element) => {
      globalThis.statuses = [];
      const table = element.parentElement;
      new MutationObserver(() => {
        const now = document.querySelector('[data-testid="row"][data-client-id$=":doubled"]')?.dataset.status;
        if (now) globalThis.statuses.push(now);
      }).observe(table, { attributes: true, subtree: true, childList: true });
    });

    await connectRaw(server, id, { version: 5 });
    await until('the log tells the takeover', async () =>
      (await server.log(id)).some((entry) => entry.event === 'disconnect' && entry.closeCode === 288),
    );
    await dashboard.open(id);
    await dashboard.entries('disconnect').first().waitFor();
    await dashboard.untilRow(id, { status: 'connected' });
    const statuses = await dashboard.page.evaluate(() => globalThis.statuses);
    assert.ok(
      statuses.every((status) => status === 'connected'),
      `the row went through ${statuses}`,
    );
    assert.equal((await server.state(id)).connectionStatus, 'connected');
  }));

test('a wrong password is in the log and changes no status', () =>
  journey('guarded', async (dashboard) => {
    const { clientId, token } = addDevice(guarded, 'thermo', 'guarded');
    assert.equal(clientId, device('guarded'));
    await connect(guarded, clientId, { user: 'use-token-auth', password: token });
    await dashboard.untilRow(clientId, { status: 'connected' });
    await dashboard.open(clientId);
    await dashboard.entries('connect').first().waitFor();

    const stranger = await attempt(guarded, clientId, { user: 'use-token-auth', password: 'guessed' });
    assert.notEqual(stranger.exitCode, 0);
    await dashboard.entries('failedConnect').first().waitFor();
    await dashboard.untilRow(clientId, { status: 'connected' });
    const [entry] = (await guarded.log(clientId)).filter(({ event }) => event === 'failedConnect');
    assert.match(
      entry.message,
      /^Token auth failed \(.+\): ClientID='d:acme01:thermo:guarded', ClientIP=127\.0\.0\.1/,
    );
    assert.equal((await guarded.state(clientId)).connectionStatus, 'connected');
    await screenshot(dashboard.page, 'wrong-password-light');
  }, guarded));

test('a client that was only ever refused is never shown as connected', () =>
  journey('stranger', async (dashboard) => {
    const { clientId } = addDevice(guarded, 'thermo', 'stranger');
    await attempt(guarded, clientId, { user: 'use-token-auth', password: 'guessed' });
    await until('the log has the attempt', async () => (await guarded.log(clientId)).length === 1);
    await dashboard.untilRow(clientId, { status: 'disconnected' });
    assert.equal((await guarded.state(clientId)).connectionStatus, 'disconnected');
    await dashboard.untilNumber('status-connected', 0);
    await dashboard.untilNumber('status-disconnected', 1);
  }, guarded));

test('the dashboard itself is no client of the fleet', () =>
  journey('', async (dashboard) => {
    const total = async () => (await server.api('/clientconnectionstates?_limit=1')).body.meta.total_rows;
    const before = await total();
    await withPage(browser, server, {}, async (second) => {
      await second.untilLive();
      await connect(server, device('counted'));
      await dashboard.untilNumber('total', before + 1);
      await second.untilNumber('total', before + 1);
      assert.equal(await total(), before + 1);
    });
  }));

/** Five clients with a story: ids in the order in which they connected, and how each ended. */
async function smallFleet(prefix) {
  const ids = ['delta', 'alpha', 'echo', 'bravo', 'charlie'].map((name) =>
    device(`${prefix}-${name}`, `${prefix}-type`),
  );
  const clients = [];
  for (const id of ids) clients.push(await connect(server, id));
  await clients[0].goodbye();
  await clients[1].lose();
  await Promise.all([
    untilStatus(server, ids[0], 'disconnected'),
    untilStatus(server, ids[1], 'disconnected'),
  ]);
  return ids;
}

test('filters, search and sort are in the address; reload keeps them and back undoes them', async () => {
  const ids = await smallFleet('viewed');
  await withPage(browser, server, {}, async (dashboard) => {
    await dashboard.untilLive();
    await dashboard.search('VIEWED-');
    await dashboard.untilIds(ids);
    await dashboard.untilParameter('search', 'VIEWED-');

    await dashboard.filterStatus('disconnected');
    await dashboard.untilIds(ids.slice(0, 2));
    await dashboard.untilParameter('connectionStatus', 'disconnected');

    await dashboard.page.reload();
    await dashboard.untilIds(ids.slice(0, 2));
    assert.equal(await dashboard.get('search').inputValue(), 'VIEWED-');

    await dashboard.page.goBack();
    await dashboard.untilIds(ids);
    await dashboard.page.goForward();
    await dashboard.untilIds(ids.slice(0, 2));
  });
});

test('the head of a column sorts by it, and turns the order around', async () => {
  const ids = await smallFleet('sorted');
  await journey('sorted-', async (dashboard) => {
    await dashboard.untilIds(ids);
    for (const [field, ascending] of [
      ['id', [...ids].sort()],
      ['lastConnectTime', ids],
    ]) {
      const seen = new Set();
      for (let click = 0; click < 2; click++) {
        await dashboard.sort(field);
        const key = await until(`the address names the sort by ${field}`, () => {
          const sort = dashboard.parameters().get('_sort') ?? 'id';
          return sort.replace('-', '') === field && !seen.has(sort) && sort;
        });
        seen.add(key);
        const expected = key.startsWith('-') ? [...ascending].reverse() : ascending;
        await dashboard.untilIds(expected, { inOrder: true });
      }
    }
  });
});

test('the menu sorts by every field, both ways, as the State API does', async () => {
  const own = await startServer({ data: importPast(variedStates()) });
  // The only one that is connected: who was when a server ended is not any more.
  await connect(own, device('charlie', 'pump'));
  const order = async (sort) => {
    const { body } = await own.api(`/clientconnectionstates?_sort=${sort}`);
    return body.results.map((state) => state.id);
  };
  await withPage(browser, own, {}, async (dashboard) => {
    await dashboard.untilLive();
    await dashboard.page.keyboard.press('s');
    const options = dashboard.get('popup').getByRole('radio');
    await options.first().waitFor();
    const names = await options.evaluateAll((all) => all.map((option) => option.dataset.testid));
    assert.equal(names.length, 21, 'every field of the state');
    for (const name of names) {
      const field = name.replace('sort-', '');
      const orders = [];
      for (const [direction, sort] of [['ascending', field], ['descending', `-${field}`]]) {
        await dashboard.get(name).check();
        await dashboard.get(`sort-${direction}`).click();
        // The order that there is unasked is not in the address.
        await dashboard.untilParameter('_sort', sort === 'id' ? null : sort);
        orders.push(await order(sort));
        await dashboard.untilIds(orders.at(-1), { inOrder: true });
      }
      assert.notDeepEqual(...orders, `the clients differ by ${field}`);
    }
  });
  await own.stop();
});

/** States of clients that differ in every field, as the State API tells them. */
function variedStates() {
  const at = (minutes) => new Date(Date.now() - minutes * 60_000).toISOString();
  const state = (id, more) => ({ id, connectionStatus: 'disconnected', recentConnects: 0, ...more });
  return [
    state(device('delta', 'valve'), {
      ...{ clientType: 'device', deviceType: 'valve', deviceId: 'delta', certainty: 'reported', secure: true },
      ...{ lastConnectTime: at(50), lastDisconnectTime: at(20), disconnectInitiator: 'network', closeCode: 91 },
      ...{ mqttReasonCode: 128, clientAddr: '10.0.0.9', mqttConnectProtocol: '5', recentConnects: 3 },
      ...{ lastActivityTime: at(40), lastActivityEvent: 'mqttPublish', reason: 'a storm', staleSince: at(8) },
      lastPublishTime: at(40),
    }),
    state('g:acme01:hub:alpha', {
      ...{ clientType: 'gateway', deviceType: 'hub', deviceId: 'alpha', certainty: 'inferred', secure: false },
      ...{ lastConnectTime: at(45), lastDisconnectTime: at(30), disconnectInitiator: 'server', closeCode: 160 },
      ...{ mqttReasonCode: 141, clientAddr: '10.0.0.10', mqttConnectProtocol: '3.1', recentConnects: 1 },
      ...{ lastActivityTime: at(44), lastActivityEvent: 'mqttPing', reason: 'no word', staleSince: at(9) },
      lastPublishTime: at(46),
      ...{ lastRefusedTime: at(2) },
    }),
    state('echo', {
      ...{ clientType: 'other', certainty: 'reported', secure: false, lastConnectTime: at(55) },
      ...{ lastDisconnectTime: at(25), disconnectInitiator: 'client', closeCode: 0, mqttReasonCode: 0 },
      ...{ clientAddr: '2001:db8::1', mqttConnectProtocol: '3.1.1', recentConnects: 7 },
      ...{ lastActivityTime: at(25), lastActivityEvent: 'mqttDisconnect', lastRefusedTime: at(3) },
    }),
  ];
}

test('a link shows a colleague the same view', async () => {
  const ids = await smallFleet('linked');
  const query = `?search=linked-&connectionStatus=connected&_sort=-id&client=${encodeURIComponent(ids[2])}`;
  await withPage(browser, server, { query }, async (dashboard) => {
    await dashboard.untilIds([ids[2], ids[4], ids[3]], { inOrder: true });
    await dashboard.get('panel').waitFor();
    await dashboard.entries('connect').first().waitFor();
  });
});

test('a time-range picker narrows the table, and the address keeps the range relative', async () => {
  const ids = await smallFleet('timed');
  await journey('timed-', async (dashboard) => {
    await dashboard.untilIds(ids);
    await dashboard.pickRange('disconnect', 'now-15m');
    await dashboard.untilIds(ids.slice(0, 2));
    await dashboard.untilParameter('disconnectedAfter', 'now-15m');
    await screenshot(dashboard.page, 'range-light');
  });
  const boundary = (await server.state(ids[2])).lastConnectTime;
  await withPage(
    browser,
    server,
    { query: `?search=timed-&connectedAfter=${boundary}` },
    async (dashboard) => {
      await dashboard.untilIds(ids.slice(2));
      assert.equal(dashboard.parameters().get('connectedAfter'), boundary);
    },
  );
});

test('the log of a client is in the side panel, with its own time range', async () => {
  const id = device('storied');
  await (await connect(server, id)).lose();
  await untilStatus(server, id, 'disconnected');
  const boundary = (await server.state(id)).lastDisconnectTime;
  // A later millisecond, so that the boundary lies between the two sessions.
  await until('the clock has moved on', () => new Date().toISOString() > boundary);
  await (await connect(server, id)).goodbye();
  await untilStatus(server, id, 'disconnected');

  await journey('storied', async (dashboard) => {
    await dashboard.open(id);
    await until('both sessions are listed', async () => (await dashboard.entries().count()) === 4);
    await dashboard.untilParameter('client', id);
    const events = await dashboard.entries().evaluateAll((all) => all.map((entry) => entry.dataset.event));
    assert.deepEqual(events, ['disconnect', 'connect', 'disconnect', 'connect'], 'newest first');
    await screenshot(dashboard.page, 'panel-light');

    await connect(server, id);
    await until('the new session appears by itself', async () => (await dashboard.entries().count()) === 5);
  });
  const query = `?search=storied&client=${id}&logBefore=${boundary}`;
  await withPage(browser, server, { query }, async (dashboard) => {
    await until('only the first session is listed', async () => (await dashboard.entries().count()) === 2);
  });
});

test('the keyboard reaches everything: / searches, arrows move, Enter opens, Esc closes', async () => {
  const ids = (await smallFleet('keyed')).sort();
  await withPage(browser, server, {}, async (dashboard) => {
    await dashboard.untilLive();
    const { keyboard } = dashboard.page;
    await keyboard.press('/');
    await keyboard.type('keyed-');
    await dashboard.untilIds(ids);
    await keyboard.press('Escape');
    // The table keeps the focus and names its active row, so that rows can be recycled under it.
    const active = () =>
      dashboard.page.evaluate(() => {
        const row = document.activeElement?.getAttribute('aria-activedescendant');
        return (row && document.getElementById(row)?.dataset.clientId) || null;
      });
    for (const id of ids.slice(0, 2)) {
      await keyboard.press('ArrowDown');
      await until(`the active row is ${id}`, async () => (await active()) === id);
    }
    await keyboard.press('Enter');
    await dashboard.get('panel').waitFor();
    await dashboard.untilParameter('client', ids[1]);
    await keyboard.press('Escape');
    await dashboard.get('panel').waitFor({ state: 'detached' });
    await dashboard.untilParameter('client', null);
  });
});
