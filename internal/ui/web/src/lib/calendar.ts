// Freezes and maintenance windows as bars over the coming days. Pure.

import { list, type Freeze, type Interval, type Rollout } from './api';

export const day = 86_400_000;

/** A part of a row, in shares of the whole width, 0 to 1. */
export interface Bar { from: number; to: number; interval: Interval }

export interface Row {
  key: string;
  kind: 'freeze' | 'window';
  name: string;
  /** The rollout whose windows they are. */
  rollout?: { plan: string; name: string };
  /** How many of its hosts start in them. */
  hosts?: number;
  bars: Bar[];
}

/** The start of the day in which a moment lies, in this machine's time zone. */
export function midnight(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}

/** The starts of so many days; with summer time a day may be shorter or longer. */
export function days(from: number, n: number): number[] {
  const first = new Date(from);
  return Array.from({ length: n + 1 }, (_, i) => new Date(first.getFullYear(), first.getMonth(), first.getDate() + i).getTime());
}

/** The parts of intervals that lie within a span. */
export function bars(intervals: Interval[], from: number, until: number): Bar[] {
  return intervals.flatMap((interval) => {
    const [a, b] = [Math.max(from, Date.parse(interval.from)), Math.min(until, Date.parse(interval.until))];
    return a < b ? [{ from: (a - from) / (until - from), to: (b - from) / (until - from), interval }] : [];
  });
}

/** Rows of the calendar: freezes first, then the windows of each rollout. */
export function rows(freezes: Freeze[], rollouts: Rollout[], from: number, until: number): Row[] {
  const frozen = freezes.map((f): Row => ({ key: `freeze ${f.id}`, kind: 'freeze', name: f.reason, bars: bars([f], from, until) }));
  const windows = rollouts.flatMap((r) =>
    list(r.plan_body.calendars).map((c): Row => ({
      key: `${r.plan} ${c.name}`, kind: 'window', name: c.name, rollout: { plan: r.plan, name: r.name },
      hosts: list(r.calendars).find((u) => u.name === c.name)?.hosts ?? 0, bars: bars(list(c.opens), from, until),
    })),
  );
  return [...frozen.filter((f) => f.bars.length), ...windows];
}

/** Until when an unbroken run of freezes holds, from the moment given; undefined if none does. */
export function frozenUntil(freezes: Freeze[], at: number): number | undefined {
  let end: number | undefined;
  for (const f of [...freezes].sort((a, b) => Date.parse(a.from) - Date.parse(b.from))) {
    if (Date.parse(f.from) <= (end ?? at) && Date.parse(f.until) > (end ?? at)) end = Date.parse(f.until);
  }
  return end;
}
