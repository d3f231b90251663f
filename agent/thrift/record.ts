import type { AgentError } from '../../state/errors.ts';
import type { StatusReceiver } from '../../state/status.ts';
import { failure, type Log } from '../log.ts';
import { addressOf, type Receiver } from './failures.ts';
import type { FeedReports } from './feed.ts';

/** What is known of one receiver. */
export type ReceiverRecord = {
  readonly reports: FeedReports;
  status(): StatusReceiver;
  /** What people should know of, if there is something. */
  trouble(): string | null;
};

/** How long a receiver may be away before the instance is degraded: half of what the platform waits for statistics. */
const patienceMs = 30_000;
const remindEveryMs = 600_000;

/** @param options - `onChange`: after each report */
export function recordReceiver(
  receiver: Receiver,
  options: {
    takes: StatusReceiver['takes'];
    log: Log;
    onChange: () => void;
  },
): ReceiverRecord {
  const { takes, log, onChange } = options;
  const address = addressOf(receiver);
  let sentCount = 0;
  let sentAtMs: number | null = null;
  let failed: { readonly error: AgentError; readonly sinceMs: number } | null = null;
  /** The last failure that was told aloud. One that comes and goes with each round is told no more often. */
  let told: { readonly code: string; readonly atMs: number } | null = null;
  let isOpenTold = false;

  function tellFailure(error: AgentError): void {
    const nowMs = performance.now();
    const isTold = told?.code === error.code && nowMs - told.atMs < remindEveryMs;
    failed = { error, sinceMs: failed?.sinceMs ?? nowMs };
    if (!isTold) {
      told = { code: error.code, atMs: nowMs };
      isOpenTold = false;
    }
    const line = { event: 'receiver.failed', takes, receiver: address, ...failure(error) };
    log[isTold ? 'debug' : 'warn'](line, 'cannot send to a receiver; it is tried again');
  }

  return {
    reports: {
      opened() {
        const line = { event: 'receiver.opened', takes, receiver: address };
        log[isOpenTold ? 'debug' : 'info'](line, 'a receiver has let us in');
        isOpenTold = true;
      },
      sent(count) {
        sentCount += count;
        sentAtMs = performance.now();
        failed = null;
        onChange();
      },
      failed(error) {
        tellFailure(error);
        onChange();
      },
    },
    status: () => ({
      takes,
      url: address,
      state: failed === null ? (sentAtMs === null ? 'waiting' : 'up') : 'down',
      sentCount,
      sentAgoMs: sentAtMs === null ? null : Math.round(performance.now() - sentAtMs),
      failure: failed?.error.message ?? null,
      code: failed?.error.code ?? null,
      remedy: failed?.error.remedy ?? null,
    }),
    trouble() {
      if (failed === null) return null;
      const isKnown = failed.error.lasting || performance.now() - failed.sinceMs >= patienceMs;
      return isKnown ? failed.error.message : null;
    },
  };
}
