import { inspect } from 'node:util';
import { type DestinationStream, destination, type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino';
import { AgentError } from '../state/errors.ts';
import { createPipeOutput } from './log-output.ts';

/** pino's logger: `log.info({ event: 'artifact.placed', commit }, 'artifact placed')`. */
export type Log = Logger;

/** What a full disk does not take is kept up to this, and left out beyond. */
const backlogLimitBytes = 1024 * 1024;

/**
 * The root logger. JSON lines, or one readable line each on a terminal.
 * `Secret` keeps secrets out; the redaction paths below are the second net, for plain strings put under a telling key.
 *
 * @param options - `pretty`: for people instead of JSON; `output`: a file descriptor; `base`: fields of every line
 */
export function createLog(options: {
  level: string;
  pretty: boolean;
  colour: boolean;
  output?: number;
  base?: Readonly<Record<string, string>>;
}): Log {
  const { level, pretty, colour, output: descriptor = 1, base = null } = options;
  const onLost = (lines: number) =>
    log.warn({ event: 'log.lost', lines }, 'nobody took the log for a while: lines are lost');
  const output = createPipeOutput(descriptor, onLost) ?? fileOutput(descriptor);
  const log = pino(
    {
      level,
      base,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: (err) => (err instanceof Error ? stdSerializers.err(err) : err) },
      redact: { paths: secretPaths, censor: '[redacted]' },
    },
    pretty ? prettyLines(output, colour) : output,
  );
  return log;
}

/** What a log line says of a failure: `log.error({ event, ...failure(thrown) }, 'message')`. */
export function failure(thrown: unknown): { err: unknown; code?: string; remedy?: string } {
  if (!(thrown instanceof AgentError)) return { err: thrown };
  return {
    err: { type: thrown.name, message: thrown.message, ...thrown.facts, ...causeOf(thrown) },
    code: thrown.code,
    remedy: thrown.remedy,
  };
}

/** Synchronous: a line written before a crash is a line read after it (stack.md, section 6). */
function fileOutput(descriptor: number): DestinationStream {
  const output = destination({ dest: descriptor, sync: true, maxLength: backlogLimitBytes });
  // A full disk costs lines and not the agent.
  output.on('error', () => {});
  return output;
}

const secretPaths = ['password', 'token', 'repoPassword', 'CARTRIDGE_KEY', 'TOKEN'].flatMap((key) => [key, `*.${key}`]);

function causeOf(error: AgentError): { cause?: string } {
  return error.cause instanceof Error ? { cause: error.cause.message } : {};
}

const colours: Readonly<Record<string, string>> = { error: '31', fatal: '31', warn: '33', info: '36' };

/** `12:31:07.120 info  broker  connected  host=127.0.0.1`: for people, so nothing may parse it. */
function prettyLines(output: DestinationStream, coloured: boolean): DestinationStream {
  return {
    write(line: string): void {
      const { time, level, part, msg, event: _event, ...fields } = JSON.parse(line);
      const label = coloured ? `\u001b[${colours[level] ?? '90'}m${level.padEnd(5)}\u001b[0m` : level.padEnd(5);
      const facts = Object.entries(fields).map(([key, value]) => `${key}=${readable(value)}`);
      output.write(`${[time.slice(11, 23), label, (part ?? 'agent').padEnd(9), msg, ...facts].join(' ')}\n`);
    },
  };
}

function readable(value: unknown): string {
  return typeof value === 'string' ? value : inspect(value, { breakLength: Number.POSITIVE_INFINITY, depth: 5 });
}
