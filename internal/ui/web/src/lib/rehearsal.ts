// What a rehearsal says, in words and on the wave track. Pure.

import { list, type RehearsedPatch, type Spread } from './api';
import { domainText, number, percent, plural } from './format';

/** How many runs were stopped at one gate, of all. */
export interface Stops { runs: number; of: number }

/** For each wave, how many runs of a scenario were stopped at the gate behind it. */
export function stopsByWave(of: RehearsedPatch): Map<number, Stops> {
  const runs = new Map<number, number>();
  for (const stop of list(of.stops)) runs.set(stop.wave, (runs.get(stop.wave) ?? 0) + stop.runs);
  return new Map([...runs].map(([wave, n]) => [wave, { runs: n, of: of.runs }]));
}

/** How the runs ended, the commonest end first. */
export function ends(of: RehearsedPatch): { status: 'completed' | 'halted' | 'held'; runs: number }[] {
  return (['completed', 'halted', 'held'] as const)
    .map((status) => ({ status, runs: of[status] }))
    .filter((end) => end.runs > 0)
    .sort((a, b) => b.runs - a.runs);
}

/** Counts of hosts: the mean with a decimal where it matters, and the 99th percentile. */
export function hostsText(of: Spread, hosts: number): string {
  if (of.max === 0) return 'none';
  return `${amount(of.mean)} mean, ${amount(of.p99)} p99${hosts ? ` (${percent(of.p99 / hosts)})` : ''}`;
}

function amount(n: number): string {
  return n >= 10 || Number.isInteger(n) ? number(Math.round(n)) : n.toFixed(1);
}

/** The widest reach in each kind of failure domain. */
export function blastText(of: RehearsedPatch): string {
  // Hosts that belong to no domain of a kind are not one domain.
  return list(of.blast)
    .filter((b) => b.value || b.domain === 'fleet')
    .map((b) => `${number(b.hosts)} of ${plural(b.of, 'host')} in ${b.domain === 'fleet' ? 'the fleet' : domainText(b)}`)
    .join('; ');
}
