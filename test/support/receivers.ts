import { createLog } from '../../agent/log.ts';
import type { FeedTimings } from '../../agent/thrift/feed.ts';
import { startFeed } from '../../agent/thrift/feed.ts';
import { createHealthSource, healthStream, type OwnStatistics } from '../../agent/thrift/health-stream.ts';
import { type LogFeed, startLogFeed } from '../../agent/thrift/log-feed.ts';
import type { LogOwner } from '../../agent/thrift/log-stream.ts';
import type { ReceiverTls } from '../../agent/thrift/socket.ts';
import type { AgentError } from '../../state/errors.ts';
import { Secret } from '../../state/secret.ts';
import { onTestFinished } from './current-test.ts';

/** The instance of the samples. */
export const reporter = {
  clusterId: 'shop-app.web.php.domain',
  clusterInstanceId: 'shop-app-1',
  networkPartitionId: 'network-partition-1',
  memberId: 'shop-app.web.php.domain1c2f6d0e-8a4b-4f5c-9f1a-0d3b6e7a9c21',
  partitionId: 'partition-1',
};

/** Tries again at once; a busy machine is waited for. */
export const impatient: FeedTimings = { timeoutMs: 20_000, backOffMs: 20, backOffLimitMs: 100 };

/** Statistics on their way to one receiver, and what was reported of them. */
export function feedTo(
  port: number,
  {
    tls,
    password = 'secret',
    timings = impatient,
    host = '127.0.0.1',
  }: { tls: Partial<ReceiverTls>; password?: string; timings?: FeedTimings; host?: string },
) {
  const failures: AgentError[] = [];
  let sentCount = 0;
  const source = createHealthSource(reporter);
  const access = {
    receiver: { host, port },
    username: 'stats',
    password: new Secret(password),
    tls: { ca: null, servername: null, verify: true, ...tls },
  };
  const reports = {
    opened: () => {},
    sent: (count: number) => {
      sentCount += count;
    },
    failed: (failure: AgentError) => void failures.push(failure),
  };
  const feed = startFeed({ access, definition: healthStream, source, reports, timings });
  onTestFinished(() => feed.end(0));
  return {
    failures,
    feed,
    sentCount: () => sentCount,
    measured(values: OwnStatistics, timestampMs = Date.now()) {
      source.measured(values, timestampMs);
      feed.wake();
    },
  };
}

/** Lines of files on their way to a monitoring server. */
export type ShippedLogs = { readonly feed: LogFeed; readonly failures: readonly AgentError[] };

export function shipTo(
  port: number,
  options: { files: readonly string[]; owner: LogOwner; tls: Partial<ReceiverTls>; bufferBytes?: number },
): ShippedLogs {
  const { files, owner, bufferBytes = 1_000_000 } = options;
  const failures: AgentError[] = [];
  const feed = startLogFeed({
    access: {
      receiver: { host: '127.0.0.1', port },
      username: 'logs',
      password: new Secret('secret'),
      tls: { ca: null, servername: null, verify: true, ...options.tls },
    },
    config: { logFiles: files, bytesPerSecond: 1_000_000, bufferBytes },
    owner,
    reports: { opened: () => {}, sent: () => {}, failed: (failure) => void failures.push(failure) },
    log: createLog({ level: 'silent', pretty: false, colour: false }),
    pollMs: 20,
    timings: impatient,
  });
  onTestFinished(() => feed.end(0));
  return { feed, failures };
}
