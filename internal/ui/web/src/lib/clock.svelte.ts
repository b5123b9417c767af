// One clock for the whole page: ages and countdowns tick together, once a
// second, on the server's time rather than this machine's.

class Clock {
  /** Milliseconds since the epoch, by the server's clock, updated every second. */
  now = $state(Date.now());
  #skew = 0;

  constructor() {
    setInterval(() => this.tick(), 1000);
    document.addEventListener('visibilitychange', () => this.tick());
  }

  tick() {
    this.now = Date.now() + this.#skew;
  }

  /**
   * Learns the server's time from a Date header. The header has whole seconds,
   * so differences below two seconds are taken for rounding and travel time.
   */
  learn(header: string | null) {
    const server = header ? Date.parse(header) : NaN;
    if (Number.isNaN(server)) return;
    const skew = server - Date.now();
    this.#skew = Math.abs(skew) < 2000 ? 0 : skew;
    this.tick();
  }
}

export const clock = new Clock();
