// What a person may do to a rollout, and what exactly will happen then. Pure:
// the texts are the product's promise and are tested as such.

import type { HostState, PlanStatus, Right, RolloutSummary, Session } from './api';
import { closes, command, plural } from './format';

export type Verb = 'start' | 'hold' | 'resume' | 'halt' | 'revert';

export interface Action {
  verb: Verb;
  /** The button's and the dialog's word. */
  word: string;
  /** What will happen, one line each; what will not happen comes last. */
  effects: string[];
  /** The command that does the same, with the reason left out. */
  command: string;
  /** Whether a reason must be given; starting what was signed needs none. */
  needsReason: boolean;
}

const allowed: Record<Verb, PlanStatus[]> = {
  start: ['approved'],
  hold: ['running'],
  resume: ['held'],
  halt: ['proposed', 'approved', 'running', 'held'],
  revert: ['running', 'held', 'halted', 'completed', 'expired'],
};

const order: Verb[] = ['start', 'resume', 'hold', 'halt', 'revert'];

/** The verbs that make sense in this status, in the order of the buttons. */
export function verbsFor(status: PlanStatus): Verb[] {
  return order.filter((verb) => allowed[verb].includes(status));
}

/** Whether whoever is signed in has a right. */
export function may(session: Session | undefined, right: Right): boolean {
  return (session?.rights ?? []).includes(right);
}

/** Why a button that steers does not work. */
export function needsOperator(session: Session | undefined): string {
  return `Needs the role operator; you are signed in as ${(session?.roles ?? []).join(' and ') || 'nobody'}.`;
}

const words: Record<Verb, string> = { start: 'Start', hold: 'Hold', resume: 'Resume', halt: 'Halt', revert: 'Revert' };

const underWay: HostState[] = ['admitted', 'armed', 'applying', 'probation'];
const changed: HostState[] = ['armed', 'applying', 'probation', 'confirmed', 'lost'];

function count(rollout: RolloutSummary, states: HostState[]): number {
  return states.reduce((sum, state) => sum + (rollout.states?.[state] ?? 0), 0);
}

/** Describes one action on one rollout as it stands now. */
export function describe(verb: Verb, rollout: RolloutSummary): Action {
  const active = count(rollout, underWay);
  const waiting = count(rollout, ['waiting']);
  const patch = closes(rollout);
  const goOn = active
    ? `${plural(active, 'host')} already under way ${active === 1 ? 'goes' : 'go'} on to an end: confirmed, or reverted by ${active === 1 ? 'itself' : 'themselves'}.`
    : 'No host is under way at this moment.';
  const kept = count(rollout, ['confirmed']);
  const keep = kept ? `Nothing is reverted: ${plural(kept, 'host')} ${kept === 1 ? 'keeps' : 'keep'} ${patch}.` : `Nothing is reverted.`;
  const effects: Record<Verb, string[]> = {
    start: [
      `The plan is announced to ${plural(rollout.hosts, 'host')}; its signed delays count from now.`,
      'The first wave may start at once, each host only within its disruption budgets.',
      'Later waves open only when the gate before them passes.',
    ],
    hold: [`No further host starts and no wave opens until somebody resumes. ${plural(waiting, 'host')} ${waiting === 1 ? 'waits' : 'wait'}.`, goOn, keep],
    resume: [
      `Waves open again as their gates pass; ${plural(waiting, 'host')} ${waiting === 1 ? 'waits' : 'wait'} for a start.`,
      'Gates keep the evidence they have. No gate is skipped.',
    ],
    halt: [
      `This rollout starts nothing more, for good: ${plural(waiting, 'waiting host')} will not get ${patch} from it.`,
      goOn,
      keep,
      'It cannot be resumed. Going on takes a new plan with new signatures.',
    ],
    revert: revertEffects(rollout, patch),
  };
  return {
    verb,
    word: words[verb],
    effects: effects[verb],
    command: command('hotstick', 'rollout', verb, rollout.name || rollout.plan),
    needsReason: verb !== 'start',
  };
}

function revertEffects(rollout: RolloutSummary, patch: string): string[] {
  const back = count(rollout, changed);
  const first = back
    ? `Up to ${plural(back, 'host')} ${back === 1 ? 'goes' : 'go'} back to the level that was in effect before ${patch}, within the revert budget.`
    : `No host has ${patch} from this rollout; hosts that still report a start go back.`;
  const lines = [first, `What ${patch} closes is open again on those hosts. No host is rebooted for it.`];
  if (!['halted', 'completed', 'expired'].includes(rollout.status)) lines.push('The rollout is halted with it: nothing more starts, for good.');
  lines.push('A revert ignores holds, halts and windows, and cannot be called back.');
  return lines;
}

/** What "stop everything" will do, given the rollouts that are not over: also those that wait for approval or start. */
export function describeStop(rollouts: RolloutSummary[]): string[] {
  const open = rollouts.filter((r) => allowed.halt.includes(r.status));
  const active = open.reduce((sum, r) => sum + count(r, underWay), 0);
  return [
    open.length
      ? `${plural(open.length, 'rollout')} ${open.length === 1 ? 'is' : 'are'} halted for good: ${open.map((r) => r.name).join(', ')}.`
      : 'No rollout is open at this moment.',
    'New starts are blocked on the whole fleet until somebody lifts the stop.',
    active
      ? `${plural(active, 'host')} under way ${active === 1 ? 'goes' : 'go'} on to an end; reverts still run.`
      : 'No host is under way; reverts still run.',
    'Nothing is reverted by this: hosts keep the level that is in effect.',
  ];
}
