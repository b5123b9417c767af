import type { KernelBuild, PatchRef, Reason } from './api';

/** NAME@LEVEL; the zero reference is the kernel as it booted. */
export function patchText(ref: PatchRef | undefined): string {
  return ref && ref.name ? `${ref.name}@${ref.level}` : 'as booted';
}

/** What a rollout is for: its patch, or the CVE that it closes by several systems' patches. */
export function closes(rollout: { patch: PatchRef; cve?: string }): string {
  return rollout.cve || patchText(rollout.patch);
}

export function isPatch(ref: PatchRef | undefined): boolean {
  return Boolean(ref && ref.name);
}

/** The start of a digest, without the algorithm's name. */
export function shortDigest(digest: string): string {
  return digest.replace(/^sha256:/, '').slice(0, 12);
}

export function buildKey(build: KernelBuild): string {
  return `${build.release} ${build.arch} ${build.build_id}`;
}

export function shortBuildId(build: KernelBuild): string {
  return build.build_id.slice(0, 8);
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${number(n)} ${n === 1 ? one : many}`;
}

const grouped = new Intl.NumberFormat('en-US');

export function number(n: number): string {
  return grouped.format(n);
}

/** One failure domain, such as rack a3; the fleet is one of its own. */
export function domainText(of: { domain: string; value: string }): string {
  return opaque(of.domain === 'fleet' || !of.value ? of.domain : `${of.domain} ${of.value}`);
}

/** A length of time in its two biggest units: 45 s, 3 min 20 s, 2 h 5 min, 4 d. */
export function duration(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  const min = Math.floor(s / 60);
  if (min < 60) return s % 60 && min < 10 ? `${min} min ${s % 60} s` : `${min} min`;
  const h = Math.floor(min / 60);
  if (h < 48) return min % 60 && h < 10 ? `${h} h ${min % 60} min` : `${h} h`;
  return `${Math.floor(h / 24)} d`;
}

/** Whole seconds as a person would say them. */
export function seconds(s: number): string {
  return duration(s * 1000);
}

export function age(at: string, now: number): string {
  const ms = now - Date.parse(at);
  if (Number.isNaN(ms)) return 'never';
  return ms < 1000 ? 'just now' : `${duration(ms)} ago`;
}

/** Local wall-clock time of day. */
export function timeOfDay(at: string | number): string {
  return new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
}

export function date(at: string): string {
  return new Date(at).toLocaleDateString('en-CA');
}

/** The day of a time that is a day in UTC, such as the end of a vendor's cover. */
export const calendarDay = (at: string): string => at.slice(0, 10);

export function dateTime(at: string): string {
  return `${date(at)} ${timeOfDay(at)}`;
}

/** A time as a datetime-local field holds it, to the minute. */
export function localInput(at: number): string {
  const local = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

/** When something is, as near as it matters: the time today, the day as well on others. */
export function when(at: string | number, now: number): string {
  const then = new Date(at);
  const time = then.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  if (then.toDateString() === new Date(now).toDateString()) return time;
  return `${then.toLocaleDateString('en-GB', { weekday: 'short', day: 'numeric', month: 'short' })}, ${time}`;
}

/** True for Go's zero time, which means "never". */
export function isZeroTime(at: string | undefined): boolean {
  return !at || at.startsWith('0001-');
}

export function bytes(n: number): string {
  if (n < 1024) return `${n} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = n / 1024;
  let i = 0;
  while (value >= 1024 && i < units.length - 1) {
    value /= 1024;
    i++;
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[i]}`;
}

/** A probe's number in its unit: 2.1 ms, 3.1 %, 18 KiB/s. */
export function measured(x: number, unit: string | undefined): string {
  const short = (v: number) => Number(v.toPrecision(3)).toString();
  switch (unit) {
    case 'seconds': return x < 1 ? `${short(1000 * x)} ms` : `${short(x)} s`;
    case 'ratio': return `${short(100 * x)} %`;
    case 'bytes_per_second': return `${x < 0 ? '-' : ''}${bytes(Math.round(Math.abs(x)))}/s`;
  }
  return short(x) + (unit ? ` ${opaque(unit)}` : '');
}

const drifts: Record<string, string> = {
  removed: 'its level was taken out', disabled: 'its level was disabled', foreign: 'a patch that is not ours was loaded',
  rebooted_without: 'its level did not come back after a boot', other_kernel: 'it booted another kernel build', snapshot: 'the machine was put back to an earlier moment',
  hold_lifted: 'somebody lets its live-patch system start patches by itself again',
};
export const driftText = (kind: string): string => drifts[kind] ?? opaque(kind).replaceAll('_', ' ');

export function percent(fraction: number): string {
  const p = fraction * 100;
  if (p > 0 && p < 0.1) return '< 0.1 %';
  return `${p < 10 && p > 0 ? p.toFixed(1) : p.toFixed(0)} %`;
}

/**
 * Quotes a word for a shell, so that a copied command means what it shows. What
 * cannot be seen is written as an escape, in bash's $'…' form.
 */
export function shellWord(word: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  if (word.search(hidden) < 0) return `'${word.replaceAll("'", `'\\''`)}'`;
  const escaped = word.replace(/[\\']/g, '\\$&').replace(hidden, (c) => {
    const code = c.charCodeAt(0);
    return code < 0x80 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
  return `$'${escaped}'`;
}

/** Joins words into a command line. */
export function command(...words: string[]): string {
  return words.map(shellWord).join(' ');
}

/**
 * A reason's sentence. Where the reason ends at a known time the server adds
 * that time in UTC; the console counts down to it instead.
 */
export function reasonText(reason: Reason): string {
  return reason.until ? reason.text.replace(/ Until \S+Z\.$/, '') : reason.text;
}

const hidden = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/**
 * Text that a host sent, with control and direction characters made visible, so
 * that a name cannot pretend to be another or reorder the line it stands in.
 */
export function opaque(text: string): string {
  return text.replace(hidden, (c) => {
    const code = c.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? '\u2421' : '\ufffd';
  });
}

/** As opaque, but keeps line breaks and tabs, for evidence. */
export function opaqueLines(text: string): string {
  return text.replace(hidden, (c) => (c === '\n' || c === '\t' ? c : opaque(c)));
}

// The kernel's taint bits in order, with the letter that oops headers print.
const taints = [
  'P proprietary module', 'F module forced to load', 'S out-of-specification system', 'R module forced to unload',
  'M machine check', 'B bad page', 'U set by user', 'D the kernel died before (oops or BUG)', 'A ACPI table overridden',
  'W warning', 'C staging driver', 'I firmware workaround', 'O out-of-tree module', 'E unsigned module', 'L soft lockup',
  'K live patched', 'X auxiliary', 'T struct randomisation', 'N in-kernel test', 'J userspace used a mutating debug operation',
];

/** What a taint mask says, one entry a bit. */
export function taintBits(mask: number): { letter: string; text: string }[] {
  return taints.flatMap((text, bit) => (Math.floor(mask / 2 ** bit) % 2 ? [{ letter: text.slice(0, 1), text: text.slice(2) }] : []));
}
