// What the screens say of a live-patch system, in the words that the signed plan, the
// command line and the audit log have (hotstick.TrustClass.Claim).
import type { Capabilities } from './api';

export const claims: Record<string, string> = {
  bytes: "the host's own loader loads exactly the bytes that the catalog's publishers signed",
  pin: "the vendor's daemon loads the vendor's bytes; Hotstick holds it to the level that the catalog's publishers signed, and the kernel says what is in effect",
  step: "the vendor's tools are run as the catalog's publishers signed it, and load the vendor's bytes; the kernel says what is in effect",
};

/** Whether levels of a driver come into effect by a reboot of the host. */
export const reboots = (driver: string) => driver === 'reboot';

/** How a level leaves the host again, best first. */
export function wayText(c: Capabilities): string {
  const ways = (c.rollback ?? []).map((way) => ({ live: 'live', downgrade: 'by an older level', reboot: 'by a reboot' })[way] ?? way);
  if (!ways.length) return 'none';
  return ways.length === 1 && c.rollback?.[0] === 'reboot' ? 'only by a reboot: the host goes forward, not back' : ways.join(', ');
}

/** What the system itself can take out of a running kernel. */
export function undoText(c: Capabilities): string {
  return { disable: 'any level is taken out', previous_level: 'the level before is put in its place', per_update: 'single updates are taken out', unload_all: 'everything goes out at once' }[c.undo ?? ''] ?? '';
}

/** Whether the system starts patches by itself; empty where it does not. */
export function holdText(c: Capabilities): string {
  if (!c.schedules) return '';
  return c.held ? 'it starts patches by itself, and is on hold' : 'it starts patches by itself, and is not on hold: nothing is staged beside it';
}
