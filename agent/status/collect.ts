import type { Config } from '../../state/config/config.ts';
import { judge } from '../../state/status/judge.ts';
import type { Status } from '../../state/status.ts';
import type { Broker } from '../broker/broker.ts';
import { textOf, told } from '../broker/failures.ts';
import type { Outbox } from '../outbox.ts';
import type { StandingWait } from '../patience.ts';
import type { DataBridge } from '../thrift/bridge.ts';
import type { Dated, Memory, Recorder } from './recorder.ts';

/** Who is asked when somebody asks for the status. */
export type Sources = {
  /** This process, as its journal and its presence know it. */
  readonly run: { readonly id: string; readonly version: string };
  readonly config: Pick<Config, 'instance' | 'broker' | 'ports'>;
  readonly recorder: Recorder;
  readonly broker: Broker;
  readonly outbox: Pick<Outbox, 'waiting'>;
  readonly waits: () => readonly StandingWait[];
  readonly bridge: Pick<DataBridge, 'status'>;
};

/** Makes the function that says how this instance is, in this moment. */
export function createStatus({ run, config, recorder, broker, outbox, waits, bridge }: Sources): () => Status {
  return () => {
    const now = createNow();
    const { memory } = recorder;
    const step = memory.step?.value ?? null;
    const parts = {
      state: step?.state ?? null,
      waits: waits().map(statusWait),
      link: linkOf({ config, broker, memory, now }),
      artifacts: [...memory.artifacts].map(([tenantId, { value, atMs }]) => {
        return { tenantId, ...value, changedAgoMs: now.ago(atMs) };
      }),
      ports: portsOf(config, memory, now),
      thrift: bridge.status(),
    };
    const condition = { condition: step?.condition ?? 'waiting', message: step?.message ?? 'starts' } as const;
    const { memberId, clusterId, serviceName, applicationId } = config.instance;
    return {
      schema: 'cartridge-agent.status/1',
      at: now.at,
      source: 'agent',
      ageMs: 0,
      instance: { memberId, clusterId, serviceName, applicationId },
      agent: {
        pid: process.pid,
        version: run.version,
        runId: run.id,
        startedAt: now.timeOf(memory.startedAtMs),
        upForMs: now.ago(memory.startedAtMs),
      },
      step: step?.step ?? null,
      stateSince: memory.stateSinceMs === null ? null : now.timeOf(memory.stateSinceMs),
      stateForMs: memory.stateSinceMs === null ? null : now.ago(memory.stateSinceMs),
      startTookMs: memory.activeAfterMs === null ? null : Math.round(memory.activeAfterMs),
      ...judge({ ...parts, condition, notes: step?.notes ?? {} }),
      ...parts,
      outbox: { waitingCount: outbox.waiting.length, events: outbox.waiting.map(({ event }) => event) },
      health: healthOf(memory, now),
      hooks: memory.hooks.map(({ value, atMs }) => ({ ...value, agoMs: now.ago(atMs) })),
      recent: memory.recent.map(({ value, atMs }) => ({ at: now.timeOf(atMs), ...value })),
      problems: [...memory.problems],
    };
  };
}

type Now = ReturnType<typeof createNow>;

/** Ages are measured by the monotonic clock; a time is what the clock on the wall would have shown if it had been right. */
function createNow() {
  const [wallMs, monotonicMs] = [Date.now(), performance.now()];
  const ago = (atMs: number) => Math.max(0, Math.round(monotonicMs - atMs));
  return {
    at: new Date(wallMs).toISOString(),
    ago,
    timeOf: (atMs: number) => new Date(wallMs - ago(atMs)).toISOString(),
  };
}

function statusWait({ about, waitsFor, forMs, longestMs, pauseMs, isOverdue, code, remedy }: StandingWait) {
  const endsInMs = pauseMs === null ? null : Math.max(0, pauseMs - forMs);
  return { about, waitsFor, forMs, longestMs, endsInMs, overdue: isOverdue, code, remedy };
}

function linkOf(options: { config: Sources['config']; broker: Broker; memory: Memory; now: Now }): Status['link'] {
  const { config, broker, memory, now } = options;
  const { host, port } = broker.server;
  const scheme = config.broker.tls === null ? 'mqtt' : 'mqtts';
  const failure = broker.blocking ?? broker.failure;
  const { code = null, remedy = null } = failure === null ? {} : told(failure, broker.server);
  return {
    state: broker.link,
    url: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    forMs: now.ago(memory.linkSinceMs),
    rttMs: memory.rttMs,
    sentCount: memory.sentCount,
    failure: failure === null ? null : textOf(failure),
    code,
    remedy,
  };
}

function portsOf({ ports: { host, numbers } }: Sources['config'], memory: Memory, now: Now): Status['ports'] {
  if (numbers.length === 0) return null;
  const looked = [...new Set(numbers)].flatMap((number) => memory.ports.get(number) ?? []);
  const ports = looked.map(
    ({
      value: { port, reason, durationMs },
      atMs,
    }: Dated<{ port: number; reason: string | null; durationMs: number }>) => {
      return { port, answers: reason === null, reason, durationMs, agoMs: now.ago(atMs) };
    },
  );
  return { host, ports, wantedCount: new Set(numbers).size };
}

function healthOf({ statistics }: Memory, now: Now): Status['health'] {
  if (statistics === null) return null;
  const { load_average: loadPercent = null, memory_consumption: memoryPercent = null } = statistics.value;
  return { sentAgoMs: now.ago(statistics.atMs), loadPercent, memoryPercent };
}
