// How a rollout's hosts become the wave track: rows are lanes (kernel builds)
// and, inside them, failure domains; columns are waves. Pure, so that it can be
// tested without a page.

import { list, type Cell, type KernelBuild, type Wave } from './api';
import { buildKey } from './format';
import { lifeOrder, shownState } from './states';

/** cards: a host is a card with its reason; cells: a symbol; stacks: a symbol and a count. */
export type TrackMode = 'cards' | 'cells' | 'stacks';

/** One or more hosts drawn as one cell, all in the same shown state. */
export interface TrackCell {
  key: string;
  /** The state to draw. */
  state: string;
  hosts: Cell[];
}

export interface TrackRow {
  key: string;
  build: KernelBuild;
  /** Failure domain's value, such as a3; empty where rows are whole lanes. */
  domain: string;
  /** Cells by column. */
  cells: TrackCell[][];
}

export interface TrackLane { key: string; build: KernelBuild; hosts: number; confirmed: number; rows: TrackRow[] }

export interface Track {
  mode: TrackMode;
  /** Domain kind that rows stand for, such as rack; empty where rows are lanes. */
  domain: string;
  lanes: TrackLane[];
  /** For each column, how many cells stand side by side. */
  perRow: number[];
}

export const limits = {
  /** Up to so many hosts each is a card. */
  cards: 16,
  /** Beyond so many hosts cells become stacks. */
  cells: 1200,
  /** More rows than this and failure domains are folded into their lane. */
  rows: 36,
  /** Cells side by side in one column before they wrap. */
  perRow: 14,
  /** And in one that is narrowed to fit. */
  perRowLeast: 7,
};

/** Sizes of the drawing in pixels; components/Track.svelte draws by them. */
export const sizes = { cell: 20, stack: 56, gap: 4, columnPadding: 16, column: 84, label: 136, gate: 52, gateSpelled: 180 };

/** How wide a column is that has so many cells side by side. */
export function columnWidth(mode: TrackMode, perRow: number): number {
  return Math.max(sizes.column, perRow * ((mode === 'stacks' ? sizes.stack : sizes.cell) + sizes.gap) + sizes.columnPadding);
}

/**
 * Narrows the widest columns, as far as it is sensible, until all waves and
 * their gates fit into the given width; what still does not fit is scrolled.
 */
export function fit(track: Track, gates: number, width: number): number[] {
  const perRow = [...track.perRow];
  const total = () => sizes.label + gates + perRow.reduce((n, p) => n + columnWidth(track.mode, p), 0);
  while (total() > width) {
    const widest = Math.max(...perRow);
    if (widest <= limits.perRowLeast) break;
    perRow[perRow.indexOf(widest)] = widest - 1;
  }
  return perRow;
}

/** Lays the waves out. Domain kinds are tried in the given order. */
export function layout(waves: Wave[], domainKinds: string[]): Track {
  const cells = waves.flatMap((w) => list(w.hosts));
  const mode: TrackMode = cells.length <= limits.cards ? 'cards' : cells.length <= limits.cells ? 'cells' : 'stacks';
  const domain = mode === 'cards' ? '' : pickDomain(cells, domainKinds);
  const lanes = makeLanes(waves, cells, domain, mode);
  const perRow = waves.map((_, column) =>
    Math.max(1, ...lanes.flatMap((lane) => lane.rows.map((row) => Math.min(limits.perRow, row.cells[column]!.length)))),
  );
  return { mode, domain, lanes, perRow };
}

/** The first kind that every host has and that does not make too many rows. */
function pickDomain(cells: Cell[], kinds: string[]): string {
  const usable = (kind: string) => {
    const rows = new Set<string>();
    for (const cell of cells) {
      const value = cell.domains?.[kind];
      if (!value) return false;
      rows.add(`${buildKey(cell.build)} ${value}`);
      if (rows.size > limits.rows) return false;
    }
    return rows.size > 1;
  };
  return kinds.find(usable) ?? '';
}

function makeLanes(waves: Wave[], cells: Cell[], domain: string, mode: TrackMode): TrackLane[] {
  const lanes = new Map<string, TrackLane>();
  for (const cell of cells) {
    const key = buildKey(cell.build);
    const lane = lanes.get(key) ?? { key, build: cell.build, hosts: 0, confirmed: 0, rows: [] };
    lane.hosts++;
    if (shownState(cell) === 'confirmed') lane.confirmed++;
    lanes.set(key, lane);
  }
  for (const lane of lanes.values()) lane.rows = makeRows(waves, lane, domain, mode);
  return [...lanes.values()].sort((a, b) => compare(a.key, b.key));
}

