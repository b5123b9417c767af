// What the whole page shares: who is signed in, the fleet's overview (for the
// page and for the bar that names what moves), and the dialog that is open.

import type { Overview, RolloutSummary, Session } from './api';
import type { Verb } from './actions';
import type { Step } from './steer';
import { get, request, session as hooks, toProblem } from './http';
import { live } from './live.svelte';
import { Resource } from './resource.svelte';

export type Dialog =
  | { kind: 'help' }
  | { kind: 'rollout'; verb: Verb; rollout: RolloutSummary; onDone?: (() => void) | undefined }
  | { kind: 'step'; step: Step; onDone?: (() => void) | undefined }
  | { kind: 'stop' }
  | { kind: 'lift' }
  | { kind: 'ban'; name: string; level: number; inEffect: number; onDone: () => void }
  | { kind: 'join' };

class Shell {
  session = $state.raw<Session | undefined>(undefined);
  /** checking: asking the server; out: sign in; in: signed in; broken: no answer. */
  phase = $state<'checking' | 'out' | 'in' | 'broken'>('checking');
  problem = $state.raw<ReturnType<typeof toProblem> | undefined>(undefined);
  overview = $state.raw<Resource<Overview> | undefined>(undefined);
  dialog = $state.raw<Dialog | undefined>(undefined);
  /** One sentence read out to assistive technology after an action. */
  announcement = $state('');

  async start() {
    hooks.ended = () => this.#leave();
    this.phase = 'checking';
    try {
      this.enter(await get<Session>('/api/v1/session'));
    } catch (error) {
      this.problem = toProblem(error);
      this.phase = this.problem.status === 401 ? 'out' : 'broken';
    }
  }

  enter(session: Session) {
    this.session = session;
    this.problem = undefined;
    this.phase = 'in';
    live.onLost = () => void this.#checkSession();
    live.start();
    this.overview = new Resource<Overview>('/api/v1/overview');
  }

  /** A stream that is refused does not say why; the session's own route does. */
  async #checkSession() {
    try {
      await get<Session>('/api/v1/session');
    } catch (error) {
      if (toProblem(error).status === 401) this.#leave();
    }
  }

  async signOut() {
    await request('DELETE', '/api/v1/session');
    this.#leave();
  }

  #leave() {
    live.stop();
    this.overview?.close();
    this.overview = undefined;
    this.session = undefined;
    this.dialog = undefined;
    this.phase = 'out';
  }
}

export const shell = new Shell();
