import type { Change, Problem } from './api';
import { get, toProblem } from './http';
import { live } from './live.svelte';

/** At most one read per view in this time, however many changes arrive. */
const coalesce = 400;

export interface ResourceOptions<T> {
  /** Which changes concern this view; every change does if it is left out. */
  concerns?: (change: Change) => boolean;
  /** Called with each fresh answer before it is shown. */
  onData?: (data: T) => void;
}

/**
 * One view's data: read once, read again when the live stream says so, with what
 * was last known kept on the screen meanwhile. Create it inside an effect or a
 * component and call close when it goes.
 */
export class Resource<T> {
  data = $state.raw<T | undefined>(undefined);
  problem = $state.raw<Problem | undefined>(undefined);
  /** True until the first answer or error. */
  loading = $state(true);
  /** When data was read, by this machine's clock. */
  readAt = $state(0);

  readonly path: string;
  #options: ResourceOptions<T>;
  #unsubscribe: () => void;
  #abort: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastRead = 0;
  #again = false;

  constructor(path: string, options: ResourceOptions<T> = {}) {
    this.path = path;
    this.#options = options;
    this.#unsubscribe = live.subscribe((news) => {
      if (typeof news === 'string' || !options.concerns || options.concerns(news)) this.#soon();
    });
    void this.refresh();
  }

  close() {
    this.#unsubscribe();
    clearTimeout(this.#timer);
    this.#abort?.abort();
  }

  /** Reads now. Reads do not overlap: a second one waits for the first. */
  refresh = async (): Promise<void> => {
    if (this.#abort) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const abort = new AbortController();
    this.#abort = abort;
    this.#lastRead = Date.now();
    try {
      const data = await get<T>(this.path, abort.signal);
      this.#options.onData?.(data);
      this.data = data;
      this.problem = undefined;
      this.readAt = Date.now();
    } catch (error) {
      if (abort.signal.aborted) return;
      this.problem = toProblem(error);
    }
    this.loading = false;
    this.#abort = undefined;
    if (this.#again) {
      this.#again = false;
      this.#soon();
    }
  };

  /** Shows an answer that came from elsewhere, such as from an action. */
  put(data: T) {
    this.#options.onData?.(data);
    this.data = data;
    this.readAt = Date.now();
  }

  #soon() {
    if (this.#timer !== undefined) return;
    const wait = Math.max(0, this.#lastRead + coalesce - Date.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.refresh();
    }, wait);
  }
}
