// The live stream tells that something changed; views then read it again. The
// stream itself carries no data, so nothing shown is ever older than it says.
// Time alone changes things too, as when a host falls silent, and nobody tells of
// those: views are also read again at each beat of the stream.

import type { Change } from './api';

/** The server pings at least every 15 s; two missed pings and a bit are a dead line. */
const silenceLimit = 35_000;
const retrySteps = [1000, 2000, 4000, 8000, 15_000];

/** A change, or a word: the stream is back, or it beats. */
export type News = Change | 'reconnected' | 'beat';

type Listener = (news: News) => void;

class Live {
  /** connecting: first try; live: changes arrive; lost: they do not. */
  state = $state<'connecting' | 'live' | 'lost'>('connecting');
  /** When the stream was last known good, by this machine's clock. */
  lastHeard = $state(Date.now());

  /** Called when the stream is lost; the session may have ended. */
  onLost = () => {};

  #source: EventSource | undefined;
  #listeners = new Set<Listener>();
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;

  start() {
    this.stop();
    this.#connect();
    addEventListener('offline', this.#lost);
    addEventListener('online', this.retryNow);
  }

  stop() {
    this.#close();
    clearTimeout(this.#retry);
    removeEventListener('offline', this.#lost);
    removeEventListener('online', this.retryNow);
    this.#failures = 0;
    this.state = 'connecting';
  }

  /** Calls fn for each change, at each beat, and once when a lost stream is back. */
  subscribe(fn: Listener): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  retryNow = () => {
    clearTimeout(this.#retry);
    this.#connect();
  };

  #connect() {
    this.#close();
    const source = new EventSource('/api/v1/stream');
    this.#source = source;
    source.onopen = () => this.#opened();
    source.onerror = this.#lost;
    // The first ping comes with the stream, when all was just read.
    let first = true;
    source.addEventListener('ping', () => {
      this.#heard();
      if (!first) this.#tell('beat');
      first = false;
    });
    source.addEventListener('change', (event) => {
      this.#heard();
      try {
        this.#tell(JSON.parse((event as MessageEvent<string>).data) as Change);
      } catch {
        // A change that cannot be read still says that something changed.
        this.#tell('reconnected');
      }
    });
  }

  #tell(news: News) {
    for (const listener of this.#listeners) listener(news);
  }

  #opened() {
    const wasLost = this.state === 'lost';
    this.#failures = 0;
    this.#heard();
    if (wasLost) this.#tell('reconnected');
  }

  #heard() {
    this.state = 'live';
    this.lastHeard = Date.now();
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(this.#lost, silenceLimit);
  }

  #lost = () => {
    this.#close();
    this.state = 'lost';
    this.onLost();
    clearTimeout(this.#retry);
    const wait = retrySteps[Math.min(this.#failures++, retrySteps.length - 1)]!;
    this.#retry = setTimeout(() => this.#connect(), wait);
  };

  #close() {
    clearTimeout(this.#watchdog);
    this.#source?.close();
    this.#source = undefined;
  }
}

export const live = new Live();
