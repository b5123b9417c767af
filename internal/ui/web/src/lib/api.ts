// The operator API's types, as package api (Go) documents them. Go encodes an
// empty list as null, so every list here may be null; read them with list().

export type HostState =
  | 'waiting' | 'admitted' | 'armed' | 'applying' | 'probation' | 'confirmed' | 'reverting'
  | 'reverted' | 'failed' | 'interrupted' | 'quarantined' | 'lost' | 'skipped';

export type PlanStatus = 'proposed' | 'approved' | 'running' | 'held' | 'halted' | 'completed' | 'expired';

/** What a caller may do; each route of the server names the one that it takes. */
export type Right = 'self' | 'read' | 'audit' | 'credentials' | 'steer' | 'sign' | 'publish' | 'enrol' | 'administer';

export type List<T> = T[] | null | undefined;

export interface Reason { code: string; subject?: string; detail?: string; until?: string; text: string; changes?: string }
export interface KernelBuild { release: string; arch: string; build_id: string }
export interface PatchRef { name: string; level: number }
export interface Timing { load_millis?: number; transition_millis?: number; revert_millis?: number }
export interface Evidence { kind: string; text: string }
export interface Measure { value: number; unit?: string; usual?: number; limit?: number }
export interface Reading { probe: string; healthy: boolean; detail?: string; at: string; measure?: Measure }

export interface Session { person: string; roles: List<string>; rights: List<Right>; single_control: boolean; version: string }
export interface JoinToken { token: string; expires: string; command: string }

export interface LevelCount { level: PatchRef; hosts: number }
export interface BuildCoverage {
  build: KernelBuild; hosts: number; newest: PatchRef; covered: number; levels: List<LevelCount>; cves?: List<string>;
}
export interface RolloutSummary {
  plan: string; name: string; patch: PatchRef; cve?: string; status: PlanStatus; author: string; reason?: Reason;
  hosts: number; states: Partial<Record<HostState, number>> | null;
  created: string; started?: string; ended?: string; reverting: boolean;
}
export interface Recall { patch: PatchRef; action: string; reason: string; issued: string }
export interface Expiry { role: string; at: string }
export interface Ban { patch: PatchRef; reason: Reason; at: string; by: string }
export interface Event {
  seq: number; at: string; kind: string; actor?: string; plan?: string; host?: string; host_name?: string;
  patch: PatchRef; state?: string; reason?: Reason; evidence?: List<Evidence>; text: string;
}
export interface EventList { events: List<Event>; next?: string }
export interface Overview {
  headline: string; hosts: number; silent: number; struck: number; coverage: List<BuildCoverage>;
  rollouts: List<RolloutSummary>; awaiting: List<RolloutSummary>; bans: List<Ban>; recalls?: List<Recall>; expiring?: List<Expiry>; events: List<Event>;
  stop_all: boolean; freezes?: List<Freeze>; excluded?: number; at: string;
  drifting?: number; stalled?: number; crashes?: List<CrashStop>;
}
export interface CrashStop { patch: PatchRef; build: KernelBuild; model?: string; host: string; name: string; reason?: Reason; at: string }
export interface Drift { kind: string; expected: PatchRef; found: PatchRef; module?: string; master?: string; detail?: string; since: string; before?: string }
export interface Blocker { pid: number; tid: number; command: string; kernel?: boolean; state?: string; unit?: string; cause: string; function?: string; stack?: List<string> }
export interface Stall { module: string; state: string; for_millis: number; tasks: number; blockers?: List<Blocker> }
export interface HostHold { by: string; reason?: string; since: string }
export interface Master { system: string; unit?: string; active: boolean; adopted?: boolean; modules?: List<string> }

