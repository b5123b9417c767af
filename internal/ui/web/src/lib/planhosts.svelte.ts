// The hosts of a large plan as the server pages them: one page after the other, on
// request, for one choice of wave, state and kernel build.

import { list, type Cell, type CellList, type Problem } from './api';
import { get, toProblem, withQuery } from './http';

export interface PlanHostFilter { wave: string; state: string; build: string; search: string }

const pageSize = 100;

export class PlanHosts {
  hosts = $state.raw<Cell[]>([]);
  total = $state(0);
  loading = $state(true);
  problem = $state.raw<Problem | undefined>(undefined);
  more = $state(false);

  readonly filter: PlanHostFilter;
  readonly plan: string;
  #next = '';
  #busy = false;
  #abort = new AbortController();

  constructor(plan: string, filter: PlanHostFilter) {
    this.plan = plan;
    this.filter = filter;
    void this.#read('', pageSize);
  }

  close() {
    this.#abort.abort();
  }

  next = (): Promise<void> => this.#read(this.#next, pageSize);

  /** Reads again what is shown, each host in its place. */
  refresh = (): Promise<void> => this.#read('', Math.min(1000, Math.max(pageSize, this.hosts.length)));

  async #read(page: string, limit: number) {
    if (this.#busy) return;
    this.#busy = true;
    try {
      const path = `/api/v1/rollouts/${encodeURIComponent(this.plan)}/hosts`;
      const answer = await get<CellList>(withQuery(path, { ...this.filter, limit, page }), this.#abort.signal);
      this.hosts = page ? [...this.hosts, ...list(answer.hosts)] : list(answer.hosts);
      this.total = answer.total;
      this.#next = answer.next ?? '';
      this.more = Boolean(this.#next);
      this.problem = undefined;
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.problem = toProblem(error);
    } finally {
      this.#busy = false;
    }
    this.loading = false;
  }
}
