// The table that the browser bench prints: what should be, what the dashboard does, what the others do.

const at = (values, share) => {
  if (!values || values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
};

/** What is printed of each rate: a name, a unit, the target, whether more is better, and the figure. */
const ROWS = [
  ['frames', '/s', 55, true, (result) => result.framesPerSecond],
  // Two frames of a screen with 60 in a second.
  ['frame, p99', 'ms', 33.4, false, (result) => at(result.frameMs, 0.99)],
  ['longest task', 'ms', 50, false, (result) => result.longestMs],
  ['top row behind, p95', 'ms', 250, false, (result) => at(result.behindMs, 0.95)],
  ['key to next paint, p98', 'ms', 100, false, (result) => at(result.inputMs, 0.98)],
  ['sort click to rows, median', 'ms', 150, false, (result) => at(result.sortMs, 0.5)],
  ['sort click to rows, worst', 'ms', 150, false, (result) => at(result.sortMs, 1)],
  ['filter click to rows, median', 'ms', 150, false, (result) => at(result.filterMs, 0.5)],
  ['filter click to rows, worst', 'ms', 150, false, (result) => at(result.filterMs, 1)],
  ['scroll to any row, median', 'ms', 100, false, (result) => at(result.scrollMs, 0.5)],
  ['scroll to any row, p95', 'ms', 100, false, (result) => at(result.scrollMs, 0.95)],
  ['renderer, own memory', 'MB', 200, false, (result) => result.memory?.own],
  ['renderer, with what it shares', 'MB', undefined, false, (result) => result.memory?.resident],
  ['main thread: busy', '%', undefined, false, (result) => result.busy * 100],
  ['main thread: kept waiting', '%', undefined, false, (result) => result.waited * 100],
  ['opened, to first rows', 'ms', undefined, false, (result) => result.loadMs],
];

/** The figures of one measurement in a line. */
export const brief = (result) =>
  ROWS.map(([title, unit, , , read]) => `${title} ${shown(read(result) ?? NaN)} ${unit}`).join(' · ');

export function printTable(results, rates, subjects, minutes) {
  const names = Object.keys(results);
  for (const rate of rates) {
    const rows = [...ROWS];
    if (rate === Math.max(...rates) && minutes > 0)
      rows.splice(13, 0, [`memory grown in ${minutes} min`, 'MB', 20, false, (result) => result.grownMb]);
    const cells = [['', 'target', ...names.map((name) => subjects[name].name), 'ratio']];
    for (const [title, unit, target, isMore, read] of rows) {
      const figures = names.map((name) => (results[name][rate].failed ? NaN : (read(results[name][rate]) ?? NaN)));
      const misses = (figure) => target !== undefined && (isMore ? figure < target : figure > target);
      const own = names.map((name, index) => (/aggrid|perspective/.test(name) ? NaN : figures[index]));
      const mark = own.some(misses) ? '!' : ' ';
      const goal = target === undefined ? '–' : `${isMore ? '≥' : '≤'} ${target} ${unit}`;
      const ours = figures[names.indexOf('ours')];
      const others = names.flatMap((name, index) => (/aggrid|perspective/.test(name) ? [figures[index]] : []));
      const ratios = others.map((other) => ratio(isMore ? ours / other : other / ours)).join(' ');
      cells.push([`${mark} ${title}`, goal, ...figures.map((figure) => shown(figure)), ratios || '–']);
    }
    console.log(`\n${rate.toLocaleString('en')} messages/s`);
    print(cells);
  }
  console.log(
    `\n! one of ours misses its target. Ratio: how many times better than AG Grid and than Perspective.
Chromium and Firefox without a screen, 1440 × 900, drawn by the processor. Behind: now less the time of the event that the top
row shows, in every frame. Longest task: from the first frame counted to the end, clicks and scrolls included.
AG Grid: the infinite row model over Rollcall's State API, asked again as often as the dashboard; its client-side model takes no
million rows that are sorted on what changes. Perspective: all rows in the browser, in its own worker.`,
  );
}

function print(cells) {
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  for (const row of cells)
    console.log(row.map((cell, column) => (column ? cell.padStart(widths[column]) : cell.padEnd(widths[column]))).join('  '));
}

const ratio = (value) => (Number.isFinite(value) && value > 0 ? `${value.toFixed(value < 10 ? 1 : 0)}×` : '–');

function shown(figure) {
  if (figure === Infinity) return 'never';
  if (!Number.isFinite(figure)) return '–';
  return figure.toFixed(Math.abs(figure) < 10 ? 1 : 0);
}
