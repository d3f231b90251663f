import { z } from 'zod';
import { Provenance } from './provenance.ts';

const time = z.iso.datetime();
const ms = z.number().nonnegative();
const count = z.number().int().nonnegative();

/** Beside what the machine knows: `lost`, nobody who could tell has a link; `unknown`, never told. */
export const StatusCondition = z.enum(['ok', 'waiting', 'blocked', 'degraded', 'lost', 'unknown']);
export type StatusCondition = z.infer<typeof StatusCondition>;

const StatusWait = z.object({
  about: z.string(),
  waitsFor: z.string().describe('To go after "waits for".'),
  forMs: ms,
  longestMs: ms.nullable().describe('Null: it may take for ever.'),
  endsInMs: ms.nullable().describe('Of a pause: when it is over.'),
  overdue: z.boolean(),
  code: z.string(),
  remedy: z.string(),
});
export type StatusWait = z.infer<typeof StatusWait>;

const StatusArtifact = z.object({
  tenantId: z.string(),
  stage: z.enum(['wanted', 'fetched', 'placed', 'failed']).describe('The last thing that happened to it.'),
  repoUrl: z.string().nullable().describe('Without user info.'),
  path: z.string().nullable(),
  commit: z.string().nullable().describe('What is in place.'),
  changedAgoMs: ms,
  attempts: count.describe('Failed ones since the last that worked.'),
  failure: z.object({ message: z.string(), code: z.string().nullable(), remedy: z.string().nullable() }).nullable(),
  provenance: Provenance.nullable().default(null).describe('Where what is in place comes from.'),
  driftedFiles: count
    .nullable()
    .default(null)
    .describe('How many others have changed, at the last look; null: not looked.'),
  progress: z.string().nullable().default(null).describe('What git does right now, in its own figures.'),
});
export type StatusArtifact = z.infer<typeof StatusArtifact>;

const StatusPort = z.object({
  port: count,
  answers: z.boolean(),
  reason: z.string().nullable().describe('Why it does not.'),
  durationMs: ms.describe('Until it answered, or did not.'),
  agoMs: ms,
});
export type StatusPort = z.infer<typeof StatusPort>;

const StatusHook = z.object({
  hook: z.string(),
  executable: z.string().nullable().describe('Null: not known, of a gate as a journal tells it.'),
  attempt: count.nullable(),
  end: z
    .enum(['done', 'hold', 'veto', 'failed', 'cannotRun', 'passed', 'blocked'])
    .describe('The last two are of a whole gate.'),
  reason: z.string().nullable(),
  durationMs: ms.nullable(),
  agoMs: ms,
});
export type StatusHook = z.infer<typeof StatusHook>;

const StatusReceiver = z.object({
  takes: z.enum(['statistics', 'logs']),
  url: z.string(),
  state: z.enum(['waiting', 'up', 'down']).describe('Waiting: nothing was sent so far.'),
  sentCount: count.describe('Events that it has taken.'),
  sentAgoMs: ms.nullable(),
  failure: z.string().nullable().describe('Why it is down.'),
  code: z.string().nullable(),
  remedy: z.string().nullable(),
});
export type StatusReceiver = z.infer<typeof StatusReceiver>;

/**
 * What `status --json` prints. Fields are only ever added; times are RFC 3339 in UTC; what is not known is null.
 *
 * @see operators.md, "status"
 */
export const Status = z.object({
  schema: z.literal('cartridge-agent.status/1'),
  at: time.describe('When this was asked.'),
  source: z.enum(['agent', 'journal']),
  ageMs: ms.nullable().describe('How old the newest of it is; 0 from the agent.'),
  instance: z.object({
    memberId: z.string().nullable(),
    clusterId: z.string().nullable(),
    serviceName: z.string().nullable(),
    applicationId: z.string().nullable(),
  }),
  agent: z
    .object({ pid: count, version: z.string(), runId: z.string(), startedAt: time, upForMs: ms })
    .nullable()
    .describe('Null: it does not run.'),
  state: z.string().nullable(),
  step: z.string().nullable().describe('Where in that state: waitingForPorts.'),
  stateSince: time.nullable(),
  stateForMs: ms.nullable(),
  startTookMs: ms.nullable().describe('From the start of this agent to active, if it saw all of that.'),
  condition: StatusCondition,
  why: z.array(z.string()),
  next: z.object({
    who: z.enum(['nobody', 'agent', 'person']),
    what: z.string().min(1),
    more: z.array(z.string()),
  }),
  waits: z.array(StatusWait),
  link: z
    .object({
      state: z.enum(['up', 'down']),
      url: z.string(),
      forMs: ms,
      rttMs: ms.nullable().describe('From the last publish to its acknowledgement.'),
      sentCount: count,
      failure: z.string().nullable().describe('What went wrong last; while up: a subscription that was refused.'),
      code: z.string().nullable().default(null).describe('Of the failure.'),
      remedy: z.string().nullable().default(null),
    })
    .nullable(),
  outbox: z.object({ waitingCount: count, events: z.array(z.string()) }).nullable(),
  artifacts: z.array(StatusArtifact),
  ports: z.object({ host: z.string(), ports: z.array(StatusPort), wantedCount: count }).nullable(),
  health: z
    .object({ sentAgoMs: ms, loadPercent: z.number().nullable(), memoryPercent: z.number().nullable() })
    .nullable(),
  thrift: z
    .object({
      verified: z.boolean().describe('Whether their certificates are checked: thrift.tls.verify.'),
      receivers: z.array(StatusReceiver),
      droppedLines: count.nullable().describe('Of log files, for want of room; null: none are shipped.'),
      droppedBytes: count.nullable().describe('Of those and of what was not even read.'),
    })
    .nullable()
    .default(null)
    .describe('The CEP nodes and the monitoring server; null: not configured, or not known.'),
  hooks: z.array(StatusHook),
  recent: z.array(z.object({ at: time, event: z.string(), text: z.string() })),
  problems: z.array(z.string()).describe('What is wrong with the journal, or with what is there to be run.'),
});
export type Status = z.infer<typeof Status>;
