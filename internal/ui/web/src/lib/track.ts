// How a rollout's hosts become the wave track: rows are lanes (kernel builds)
// and, inside them, failure domains; columns are waves. Pure, so that it can be
// tested without a page.

import { list, type Cell, type CellGroup, type KernelBuild, type Wave } from './api';
import { buildKey } from './format';
import { lifeOrder, shownState } from './states';

/** cards: a host is a card with its reason; cells: a symbol; stacks: a symbol and a count. */
export type TrackMode = 'cards' | 'cells' | 'stacks';

/** One or more hosts drawn as one cell, all in the same shown state. */
export interface TrackCell {
  key: string;
  /** The state to draw. */
  state: string;
  /** How many hosts it stands for. */
  count: number;
  /** The hosts themselves; none where the server only counts them. */
  hosts: Cell[];
  /** Which hosts of the plan it counts, where they are read by the page. */
  group?: { wave: number; build: string };
}

export interface TrackRow {
  key: string;
  build: KernelBuild;
  /** Failure domain's value, such as a3; empty where rows are whole lanes. */
  domain: string;
  /** Cells by column. */
  cells: TrackCell[][];
}

export interface TrackLane {
  key: string;
  build: KernelBuild;
  hosts: number;
  confirmed: number;
  rows: TrackRow[];
  /** How many small lanes it stands for together; 0 for a lane of its own. */
  others: number;
}

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
  /** And of these lanes; the smallest of more are drawn as one. */
  lanes: 24,
  /** Cells side by side in one column before they wrap. */
  perRow: 14,
  /** And in one that is narrowed to fit. */
  perRowLeast: 7,
};

/** Sizes of the drawing in pixels; components/Track.svelte draws by them. */
export const sizes = { cell: 20, stack: 56, gap: 4, columnPadding: 16, column: 84, label: 136, wideLabel: 208, gate: 52, gateSpelled: 180 };

/** How wide a column is that has so many cells side by side. */
export function columnWidth(mode: TrackMode, perRow: number): number {
  return Math.max(sizes.column, perRow * ((mode === 'stacks' ? sizes.stack : sizes.cell) + sizes.gap) + sizes.columnPadding);
}

/** How wide the names of rows are: whole lanes have room for a kernel's release. */
export function labelWidth(track: Pick<Track, 'mode' | 'domain'>): number {
  return track.mode === 'stacks' && !track.domain ? sizes.wideLabel : sizes.label;
}

/**
 * Narrows the widest columns, as far as it is sensible, until all waves and
 * their gates fit into the given width; what still does not fit is scrolled.
 */
export function fit(track: Track, gates: number, width: number): number[] {
  const perRow = [...track.perRow];
  const total = () => labelWidth(track) + gates + perRow.reduce((n, p) => n + columnWidth(track.mode, p), 0);
  while (total() > width) {
    const widest = Math.max(...perRow);
    if (widest <= limits.perRowLeast) break;
    perRow[perRow.indexOf(widest)] = widest - 1;
  }
  return perRow;
}

/** Lays the waves out. Domain kinds are tried in the given order. */
export function layout(waves: Wave[], domainKinds: string[]): Track {
  if (waves.some((w) => list(w.groups).length)) return layoutGroups(waves);
  const cells = waves.flatMap((w) => list(w.hosts));
  const mode: TrackMode = cells.length <= limits.cards ? 'cards' : cells.length <= limits.cells ? 'cells' : 'stacks';
  const domain = mode === 'cards' ? '' : pickDomain(cells, domainKinds);
  const lanes = makeLanes(waves, cells, domain, mode);
  return { mode, domain, lanes, perRow: widths(waves, lanes) };
}

function widths(waves: Wave[], lanes: TrackLane[]): number[] {
  return waves.map((_, column) =>
    Math.max(1, ...lanes.flatMap((lane) => lane.rows.map((row) => Math.min(limits.perRow, row.cells[column]!.length)))),
  );
}