export interface Host {
  id: string; name: string; build: KernelBuild; state: string; in_effect: PatchRef; reason?: Reason;
  last_seen: string; silent: boolean; strikes?: List<PatchRef>; labels?: Record<string, string> | null; boots: number;
  drift?: Drift; stall?: Stall; hold?: HostHold; off?: string; masters?: List<Master>; barred?: Reason;
}
export interface HostList { hosts: List<Host>; total: number; next?: string }
export interface LoadedPatch {
  module: string; driver: string; state: string; replace?: boolean | null; stack_order?: number;
  functions?: List<string>; ref: PatchRef; foreign: boolean;
}
export interface ModuleFacts { name: string; size_bytes: number; srcversion?: string; taints?: string }
export interface Capabilities {
  driver: string; trust_class: string; rollback: List<string>; asynchronous: boolean; truth: string;
  available: boolean; reason?: { code: string; subject?: string; detail?: string };
  undo?: string; schedules?: boolean; held?: boolean; pinnable?: boolean; tool?: string; cover_until?: string;
}
export interface Facts {
  host: {
    hostname: string; machine_id?: string; boot_id: string; booted_at: string; distribution?: string;
    cpus?: number; memory_bytes?: number;
  };
  kernel: { build: KernelBuild; version?: string; command_line?: string; tainted: number; livepatch_supported: boolean };
  security: {
    lockdown?: string; signature_enforced?: boolean | null; modules_disabled?: boolean | null; secure_boot?: boolean | null;
  };
  livepatch: { patches?: List<Omit<LoadedPatch, 'ref' | 'foreign'>> };
  modules?: List<ModuleFacts>;
  drivers?: List<Capabilities>;
  labels?: Record<string, string> | null;
}
export interface HostRollout {
  plan: string; name: string; status: PlanStatus; patch: PatchRef; wave: number; state: HostState; attempt: number; reason?: Reason; updated: string;
}
export interface HostDetail {
  host: Host; facts?: Facts; identity: string; enrolled: string; patches: List<LoadedPatch>; readings: List<Reading>;
  rollouts: List<HostRollout>; timeline: List<Event>; why: List<string>; slots?: List<SlotUse>; excluded?: Exclusion;
}
export interface SlotUse { plan: string; name: string; domain: string; value: string }
export interface Exclusion { host: string; name: string; until: string; reason: string; by: string }
export interface ExclusionList { exclusions: List<Exclusion> }
export interface WriteOffResult { host: string; name: string; freed: List<SlotUse> }

export interface Artifact { build: KernelBuild; digest: string; size_bytes: number; module: string }
export interface Patch {
  ref: PatchRef; summary: string; class?: string; severity?: string; published?: string; cves?: List<string>; driver: string; reversibility: string; replace: boolean;
  functions?: List<string>; artifacts: List<Artifact>; ban?: Ban; recall?: Recall; in_effect_hosts: number; fitting_hosts: number;
  signed_by?: List<string>;
}
export interface Trust {
  persons: List<{ person: string; keys: List<string> }>; approvals: number; author_may_approve?: boolean;
  server_keys: List<string>; epoch: number;
}
export interface Catalog { patches: List<Patch>; version: number; expires: string; trust: Trust; warning?: string }

