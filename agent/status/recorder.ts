import type { Provenance } from '../../state/provenance.ts';
import type { RanHook } from '../hooks/asking.ts';
import type { Step } from '../lifecycle.ts';
import type { PortAnswer } from '../ports.ts';

/** What the parts report, each by one callback; none of them knows what becomes of it, and none can be disturbed by it. */
export type Reports = {
  /** The machine took a step. */
  stepped(step: Step): void;
  hookRan(run: RanHook): void;
  /** All that is wrong with what is there to be run, in words. */
  hooksChecked(problems: readonly string[]): void;
  portAnswered(answer: PortAnswer): void;
  artifactChanged(news: ArtifactNews): void;
  artifactRecorded(record: Provenance): void;
  /** The tenant has left. What it has in place is told of until it is removed. */
  artifactForgotten(tenantId: string): void;
  /** `files`: how many others have changed. */
  artifactDrifted(tenantId: string, files: number): void;
  /** In words; null when it has ended. */
  artifactProgressed(tenantId: string, progress: string | null): void;
  /** In percent, by name: `load_average`. */
  statisticsSent(values: Readonly<Record<string, number>>): void;
  /** A status event was acknowledged. */
  delivered(event: string): void;
  /** `durationMs`: until the broker acknowledged it; null if that says nothing about the link. */
  published(durationMs: number | null): void;
  linkChanged(link: 'up' | 'down'): void;
};

export type ArtifactNews = {
  readonly tenantId: string;
  readonly stage: 'wanted' | 'fetched' | 'placed' | 'failed';
  readonly repoUrl?: string;
  readonly path?: string;
  /** What is in place from now on. */
  readonly commit?: string | null;
  readonly failure?: { readonly message: string; readonly code: string | null; readonly remedy: string | null };
};

/** Something remembered, and when: by the monotonic clock, for the other one may jump. */
export type Dated<T> = { readonly value: T; readonly atMs: number };

export type ArtifactMemory = {
  readonly stage: ArtifactNews['stage'];
  readonly repoUrl: string | null;
  readonly path: string | null;
  readonly commit: string | null;
  readonly attempts: number;
  readonly failure: NonNullable<ArtifactNews['failure']> | null;
  readonly provenance: Provenance | null;
  readonly driftedFiles: number | null;
  readonly progress: string | null;
};

export type Memory = {
  readonly startedAtMs: number;
  readonly step: Dated<Step> | null;
  readonly stateSinceMs: number | null;
  readonly activeAfterMs: number | null;
  readonly hooks: readonly Dated<RanHook>[];
  readonly problems: readonly string[];
  readonly ports: ReadonlyMap<number, Dated<PortAnswer>>;
  readonly artifacts: ReadonlyMap<string, Dated<ArtifactMemory>>;
  readonly statistics: Dated<Readonly<Record<string, number>>> | null;
  readonly rttMs: number | null;
  readonly sentCount: number;
  readonly linkSinceMs: number;
  readonly recent: readonly Dated<{ readonly event: string; readonly text: string }>[];
};

export type Recorder = { readonly reports: Reports; readonly memory: Memory };

const hooksKept = 20;
const recentKept = 20;
const tenantsKept = 100;

/**
 * Remembers the little that `status` shows, and no more of it than fits a screen.
 *
 * @param options - `resumed`: the state in which an earlier run left the instance: since when is then not known;
 *   `artifacts`: what it has left in place
 */
