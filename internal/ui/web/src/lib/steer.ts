// The steps that steer a rollout or a host beside start, hold, resume, halt and
// revert of the whole: what will happen, and the command that does the same. Pure,
// as lib/actions.ts is.

import { list, type Freeze, type HostDetail, type HostState, type Reason, type Rollout, type States, type Wave } from './api';
import { closes, command, domainText, opaque, plural } from './format';

export interface Step {
  title: string;
  icon: string;
  /** What will happen, one line each; what will not happen comes last. */
  effects: string[];
  /** The command that does the same, with times and the reason left out. */
  command: string;
  confirm: string;
  path: string;
  body: Record<string, unknown>;
  /** Said when it is done. */
  done: string;
  /** It lasts until a time that the person gives, and may begin at one. */
  lasts?: 'until' | 'from';
}

/** A plan as far as a step on one of its hosts needs it. */
export interface PlanName { plan: string; name: string; patch: { name: string; level: number } }

const rollouts = (r: PlanName, verb: string) => `/api/v1/rollouts/${encodeURIComponent(r.plan)}/${verb}`;
const hosts = (id: string, verb: string) => `/api/v1/hosts/${encodeURIComponent(id)}/${verb}`;
const named = (r: PlanName) => r.name || r.plan;

/** States of hosts that have the patch of a plan, or may have it at any moment. */
const holds: HostState[] = ['admitted', 'armed', 'applying', 'probation', 'confirmed', 'lost'];

export function mayRevert(state: HostState): boolean {
  return holds.includes(state);
}

/** After how many attempts that were cut short a host is passed over until somebody has it tried again. */
const attempts = 3;

/** A host whose attempt failed may make another one; what was taken back needs a signed clear. */
export function mayRetry(state: HostState, reason?: Reason, attempt = 0): boolean {
  if (state === 'skipped') return attempt > attempts && reason?.code !== 'dismissed';
  return state === 'interrupted' || (state === 'failed' && reason?.code !== 'revert_failed');
}

/** A host whose attempt ended badly holds its lane until it makes another one or is dismissed. */
export function mayDismiss(state: HostState): boolean {
  return ['quarantined', 'reverted', 'failed', 'interrupted'].includes(state);
}

export function count(states: States | undefined, of: HostState[]): number {
  return of.reduce((sum, state) => sum + (states?.[state] ?? 0), 0);
}

export const active = (status: string) => status === 'running' || status === 'held';

/** The next wave that opens only on an operator's word, if there is one. */
export function byHand(waves: Wave[]): Wave | undefined {
  return waves.find((w) => w.manual && !w.promoted);
}

/** Whether that word may be given now: it never replaces a gate, a bake or a window. */
export function mayOpen(wave: Wave | undefined): boolean {
  return Boolean(wave && (!wave.closed || wave.closed.code === 'needs_promotion'));
}

export function nextWave(r: Rollout, wave: Wave): Step {
  return {
    title: `Open wave ${wave.index + 1} of ${opaque(r.name)}?`, icon: 'do-next', confirm: `Open wave ${wave.index + 1}`,
    effects: [
      `${plural(wave.size, 'host')} of wave ${wave.index + 1} ("${opaque(wave.name)}") may start, each within its budgets and windows.`,
      'The gate before it has passed; the word does not replace a gate, a bake or a window.',
      'The gate behind it decides about what follows.',
    ],
    command: command('hotstick', 'rollout', 'next-wave', named(r)),
    path: rollouts(r, 'next-wave'), body: {}, done: `Wave ${wave.index + 1} of ${r.name} is open.`,
  };
}

export function retryFailed(r: Rollout): Step {
  const n = count(r.states, ['failed', 'interrupted']);
  return {
    title: `Retry ${plural(n, 'host')} of ${opaque(r.name)}?`, icon: 'do-retry', confirm: `Retry ${plural(n, 'host')}`,
    effects: [
      `Up to ${plural(n, 'host')} that failed or ${n === 1 ? 'was' : 'were'} interrupted ${n === 1 ? 'waits' : 'wait'} for a new attempt, within budgets and windows.`,
      'What was reverted, quarantined or struck stays out until the approvers sign a clear; a way back that failed needs hands.',
    ],
    command: command('hotstick', 'rollout', 'retry', named(r), '--failed'),
    path: rollouts(r, 'retry'), body: { failed: true }, done: `Retry: done for ${r.name}.`,
  };
}

export function retryHost(r: PlanName, host: { id: string; name: string }): Step {
  const name = opaque(host.name);
  return {
    title: `Retry ${name}?`, icon: 'do-retry', confirm: 'Retry the host',
    effects: [`${name} waits for a new attempt with ${closes(r)} in ${opaque(named(r))}, within budgets and windows.`, 'The failed attempt stays in the log.'],
    command: command('hotstick', 'rollout', 'retry', named(r), '--host', host.name || host.id),
    path: rollouts(r, 'retry'), body: { hosts: [host.id] }, done: `${host.name} waits for a new attempt.`,
  };
}

export function dismissHost(r: PlanName, host: { id: string; name: string }): Step {
  const name = opaque(host.name);
  return {
    title: `Dismiss ${name}?`, icon: 'do-dismiss', confirm: 'Dismiss the host',
    effects: [
      `${name} no longer holds its lane; its strike stays, and ${opaque(named(r))} does not patch it.`,
      'A stand-in may take its place. The lane still needs a confirmed canary.',
      'What happened stays counted: a second crash of the same kind fails the rollout.',
    ],
    command: command('hotstick', 'rollout', 'dismiss', named(r), host.name || host.id),
    path: rollouts(r, 'dismiss'), body: { host: host.id }, done: `${host.name} is dismissed.`,
  };
}

