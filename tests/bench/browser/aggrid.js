// AG Grid Community over Rollcall's State API: the infinite row model, which holds the rows around those in view. Messages
// change the rows that are held at once, all of a frame together; who belongs in view is asked again, as often as the
// dashboard may ask.

import { FIELDS, states, watch } from './feed.js';

/** As in the dashboard: this long after an answer, or half as long again as it took. */
const LEAST_MS = 100;

const { createGrid } = globalThis.agGrid;
const time = new Intl.DateTimeFormat('en', { dateStyle: 'short', timeStyle: 'medium' });
const isTime = (field) => field.endsWith('Time');

const onDemand = { sort: '-lastActivityTime', disconnected: false };
let wants = 0;
let shown = 0;
let rows = 1_000_000;

const datasource = {
  async getRows({ startRow, endRow, successCallback, failCallback }) {
    const asked = wants;
    try {
      const parameters = { _sort: onDemand.sort, _skip: startRow, _limit: endRow - startRow };
      if (onDemand.disconnected) parameters.connectionStatus = 'disconnected';
      const { results, meta } = await states(parameters);
      rows = meta.total_rows;
      shown = Math.max(shown, asked);
      successCallback(results, rows);
    } catch {
      failCallback();
    }
  },
};

const grid = createGrid(document.getElementById('table'), {
  rowModelType: 'infinite',
  datasource,
  cacheBlockSize: 100,
  maxBlocksInCache: 4,
  infiniteInitialRowCount: 1_000,
  rowHeight: 32,
  animateRows: false,
  getRowId: ({ data }) => data.id,
  columnDefs: FIELDS.map((field) => ({
    field,
    flex: field === 'id' ? 2 : 1,
    sortable: false,
    valueFormatter: isTime(field) ? ({ value }) => (value ? time.format(new Date(value)) : '') : undefined,
  })),
});

function reset() {
  wants += 1;
  grid.setGridOption('datasource', datasource);
}

document.getElementById('sort').onclick = () => {
  onDemand.sort = onDemand.sort === 'id' ? '-id' : 'id';
  reset();
};
document.getElementById('filter').onclick = () => {
  onDemand.disconnected = !onDemand.disconnected;
  reset();
};

let waiting = new Map();
let isAsked = false;
watch((changes) => {
  for (const [id, change] of changes) waiting.set(id, { ...waiting.get(id), ...change });
  if (isAsked) return;
  isAsked = true;
  requestAnimationFrame(() => {
    isAsked = false;
    for (const [id, change] of waiting) {
      const node = grid.getRowNode(id);
      if (node?.data) node.updateData({ ...node.data, ...change });
    }
    waiting = new Map();
    refresh();
  });
});

let refreshedAt = 0;
function refresh() {
  const now = performance.now();
  if (now - refreshedAt < LEAST_MS) return;
  refreshedAt = now;
  grid.refreshInfiniteCache();
}

const inView = () => {
  const box = document.querySelector('.ag-body-viewport, .ag-grid-viewport').getBoundingClientRect();
  return [...document.querySelectorAll('.ag-row')]
    .filter((row) => {
      const { top, bottom } = row.getBoundingClientRect();
      return bottom > box.top + 1 && top < box.bottom - 1;
    })
    .sort((a, b) => a.getAttribute('row-index') - b.getAttribute('row-index'));
};
const cell = (row, field) => row.querySelector(`[col-id="${field}"]`)?.textContent ?? '';

globalThis.subject = {
  top: () => {
    const row = document.querySelector('.ag-row[row-index="0"]');
    return row ? cell(row, 'id') : undefined;
  },
  isSettled: () => {
    const rows = inView();
    return shown === wants && rows.length > 0 && rows.every((row) => cell(row, 'id') !== '');
  },
  statuses: () => inView().map((row) => cell(row, 'connectionStatus')),
  first: () => Number(inView()[0]?.getAttribute('row-index')),
  scroller: () => {
    const of = (selector) => document.querySelector(selector);
    const tall = ['.ag-body-viewport', '.ag-grid-viewport', '.ag-body-vertical-scroll-viewport'].map(of);
    return tall.find((element) => element && element.scrollHeight > element.clientHeight + 1);
  },
  row: () => inView()[5],
};
