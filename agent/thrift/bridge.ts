import type { Server } from '../../state/config/addresses.ts';
import type { Config } from '../../state/config/config.ts';
import type { Note } from '../../state/lifecycle/condition.ts';
import { Secret } from '../../state/secret.ts';
import type { Status } from '../../state/status.ts';
import type { Log } from '../log.ts';
import { type Feed, startFeed } from './feed.ts';
import { createHealthSource, type HealthSource, healthStream } from './health-stream.ts';
import { type LogFeed, startLogFeed } from './log-feed.ts';
import { type ReceiverRecord, recordReceiver } from './record.ts';

/** What goes to the platform over Thrift: statistics to the CEP nodes, lines of log files to the monitoring server. */
export type DataBridge = AsyncDisposable & {
  /** What was measured just now, in percent; goes to every CEP node, newest wins. */
  measured(values: { readonly memory_consumption: number; readonly load_average: number }): void;
  /** Null: nothing is configured. */
  status(): Status['thrift'];
};

export type DataBridgeParts = {
  readonly config: Pick<Config, 'instance' | 'health' | 'thrift' | 'monitoring'>;
  /** What is wrong with it, by what it is about; null: nothing any more. */
  readonly tell: (about: string, note: Note | null) => void;
  readonly log: Log;
};

/** What the notes are about. */
const about = { statistics: 'statistics over Thrift', logs: 'log publishing' } as const;

/** Logs that are on their way when the agent ends get this long. */
const lastLinesMs = 2_000;

/** Starts what is wanted; nothing is waited for. */
export function startDataBridge(
  parts: DataBridgeParts,
  { wantsStatistics, wantsLogs }: { wantsStatistics: boolean; wantsLogs: boolean },
): DataBridge {
  const { config, log } = parts;
  const { instance, thrift, monitoring } = config;
  if (!thrift.tls.verify) {
    const remedy = 'Name the certificate of the servers in thrift.tls.ca, and delete thrift.tls.verify.';
    log.warn({ event: 'thrift.unverified', remedy }, 'thrift.tls.verify = false: anybody may pose as the CEP');
  }
  const records: ReceiverRecord[] = [];
  const nodes = wantsStatistics ? thrift.receivers.map(startNode) : [];
  const logs = wantsLogs ? startLogs() : null;

  function startNode(receiver: Server): { source: HealthSource; feed: Feed } {
    const source = createHealthSource(instance);
    const access = accessTo(receiver, thrift);
    const { reports } = record(receiver, 'statistics');
    return { source, feed: startFeed({ access, definition: healthStream, source, reports }) };
  }

  function startLogs(): LogFeed {
    const receiver = { host: monitoring.host ?? '', port: monitoring.securePort ?? 0 };
    const { reports } = record(receiver, 'logs');
    return startLogFeed({ access: accessTo(receiver, monitoring), config: monitoring, owner: instance, reports, log });
  }

  function accessTo(receiver: Server, user: { username: string | null; password: Secret | null }) {
    const { username, password } = user;
    return { receiver, username: username ?? '', password: password ?? new Secret(''), tls: thrift.tls };
  }

  function record(receiver: Server, takes: 'statistics' | 'logs'): ReceiverRecord {
    const it = recordReceiver(receiver, { takes, log, onChange: () => tellTroubles(takes) });
    records.push(it);
    return it;
  }

  const told = { statistics: '', logs: '' };
  function tellTroubles(takes: 'statistics' | 'logs'): void {
    const ofThem = records.filter((each) => each.status().takes === takes);
    const text = ofThem.flatMap((each) => each.trouble() ?? []).join('; ');
    if (text === told[takes]) return;
    told[takes] = text;
    parts.tell(about[takes], text === '' ? null : { condition: 'degraded', text });
  }

  return {
    measured(values) {
      const nowMs = Date.now();
      for (const { source, feed } of nodes) {
        source.measured(values, nowMs);
        feed.wake();
      }
    },
    status: () => ({
      verified: thrift.tls.verify,
      receivers: records.map((each) => each.status()),
      droppedLines: logs?.dropped.lines ?? null,
      droppedBytes: logs?.dropped.bytes ?? null,
    }),
    async [Symbol.asyncDispose]() {
      await Promise.all([...nodes.map(({ feed }) => feed.end(0)), logs?.end(lastLinesMs)]);
    },
  };
}