/** Lays out waves whose hosts the server only counts: a stack a state in each lane. */
function layoutGroups(waves: Wave[]): Track {
  const sizes = new Map<string, number>();
  const all = waves.flatMap((w) => list(w.groups));
  for (const g of all) if (g.build) sizes.set(buildKey(g.build), (sizes.get(buildKey(g.build)) ?? 0) + g.hosts);
  const own = largest(sizes);
  const builds = new Map(all.flatMap((g) => (g.build && own.has(buildKey(g.build)) ? [[buildKey(g.build), g.build] as const] : [])));
  const lanes = [...builds].sort(([a], [b]) => compare(a, b)).map(([key, build]) => groupLane(waves, key, build, (g) => Boolean(g.build && buildKey(g.build) === key), 0));
  const rest = (g: CellGroup) => !g.build || !own.has(buildKey(g.build));
  if (all.some(rest)) {
    const unlisted = Math.max(0, ...all.filter((g) => !g.build).map((g) => g.lanes));
    lanes.push(groupLane(waves, others.key, others.build, rest, sizes.size - own.size + unlisted));
  }
  return { mode: 'stacks', domain: '', lanes, perRow: widths(waves, lanes) };
}

/** What stands for lanes that are too small to be drawn. */
const others = { key: '~ others', build: { release: 'other kernel builds', arch: '', build_id: '' } };

/** The keys of the largest lanes, as many as are drawn on their own. */
function largest(sizes: Map<string, number>): Set<string> {
  const order = [...sizes].sort(([a, n], [b, m]) => m - n || compare(a, b));
  return new Set(order.slice(0, order.length > limits.lanes ? limits.lanes - 1 : limits.lanes).map(([key]) => key));
}

function groupLane(waves: Wave[], key: string, build: KernelBuild, is: (g: CellGroup) => boolean, n: number): TrackLane {
  const lane: TrackLane = { key, build, hosts: 0, confirmed: 0, rows: [], others: n };
  const cells = waves.map((wave) => {
    const states = new Map<string, number>();
    for (const g of list(wave.groups).filter(is)) {
      lane.hosts += g.hosts;
      lane.confirmed += g.states?.confirmed ?? 0;
      for (const [state, hosts] of Object.entries(g.states ?? {})) if (hosts) states.set(state, (states.get(state) ?? 0) + hosts);
    }
    return [...states]
      .map(([state, hosts]) => ({ key: `${key} ${wave.index} ${state}`, state, count: hosts, hosts: [], group: { wave: wave.index, build: build.build_id } }))
      .sort((a, b) => lifeOrder.indexOf(a.state) - lifeOrder.indexOf(b.state));
  });
  lane.rows = [{ key, build, domain: '', cells }];
  return lane;
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
  const sizes = new Map<string, number>();
  for (const cell of cells) sizes.set(buildKey(cell.build), (sizes.get(buildKey(cell.build)) ?? 0) + 1);
  const own = largest(sizes);
  const keyOf = (cell: Cell) => (own.has(buildKey(cell.build)) ? buildKey(cell.build) : others.key);
  const lanes = new Map<string, TrackLane>();
  for (const cell of cells) {
    const key = keyOf(cell);
    const small = key === others.key;
    const lane = lanes.get(key) ?? { key, build: small ? others.build : cell.build, hosts: 0, confirmed: 0, rows: [], others: small ? sizes.size - own.size : 0 };
    lane.hosts++;
    if (shownState(cell) === 'confirmed') lane.confirmed++;
    lanes.set(key, lane);
  }
  for (const lane of lanes.values()) lane.rows = makeRows(waves, lane, (cell) => keyOf(cell) === lane.key, domain, mode);
  return [...lanes.values()].sort((a, b) => Math.min(a.others, 1) - Math.min(b.others, 1) || compare(a.key, b.key));
}

function makeRows(waves: Wave[], lane: TrackLane, has: (cell: Cell) => boolean, domain: string, mode: TrackMode): TrackRow[] {
  const rows = new Map<string, Cell[][]>();
  waves.forEach((wave, column) => {
    for (const cell of list(wave.hosts)) {
      if (!has(cell)) continue;
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
    .map((host) => ({ key: host.host, state: shownState(host), count: 1, hosts: [host] }))
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
    .map(([state, all]) => ({ key: state, state, count: all.length, hosts: all }))
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
    if (list(wave.groups).length) for (const [state, n] of Object.entries(wave.states ?? {})) if (n) counts.set(state, (counts.get(state) ?? 0) + n);
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
