// What each state is called, looks like and means. Colour is never alone: every
// state has a shape of its own (components/Sprite.svelte draws them).

import type { Cell, HostState, PlanStatus } from './api';

export interface StateLook {
  /** The word on the screen. */
  word: string;
  /** One sentence for the legend and for tooltips. */
  meaning: string;
  /** Which colour token: --state-TONE. */
  tone: 'good' | 'moving' | 'watch' | 'idle' | 'back' | 'bad' | 'struck' | 'gone';
}

const looks: Record<string, StateLook> = {
  waiting: { word: 'waiting', meaning: 'Listed in the plan, not started.', tone: 'idle' },
  admitted: { word: 'admitted', meaning: 'Its slots are held; it takes its grant at the next check-in.', tone: 'moving' },
  armed: { word: 'armed', meaning: 'The loader has written its intent; the load may follow at any moment.', tone: 'moving' },
  applying: { word: 'applying', meaning: 'The kernel is moving its tasks to the new code.', tone: 'moving' },
  probation: { word: 'probation', meaning: 'In effect, and must stay healthy; otherwise it reverts by itself.', tone: 'watch' },
  confirmed: { word: 'confirmed', meaning: 'In effect, and probation ended well.', tone: 'good' },
  reverting: { word: 'reverting', meaning: 'The level before the attempt is being put back.', tone: 'back' },
  reverted: { word: 'reverted', meaning: 'The level before the attempt is in effect again.', tone: 'back' },
  failed: { word: 'failed', meaning: 'Refused, or failed; the reason says where.', tone: 'bad' },
  interrupted: { word: 'interrupted', meaning: 'Cut short for a cause that is not the patch.', tone: 'idle' },
  quarantined: { word: 'quarantined', meaning: 'Went down with the patch; never arms it again without a signed clear.', tone: 'struck' },
  lost: { word: 'lost', meaning: 'Started, then silent. It keeps its slots.', tone: 'bad' },
  skipped: { word: 'skipped', meaning: 'Left out by a logged decision.', tone: 'idle' },
  cloned: { word: 'cloned', meaning: 'Two machines use its identity; nothing starts until one has joined anew.', tone: 'struck' },
  applied: { word: 'applied', meaning: 'The newest report of this boot says that a level of ours is in effect.', tone: 'good' },
  unpatched: { word: 'unpatched', meaning: 'No live patch of ours is in effect.', tone: 'idle' },
  transitioning: { word: 'transitioning', meaning: 'The kernel is moving its tasks to the new code.', tone: 'moving' },
  stale: { word: 'stale', meaning: 'Not heard of lately; what is shown is what it said last.', tone: 'gone' },
  unknown: { word: 'unknown', meaning: 'Its truth source could not be read.', tone: 'gone' },
};

/** Host states that the host list can be filtered by, in the order of need. */
export const hostScreenStates = [
  'quarantined', 'cloned', 'failed', 'reverting', 'reverted', 'transitioning', 'probation', 'waiting', 'unpatched', 'applied', 'stale', 'unknown',
];

/** Order of cells' states in legends and bars: a host's life. */
export const lifeOrder: string[] = [
  'confirmed', 'applied', 'probation', 'applying', 'transitioning', 'armed', 'admitted', 'waiting', 'unpatched', 'reverting',
  'reverted', 'failed', 'quarantined', 'cloned', 'lost', 'interrupted', 'skipped', 'stale', 'unknown',
];

/** A state this console does not know is shown by its own word, as unknown. */
export function look(state: string): StateLook {
  return looks[state] ?? { word: state, meaning: 'This console does not know this state.', tone: 'gone' };
}

export function symbolOf(state: string): string {
  return looks[state] ? state : 'unknown';
}

const claims = new Set<HostState>(['admitted', 'armed', 'applying', 'probation', 'confirmed', 'reverting', 'reverted']);

/**
 * The state to draw for a cell. What a silent host last said about its running
 * kernel is not drawn as if it were so now.
 */
export function shownState(cell: Pick<Cell, 'state' | 'silent'>): string {
  return cell.silent && claims.has(cell.state) ? 'stale' : cell.state;
}

/** States in which a person should look. */
export const troubled: ReadonlySet<string> = new Set(['reverting', 'reverted', 'failed', 'quarantined', 'cloned', 'lost']);

export interface StatusLook { word: string; meaning: string; tone: StateLook['tone'] }

const statuses: Record<PlanStatus, StatusLook> = {
  proposed: { word: 'Proposed', meaning: 'Signed by its author, waiting for approvers.', tone: 'idle' },
  approved: { word: 'Approved', meaning: 'Enough other persons signed; it may be started.', tone: 'idle' },
  running: { word: 'Running', meaning: 'Waves open as their gates pass.', tone: 'moving' },
  held: { word: 'Held', meaning: 'Promotes nothing and starts nothing until it is resumed.', tone: 'watch' },
  halted: { word: 'Halted', meaning: 'Starts nothing more, for good.', tone: 'bad' },
  completed: { word: 'Completed', meaning: 'Every host is at its end state.', tone: 'good' },
  expired: { word: 'Expired', meaning: 'Its signed life ended before it completed.', tone: 'gone' },
};

export function statusLook(status: string): StatusLook {
  return statuses[status as PlanStatus] ?? { word: status, meaning: '', tone: 'gone' };
}

export const verdictLook: Record<string, { word: string; tone: StateLook['tone'] }> = {
  pass: { word: 'Passed', tone: 'good' },
  hold: { word: 'Holding', tone: 'idle' },
  slow: { word: 'Slowed', tone: 'watch' },
  fail: { word: 'Failed', tone: 'bad' },
};