export interface Interval { from: string; until: string }
export interface Plan {
  schema: string; name: string; patch: PatchRef; cve?: string; author: string; epoch: number; created_at: string; not_after: string;
  lanes: List<{
    build: KernelBuild; driver: string; patch?: PatchRef; artifact: string; module: string;
    revert_to: List<{ patch: PatchRef; artifact?: string; module?: string }>;
  }>;
  waves: List<{ name: string; hosts: number; delay_seconds: number; bake_seconds: number; manual?: boolean; proven?: boolean }>;
  hosts_root: string; host_count: number;
  budgets: List<{ domain: string; max?: number; percent?: number; quorum?: boolean; open?: number; mixed_seconds?: number }>;
  probation_seconds: number; transition_seconds: number;
  calendars?: List<{ name: string; opens: List<Interval> }>;
  late?: { labels: Record<string, string> | null };
  policy?: { name: string; digest: string };
  emergency?: unknown;
}
export type States = Partial<Record<HostState, number>> | null;
export interface Cell {
  host: string; name: string; build: KernelBuild; state: HostState; attempt: number; reason?: Reason;
  domains?: Record<string, string> | null; updated: string; timing: Timing; silent: boolean; wave: number; calendar?: string;
  stands_in_for?: string;
}
export interface CellList { hosts: List<Cell>; total: number; next?: string }
export interface CellGroup { build?: KernelBuild; lanes: number; hosts: number; states: States }
export interface Gate {
  verdict: 'pass' | 'hold' | 'slow' | 'fail'; reason: Reason; confirmed: number; needed: number; failures: number;
  earliest_at?: string; limit: number;
}
export interface Wave {
  index: number; name: string; size: number; states: States; hosts: List<Cell>; groups?: List<CellGroup>; gate: Gate;
  closed?: Reason; absent?: number; manual?: boolean; promoted?: boolean; proven?: boolean;
}
export interface Lane { build: KernelBuild; driver?: string; patch?: PatchRef; class?: string; claim?: string; hosts: number; states: States; wave: number; held?: Reason }
export interface BudgetUse {
  domain: string; value: string; used: number; ill?: number; max: number; quorum?: boolean; mixed_since?: string;
}
export interface CalendarUse { name: string; hosts: number; open: boolean; closes?: string; opens?: string }
export interface Freeze { id: string; from: string; until: string; reason: string; by?: string; active: boolean }
export interface FreezeList { freezes: List<Freeze> }
export interface StandIn { host: string; name: string; for: string; for_name: string; wave: number }
export interface PlanLink { plan: string; name: string; patch: PatchRef; status: PlanStatus }
export interface Approval { person: string; key_id: string; role: string }
export interface Rollout extends RolloutSummary {
  plan_body: Plan; approvals: List<Approval>; needed: number; single_control: boolean; waves: List<Wave>;
  budgets: List<BudgetUse>; timeline: List<Event>; headline: string; generation: number; at: string;
  grouped: boolean; lanes: List<Lane>; stuck?: Reason; calendars?: List<CalendarUse>; freezes?: List<Freeze>;
  excluded?: List<Exclusion>; stand_ins?: List<StandIn>; continues?: PlanLink; continued_by?: PlanLink;
}
export interface Spread { mean: number; median: number; p95: number; p99: number; max: number }
export interface Blast { domain: string; value: string; hosts: number; of: number }
export interface RehearsedStop {
  wave: number; name: string; end: string; reason: Reason; runs: number; seconds: Spread; patched: Spread; crashed: Spread;
}
export interface RehearsedPatch {
  name: string; text: string; runs: number; completed: number; halted: number; held: number; seconds: Spread; crashed: Spread;
  crashed_percent: Spread; reached_percent: Spread; blast: List<Blast>; stops: List<RehearsedStop>;
}
export interface Rehearsal {
  plan: string; name: string; hosts: number; waves: number; lanes: number; runs: number; seed: number; start: string; model: RehearsalModel;
  scenarios: List<RehearsedPatch>; verdict: string;
}
export interface RehearsalModel {
  check_in_seconds: number; transition_millis: number; revert_millis: number; reboot_seconds: number; background_ppm: number; trace_ppm: number;
}
export interface HostRef { host: string; name: string }
export interface CoverageGap { reason: Reason; hosts: number; some: List<HostRef> }
export interface Uncovered { cve?: string; policy?: string; policy_unknown?: Reason; hosts: number; gaps: List<CoverageGap> }
export interface RolloutList { rollouts: List<RolloutSummary> }
export interface StopResult { halted: List<RolloutSummary>; stop_all: boolean }

/** What the live stream sends: something changed, so views of it are read again. */
export interface Change { seq: number; kind: string; plan?: string; host?: string }

/** An error answer (RFC 9457). */
export interface Problem { title: string; status: number; detail?: string; code: string; hint?: string }

/** Reads a list that Go may have written as null. */
export function list<T>(value: List<T>): T[] {
  return value ?? [];
}
