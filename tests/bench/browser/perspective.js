// Perspective, which holds every row in the browser and sorts there: all states are loaded once, messages are added, all of
// a frame together and no more before the last ones are taken.

import perspective from './node_modules/@perspective-dev/client/dist/cdn/perspective.js';
import './node_modules/@perspective-dev/viewer/dist/cdn/perspective-viewer.js';
import './node_modules/@perspective-dev/viewer-datagrid/dist/cdn/perspective-viewer-datagrid.js';

import { allStates, FIELDS, watch } from './feed.js';

const typeOf = (field) => {
  if (field.endsWith('Time')) return 'datetime';
  return field === 'mqttReasonCode' ? 'integer' : 'string';
};
const viewer = document.getElementById('table');
const worker = await perspective.worker();
const table = await worker.table(Object.fromEntries(FIELDS.map((field) => [field, typeOf(field)])), { index: 'id' });

const value = (field, row) => {
  const value = row[field];
  if (value === undefined || value === null) return null;
  return field.endsWith('Time') ? Date.parse(value) : value;
};
for await (const rows of allStates()) {
  const columns = FIELDS.map((field) => [field, rows.map((row) => value(field, row))]);
  if (rows.length > 0) await table.update(Object.fromEntries(columns));
}
globalThis.loadedRows = await table.size();

const config = { sort: [['lastActivityTime', 'desc']], filter: [] };
await viewer.load(table);
await viewer.restore({ plugin: 'Datagrid', columns: FIELDS, settings: false, ...config });

let isRestoring = false;
async function restore() {
  isRestoring = true;
  await viewer.restore({ ...config });
  isRestoring = false;
}
document.getElementById('sort').onclick = () => {
  config.sort = [['id', config.sort[0][0] === 'id' && config.sort[0][1] === 'asc' ? 'desc' : 'asc']];
  restore();
};
document.getElementById('filter').onclick = () => {
  config.filter = config.filter.length > 0 ? [] : [['connectionStatus', '==', 'disconnected']];
  restore();
};

let waiting = new Map();
let isUpdating = false;
async function flush() {
  while (waiting.size > 0) {
    await new Promise(requestAnimationFrame);
    const rows = [...waiting.values()];
    waiting = new Map();
    await table.update(rows);
  }
  isUpdating = false;
}
watch((changes) => {
  for (const [id, change] of changes) {
    const row = { id };
    for (const [field, text] of Object.entries(change))
      row[field] = field.endsWith('Time') && text ? Date.parse(text) : text;
    waiting.set(id, { ...waiting.get(id), ...row });
  }
  if (isUpdating) return;
  isUpdating = true;
  flush();
});

/** The table is drawn in the shadow of an element that lies in the viewer. */
const grid = () => {
  const find = (root) => {
    for (const element of root.querySelectorAll('*')) {
      if (element.localName === 'regular-table') return element;
      const found = element.shadowRoot && find(element.shadowRoot);
      if (found) return found;
    }
    return undefined;
  };
  return (globalThis.foundGrid ??= find(viewer) ?? (viewer.shadowRoot && find(viewer.shadowRoot)));
};
const rows = () => [...(grid()?.querySelectorAll('tbody tr') ?? [])];
const at = (field) => FIELDS.indexOf(field);

globalThis.subject = {
  top: () => grid()?.querySelector('tbody td')?.textContent,
  isSettled: () => !isRestoring && rows().length > 0 && rows().every((row) => row.cells[0]?.textContent !== ''),
  statuses: () => rows().map((row) => row.cells[at('connectionStatus')]?.textContent),
  first: () => {
    const cell = grid()?.querySelector('tbody td');
    return cell ? grid().getMeta(cell)?.y : undefined;
  },
  scroller: grid,
  row: () => rows()[5],
};
