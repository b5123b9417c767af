// The live stream tells that something changed; views then read it again. The
// stream itself carries no data, so nothing shown is ever older than it says.

import type { Change } from './api';

/** The server pings every 15 s; two missed pings and a bit are a dead line. */
const silenceLimit = 35_000;
const retrySteps = [1000, 2000, 4000, 8000, 15_000];

type Listener = (change: Change | 'reconnected') => void;

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

  /** Calls fn for each change, and once when a lost stream is back. */
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
    source.addEventListener('ping', () => this.#heard());
    source.addEventListener('change', (event) => {
      this.#heard();
      try {
        const change = JSON.parse((event as MessageEvent<string>).data) as Change;
        for (const listener of this.#listeners) listener(change);
      } catch {
        // A change that cannot be read still says that something changed.
        for (const listener of this.#listeners) listener('reconnected');
      }
    });
  }

  #opened() {
    const wasLost = this.state === 'lost';
    this.#failures = 0;
    this.#heard();
    if (wasLost) for (const listener of this.#listeners) listener('reconnected');
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
