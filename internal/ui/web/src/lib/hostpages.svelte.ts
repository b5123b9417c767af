// The host list as the server pages it: only what was scrolled to is read, and
// hosts keep the place where they first appeared.

import { list, type Host, type HostList, type Problem } from './api';
import { get, toProblem, withQuery } from './http';

export interface HostFilter { search: string; state: string; build: string }

/** A host's line, and what happened to it since it was first shown. */
export interface HostRow {
  host: Host;
  /** It no longer matches the filter, or is gone; what is shown is the last known. */
  gone: boolean;
}

interface Page { token: string; start: number; ids: string[] }

const pageSize = 200;
/** The server's limit; used to catch up when somebody scrolls far. */
const longPage = 1000;

export class HostPages {
  rows = $state.raw<HostRow[]>([]);
  total = $state(0);
  /** Hosts that match but have no place yet; they wait for reload. */
  added = $state(0);
  loading = $state(true);
  problem = $state.raw<Problem | undefined>(undefined);
  /** When the rows were read last, by this machine's clock. */
  readAt = $state(0);

  readonly filter: HostFilter;
  #pages: Page[] = [];
  #next = '';
  #wanted = 0;
  #reading: Promise<void> | undefined;
  #abort = new AbortController();
  #unplaced = new Set<string>();

  constructor(filter: HostFilter) {
    this.filter = filter;
    void this.want(0);
  }

  close() {
    this.#abort.abort();
  }

  get complete(): boolean {
    return !this.loading && this.#next === '';
  }

  /** Reads pages, one after the other, until the row at this index is here. */
  want(index: number): Promise<void> {
    this.#wanted = Math.max(this.#wanted, index);
    this.#reading ??= this.#readOn().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  /** Reads the pages of these rows again, updating each host in its place. */
  async refresh(first: number, last: number): Promise<void> {
    if (this.loading || !this.rows.length) {
      this.#pages = [];
      return this.want(0);
    }
    for (const page of this.#pages) {
      if (page.start > last || page.start + page.ids.length < first) continue;
      try {
        this.#merge(page, await this.#get(page.token, Math.max(page.ids.length, pageSize)));
      } catch (error) {
        return this.#fail(error);
      }
    }
  }

  /** Reads again what failed: missing pages first, then the ones at hand. */
  retry = async (): Promise<void> => {
    await this.want(this.#wanted);
    if (this.problem && this.rows.length) await this.refresh(0, this.rows.length);
  };

  async #readOn() {
    while (!this.#abort.signal.aborted && (this.#pages.length === 0 || (this.#next && this.rows.length <= this.#wanted))) {
      const far = this.#wanted - this.rows.length > 2 * pageSize;
      const token = this.#next;
      try {
        const answer = await this.#get(token, far ? longPage : pageSize);
        const hosts = list(answer.hosts);
        this.#pages.push({ token, start: this.rows.length, ids: hosts.map((h) => h.id) });
        this.rows = [...this.rows, ...hosts.map((host) => ({ host, gone: false }))];
        this.total = answer.total;
        this.#next = answer.next ?? '';
        this.loading = false;
        this.#succeed();
      } catch (error) {
        this.#fail(error);
        return;
      }
    }
  }

  #merge(page: Page, answer: HostList) {
    const fresh = new Map(list(answer.hosts).map((h) => [h.id, h]));
    const answered = page.ids.filter((id) => fresh.has(id));
    const lastAnswered = answered.length ? page.ids.indexOf(answered.at(-1)!) : -1;
    const rows = [...this.rows];
    page.ids.forEach((id, i) => {
      const host = fresh.get(id);
      const row = rows[page.start + i]!;
      // Behind the last match a host may just have moved to the next page.
      const gone = !host && (i < lastAnswered || !answer.next);
      if (host) rows[page.start + i] = { host, gone: false };
      else if (gone) rows[page.start + i] = { ...row, gone: true };
    });
    const placed = new Set(this.#pages.flatMap((p) => p.ids));
    const order = list(answer.hosts);
    const lastPlaced = order.findLastIndex((h) => placed.has(h.id));
    // Behind the last host that has a place stand those of pages not read yet.
    order.forEach((h, i) => {
      if (!placed.has(h.id) && (i < lastPlaced || this.#next === '')) this.#unplaced.add(h.id);
    });
    this.added = this.#unplaced.size;
    this.rows = rows;
    this.total = answer.total;
    this.#succeed();
  }

  #succeed() {
    this.problem = undefined;
    this.readAt = Date.now();
  }

  #get(token: string, limit: number): Promise<HostList> {
    return get<HostList>(withQuery('/api/v1/hosts', { ...this.filter, limit, page: token }), this.#abort.signal);
  }

  #fail(error: unknown) {
    if (this.#abort.signal.aborted) return;
    this.problem = toProblem(error);
    this.loading = false;
  }
}
