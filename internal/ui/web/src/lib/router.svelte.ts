// Every view has an address that reproduces it, filters included.

export type Route =
  | { page: 'overview' }
  | { page: 'hosts' }
  | { page: 'host'; id: string }
  | { page: 'rollouts' }
  | { page: 'rollout'; plan: string }
  | { page: 'catalog' }
  | { page: 'patch'; name: string; level: string }
  | { page: 'calendar' }
  | { page: 'activity' }
  | { page: 'missing' };

/** Reads a path; an unknown one is the page "missing". */
export function parse(path: string): Route {
  const parts = path.split('/').filter(Boolean).map(decode);
  const [section, first, second, ...rest] = parts;
  if (rest.length) return { page: 'missing' };
  if (section === undefined) return { page: 'overview' };
  if (section === 'catalog' && first !== undefined && second !== undefined) return { page: 'patch', name: first, level: second };
  if (second !== undefined) return { page: 'missing' };
  if (section === 'hosts') return first === undefined ? { page: 'hosts' } : { page: 'host', id: first };
  if (section === 'rollouts') return first === undefined ? { page: 'rollouts' } : { page: 'rollout', plan: first };
  if (section === 'catalog' && first === undefined) return { page: 'catalog' };
  if (section === 'calendar' && first === undefined) return { page: 'calendar' };
  if (section === 'activity' && first === undefined) return { page: 'activity' };
  return { page: 'missing' };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const paths = {
  overview: () => '/',
  hosts: () => '/hosts',
  host: (id: string) => `/hosts/${encodeURIComponent(id)}`,
  rollouts: () => '/rollouts',
  rollout: (plan: string) => `/rollouts/${encodeURIComponent(plan).replaceAll('%3A', ':')}`,
  catalog: () => '/catalog',
  patch: (name: string, level: number) => `/catalog/${encodeURIComponent(name)}/${level}`,
  calendar: () => '/calendar',
  activity: () => '/activity',
};

class Router {
  path = $state(location.pathname);
  query = $state.raw(new URLSearchParams(location.search));
  route = $derived(parse(this.path));

  start() {
    addEventListener('popstate', this.#read);
    document.addEventListener('click', this.#click);
  }

  go(address: string) {
    if (address === location.pathname + location.search) return;
    history.pushState(null, '', address);
    this.#read();
    scrollTo(0, 0);
  }

  /** Changes filters in the address without a new history entry for each letter. */
  filter(changes: Record<string, string>) {
    const query = new URLSearchParams(this.query);
    for (const [key, value] of Object.entries(changes)) {
      if (value) query.set(key, value);
      else query.delete(key);
    }
    const text = query.toString();
    history.replaceState(null, '', text ? `${location.pathname}?${text}` : location.pathname);
    this.#read();
  }

  #read = () => {
    this.path = location.pathname;
    this.query = new URLSearchParams(location.search);
  };

  #click = (event: MouseEvent) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.('a[href]') as HTMLAnchorElement | null;
    if (!link || link.target || link.origin !== location.origin || link.hasAttribute('download')) return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  };
}

export const router = new Router();
