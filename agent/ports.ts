import { setTimeout as pause } from 'node:timers/promises';
import { AgentError, reasonOf } from '../state/errors.ts';
import { afterStart } from './after-start.ts';

const library = afterStart(() => import('tcp-port-used'));
const everyMs = 100;
const lookMs = 1_000;

/**
 * Waits until every port of the list accepts TCP connections. Ports that have answered are left alone until the others
 * have too (some services block a client that only connects); then all are looked at once more, together.
 *
 * @param options - `timeoutMs`: at least one look is made; `onLook`: told after each look which ports are still closed;
 *   `onAnswer`: told of each port that was looked at, with the reason if it is closed
 * @throws {@link PortsClosedError} when the time is over
 * @throws the reason of `signal`
 * @see protocol.md 1.3
 */
export async function waitForPorts(options: {
  ports: readonly number[];
  host: string;
  timeoutMs: number;
  signal: AbortSignal;
  onLook?: (closed: readonly number[]) => void;
  onAnswer?: (answer: PortAnswer) => void;
}): Promise<void> {
  const { host, timeoutMs, signal, onLook, onAnswer } = options;
  const probes = new Map(
    [...new Set(options.ports)].map((port) => [port, told(createProbe(port, host), port, onAnswer)]),
  );
  const all = [...probes.keys()];
  const deadlineMs = performance.now() + timeoutMs;

  for (let closed = all; closed.length > 0; ) {
    const startedMs = performance.now();
    const limitMs = Math.max(everyMs, Math.min(lookMs, deadlineMs - startedMs));
    const answers = await untilAborted(signal, () => lookAtPorts(probes, { asked: closed, all, limitMs }));
    closed = all.filter((port) => answers.has(port));
    onLook?.(closed);
    if (closed.length === 0) return;

    const leftMs = deadlineMs - performance.now();
    if (leftMs <= 0) throw new PortsClosedError({ host, timeoutMs, answers });
    await untilAborted(signal, () => pause(Math.max(0, Math.min(leftMs, startedMs + everyMs - performance.now()))));
  }
}

/** At least one service port did not open in time. `facts.ports` are the closed ones, `facts.reasons` what each said. */
export class PortsClosedError extends AgentError {
  override readonly name = 'PortsClosedError';
  readonly code = 'PORTS_CLOSED';
  readonly remedy =
    'Check that the services of this cartridge start, and that PORTS lists the ports they listen on, on this address.';

  constructor({ host, timeoutMs, answers }: { host: string; timeoutMs: number; answers: ReadonlyMap<number, string> }) {
    const ports = [...answers.keys()];
    super(`cannot reach ${ports.map((port) => `${host}:${port} (${answers.get(port)})`).join(', ')}`, {
      facts: { host, ports, reasons: Object.fromEntries(answers), timeoutMs },
    });
  }
}

/** What a look at one port found; `reason` null: it is open. */
export type PortAnswer = { readonly port: number; readonly reason: string | null; readonly durationMs: number };

/** Looks once at a port: why it is closed, or null when it is open. */
type Probe = (limitMs: number) => Promise<string | null>;

function told(probe: Probe, port: number, onAnswer: ((answer: PortAnswer) => void) | undefined): Probe {
  if (onAnswer === undefined) return probe;
  return async (limitMs) => {
    const startedMs = performance.now();
    const reason = await probe(limitMs);
    onAnswer({ port, reason, durationMs: Math.round(performance.now() - startedMs) });
    return reason;
  };
}

/** Those of `asked` that are closed, and why. When none is, all others are asked again: one may have gone meanwhile. */
async function lookAtPorts(
  probes: ReadonlyMap<number, Probe>,
  { asked, all, limitMs }: { asked: readonly number[]; all: readonly number[]; limitMs: number },
): Promise<Map<number, string>> {
  const answers = await Promise.all(
    asked.map(async (port) => [port, (await probes.get(port)?.(limitMs)) ?? null] as const),
  );
  const closed = new Map(answers.filter((answer): answer is [number, string] => answer[1] !== null));
  if (closed.size > 0 || asked.length === all.length) return closed;
  return await lookAtPorts(probes, { asked: all, all, limitMs });
}

const pendingAtMost = 6;
const pendingPaceMs = 3_000;

/**
 * `check` has no time limit, and against a host that drops packets its socket stays for two minutes. So a look gives up
 * waiting, not connecting: a connection that comes later still counts, and the more are pending the slower new ones come.
 */
function createProbe(port: number, host: string): Probe {
  const pending = new Set<Promise<string | null>>();
  let startedMs = 0;
  return async (limitMs) => {
    const dueMs = startedMs + pending.size * pendingPaceMs;
    if (pending.size === 0 || (pending.size < pendingAtMost && performance.now() >= dueMs)) {
      startedMs = performance.now();
      const attempt = knock(port, host).finally(() => pending.delete(attempt));
      pending.add(attempt);
    }
    const tooLate = new AbortController();
    const silence = pause(limitMs, 'no answer', { signal: tooLate.signal }).catch(() => 'not waited for');
    return await Promise.race([...pending, silence]).finally(() => tooLate.abort());
  };
}

/** The kernel takes its own end of a connection from here up (Linux), and may so connect a closed port to itself. */
const ownPortsFrom = 32_768;

async function knock(port: number, host: string): Promise<string | null> {
  try {
    const { check } = await library();
    const open = (await check(port, host)) && (port < ownPortsFrom || (await check(port, host)));
    return open ? null : 'connection refused';
  } catch (error) {
    // A name with several addresses fails with an AggregateError, which has a code but no message.
    return reasonOf(error) || String((error as NodeJS.ErrnoException).code);
  }
}

async function untilAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort);
  return await Promise.race([work(), aborted]).finally(() => signal.removeEventListener('abort', onAbort));
}
