import type { Notes } from './condition.ts';
import { activatedNotice } from './vocabulary.ts';

/** What the machine is doing at one moment. */
export type Activity = {
  /** The innermost states: `life.started.waitingForPorts`, `artifacts.idle`, `health.silent`. */
  readonly states: readonly string[];
  readonly actors: readonly RunningActor[];
};

/** `run` tells two runs of one actor apart. */
export type RunningActor = { readonly id: string; readonly run: string; readonly input: unknown };

/** What the configuration grants to what takes time. Milliseconds. */
export type Limits = {
  readonly hookTimeoutMs: number;
  readonly artifactTimeoutMs: number;
  readonly portsTimeoutMs: number;
  readonly proofTimeoutMs: number;
  readonly terminationBudgetMs: number;
};

/** One thing that is waited for. */
export type Wait = {
  /** Waits with the same key, one after the other, are one wait. */
  readonly key: string;
  readonly about: string;
  /** To go after "waits for": `the ports to answer`. */
  readonly waitsFor: string;
  /** After this much time people are told. Null: it may take for ever, and nobody is worried. */
  readonly longestMs: number | null;
  /** For a pause: when it ends by itself. */
  readonly pauseMs: number | null;
  readonly code: string;
  readonly remedy: string;
};

type Patience = Omit<Wait, 'key' | 'about' | 'pauseMs'>;

/** What has a limit of its own reports its end with the cause: it gets this much more, so that we are not first. */
const graceMs = 5_000;
const deliveryMs = 10_000;

const gates = {
  starting: ['lvsInterface', 'volumeMount', 'instanceStarting', 'startServers'],
  updating: ['artifactUpdating', 'artifactUpdated', 'instanceActivating'],
  leaving: ['drain', 'clean'],
} as const;

const pauses: Readonly<Record<string, string>> = {
  artifactReminder: 'the moment to say again that it has started',
  portsPause: 'the moment to look at the ports again',
  artifactPause: 'the moment to try the repository again',
  artifactRest: 'the end of a storm of events',
  artifactInterval: 'the moment to look at the repositories',
  terminationBudget: 'the end of the time for leaving',
  drainBudget: 'the end of the part of it for draining',
  activationDeadline: 'the moment to give up, unless it is active by then',
  hurryBudget: 'the end of the time that SIGTERM leaves',
  hurriedDrain: 'the end of the part of it for draining',
  acceptancePause: 'the moment from which the platform should show what it was told',
};

/** These are how an instance ought to be, or are told by a note from their first moment; or something runs in them. */
export const endlessStates = [
  'life.active.serving',
  'life.obsolete.ended',
  'artifacts.idle',
  'artifacts.stopped',
  'rests.over',
  'rests.ended',
  'looks.ended',
  'retries.calm',
  'health.silent',
  'acceptance.due',
  'acceptance.speaking',
  'hurry.calm',
  'hurry.over',
] as const;

/**
 * All that is waited for, with the longest time each of it may take.
 *
 * @see design.md, "The lifecycle machine"; issue: a stuck state is told
 */
export function waitsIn({ states, actors }: Activity, limits: Limits): readonly Wait[] {
  const byActors = actors.map((actor) => ({
    key: `${actor.id} ${actor.run}`,
    about: actor.id,
    pauseMs: actor.id in pauses ? msIn(actor.input, 'ms') : null,
    ...ofActor(actor, limits),
  }));
  const byStates = states.flatMap((state) => {
    const patience = ofState(state, states);
    return patience === null ? [] : [{ key: state, about: state, pauseMs: null, ...patience }];
  });
  return [...byActors, ...byStates];
}

/** What people are told of waits that take too long: beside the notes of the machine, not among them. */
export function overdueNotes(waits: readonly Wait[], states: readonly string[]): Notes {
  const condition = states.some((state) => state.startsWith('life.active')) ? 'degraded' : 'waiting';
  return Object.fromEntries(
    waits.map(({ key, waitsFor, longestMs }) => {
      const text = `waits for ${waitsFor}, longer than the ${Math.round((longestMs ?? 0) / 1_000)} s it may take`;
      return [`overdue ${key}`, { condition, text }];
    }),
  );
}

/** Whether the actor is one that has its own entry here: a test holds that each of the machine has. */
export function isKnownActor(id: string): boolean {
  return id in pauses || ofKnownActor({ id, run: '', input: {} }, noLimits) !== null;
}

/** Whether somebody would be told if the machine stayed in this state, though nothing runs in it. */
export function isKnownState(state: string): boolean {
  // A gate that stays closed is told by its note, at once.
  const isEndless = endlessStates.some((endless) => endless === state) || state.endsWith('.blocked');
  return isEndless || ofState(state, [state, 'artifacts.idle', 'retries.calm']) !== null;
}

const noLimits: Limits = {
  hookTimeoutMs: 0,
  artifactTimeoutMs: 0,
  portsTimeoutMs: 0,
  proofTimeoutMs: 0,
  terminationBudgetMs: 0,
};

