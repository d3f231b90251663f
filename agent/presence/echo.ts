import { AgentError } from '../../state/errors.ts';
import type { Broker } from '../broker/broker.ts';
import { DeadLinkError } from '../broker/failures.ts';
import { failure, type Log } from '../log.ts';

/** What we say of ourselves never comes back to us. */
export class PresenceUnheardError extends AgentError {
  override readonly name = 'PresenceUnheardError';
  readonly code = 'PRESENCE_NOT_HEARD';
  readonly remedy = 'Allow this user to read and to write its own topic in the access list of the broker.';
}

/**
 * Waits for what we have said to come back. If nothing at all comes any more, the link is dead, whatever its two ends
 * believe. A broker that acknowledges and never once brings an echo does not let us hear ourselves: that is told once.
 */
export function createEcho(options: { broker: Broker; topic: string; limitMs: number; log: Log }) {
  const { broker, topic, limitMs, log } = options;
  /** Per server: `heard` once an echo came, `deaf` once it was clear that none ever does. */
  const ears = new Map<string, 'heard' | 'deaf'>();
  let newest = 0;
  let oldest: number | null = null;
  let isAcknowledged = false;
  let isAnythingHeard = false;
  let timer: NodeJS.Timeout | undefined;

  function expect(sequence: number): void {
    oldest = sequence;
    isAcknowledged = isAnythingHeard = false;
    clearTimeout(timer);
    timer = setTimeout(miss, limitMs);
  }

  function miss(): void {
    const { host, port } = broker.server;
    const facts = { host, port, topic };
    // Much is waiting in front of it.
    if (isAnythingHeard) {
      expect(newest);
      return;
    }
    if (isAcknowledged && ears.get(`${host}:${port}`) !== 'heard') {
      giveUpHearing('the broker does not bring it back');
      return;
    }
    // If that was a new rule of the broker, the next connection is not given up for it.
    ears.delete(`${host}:${port}`);
    stop();
    broker.drop(new DeadLinkError(`cannot use the link to ${host}:${port}: nothing comes back`, { facts }));
  }

  function giveUpHearing(why: string, cause?: Error): void {
    stop();
    const { host, port } = broker.server;
    const isTold = ears.get(`${host}:${port}`) === 'deaf';
    ears.set(`${host}:${port}`, 'deaf');
    if (isTold) return;
    const err = new PresenceUnheardError(`cannot hear ${topic}: ${why}`, { cause, facts: { host, port, topic } });
    log.warn({ event: 'presence.notHeard', ...failure(err) }, 'a second agent, and some dead links, go unnoticed');
  }

  function stop(): void {
    clearTimeout(timer);
    oldest = null;
  }

  return {
    /** Whether an echo ever came from the server in use. */
    get hasHeard() {
      return ears.get(`${broker.server.host}:${broker.server.port}`) === 'heard';
    },
    said(sequence: number): void {
      newest = sequence;
      if (oldest === null && ears.get(`${broker.server.host}:${broker.server.port}`) !== 'deaf') expect(sequence);
    },
    acknowledged(sequence: number): void {
      if (oldest !== null && sequence >= oldest) isAcknowledged = true;
    },
    /** The broker does not let us say it; only MQTT 5 tells. The link itself is well. */
    refused(cause: Error): void {
      giveUpHearing('the broker does not take it from us', cause);
    },
    /** A message came, whatever it was. */
    delivered(): void {
      isAnythingHeard = true;
    },
    heard(sequence: number): void {
      ears.set(`${broker.server.host}:${broker.server.port}`, 'heard');
      if (oldest === null || sequence < oldest) return;
      stop();
      if (newest > sequence) expect(newest);
    },
    stop,
  };
}
