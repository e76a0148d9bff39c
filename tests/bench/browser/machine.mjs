// What Linux tells about processes and about the machine; elsewhere it is not known.

import { readFileSync, readdirSync } from 'node:fs';

const read = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** Memory of a process in MB: `resident` in all, and `own`, which it shares with nobody (what it would free). */
export function memoryMb(pid) {
  const rollup = read(`/proc/${pid}/smaps_rollup`);
  const mb = (name) => Number(rollup.match(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm'))?.[1] ?? NaN) / 1024;
  return { resident: mb('Rss'), own: mb('Private_Clean') + mb('Private_Dirty') };
}

/** How long the main thread of a process has run, and has waited for a processor, in milliseconds. */
export function processorMs(pid) {
  const [ran, waited] = read(`/proc/${pid}/task/${pid}/schedstat`).split(' ').map(Number);
  return { ran: ran / 1e6, waited: waited / 1e6 };
}

/** The processes below one, all generations. */
export function descendants(pid) {
  const parents = new Map();
  for (const name of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const parent = Number(read(`/proc/${name}/stat`).match(/\) \S (\d+)/)?.[1]);
    parents.set(parent, [...(parents.get(parent) ?? []), Number(name)]);
  }
  const below = (pid) => (parents.get(pid) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(pid);
}

export const commandOf = (pid) => read(`/proc/${pid}/cmdline`).split('\0').join(' ');

export const load = () => Number(read('/proc/loadavg').split(' ')[0]);