export function createRecorder(options: {
  resumed: string | null;
  artifacts?: readonly Provenance[];
  nowMs?: () => number;
}): Recorder {
  const { resumed, artifacts = [], nowMs = () => performance.now() } = options;
  const memory = {
    startedAtMs: nowMs(),
    step: null as Memory['step'],
    stateSinceMs: null as number | null,
    activeAfterMs: null as number | null,
    hooks: [] as Dated<RanHook>[],
    problems: [] as readonly string[],
    ports: new Map<number, Dated<PortAnswer>>(),
    artifacts: new Map(artifacts.filter(isInPlace).map((record) => [record.tenantId, known(record, nowMs())])),
    statistics: null as Memory['statistics'],
    rttMs: null as number | null,
    sentCount: 0,
    linkSinceMs: nowMs(),
    recent: [] as Dated<{ event: string; text: string }>[],
  } satisfies Memory;
  const dated = <T>(value: T): Dated<T> => ({ value, atMs: nowMs() });
  const remember = (event: string, text: string) => keepNewest(memory.recent, dated({ event, text }), recentKept);

  const reports: Reports = {
    stepped(step) {
      const before = memory.step?.value ?? null;
      if (before?.state !== step.state) {
        memory.stateSinceMs = before === null && step.state === resumed ? null : nowMs();
        // Only if it came up under our eyes: a restart into active took no time worth telling.
        const cameUp = before?.state === 'started' && step.state === 'active';
        if (cameUp) memory.activeAfterMs = nowMs() - memory.startedAtMs;
        remember('state', step.state);
      } else if (before.condition !== step.condition || before.message !== step.message) {
        remember('condition', [step.condition, step.message].filter((text) => text !== '').join(': '));
      }
      memory.step = dated(step);
    },
    hookRan(run) {
      const earlier = memory.hooks.findIndex(
        ({ value }) => value.hook === run.hook && value.executable === run.executable,
      );
      if (earlier >= 0) memory.hooks.splice(earlier, 1);
      keepNewest(memory.hooks, dated(run), hooksKept);
      if (run.end !== 'done') remember('hook', [`${run.executable} ${run.end}`, run.reason].filter(Boolean).join(': '));
    },
    hooksChecked(problems) {
      memory.problems = problems;
    },
    portAnswered(answer) {
      memory.ports.set(answer.port, dated(answer));
    },
    artifactChanged(news) {
      const before = memory.artifacts.get(news.tenantId)?.value ?? null;
      const artifact = withNews(before, news);
      memory.artifacts.delete(news.tenantId); // the newest is last
      memory.artifacts.set(news.tenantId, dated(artifact));
      const [oldest] = memory.artifacts.keys();
      if (memory.artifacts.size > tenantsKept && oldest !== undefined) memory.artifacts.delete(oldest);
      if (isWorthTelling(before, news)) remember('artifact', textOf(news));
    },
    artifactRecorded(record) {
      if (!isInPlace(record)) return void memory.artifacts.delete(record.tenantId);
      const { value = nothing } = memory.artifacts.get(record.tenantId) ?? {};
      // What is told of drift has changed nothing of where the commit comes from.
      if (record.what === 'drifted' || record.what === 'restored') return;
      memory.artifacts.set(
        record.tenantId,
        dated({ ...value, commit: record.commit, provenance: record, driftedFiles: 0 }),
      );
    },
    artifactForgotten(tenantId) {
      if (memory.artifacts.get(tenantId)?.value.commit === null) memory.artifacts.delete(tenantId);
    },
    artifactDrifted(tenantId, files) {
      const artifact = memory.artifacts.get(tenantId);
      if (artifact !== undefined)
        memory.artifacts.set(tenantId, { ...artifact, value: { ...artifact.value, driftedFiles: files } });
    },
    artifactProgressed(tenantId, progress) {
      const artifact = memory.artifacts.get(tenantId);
      if (artifact !== undefined)
        memory.artifacts.set(tenantId, { ...artifact, value: { ...artifact.value, progress } });
    },
    statisticsSent(values) {
      memory.statistics = dated(values);
    },
    delivered: (event) => remember('delivered', event),
    published(durationMs) {
      memory.sentCount += 1;
      if (durationMs !== null) memory.rttMs = durationMs;
    },
    linkChanged(link) {
      memory.linkSinceMs = nowMs();
      if (link === 'down') memory.rttMs = null;
      remember('link', link);
    },
  };
  return { reports, memory };
}

const nothing: ArtifactMemory = {
  stage: 'wanted',
  repoUrl: null,
  path: null,
  commit: null,
  attempts: 0,
  failure: null,
  provenance: null,
  driftedFiles: null,
  progress: null,
};

function isInPlace({ what }: Provenance): boolean {
  return what !== 'removed';
}

/** What an earlier run has left, by the clock on the wall. */
function known(provenance: Provenance, nowMs: number): Dated<ArtifactMemory> {
  const { repoUrl, commit, at } = provenance;
  const ageMs = Math.max(0, Date.now() - Date.parse(at));
  return { value: { ...nothing, stage: 'placed', repoUrl, commit, provenance }, atMs: nowMs - ageMs };
}

function withNews(before: ArtifactMemory | null, news: ArtifactNews): ArtifactMemory {
  const known = before ?? nothing;
  const { stage, repoUrl = known.repoUrl, path = known.path, commit = known.commit } = news;
  if (stage === 'failed') {
    return { ...known, stage, repoUrl, path, commit, attempts: known.attempts + 1, failure: news.failure ?? null };
  }
  const isMended = stage === 'placed';
  return {
    ...known,
    stage,
    repoUrl,
    path,
    commit,
    attempts: isMended ? 0 : known.attempts,
    failure: isMended ? null : known.failure,
  };
}

/** Looks are regular, and so are attempts: one that finds what the last one found would drive out all else. */
function isWorthTelling(before: ArtifactMemory | null, { stage, commit, failure }: ArtifactNews): boolean {
  if (before === null || stage === 'wanted') return true;
  if (stage === 'placed') return before.stage !== 'placed' || before.commit !== commit;
  if (stage === 'failed') return before.failure?.message !== failure?.message;
  return before.failure === null;
}

function textOf({ tenantId, stage, commit, failure }: ArtifactNews): string {
  const what = commit === undefined || commit === null ? '' : ` ${commit.slice(0, 7)}`;
  return `${stage}${what} (tenant ${tenantId})${failure === undefined ? '' : `: ${failure.message}`}`;
}

function keepNewest<T>(items: T[], item: T, atMost: number): void {
  items.push(item);
  if (items.length > atMost) items.shift();
}
