import { setTimeout as pause } from 'node:timers/promises';
import type { MonitoringConfig } from '../../state/config/config.ts';
import type { Log } from '../log.ts';
import { followFiles } from '../logs/follow.ts';
import { createLogQueue, type Dropped } from '../logs/queue.ts';
import { type FeedReports, type FeedTimings, type Source, startFeed } from './feed.ts';
import { createLogStream, type LogOwner, type LogStream } from './log-stream.ts';
import type { Access } from './session.ts';

/** Lines of files, on their way to the monitoring server. */
export type LogFeed = {
  readonly dropped: Dropped;
  /** It is known where each file ends. */
  readonly ready: Promise<void>;
  /** Sends what is written by now, for so long at most. */
  end(atMostMs: number): Promise<void>;
};

const pollMs = 1_000;

/** @see protocol.md section 10 */
export function startLogFeed(options: {
  access: Access;
  config: Pick<MonitoringConfig, 'logFiles' | 'bytesPerSecond' | 'bufferBytes'>;
  owner: LogOwner;
  reports: FeedReports;
  log: Log;
  pollMs?: number;
  timings?: Partial<FeedTimings>;
}): LogFeed {
  const { access, config, owner, reports, log, timings = {} } = options;
  const { bytesPerSecond, bufferBytes } = config;
  const stream = createLogStream(owner, new Date());
  const queue = createLogQueue({ limitBytes: bufferBytes, bytesPerSecond, overheadBytes: overheadOf(stream) });
  const source: Source = {
    next: () => {
      const lines = queue.next();
      return lines.length === 0 ? null : lines.map(({ text, timestampMs }) => stream.eventOf(text, timestampMs));
    },
    sent: () => queue.sent(),
  };
  const feed = startFeed({ access, definition: stream.definition, source, reports, timings });
  const follow = { queue, readBytes: bufferBytes, pollMs: options.pollMs ?? pollMs, onRead: feed.wake, log };
  const following = followFiles(config.logFiles, follow);
  return {
    dropped: queue.dropped,
    ready: following.ready,
    async end(atMostMs) {
      // A file on a dead network drive is never opened, nor read.
      await Promise.race([following.end(), pause(atMostMs, undefined, { ref: false })]);
      queue.hurry();
      await feed.end(atMostMs);
    },
  };
}

/** What an event takes beside the line. */
function overheadOf({ definition, eventOf }: LogStream): number {
  const texts = [`${definition.name}:${definition.version}`, ...eventOf('', 0).values.map(String)];
  return texts.reduce((bytes, text) => bytes + 4 + Buffer.byteLength(text), 8);
}