function ofActor(actor: RunningActor, limits: Limits): Patience {
  return (
    ofKnownActor(actor, limits) ?? {
      waitsFor: `${actor.id} to end`,
      longestMs: 600_000,
      code: 'STUCK_UNKNOWN',
      remedy: 'This is a defect of the agent: report it with its log.',
    }
  );
}

function ofKnownActor({ id, input }: RunningActor, limits: Limits): Patience | null {
  if (id in pauses) return pausing(pauses[id] ?? id, msIn(input, 'ms'));
  if ([...gates.starting, ...gates.updating].some((gate) => gate === id)) return gate(id, limits.hookTimeoutMs);
  if (gates.leaving.some((gate) => gate === id)) return gate(id, limits.terminationBudgetMs);
  switch (id) {
    case 'requestTopology':
      return topology;
    case 'startedDelivery':
    case 'activatedDelivery':
    case 'maintenanceDelivery':
      return delivery('the broker to acknowledge a status event', msIn(input, 'atMostMs'));
    case 'flushOutbox':
      return delivery('the broker to acknowledge the last status events', null);
    case 'fetchArtifact':
      return artifact('git to fetch the artifact', limits.artifactTimeoutMs);
    case 'placeArtifact':
      return artifact('the artifact to be put in place', limits.artifactTimeoutMs);
    case 'acceptArtifact':
    case 'returnArtifact':
    case 'removeArtifact':
      return artifact('the files of an artifact to be tidied up', limits.artifactTimeoutMs);
    case 'proveArtifact':
      return ports(limits.proofTimeoutMs);
    case 'waitForPorts':
      return ports(limits.portsTimeoutMs);
    case activatedNotice:
      // Each script has its limit; and where they have been told, nothing ends this but the instance.
      return { waitsFor: 'the hooks of instanceActivated', longestMs: null, code: 'STUCK_UNKNOWN', remedy: '' };
    case 'publishStatistics':
      return { waitsFor: 'the end of the instance', longestMs: null, code: 'STUCK_UNKNOWN', remedy: '' };
    default:
      return null;
  }
}

function ofState(state: string, states: readonly string[]): Patience | null {
  if (state === 'life.created.joining') return initialization;
  // With the event here, it is the repository that is waited for, and the artifacts region says so.
  if (
    state === 'life.started.waitingForArtifacts' &&
    ['artifacts.idle', 'retries.calm'].every((it) => states.includes(it))
  )
    return artifactEvent;
  return null;
}

const topology: Patience = {
  waitsFor: 'the platform to tell its topology',
  longestMs: 60_000,
  code: 'STUCK_TOPOLOGY',
  remedy:
    'See that the cloud controller runs and uses this broker, and that this user may publish to initializer/ and read topology/.',
};

const initialization: Patience = {
  waitsFor: 'the platform to list this member as Initialized',
  longestMs: 300_000,
  code: 'STUCK_INITIALIZED',
  remedy: 'See in the cloud controller whether it knows this member id, and what it says of it.',
};

const artifactEvent: Patience = {
  waitsFor: 'the platform to name the repository of a tenant (ArtifactUpdated)',
  longestMs: 90_000,
  code: 'STUCK_ARTIFACT_EVENT',
  remedy: 'See that the tenant has signed up for the application with a repository, and that the Stratos manager runs.',
};

function gate(name: string, limitMs: number): Patience {
  return {
    waitsFor: `the hooks of ${name}`,
    longestMs: limitMs + graceMs,
    code: 'STUCK_HOOK',
    remedy: `Look at what the scripts of ${name} are doing, and at what they said in the log; they may hold or try again.`,
  };
}

function delivery(waitsFor: string, atMostMs: number | null): Patience {
  return {
    waitsFor,
    longestMs: atMostMs === null ? deliveryMs : Math.min(deliveryMs, atMostMs + graceMs),
    code: 'STUCK_DELIVERY',
    remedy:
      'See that the broker can be reached and that this user may publish to instance/status/; it is tried for ever.',
  };
}

function artifact(waitsFor: string, limitMs: number): Patience {
  return {
    waitsFor,
    longestMs: limitMs + graceMs,
    code: 'STUCK_ARTIFACT',
    remedy: 'See that the git server answers and that the disk does.',
  };
}

function ports(limitMs: number): Patience {
  return {
    waitsFor: 'the ports to answer',
    longestMs: limitMs + graceMs,
    code: 'STUCK_PORTS',
    remedy: 'See that the services of this cartridge start, and that PORTS lists the ports they listen on.',
  };
}

function pausing(waitsFor: string, ms: number | null): Patience {
  return {
    waitsFor,
    longestMs: ms === null ? null : ms + graceMs,
    code: 'STUCK_PAUSE',
    remedy: 'This is a defect of the agent: restart it, and report it with its log.',
  };
}

/** Inputs of actors are plain JSON; a wrong one is no reason to fail here. */
function msIn(input: unknown, key: 'ms' | 'atMostMs'): number | null {
  const value: unknown = typeof input === 'object' && input !== null ? Reflect.get(input, key) : null;
  return typeof value === 'number' ? value : null;
}