const comesBack = (patch: string) => `${patch} is not offered to those hosts again by any plan without a signed clear.`;

export function revertWave(r: Rollout, wave: Wave): Step {
  const back = count(wave.states, holds);
  const waiting = count(wave.states, ['waiting']);
  const patch = closes(r);
  return {
    title: `Revert wave ${wave.index + 1} of ${opaque(r.name)}?`, icon: 'do-revert', confirm: `Revert wave ${wave.index + 1}`,
    effects: [
      `Up to ${plural(back, 'host')} of wave ${wave.index + 1} ("${opaque(wave.name)}") ${back === 1 ? 'goes' : 'go'} back to the level before ${patch}, within the revert budget.`,
      waiting ? `${plural(waiting, 'host')} of it that ${waiting === 1 ? 'waits is' : 'wait are'} passed over.` : 'No host of it waits.',
      comesBack(patch),
      'Other waves go on: this does not halt the rollout. It cannot be called back.',
    ],
    command: command('hotstick', 'rollout', 'revert', named(r), '--wave', String(wave.index + 1)),
    path: rollouts(r, 'revert'), body: { wave: wave.index }, done: `Wave ${wave.index + 1} of ${r.name} goes back.`,
  };
}

export function revertHost(r: PlanName, host: { id: string; name: string }): Step {
  const name = opaque(host.name);
  const patch = closes(r);
  return {
    title: `Revert ${name}?`, icon: 'do-revert', confirm: 'Revert the host',
    effects: [
      `${name} goes back to the level that was in effect before ${patch}. What ${patch} closes is open again on it.`,
      `${patch} is not offered to it again by any plan without a signed clear.`,
      `${opaque(named(r))} goes on with its other hosts. No host is rebooted for it.`,
    ],
    command: command('hotstick', 'rollout', 'revert', named(r), '--host', host.name || host.id),
    path: rollouts(r, 'revert'), body: { hosts: [host.id] }, done: `${host.name} goes back.`,
  };
}

export function exclude(host: { id: string; name: string }): Step {
  const name = opaque(host.name);
  return {
    title: `Exclude ${name}?`, icon: 'do-exclude', confirm: 'Exclude the host',
    effects: [
      `No rollout starts anything on ${name} until then; whoever counts gaps sees it as one, with your reason.`,
      'It is caught up when the time is over, or when somebody includes it again.',
      'Nothing is reverted: it keeps the level that is in effect, and an attempt under way goes on to its end.',
    ],
    command: command('hotstick', 'host', 'exclude', host.name || host.id),
    path: hosts(host.id, 'exclude'), body: {}, done: `${host.name} is excluded.`, lasts: 'until',
  };
}

export function include(host: { id: string; name: string }): Step {
  const name = opaque(host.name);
  return {
    title: `Include ${name} again?`, icon: 'do-check', confirm: 'Include the host',
    effects: [`Rollouts that list ${name} catch it up, within budgets and windows.`, 'Its exclusion ends now.'],
    command: command('hotstick', 'host', 'include', host.name || host.id),
    path: hosts(host.id, 'include'), body: {}, done: `${host.name} is included again.`,
  };
}

export function writeOff(data: HostDetail): Step {
  const name = opaque(data.host.name);
  const slots = list(data.slots);
  return {
    title: `Write ${name} off?`, icon: 'do-close', confirm: 'Write the host off',
    effects: [
      `Its identity ends for good: ${name} is never let in again, also if it comes back. A repaired machine joins as a new host.`,
      slots.length
        ? `${plural(slots.length, 'slot')} it holds ${slots.length === 1 ? 'is' : 'are'} freed: ${[...new Set(slots.map(domainText))].join(', ')}.`
        : 'It holds no slot of a disruption budget.',
      'Every rollout passes it over.',
      'Only for a host that is gone for good: whether it is down is not checked, and a running kernel keeps what is loaded.',
    ],
    command: command('hotstick', 'host', 'write-off', data.host.name || data.host.id),
    path: hosts(data.host.id, 'write-off'), body: {}, done: `${data.host.name} is written off.`,
  };
}

export function freeze(): Step {
  return {
    title: 'Freeze changes?', icon: 'do-hold', confirm: 'Freeze changes',
    effects: [
      'Nothing starts on the whole fleet in that time; hosts under way go on to their end.',
      'Rollouts keep their evidence and go on by themselves afterwards.',
      'Reverts go on, and so do bans and halts.',
    ],
    command: 'hotstick freeze add', path: '/api/v1/freezes', body: {}, done: 'Changes are frozen.', lasts: 'from',
  };
}

export function unfreeze(f: Freeze): Step {
  return {
    title: 'Take this freeze back?', icon: 'do-resume', confirm: 'Take it back',
    effects: [f.active ? 'Rollouts may start hosts again at once, if no other freeze holds.' : 'The freeze does not begin.', `It said: ${opaque(f.reason)}`],
    command: command('hotstick', 'freeze', 'remove', f.id),
    path: `/api/v1/freezes/${encodeURIComponent(f.id)}/remove`, body: {}, done: 'The freeze is taken back.',
  };
}
