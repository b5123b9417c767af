// Keyboard shortcuts: single keys and two-key sequences that start with g. None
// of them fires while somebody types, or while a dialog is open.

export interface Shortcut { keys: string; text: string }

export const shortcuts: Shortcut[] = [
  { keys: 'g o', text: 'Overview' },
  { keys: 'g h', text: 'Hosts' },
  { keys: 'g r', text: 'Rollouts' },
  { keys: 'g c', text: 'Catalog' },
  { keys: 'g l', text: 'Calendar' },
  { keys: 'g a', text: 'Activity' },
  { keys: '/', text: 'Search' },
  { keys: '↑ ↓', text: 'Move in a table' },
  { keys: '← ↑ → ↓', text: 'Move in the wave track' },
  { keys: 'Enter', text: 'Open what is focused' },
  { keys: 'Esc', text: 'Close, or leave the search field' },
  { keys: '?', text: 'This help' },
];

/** How long after g the second key counts, in milliseconds. */
const sequenceTime = 1500;

export interface KeyHandlers {
  go: (path: string) => void;
  search: () => void;
  help: () => void;
}

const places: Record<string, string> = { o: '/', h: '/hosts', r: '/rollouts', c: '/catalog', l: '/calendar', a: '/activity' };

/** Listens on the document; returns how to stop. */
export function listen(handlers: KeyHandlers): () => void {
  let armedUntil = 0;
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (isTyping(event.target) || document.querySelector('dialog[open]')) return;
    const sequence = event.timeStamp < armedUntil;
    armedUntil = 0;
    if (sequence && places[event.key]) {
      event.preventDefault();
      handlers.go(places[event.key]!);
    } else if (event.key === 'g') {
      armedUntil = event.timeStamp + sequenceTime;
    } else if (event.key === '/') {
      event.preventDefault();
      handlers.search();
    } else if (event.key === '?') {
      event.preventDefault();
      handlers.help();
    }
  };
  document.addEventListener('keydown', onKey);
  return () => document.removeEventListener('keydown', onKey);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName));
}

/**
 * Arrow keys in a list of links or buttons: moves the focus among the elements
 * that match the selector inside the container.
 */
export function rove(event: KeyboardEvent, container: HTMLElement, selector: string) {
  const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
  if (step === undefined) return;
  const all = [...container.querySelectorAll<HTMLElement>(selector)].filter((e) => e.offsetParent !== null);
  const at = all.findIndex((e) => e === document.activeElement || e.contains(document.activeElement));
  if (at < 0 && Number.isFinite(step) && !container.contains(document.activeElement)) return;
  event.preventDefault();
  const next = Math.max(0, Math.min(all.length - 1, at + step));
  all[next]?.focus();
}
