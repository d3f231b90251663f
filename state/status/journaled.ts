import { conditionOf, type Notes, severity } from '../lifecycle/condition.ts';
import type { Provenance } from '../provenance.ts';
import type { Status } from '../status.ts';
import { shown } from './duration.ts';

/** What a journal tells of an instance whose agent does not answer. */
export type Journaled = {
  /** Null: nothing that could be read. */
  readonly state: string | null;
  /** Since it was entered; null: no line tells. */
  readonly stateForMs: number | null;
  /** It was not active by activation.deadline. */
  readonly gaveUp: boolean;
  /** What a person would have been told at the last line, as far as lines tell. */
  readonly notes: Notes;
  readonly hooks: Status['hooks'];
  readonly memberId: string | null;
  /** Status events that were decided and not acknowledged, oldest first. */
  readonly undelivered: readonly string[];
  /** Null: unknown, as after a restart of the machine. */
  readonly ageMs: number | null;
  readonly problems: readonly string[];
  /** What is in place, one for each tenant. */
  readonly artifacts: readonly Provenance[];
  /** The last lines, oldest first. */
  readonly recent: Status['recent'];
};

/** Why there is nobody to ask. */
export type Silence = { readonly kind: 'down' | 'silent'; readonly reason: string };

/**
 * The status of an instance as its journal tells it.
 *
 * @param at - now, RFC 3339
 */
export function statusFromJournal(journal: Journaled, { at, silence }: { at: string; silence: Silence }): Status {
  const { state, stateForMs, memberId, undelivered, ageMs } = journal;
  return {
    schema: 'cartridge-agent.status/1',
    at,
    source: 'journal',
    ageMs,
    instance: { memberId, clusterId: null, serviceName: null, applicationId: null },
    agent: null,
    state,
    step: null,
    stateSince: stateForMs === null ? null : new Date(Date.parse(at) - stateForMs).toISOString(),
    stateForMs,
    startTookMs: null,
    ...judge(journal, silence),
    waits: [],
    link: null,
    outbox: { waitingCount: undelivered.length, events: [...undelivered] },
    artifacts: journal.artifacts.map((provenance) => ({
      ...{ tenantId: provenance.tenantId, stage: 'placed' as const, repoUrl: provenance.repoUrl, path: null },
      ...{ commit: provenance.commit, changedAgoMs: Math.max(0, Date.parse(at) - Date.parse(provenance.at)) },
      ...{ attempts: 0, failure: null, provenance, driftedFiles: null, progress: null },
    })),
    ports: null,
    health: null,
    thrift: null,
    hooks: [...journal.hooks],
    recent: journal.recent,
    problems: [...journal.problems],
  };
}

function judge(journal: Journaled, silence: Silence): Pick<Status, 'condition' | 'why' | 'next'> {
  const { state, undelivered, ageMs } = journal;
  const age = ageMs === null ? 'of unknown age' : `last written ${shown(ageMs)} ago`;
  const source = `this is what its journal says, ${age}`;
  if (state === null) {
    return {
      condition: 'unknown',
      why: [silence.reason, 'its journal says nothing of the instance'],
      next: { who: 'person', what: `a person: ${orders[silence.kind]}`, more: [] },
    };
  }
  if (state === 'obsolete' && undelivered.length === 0 && silence.kind === 'down') {
    if (journal.gaveUp)
      return { condition: 'blocked', why: [...givenUp, source, ...lastWordsOf(journal)], next: afterwards };
    return {
      condition: 'ok',
      why: ['everything is delivered, and the agent has ended', source],
      next: { who: 'nobody', what: 'nothing to do: the instance is gone', more: [] },
    };
  }
  const waiting = `${undelivered.length} status ${undelivered.length === 1 ? 'event is' : 'events are'} delivered then`;
  return {
    condition: 'lost',
    why: [silence.reason, source, ...lastWordsOf(journal)],
    next: {
      who: 'person',
      what: `a person: ${orders[silence.kind]}`,
      more: [
        'it goes on from there, and what hooks have started lives on meanwhile',
        ...(undelivered.length > 0 ? [waiting] : []),
      ],
    },
  };
}

/** How it was when the last line was written. */
function lastWordsOf({ state, notes }: Journaled): string[] {
  const said = severity.flatMap((worst) => Object.values(notes).filter(({ condition }) => condition === worst));
  if (said.length > 0) return said.map(({ condition, text }) => `it was ${condition} then: ${text}`);
  if (state === 'obsolete') return [];
  const { condition, message } = conditionOf(state ?? '', {});
  return message === '' ? [] : [`it was ${condition} then: ${message}`];
}

const givenUp = ['the instance was given up: it was not active by activation.deadline; the agent has ended'];
const afterwards = {
  who: 'person',
  what: 'a person: mend what it lacked, or raise activation.deadline, and have the platform make a new instance',
  more: [],
} satisfies Status['next'];

const orders = {
  down: 'start the agent',
  silent: 'look at the log of the agent, and restart it',
} as const satisfies Record<Silence['kind'], string>;
