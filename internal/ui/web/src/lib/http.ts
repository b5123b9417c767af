import type { Problem } from './api';
import { clock } from './clock.svelte';

/** A request that did not succeed, with what the server said and what to do. */
export class RequestError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail || problem.title);
    this.problem = problem;
  }
}

/** Callbacks of requests that met an ended session; the shell shows the sign-in page. */
export const session = { ended: () => {} };

/**
 * Sends one request to the operator API and reads its JSON answer. Throws a
 * RequestError for every failure, an unreachable server included; an abort
 * passes through as the platform's AbortError.
 */
export async function request<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? { Accept: 'application/json' } : { Accept: 'application/json', 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
      signal: signal ?? null,
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new RequestError({
      title: 'Cannot reach the server',
      status: 0,
      code: 'unreachable',
      hint: 'Check that the server runs and that this machine can reach it.',
    });
  }
  clock.learn(response.headers.get('Date'));
  if (response.ok) {
    const text = await response.text();
    return (text ? JSON.parse(text) : undefined) as T;
  }
  const problem = await readProblem(response);
  if (response.status === 401 && path !== '/api/v1/session') session.ended();
  throw new RequestError(problem);
}

async function readProblem(response: Response): Promise<Problem> {
  const fallback: Problem = {
    title: `The server answered ${response.status}`,
    status: response.status,
    code: 'unexpected',
    hint: 'The server log has the cause.',
  };
  try {
    const body = (await response.json()) as Partial<Problem>;
    return typeof body.title === 'string' ? { ...fallback, hint: '', ...body } : fallback;
  } catch {
    return fallback;
  }
}

/** Turns anything thrown into a problem that can be shown. */
export function toProblem(error: unknown): Problem {
  if (error instanceof RequestError) return error.problem;
  return { title: 'Something went wrong in this page', status: 0, code: 'console', detail: String(error), hint: 'Load the page again.' };
}

export const get = <T>(path: string, signal?: AbortSignal) => request<T>('GET', path, undefined, signal);
export const post = <T>(path: string, body: unknown) => request<T>('POST', path, body);

/** Joins path and query, leaving out empty values, in a stable order. */
export function withQuery(path: string, query: Record<string, string | number | undefined>): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== '' && value !== 0) params.set(key, String(value));
  }
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}
