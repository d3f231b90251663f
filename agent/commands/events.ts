import { randomUUID } from 'node:crypto';
import { AgentError, reasonOf } from '../../state/errors.ts';
import { connectBroker } from '../broker/broker.ts';
import { createLog } from '../log.ts';
import { type Command, type CommandIo, exitCodes } from './command.ts';
import { decode } from './events/entry.ts';
import { jsonLine, mayColour, textLines } from './events/lines.ts';
import { watchLink } from './events/link.ts';
import { type EventsOptions, EventsUsageError, eventsUsage, parseEventsOptions } from './events/options.ts';

/** The lines could not be written. */
export class EventsOutputError extends AgentError {
  override readonly name = 'EventsOutputError';
  readonly code = 'EVENTS_OUTPUT';
  readonly remedy = 'Check the file or program that takes the output, and the space on its disk.';
}

/**
 * `events --broker URL`: follows the broker and prints every event. Needs no agent, and nobody notices it.
 *
 * @see operators.md, "Output rules"
 */
export const events: Command = async (args, io) => {
  try {
    const options = parseEventsOptions(args, io.env);
    if (options !== null) return await follow(options, io);
    io.stdout.write(eventsUsage);
    return exitCodes.done;
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    io.stderr.write(`${error.message}\n${error.remedy} [${error.code}]\n`);
    if (error instanceof EventsUsageError) return exitCodes.usage;
    return error instanceof EventsOutputError ? exitCodes.gaveUp : exitCodes.unreachable;
  }
};

/** Runs until somebody stops it, nobody reads it any more, or it has printed what it was asked for. */
async function follow(options: EventsOptions, io: CommandIo): Promise<number> {
  const end = createEnd(io);
  const tell = (line: string) => void io.stderr.write(`${line}\n`);
  for (const hint of options.hints) tell(hint);
  const broker = connectBroker(brokerOptions(options), {
    log: createLog({ level: 'silent', pretty: false, colour: false, output: 2 }),
    onMessage: createPrinter(options, io, end),
  });
  try {
    const { address, connectTimeoutMs: timeoutMs } = options;
    const link = watchLink(broker, { address, timeoutMs, tell, signal: end.signal });
    link.then(() => end.after(options), end.fail);
    return await end.code;
  } finally {
    await broker.close();
  }
}

/** The ways in which this may end; the first one counts. */
function createEnd({ stdout, stderr, signal }: CommandIo) {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const over = new AbortController();
  const finish = (code: number) => {
    resolve(code);
    over.abort();
  };
  const fail = (thrown: unknown) => {
    reject(thrown);
    over.abort();
  };
  let limit: NodeJS.Timeout | undefined;
  over.signal.addEventListener('abort', () => clearTimeout(limit));
  signal.addEventListener('abort', () => finish(exitCodes.done));
  if (signal.aborted) finish(exitCodes.done);
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    // `| head -1` has read enough: that is its good right.
    if (error.code === 'EPIPE') finish(exitCodes.done);
    else fail(new EventsOutputError(`cannot write the events: ${reasonOf(error)}`, { cause: error }));
  });
  // Nobody reads what we say beside the data: no reason to end.
  stderr.on('error', () => {});
  return {
    code: promise,
    /** Aborted when nothing more is to be done. */
    signal: over.signal,
    finish,
    fail,
    after: ({ timeoutMs, count }: EventsOptions) => {
      if (timeoutMs === null || over.signal.aborted) return;
      limit = setTimeout(() => finish(count === null ? exitCodes.done : exitCodes.timedOut), timeoutMs);
    },
  };
}

type End = ReturnType<typeof createEnd>;

/** @returns what prints a message: called for each, so it must not throw */
function createPrinter({ filter, json, count }: EventsOptions, { stdout, env }: CommandIo, end: End) {
  const lineOf = json ? jsonLine : textLines({ colour: mayColour(stdout, env) });
  let printed = 0;
  return (topic: string, payload: Uint8Array): void => {
    if (end.signal.aborted) return;
    const entry = decode(topic, payload, filter);
    if (entry === null) return;
    stdout.write(lineOf(entry, Date.now()));
    printed += 1;
    if (printed === count) end.finish(exitCodes.done);
  };
}

/** An onlooker: the broker keeps nothing for it and waits for no acknowledgement, and it asks nobody for anything. */
function brokerOptions({ broker }: EventsOptions) {
  return {
    ...broker,
    protocolVersion: 4,
    clientId: `cartridge-agent-events-${randomUUID().slice(0, 8)}`,
    persistent: false,
    subscriptions: { '#': 0 },
  } as const;
}
