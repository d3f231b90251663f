import type { Provenance } from '../provenance.ts';
import type { Status } from '../status.ts';
import { shown } from './duration.ts';

/** What a journal tells of an instance whose agent does not answer. */
export type Journaled = {
  /** Null: nothing that could be read. */
  readonly state: string | null;
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
  const { state, memberId, undelivered, ageMs } = journal;
  return {
    schema: 'cartridge-agent.status/1',
    at,
    source: 'journal',
    ageMs,
    instance: { memberId, clusterId: null, serviceName: null, applicationId: null },
    agent: null,
    state,
    step: null,
    stateSince: null,
    stateForMs: null,
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
    hooks: [],
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
    return {
      condition: 'ok',
      why: ['everything is delivered, and the agent has ended', source],
      next: { who: 'nobody', what: 'nothing to do: the instance is gone', more: [] },
    };
  }
  const waiting = `${undelivered.length} status ${undelivered.length === 1 ? 'event is' : 'events are'} delivered then`;
  return {
    condition: 'lost',
    why: [silence.reason, source],
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

const orders = {
  down: 'start the agent',
  silent: 'look at the log of the agent, and restart it',
} as const satisfies Record<Silence['kind'], string>;
