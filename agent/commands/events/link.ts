import { AgentError, reasonOf } from '../../../state/errors.ts';
import type { Broker } from '../../broker/broker.ts';
import { LoginRefusedError, SubscriptionRefusedError } from '../../broker/failures.ts';
import { printable } from './harmless.ts';

/** No broker answered there in time. */
export class BrokerUnreachableError extends AgentError {
  override readonly name = 'BrokerUnreachableError';
  readonly code = 'BROKER_UNREACHABLE';
  readonly remedy: string;

  /** @param address - without user and password */
  constructor(address: string, { cause, timeoutMs }: { cause: Error | null; timeoutMs: number }) {
    const reason = cause === null ? 'it did not answer as a broker does' : causeIn(cause);
    super(`cannot reach the broker ${address} within ${timeoutMs / 1_000} s: ${reason}`, { cause, facts: { address } });
    this.remedy = remedyFor(cause);
  }
}

/** What `events` is told about its connection. */
export type LinkOptions = {
  /** The broker, for people. */
  readonly address: string;
  /** How long the first connection may take. */
  readonly timeoutMs: number;
  /** Says something to the person who watches. */
  readonly tell: (line: string) => void;
  readonly signal: AbortSignal;
};

/**
 * Waits for the first connection, and says from then on when it is lost and back.
 *
 * @throws {@link BrokerUnreachableError}, LoginRefusedError, SubscriptionRefusedError; what `signal` was aborted with
 */
export async function watchLink(broker: Broker, { address, timeoutMs, tell, signal }: LinkOptions): Promise<void> {
  const first = Promise.withResolvers<void>();
  const stopWaiting = () => first.reject(signal.reason);
  signal.addEventListener('abort', stopWaiting, { once: true });
  if (signal.aborted) stopWaiting();
  const limit = setTimeout(() => {
    first.reject(new BrokerUnreachableError(address, { cause: broker.failure, timeoutMs }));
  }, timeoutMs);
  let told = '';
  let hasBeenUp = false;
  broker.onLink((link) => {
    // Trying again does not mend these: before the first event they end the command, later they are only said.
    if (!hasBeenUp && isFinal(broker.failure)) return first.reject(broker.failure);
    const news = newsOf(link, broker.failure, { address, hasBeenUp });
    if (news !== told) tell(news);
    told = news;
    if (link === 'down') return;
    hasBeenUp = true;
    first.resolve();
  }, signal);
  await first.promise.finally(() => {
    clearTimeout(limit);
    signal.removeEventListener('abort', stopWaiting);
  });
}

function isFinal(failure: Error | null): boolean {
  return failure instanceof LoginRefusedError || failure instanceof SubscriptionRefusedError;
}

function newsOf(
  link: 'up' | 'down',
  failure: Error | null,
  { address, hasBeenUp }: { address: string; hasBeenUp: boolean },
): string {
  if (link === 'up' && !hasBeenUp) return `connected to ${address}`;
  const reason = failure === null ? '' : ` (${causeIn(failure)})`;
  if (link === 'up') return `reconnected to ${address}${reason}; what was published meanwhile is missing`;
  return `${hasBeenUp ? 'lost' : 'cannot reach'} ${address}${reason}, trying again`;
}

/** A name with several addresses fails with one error per address and no message of its own. */
function causeIn(error: Error): string {
  const reasons = error instanceof AggregateError ? error.errors.map(reasonOf) : [error.message];
  const code = 'code' in error ? String(error.code) : error.name;
  return printable([...new Set(reasons)].join('; ') || code, 300);
}

function remedyFor(cause: Error | null): string {
  const code = cause !== null && 'code' in cause ? String(cause.code) : '';
  if (code === 'ECONNREFUSED') return 'Check that the broker runs there, and that it listens on this port.';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'Check the spelling of the host, and the name server.';
  if (/CERT|SIGNATURE|_TLS_/.test(code))
    return 'Name the certificates to trust with --ca FILE, and the host as they do.';
  return 'Check the host and the port, that MQTT is spoken there, and whether it is over TLS (mqtts://).';
}