function makeRows(waves: Wave[], lane: TrackLane, domain: string, mode: TrackMode): TrackRow[] {
  const rows = new Map<string, Cell[][]>();
  waves.forEach((wave, column) => {
    for (const cell of list(wave.hosts)) {
      if (buildKey(cell.build) !== lane.key) continue;
      const value = domain ? (cell.domains?.[domain] ?? '') : '';
      const row = rows.get(value) ?? waves.map(() => []);
      row[column]!.push(cell);
      rows.set(value, row);
    }
  });
  return [...rows]
    .sort(([a], [b]) => compare(a, b))
    .map(([value, columns]) => ({
      key: `${lane.key} ${value}`,
      build: lane.build,
      domain: value,
      cells: columns.map((hosts) => (mode === 'stacks' ? stack(hosts) : single(hosts))),
    }));
}

/** A host keeps its place whatever its state does: cells are ordered by name. */
function single(hosts: Cell[]): TrackCell[] {
  return hosts
    .map((host) => ({ key: host.host, state: shownState(host), hosts: [host] }))
    .sort((a, b) => compare(a.hosts[0]!.name, b.hosts[0]!.name) || compare(a.key, b.key));
}

function stack(cells: Cell[]): TrackCell[] {
  const byState = new Map<string, Cell[]>();
  for (const host of cells) {
    const state = shownState(host);
    const hosts = byState.get(state);
    if (hosts) hosts.push(host);
    else byState.set(state, [host]);
  }
  return [...byState]
    .map(([state, all]) => ({ key: state, state, hosts: all }))
    .sort((a, b) => lifeOrder.indexOf(a.state) - lifeOrder.indexOf(b.state));
}

const collator = new Intl.Collator('en', { numeric: true });

function compare(a: string, b: string): number {
  return collator.compare(a, b);
}

/** How many hosts are drawn in each state, in the order of a host's life. */
export function countStates(waves: Wave[]): { state: string; hosts: number }[] {
  const counts = new Map<string, number>();
  for (const wave of waves) {
    for (const cell of list(wave.hosts)) {
      const state = shownState(cell);
      counts.set(state, (counts.get(state) ?? 0) + 1);
    }
  }
  return [...counts].map(([state, hosts]) => ({ state, hosts })).sort((a, b) => lifeOrder.indexOf(a.state) - lifeOrder.indexOf(b.state));
}

/** The gate that decides: one that failed, or the first that has not passed, or -1. */
export function currentGate(waves: Wave[]): number {
  const failed = waves.findIndex((w) => w.gate.verdict === 'fail');
  return failed >= 0 ? failed : waves.findIndex((w) => w.gate.verdict !== 'pass');
}

export interface Box { left: number; top: number; width: number; height: number }

/** More than any distance on a screen: what lies straight ahead always wins. */
const astray = 100_000;

/**
 * Which box an arrow key leads to: the nearest one straight ahead, or else the
 * one that is the least astray in that direction. Returns -1 if there is none.
 */
export function neighbour(boxes: Box[], from: number, key: string): number {
  const origin = boxes[from];
  if (!origin) return -1;
  const ox = origin.left + origin.width / 2;
  const oy = origin.top + origin.height / 2;
  let best = -1;
  let bestCost = Infinity;
  boxes.forEach((box, i) => {
    if (i === from) return;
    const dx = box.left + box.width / 2 - ox;
    const dy = box.top + box.height / 2 - oy;
    const along = { ArrowRight: dx, ArrowLeft: -dx, ArrowDown: dy, ArrowUp: -dy }[key];
    if (along === undefined || along < 2) return;
    const sideways = key === 'ArrowRight' || key === 'ArrowLeft';
    const aside = Math.abs(sideways ? dy : dx);
    const ahead = aside < (sideways ? box.height + origin.height : box.width + origin.width) / 2;
    const cost = along + (ahead ? 0 : astray + aside * 3);
    if (cost < bestCost) [best, bestCost] = [i, cost];
  });
  return best;
}
