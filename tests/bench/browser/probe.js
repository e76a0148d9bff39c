// What runs in a measured page: frames, long tasks, inputs, and how soon what was asked for is painted. `browser.mjs` puts
// it into each page before anything else. A page that shows another table says where its rows are in `subject`; where the
// dashboard has them is said here.

(() => {
  const visible = (element) => {
    const grid = document.getElementById('grid').getBoundingClientRect();
    const { top, bottom } = element.getBoundingClientRect();
    // The head covers the first 32 pixels.
    return bottom > grid.top + 33 && top < grid.bottom - 1;
  };
  const rows = () =>
    [...document.querySelectorAll('#grid .row:not([hidden])')]
      .filter(visible)
      .sort((a, b) => a.getAttribute('aria-rowindex') - b.getAttribute('aria-rowindex'));
  globalThis.subject = {
    top: () => document.querySelector('#grid .row[aria-rowindex="2"]')?.dataset.clientId,
    isSettled: () => {
      const shown = rows();
      const isBusy = document.getElementById('grid')?.getAttribute('aria-busy') !== 'false';
      return !isBusy && shown.length > 0 && shown.every((row) => row.dataset.clientId);
    },
    statuses: () => rows().map((row) => row.dataset.status),
    first: () => Number(rows()[0]?.getAttribute('aria-rowindex')) - 2,
    scroller: () => document.getElementById('grid'),
    row: () => rows()[5],
  };

  /** Calls `then` with the time when what is in the document now has been painted. */
  const afterPaint = (then) => {
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => then(performance.now());
      port2.postMessage(0);
    });
  };

  const { port1, port2 } = new MessageChannel();
  const state = { isRunning: false };
  port1.onmessage = ({ data }) => {
    if (state.isRunning) state.tops.push([performance.timeOrigin + performance.now(), data]);
  };
  const onFrame = (at) => {
    if (!state.isRunning) return;
    state.frames.push(at);
    const top = globalThis.subject.top();
    if (top) port2.postMessage(top);
    requestAnimationFrame(onFrame);
  };

  const tasks = [];
  const interactions = new Map();
  const watch = (type, options, take) => {
    if (!PerformanceObserver.supportedEntryTypes.includes(type)) return;
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, ...options });
  };
  watch('longtask', {}, ({ startTime, duration }) => tasks.push([startTime, duration]));
  watch('event', { durationThreshold: 16 }, ({ interactionId, duration }) => {
    if (interactionId) interactions.set(interactionId, Math.max(duration, interactions.get(interactionId) ?? 0));
  });
  /** Where the browser does not tell of interactions: from the input to the frame after it. */
  const inputs = [];
  for (const type of ['keydown', 'pointerdown'])
    addEventListener(type, ({ timeStamp }) => afterPaint((painted) => inputs.push(painted - timeStamp)), {
      capture: true,
    });

  let clickedAt;
  addEventListener('click', ({ timeStamp }) => (clickedAt = timeStamp), { capture: true });

  /** Milliseconds from `start()` until `isDone` holds in a painted frame; `null` after 10 seconds. */
  const until = (start, isDone) =>
    new Promise((resolve) => {
      const begun = performance.now();
      const check = () => {
        if (performance.now() - begun > 10_000) return resolve(null);
        const since = start();
        if (since !== undefined && isDone()) return afterPaint((painted) => resolve(painted - since));
        requestAnimationFrame(check);
      };
      check();
    });

  const CONDITIONS = {
    top: (id) => globalThis.subject.isSettled() && globalThis.subject.top() === id,
    filtered: (isOn) => {
      const statuses = globalThis.subject.statuses();
      const isOnly = statuses.length > 0 && statuses.every((status) => status === 'disconnected');
      return globalThis.subject.isSettled() && isOnly === isOn;
    },
  };

  globalThis.probe = {
    supports: (type) => PerformanceObserver.supportedEntryTypes.includes(type),
    start() {
      Object.assign(state, { isRunning: true, frames: [], tops: [], since: performance.now() });
      requestAnimationFrame(onFrame);
    },
    stop() {
      state.isRunning = false;
      const { frames, tops } = state;
      return { frames, tops };
    },
    /** The long tasks since `since`, a time of this page. */
    tasks: (since) => tasks.filter(([start]) => start >= since).map(([, duration]) => duration),
    now: () => performance.now(),
    interactions: () => [...interactions.values()],
    inputs: () => inputs,
    forget: () => {
      interactions.clear();
      inputs.length = 0;
    },
    /** Waits for what the next click brings; the answer is collected with `result`. */
    expect(condition, argument) {
      clickedAt = undefined;
      globalThis.expected = until(
        () => clickedAt,
        () => CONDITIONS[condition](argument),
      );
    },
    result: () => globalThis.expected,
    /** Goes to a share of the whole height; milliseconds until the rows there are painted. */
    scroll(share) {
      const scroller = globalThis.subject.scroller();
      const from = globalThis.subject.first();
      const at = performance.now();
      scroller.scrollTop = share * (scroller.scrollHeight - scroller.clientHeight);
      return until(
        () => at,
        () => globalThis.subject.first() !== from && globalThis.subject.isSettled(),
      );
    },
    point(selector) {
      const element = selector ? document.querySelector(selector) : globalThis.subject.row();
      const { x, y, width, height } = element.getBoundingClientRect();
      return { x: x + Math.min(width, 120) / 2, y: y + height / 2 };
    },
  };
})();
